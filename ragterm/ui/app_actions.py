"""The actions of the app itself, by the registry: palette and keys lead here.

A mixin of the app, so that `app.py` stays wiring.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ragterm.ui.action import Action

if TYPE_CHECKING:
    from textual.app import App
    from textual.widgets import ContentSwitcher

    from ragterm.ui.app import RagtermApp
    from ragterm.ui.bridge import Bridge
    from ragterm.ui.panes.pane import Pane
    from ragterm.ui.widgets.bars import StatusBar

    _Base = App[None]
else:
    _Base = object

PANES = ("documents", "chat", "inspector", "layers")
QUIT_SECONDS = 2.0
"""Within this time a second ctrl+c quits."""


class AppActions(_Base):
    bridge: Bridge
    switcher: ContentSwitcher
    status: StatusBar
    limit: tuple[str, ...] | None
    _interrupted = 0.0

    if TYPE_CHECKING:

        @property
        def current_pane(self) -> Pane: ...

        async def show_pane(self, name: str) -> None: ...

        def toast(
            self, text: str, *, title: str = "", severity: str = "information", timeout: float | None = None
        ) -> None: ...

        def action_request_quit(self) -> None: ...

    def offers(self, action: Action) -> bool:
        """May this action be run now? For the palette."""
        if action.scope in PANES:
            panes = [child for child in self.switcher.children if child.id == action.scope]
            return bool(panes) and panes[0].check_action(action.handler.partition("(")[0], ()) is not False
        return action.scope == "app" and (action.id != "app.unlimit" or self.limit is not None)

    def keys_of(self, action: Action) -> str:
        keys = self._keymap.get(action.id, action.keys)
        return ", ".join(self.get_key_display_of(key) for key in keys.split(",") if key)

    def get_key_display_of(self, key: str) -> str:
        from textual.binding import Binding

        return self.get_key_display(Binding(key, "", ""))

    async def run_registered(self, action: Action) -> None:
        """Run an action wherever one is: its pane is shown first."""
        if action.scope in PANES:
            await self.show_pane(action.scope)
            await self.run_action(action.handler, self.current_pane)
        else:
            await self.run_action(action.handler, self)

    def action_help(self) -> None:
        from ragterm.ui.screens.help import help_screen

        self.push_screen(help_screen(cast("RagtermApp", self)))

    def action_interrupt(self) -> None:
        if self.bridge.answering:
            self.bridge.cancel_answer()
        elif time.monotonic() - self._interrupted < QUIT_SECONDS:
            self.action_request_quit()
        else:
            self._interrupted = time.monotonic()
            self.toast("Press ctrl+c again to quit", timeout=QUIT_SECONDS)

    def action_pick_collection(self) -> None:
        from ragterm.ui.screens.dialogs import Choice, PickScreen

        listed = self.bridge.listed
        choices = [
            Choice(one.name, one.name, f"{one.documents:,} documents, {one.chunks:,} chunks")
            for one in (listed.collections if listed else ())
        ]
        if not choices:
            self.toast("There is no collection yet: add documents first")
            return

        def chosen(name: str | None) -> None:
            if name and name != self.bridge.collection:
                self.bridge.switch_collection(name)

        self.push_screen(PickScreen("Collection", choices, current=self.bridge.collection), chosen)

    async def action_new_collection(self) -> None:
        await self.show_pane("documents")
        await self.run_action("new_collection", self.current_pane)

    def action_show_model(self) -> None:
        self.toast(self.status.notice or "Answers are written by this model", title=self.status.llm, timeout=8)

    def action_save_screenshot(self) -> None:
        folder = Path(self.bridge.home or Path.cwd()) / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.toast(f"saved {self.save_screenshot(path=str(folder))}")
