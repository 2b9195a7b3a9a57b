"""The app: wiring, and nothing else. Four panes in a switcher; wishes of the user arrive here as messages and are passed on."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module
from typing import Any, ClassVar

from textual import events, on
from textual.app import App, ComposeResult
from textual.widgets import ContentSwitcher

from ragterm.engine.types.errors import Cancelled, RagtermError
from ragterm.ui import messages
from ragterm.ui.actions import bindings, keyless, keymap
from ragterm.ui.app_actions import PANES, AppActions
from ragterm.ui.bridge import Bridge
from ragterm.ui.downloads import Downloads
from ragterm.ui.offers import Offers
from ragterm.ui.panes.pane import Pane
from ragterm.ui.pictures import TerminalPictures
from ragterm.ui.safe_text import line, plain
from ragterm.ui.theme_choice import ThemeChoice
from ragterm.ui.widgets.bars import KeyBar, StatusBar, TopBar


def import_pane(name: str) -> type[Pane]:
    """The class of a pane. The hidden ones are imported after the first frame, in a thread."""
    pane: type[Pane] = getattr(import_module(f"ragterm.ui.panes.{name}"), f"{name.capitalize()}Pane")
    return pane


def _commands() -> Any:
    from ragterm.ui.commands import RagtermCommands  # textual.command is not needed for the first frame

    return RagtermCommands


class RagtermApp(AppActions, ThemeChoice, Offers, Downloads, App[None], inherit_bindings=False):
    TITLE = "ragterm"
    BINDINGS: ClassVar[list[Any]] = bindings("app")
    COMMANDS = {_commands}  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (150, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]  # noqa: RUF012
    CSS = """
    #panes { height: 1fr; }
    Button {
        height: 1; min-width: 8; border: none; padding: 0 2; background: $panel; color: $foreground; text-style: none;
        &:hover { background: $primary 40%; border: none; }
        &:focus { background: $primary; color: $background; text-style: bold; border: none; }
        &.-error:focus { background: $error; color: $background; }
        &.-active { border: none; tint: $background 0%; }
        &:ansi:focus { background: ansi_blue; color: ansi_bright_white; }
    }
    """

    lives_long = False
    """Set by the launcher: this app is the whole process, not one of many in a test."""

    pictures = TerminalPictures()
    """What the terminal can show; the launcher asks it before the app begins."""

    def __init__(self, bridge: Bridge, *, paths: tuple[str, ...] = (), first: str = "") -> None:
        super().__init__()
        self.bridge = bridge
        self.paths = paths
        self.top, self.status = TopBar(PANES), StatusBar()
        self.first = first or ("documents" if paths or not bridge.used_before() else "chat")
        self.collection_names: tuple[str, ...] = ()
        self.limit: tuple[str, ...] | None = None
        self._mounting = asyncio.Lock()
        self._unknown_keys: list[str] = []
        self.switcher = ContentSwitcher(import_pane(self.first)(bridge), id="panes", initial=self.first)
        self.start_theme()
        self._set_keys()

    def _set_keys(self) -> None:
        settings = self.bridge.settings
        if settings is not None and settings.interface.keys:
            keys, self._unknown_keys = keymap(settings.interface.keys)
            self.set_keymap(keys)
            for action in keyless():
                if action.id in keys:
                    self.bind(keys[action.id], action.handler, description=action.label)

    def compose(self) -> ComposeResult:
        yield self.top
        yield self.switcher
        yield self.status
        yield KeyBar()

    def on_mount(self) -> None:
        self.bridge.listen(self)
        self.top.active = self.first
        self.status.collection = self.bridge.collection
        self.current_pane.focus_first()
        self.call_after_refresh(self.run_worker, self._after_first_frame(), group="start")

    async def _after_first_frame(self) -> None:
        self.status.warming = "opening"
        self.bridge.refresh_documents()
        self.bridge.warm()
        await self.load_themes()
        for name in self._unknown_keys:
            self.toast(f"{name} in [interface.keys] is no action", title="config.toml", severity="warning")
        for name in PANES:
            await asyncio.to_thread(import_pane, name)
            await self.ensure_pane(name)
        self._rest()

    def _rest(self) -> None:
        """What is in memory now stays until the end: keep the collector from walking through it (40 ms, holding up all)."""
        if self.lives_long:
            gc.freeze()

    # --- Panes ------------------------------------------------------------------------------------------------------------------

    @property
    def current_pane(self) -> Pane:
        return self.switcher.query_one(f"#{self.switcher.current}", Pane)

    async def ensure_pane(self, name: str) -> Pane:
        """The pane, made and mounted when it is first wanted. Two may want it at once: the second waits until it is whole."""
        async with self._mounting:
            for child in self.switcher.children:
                if child.id == name and isinstance(child, Pane):
                    return child
            pane = import_pane(name)(self.bridge)
            await self.switcher.add_content(pane, id=name)
            return pane

    async def show_pane(self, name: str) -> None:
        pane = await self.ensure_pane(name)
        if self.switcher.current != name:
            self.switcher.current = name
            self.top.active = name
            pane.focus_first()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Keys with priority reach the app through any dialog; what would pull the ground away from under one waits.
        if action in ("show", "next_pane", "add_paths", "choose_theme", "pick_collection", "help", "new_collection"):
            return len(self.screen_stack) == 1
        if action == "unlimit":
            return self.limit is not None
        return True

    async def action_show(self, name: str) -> None:
        await self.show_pane(name)

    async def action_next_pane(self) -> None:
        following = PANES[(PANES.index(self.switcher.current or PANES[0]) + 1) % len(PANES)]
        await self.show_pane(following)

    @on(messages.PaneRequested)
    async def _pane_requested(self, message: messages.PaneRequested) -> None:
        await self.show_pane(message.name)

    # --- Wishes ---------------------------------------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        # A drop is recognised before any field sees the paste.
        if isinstance(event, events.Paste) and not event.is_forwarded and await self.intercept_paste(event):
            return
        await super().on_event(event)

    @on(messages.PathsDropped)
    def _paths_dropped(self, message: messages.PathsDropped) -> None:
        self.offer_paths(message.paths)

    @on(messages.QuestionAsked)
    async def _question_asked(self, message: messages.QuestionAsked) -> None:
        await self.show_pane("chat")
        self.bridge.ask(message.question, documents=message.documents or self.limit)

    @on(messages.TraceOpened)
    async def _trace_opened(self, message: messages.TraceOpened) -> None:
        await self.ensure_pane(message.pane)
        self.bridge.publish(messages.TraceShown(message.trace))
        await self.show_pane(message.pane)

    @on(messages.SourceRequested)
    def _source_requested(self, message: messages.SourceRequested) -> None:
        from ragterm.ui.sources import open_source

        self.run_worker(open_source(self, self.bridge, message), group="source", exclusive=True, exit_on_error=False)

    @on(messages.PreviewRequested)
    def _preview_requested(self, message: messages.PreviewRequested) -> None:
        from ragterm.ui.previews import open_preview

        opening = open_preview(self, self.bridge, message.document_id)
        self.run_worker(opening, group="source", exclusive=True, exit_on_error=False)

    @on(messages.QuestionLimited)
    async def _question_limited(self, message: messages.QuestionLimited) -> None:
        self.limit = message.documents
        first = message.titles[0] if message.titles else "1 document"
        many = f"{len(message.documents or ())} documents"
        self.status.limit = "" if message.documents is None else first if len(message.documents) == 1 else many
        self.refresh_bindings()
        if message.documents is not None:
            await self.show_pane("chat")
        await self.ensure_pane("chat")
        self.bridge.publish(messages.LimitChanged(message.documents, message.titles))

    def action_unlimit(self) -> None:
        self.post_message(messages.QuestionLimited(None))

    @on(messages.ErrorArose)
    def _error_arose(self, message: messages.ErrorArose) -> None:
        if isinstance(message.error, Cancelled):
            return
        from ragterm.ui.screens.dialogs import ErrorScreen

        if isinstance(self.screen, ErrorScreen):  # one at a time: the first is the cause more often than not
            self.toast(line(str(message.error)), title=message.doing, severity="error")
        else:
            self.push_screen(ErrorScreen(message.error, message.doing))

    # --- News -----------------------------------------------------------------------------------------------------------------------

    @on(messages.EngineOpened)
    def _engine_opened(self) -> None:
        if self.paths:
            self.offer_paths(self.paths, ask=False)
        else:
            self.offer_resume()

    @on(messages.WarmingProgressed)
    def _warming(self, message: messages.WarmingProgressed) -> None:
        self.status.warming = message.text

    @on(messages.EngineWarmed)
    def _warmed(self, message: messages.EngineWarmed) -> None:
        self._rest()
        self.status.warming = ""
        self.status.llm = message.llm
        self.status.notice = "\n".join(part for part in (message.notice, message.hint) if part)

    @on(messages.WorkBroke)
    def _work_broke(self, message: messages.WorkBroke) -> None:
        self.status.warming = ""
        self.post_message(messages.ErrorArose(message.error, message.work))

    @on(messages.DocumentsListed)
    def _listed(self, message: messages.DocumentsListed) -> None:
        self.collection_names = tuple(one.name for one in message.collections)
        self.status.documents = sum(one.state == "indexed" for one in message.documents)
        self.status.chunks = sum(one.chunks for one in message.documents)

    @on(messages.CollectionChanged)
    def _collection_changed(self, message: messages.CollectionChanged) -> None:
        self.status.collection = message.name
        self.limit, self.status.limit = None, ""

    @on(messages.DocumentsChanged)
    def _documents_changed(self) -> None:
        self.bridge.refresh_documents()

    @on(messages.IngestProgressed)
    def _ingest_progressed(self, message: messages.IngestProgressed) -> None:
        progress = message.progress
        at = f"{progress.files_done:,}/{progress.files_total:,}" if progress.files_total else ""
        self.top.doing = f"{progress.stage} {at}"

    @on(messages.IngestFinished)
    def _ingest_finished(self, message: messages.IngestFinished) -> None:
        self.top.doing = ""
        counts = message.report.counts
        said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing to do"
        self.toast(said, title="Ingest cancelled" if message.report.cancelled else "Ingest finished",
                   severity="warning" if counts["failed"] else "information")  # fmt: skip

    @on(messages.IngestBroke)
    def _ingest_broke(self, message: messages.IngestBroke) -> None:
        self.top.doing = ""
        self.post_message(messages.ErrorArose(message.error, f"ingesting into {message.collection}"))

    def toast(self, text: str, *, title: str = "", severity: str = "information", timeout: float | None = None) -> None:
        """The only way to a notification: foreign text in it is made safe, markup is never read."""
        self.notify(plain(text), title=line(title), severity=severity, timeout=timeout, markup=False)  # type: ignore[arg-type]

    def show_error(self, error: Exception | RagtermError, doing: str = "") -> None:
        self.post_message(messages.ErrorArose(error, doing))
