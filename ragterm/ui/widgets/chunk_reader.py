"""A document's text with its chunks as coloured spans, one of them the current one: gone to by key or by a click."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import get_character_cell_size
from rich.style import Style
from textual import events
from textual.message import Message
from textual.scroll_view import ScrollView

from ragterm.ui.widgets.chunk_text import GUTTER, ChunkText

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Block, Chunk, Document


class ChunkReader(ChunkText):
    """`current` is the number of a chunk, from 0, in the order of their beginnings; -1 where there is none."""

    DEFAULT_CSS = """
    ChunkReader > .chunk--current { background: $foreground 22%; text-style: bold; }
    ChunkReader:ansi > .chunk--current { background: ansi_white; color: ansi_black; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"chunk--current"}

    class Went(Message):
        """The current chunk is another one now; `turning`: because a page was turned."""

        def __init__(self, *, turning: bool = False) -> None:
            super().__init__()
            self.turning = turning

    def __init__(self, document: Document, chunks: Sequence[Chunk], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.document = document
        self.pieces = sorted(chunks, key=lambda one: (one.start, one.end))
        self.current = 0 if self.pieces else -1
        self._sent_to = -1
        self._block_starts = [block.start for block in document.blocks]
        self.show(document.text, [(one.start, one.end) for one in self.pieces])

    @property
    def chunk(self) -> Chunk | None:
        return self.pieces[self.current] if 0 <= self.current < len(self.pieces) else None

    def go(self, number: int) -> None:
        """Make this chunk the current one and bring its beginning into view."""
        if not self.pieces:
            return
        self.current = min(max(number, 0), len(self.pieces) - 1)
        self.go_to(self.pieces[self.current].start, above=self.size.height // 4)
        self.refresh()
        self.post_message(self.Went())

    def go_to_page(self, page: int) -> None:
        """Show where this page begins, and make its first chunk the current one. A page without text changes nothing."""
        offset = next((block.start for block in self.document.blocks if (block.page or 0) >= page), None)
        if offset is None:
            return
        self.go_to(offset)
        found = next((n for n, one in enumerate(self.pieces) if one.start >= offset), len(self.pieces) - 1)
        if found >= 0:
            self.current = found
            self.refresh()
            self.post_message(self.Went(turning=True))

    def line_of(self, offset: int) -> int:
        return max(0, bisect.bisect_right(self._line_starts, offset) - 1)

    def go_to(self, offset: int, above: int = 0) -> None:
        if self.lines:
            self._sent_to = round(min(max(0, self.line_of(offset) - above), self.max_scroll_y))
        super().go_to(offset, above)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Where it was sent is no place that the reader scrolled to: the top of the view may belong to the page before."""
        if round(new_value) == self._sent_to:
            ScrollView.watch_scroll_y(self, old_value, new_value)
        else:
            self._sent_to = -1
            super().watch_scroll_y(old_value, new_value)

    def block_at(self, offset: int) -> Block | None:
        """The block that holds `offset`, or the last one before it."""
        index = bisect.bisect_right(self._block_starts, offset) - 1
        return self.document.blocks[index] if index >= 0 else None

    def page_at(self, offset: int) -> int | None:
        block = self.block_at(offset)
        return block.page if block is not None else None

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None:
            return
        index = place.y + self.scroll_offset.y
        if not 0 <= index < len(self.lines):
            return
        at, end = self.lines[index]
        left = place.x - GUTTER - 1
        while at < end - 1 and left > 0:
            left -= get_character_cell_size(self.text[at])
            at += left >= 0
        covering = self.covering(at)
        if covering:
            self.current = covering[-1]
            self.refresh()
            self.post_message(self.Went())

    def _style(self, offset: int) -> Style:
        style = super()._style(offset)
        if (one := self.chunk) is not None and one.start <= offset < one.end:
            style += self._look("current")
        return style
