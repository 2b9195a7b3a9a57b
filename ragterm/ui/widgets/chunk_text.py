"""A document's text with its chunks drawn in it: every chunk has a tint of its own beside its neighbours', its first character is
marked, its number stands in the gutter, and what two chunks share is underlined.

The text is foreign: it is drawn through `safe_text.plain`, which moves no offset. As in the source viewer, lines are pairs of offsets,
wrapped once per width in a thread.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events, work
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ragterm.ui.safe_text import plain
from ragterm.ui.screens.source import Span, wrap

GUTTER = 6
TINTS = 3


class ChunkText(ScrollView, can_focus=True):
    DEFAULT_CSS = """
    ChunkText {
        height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; background: transparent;
        & > .chunk--gutter { color: $text-accent; }
        & > .chunk--0 { background: $primary-muted; }
        & > .chunk--1 { background: $success-muted; }
        & > .chunk--2 { background: $warning-muted; }
        & > .chunk--shared { text-style: underline; }
        & > .chunk--start { text-style: bold reverse; }
        & > .chunk--none { color: $text-disabled; }
        &:ansi > .chunk--0, &:ansi > .chunk--1, &:ansi > .chunk--2 { color: ansi_black; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"chunk--{name}" for name in ("gutter", "0", "1", "2", "shared", "start", "none")
    }

    class Scrolled(Message):
        """The first line that is shown begins at `offset`."""

        def __init__(self, view: ChunkText, offset: int) -> None:
            super().__init__()
            self.view = view
            self.offset = offset

        @property
        def control(self) -> ChunkText:
            return self.view

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.text = ""
        self.chunks: tuple[Span, ...] = ()
        self.lines: list[Span] = []
        self._line_starts: list[int] = []
        self._edges: list[int] = []
        self._width = 0
        self._wrapped_text = ""

    def show(self, text: str, chunks: Sequence[Span]) -> None:
        """Show these chunks of a text; where one has scrolled to stays when the text is the same."""
        self.chunks = tuple(sorted(chunks))
        self._edges = sorted({edge for chunk in self.chunks for edge in chunk})
        if text != self.text:
            self.text = text
            self._relayout()
        self.refresh()

    @property
    def offset_at_top(self) -> int:
        y = self.scroll_offset.y
        return self.lines[y][0] if y < len(self.lines) else 0

    def go_to(self, offset: int, above: int = 0) -> None:
        """Scroll so that the line of `offset` is the first one, or `above` lines lower."""
        if self.lines:
            line = max(0, bisect.bisect_right(self._line_starts, offset) - 1)
            self.scroll_to(y=max(0, line - above), animate=False, force=True)

    def covering(self, offset: int) -> list[int]:
        """Numbers, from 0, of the chunks that hold `offset`. Chunks are in order of their beginnings."""
        last = bisect.bisect_right(self.chunks, (offset, len(self.text) + 1))
        found = []
        for number in range(last - 1, max(-1, last - 1 - _LOOK_BACK), -1):
            if self.chunks[number][1] > offset:
                found.append(number)
        return found[::-1]

    # --- Layout -------------------------------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        if self.scrollable_content_region.width - GUTTER != self._width:
            self._relayout()

    def _relayout(self) -> None:
        self._width = self.scrollable_content_region.width - GUTTER
        if self._width > 0:
            self._wrap(self.text, self._width)

    @work(thread=True, exclusive=True, group="wrap")
    def _wrap(self, text: str, width: int) -> None:
        safe = plain(text)
        lines = wrap(safe, width)
        self.app.call_from_thread(self._wrapped, text, safe, width, lines)

    def _wrapped(self, text: str, safe: str, width: int, lines: list[Span]) -> None:
        if width != self._width or text is not self.text or not self.is_attached:
            return
        top = self.offset_at_top if self._wrapped_text == safe else 0
        self._wrapped_text, self.lines = safe, lines
        self._line_starts = [start for start, _ in lines]
        self.virtual_size = Size(self.size.width, len(lines))
        self.call_after_refresh(self.go_to, top)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.lines and round(old_value) != round(new_value):
            self.post_message(self.Scrolled(self, self.offset_at_top))

    # --- Drawing ------------------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        index = y + self.scroll_offset.y
        if not 0 <= index < len(self.lines):
            return Strip.blank(width, base)
        start, end = self.lines[index]
        starting = self._starting(start, max(end, start + 1))
        label = f"{starting[0] + 1:>{GUTTER - 1},} " if starting else " " * GUTTER
        segments = [Segment(label, base + self._look("gutter"))]
        marked = {edge for number in starting for edge in (self.chunks[number][0], self.chunks[number][0] + 1)}
        low, high = bisect.bisect_left(self._edges, start), bisect.bisect_right(self._edges, end)
        cuts = sorted({start, end, *self._edges[low:high], *(edge for edge in marked if start <= edge <= end)})
        for left, right in itertools.pairwise(cuts):
            segments.append(Segment(self._wrapped_text[left:right].replace("\t", " "), base + self._style(left)))
        return Strip(segments).adjust_cell_length(width, base)

    def _starting(self, start: int, end: int) -> list[int]:
        """The chunks that begin in `[start, end)`."""
        return list(range(bisect.bisect_left(self.chunks, (start, 0)), bisect.bisect_left(self.chunks, (end, 0))))

    def _style(self, offset: int) -> Style:
        covering = self.covering(offset)
        if not covering:
            return self._look("none")
        style = self._look(str(covering[-1] % TINTS))
        if len(covering) > 1:
            style += self._look("shared")
        if self.chunks[covering[-1]][0] == offset:
            style += self._look("start")
        return style

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"chunk--{name}", partial=True)


_LOOK_BACK = 8
"""No more chunks than this overlap in one place in any sensible chunking; more would only be drawn alike."""
