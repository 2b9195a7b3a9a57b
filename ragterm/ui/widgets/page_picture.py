"""The picture of a document's page, fitted into the room there is, and a line that says which page it is or why there is none.

The page is drawn elsewhere (`fetch` gives PNG bytes), made ready in a thread, and the last few are kept; the page after the one
shown is fetched ahead. A page passed quickly is never drawn.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Static

from ragterm.engine.types.errors import RagtermError
from ragterm.ui.pictures import TerminalPictures, picture_widget, prepared
from ragterm.ui.safe_text import content

logger = logging.getLogger(__name__)
KEPT = 8
REST_SECONDS = 0.25
"""A page is drawn when the reader has stood on it for so long: scrolling passes many."""
SHARPER = 4
"""Half blocks: pixels drawn for each column, so that what is shown is an average and no accident."""


class PagePicture(Vertical):
    """`fetch(page, width)` gives a page, from 1, as PNG. `page` is the one shown or on its way."""

    DEFAULT_CSS = """
    PagePicture { align: center top; }
    PagePicture > .page-note { dock: top; width: 100%; height: auto; color: $text-muted; text-align: center; }
    """

    def __init__(
        self, fetch: Callable[[int, int], Awaitable[bytes]], pages: int, page: int = 1, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self.fetch = fetch
        self.pages = pages
        self.page = page
        self.note = Static("", classes="page-note", markup=False)
        self.picture: Any = None
        """The widget that shows it, made with the first picture."""
        self.shown: tuple[int, tuple[int, int]] | None = None
        """The page whose picture stands there, and the room it was fitted into."""
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._cells = (0, 0)
        self._timer: Timer | None = None
        self._note_height = (0, False)
        """Line ends in the note, and whether it may be wrapped: one short line in place of another needs no new layout."""

    def compose(self) -> ComposeResult:
        yield self.note

    def on_mount(self) -> None:
        self._say("drawing the page…")

    def on_resize(self, event: events.Resize) -> None:
        if self.shown is None or self.shown != (self.page, self._room):
            self._wish(REST_SECONDS if self.picture is not None else 0.01)

    def show(self, page: int, *, rest: bool = True) -> None:
        """Show this page; `rest`: only if it is still wanted a moment later."""
        if page != self.page:
            self.page = page
            self._wish(REST_SECONDS if rest else 0.01)

    def _wish(self, after: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(after, self._begin)

    def _begin(self) -> None:
        if (
            self.display and self._room[0] >= 4 and self._room[1] >= 2
        ):  # hidden, it has no room: it is resized when it is shown
            self.run_worker(self._draw(self.page), group="page", exclusive=True, exit_on_error=False)

    @property
    def _room(self) -> tuple[int, int]:
        return self.content_size.width, max(0, self.content_size.height - 1)

    async def _draw(self, page: int) -> None:
        room, able = self._room, getattr(self.app, "pictures", TerminalPictures())
        width = room[0] * (SHARPER if able.kind == "half" else able.cell[0])
        where = f"page {page} of {self.pages}"
        try:
            png = await self._png(page, width)
            made = self.picture or (await asyncio.to_thread(picture_widget, able))()
            picture, cells = await asyncio.to_thread(prepared, png, room, able)
        except RagtermError as error:
            hint = f"\n→ {error.hint}" if error.hint else ""
            self._without(f"{where}\n\n{error.title}\n{error.message}{hint}")
            return
        except Exception as error:  # the border of background work: the text stays readable without a picture
            logger.warning("no picture of page %s", page, exc_info=error)
            self._without(f"{where}\n\nno picture of it: {error}")
            return
        if page != self.page or not self.is_attached:
            return
        if cells != self._cells:  # the same room for every page of a size: no new layout
            self._cells = made.styles.width, made.styles.height = cells
        made.image = picture
        if self.picture is None:
            self.picture = made  # mounted with its size and its picture: the screen is laid out once for it
            await self.mount(made)
        made.display = True
        self.shown = page, room
        self._say(where)
        if page < self.pages:
            self.run_worker(self._ahead(page + 1, width), group="ahead", exclusive=True, exit_on_error=False)

    async def _ahead(self, page: int, width: int) -> None:
        try:
            await self._png(page, width)
        except Exception as error:  # noqa: BLE001 - it is said when the reader comes to that page
            logger.info("page %s cannot be drawn ahead: %s", page, error)

    async def _png(self, page: int, width: int) -> bytes:
        key = (page, width)
        if key not in self._kept:
            self._kept[key] = await self.fetch(page, width)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _without(self, said: str) -> None:
        self.shown = None
        if self.picture is not None:
            self.picture.display = False
        self._say(said, "$warning")

    def _say(self, text: str, style: str = "") -> None:
        height = text.count("\n"), len(text) > self.content_size.width
        self.note.update(content(text, style), layout=any(height) or height != self._note_height)
        self._note_height = height
