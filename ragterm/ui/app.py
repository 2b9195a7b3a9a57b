"""The app: wiring, and nothing else. Four panes in a switcher; wishes of the user arrive here as messages and are passed on."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.widgets import ContentSwitcher, Footer, Static

from ragterm.ui import messages
from ragterm.ui.actions import bindings
from ragterm.ui.bridge import Bridge
from ragterm.ui.panes.pane import Pane
from ragterm.ui.safe_text import content, line, plain

PANES = ("documents", "chat", "inspector", "layers")


class RagtermApp(App[None]):
    TITLE = "ragterm"
    BINDINGS = bindings("app")  # type: ignore[assignment]
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (150, "-wide")]

    def __init__(self, bridge: Bridge, first: str = "chat") -> None:
        super().__init__()
        self.bridge = bridge
        self.first = first

    def compose(self) -> ComposeResult:
        yield ContentSwitcher(id="panes")
        yield Footer()

    async def on_mount(self) -> None:
        self.bridge.listen(self)
        await self.ensure_pane(self.first)
        await self.show_pane(self.first)
        self.call_after_refresh(self._after_first_frame)

    def _after_first_frame(self) -> None:
        self.bridge.refresh_documents()
        self.bridge.warm()

    async def ensure_pane(self, name: str) -> Pane:
        """The pane, made and mounted when it is first wanted."""
        switcher = self.query_one("#panes", ContentSwitcher)
        for child in switcher.children:
            if child.id == name and isinstance(child, Pane):
                return child
        try:
            module = import_module(f"ragterm.ui.panes.{name}")
            pane: Pane = getattr(module, f"{name.capitalize()}Pane")(self.bridge)
        except ModuleNotFoundError:
            pane = _missing(name)(self.bridge)
        await switcher.add_content(pane, id=name)
        return pane

    async def show_pane(self, name: str) -> None:
        pane = await self.ensure_pane(name)
        self.query_one("#panes", ContentSwitcher).current = name
        pane.focus_first()

    async def action_show(self, name: str) -> None:
        await self.show_pane(name)

    @on(messages.PaneRequested)
    async def _pane_requested(self, message: messages.PaneRequested) -> None:
        await self.show_pane(message.name)

    @on(messages.QuestionAsked)
    def _question_asked(self, message: messages.QuestionAsked) -> None:
        self.bridge.ask(message.question, documents=message.documents)

    @on(messages.TraceOpened)
    async def _trace_opened(self, message: messages.TraceOpened) -> None:
        await self.ensure_pane("inspector")
        await self.ensure_pane("layers")
        self.bridge.publish(messages.TraceShown(message.trace))
        await self.show_pane(message.pane)

    def toast(self, text: str, *, title: str = "", severity: str = "information", timeout: float | None = None) -> None:
        """The only way to a notification: foreign text in it is made safe, markup is never read."""
        self.notify(plain(text), title=line(title), severity=severity, timeout=timeout, markup=False)  # type: ignore[arg-type]

    def offer_paths(self, paths: list[str]) -> None:
        """Survey these paths, say what was found, ask once, ingest."""
        self.bridge.ingest(paths)


def _missing(name: str) -> type[Pane]:
    class MissingPane(Pane):
        scope = name

        def compose(self) -> ComposeResult:
            yield Static(content(f"{name.capitalize()} is not built yet."))

    return MissingPane
