"""Adopting a chunking that was compared, and going back: the part of the comparison's screen that changes something."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled
from ragterm.ui import messages
from ragterm.ui.safe_text import line
from ragterm.ui.screens.dialogs import ConfirmScreen

if TYPE_CHECKING:
    from textual.screen import Screen

    from ragterm.engine.types.builds import Rebuilt
    from ragterm.engine.types.comparing import ChosenStrategy
    from ragterm.engine.types.ingesting import IngestProgress
    from ragterm.ui.bridge import Bridge

    _Screen = Screen[Any]
else:
    _Screen = object

logger = logging.getLogger(__name__)


class Adoption(_Screen):
    """For a screen with a line `#which` that says what goes on."""

    bridge: Bridge
    rebuild: Control = Control()
    switching: bool = False

    class Rebuilding(Message):
        def __init__(self, progress: IngestProgress) -> None:
            super().__init__()
            self.progress = progress

    @property
    def current(self) -> ChosenStrategy | None:
        raise NotImplementedError

    def show(self) -> None:
        raise NotImplementedError

    def action_adopt(self) -> None:
        """Cut the whole collection as the left side shows it, after a question."""
        chosen = self.current
        if chosen is None or self.switching:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._switch(lambda progress, control: self.bridge.rechunk(chosen.settings, progress, control))

        body = (
            f"Every document of {line(self.bridge.collection)} is cut by {line(chosen.label)}, and embedded anew where its "
            "chunks change. The present ones answer until that is done; r brings them back."
        )
        self.app.push_screen(ConfirmScreen("Use this chunking?", body, yes="Use it"), answered)

    def action_roll_back(self) -> None:
        if not self.switching:
            self._switch(self.bridge.roll_back)

    def _switch(self, work: Callable[[Callable[[IngestProgress], None], Control], Awaitable[Rebuilt]]) -> None:
        control = self.rebuild = Control()
        self.switching = True

        def progressed(progress: IngestProgress) -> None:
            self.post_message(self.Rebuilding(progress))

        async def run() -> None:
            try:
                made = await work(progressed, control)
            except Cancelled:
                return
            except Exception as error:  # the border of background work: the app shows it
                logger.warning("the chunking could not be changed", exc_info=error)
                self.app.post_message(messages.ErrorArose(error))
                return
            finally:
                self.switching = False
                if self.is_attached:
                    self.show()
            done = f"{made.chunks:,} chunks answer now; {made.documents:,} documents were cut anew"
            self.app.notify(done, markup=False, timeout=6)

        self.run_worker(run(), group="rebuild", exit_on_error=False)

    @on(Rebuilding)
    def _rebuilding(self, message: Rebuilding) -> None:
        if self.switching:
            p = message.progress
            speed = f" · {p.chunks_per_second:.0f} chunks a second" if p.chunks_per_second else ""
            said = f"cutting anew: {p.files_done:,} of {p.files_total:,} documents{speed}"
            self.query_one("#which", Static).update(Content(said))
