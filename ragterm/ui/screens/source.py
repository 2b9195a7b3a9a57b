"""The source viewer: a document's canonical text, scrolled to a span, the span highlighted within its chunk.

The text is wrapped once per width, in a thread, into pairs of offsets; a line is cut out of the text only when
it is drawn. So a book opens as fast as a note. As one scrolls, the head says on which page and under which
heading one is.
"""

from __future__ import annotations

import bisect
import itertools
from typing import Any, ClassVar

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from ragterm.engine.types.documents import Block, Document
from ragterm.ui.actions import bindings
from ragterm.ui.safe_text import content, line, plain, shorten
from ragterm.ui.screens.dialogs import dialog_css

Span = tuple[int, int]
GUTTER = 7


def wrap(text: str, width: int) -> list[Span]:
    """Lines of `text` at `width` cells, as offsets: every character is in exactly one line but for the
    newlines, and the spaces at which a line was broken stay at its end (they are cut when drawn)."""
    lines: list[Span] = []
    start = 0
    for part in text.split("\n"):
        end = start + len(part)
        if len(part) <= width and (part.isascii() or cell_len(part) <= width) and "\t" not in part:
            lines.append((start, end))
        else:
            _wrap_part(part, start, max(1, width), lines)
        start = end + 1
    return lines


def _wrap_part(part: str, start: int, width: int, lines: list[Span]) -> None:
    at = 0  # where the line begins
    used = 0
    space = -1  # after the last space of the line
    for index, character in enumerate(part):
        cells = 1 if character.isascii() else get_character_cell_size(character)
        if character == " " and used >= width:
            space = index + 1
            continue  # a space may hang over the edge: it is not drawn
        hung = space == index and used >= width  # a space hangs over the edge before this character
        while (used + cells > width or hung) and index > at:
            hung = False
            cut = space if space > at else index
            lines.append((start + at, start + cut))
            at = cut
            used = sum(1 if c.isascii() else get_character_cell_size(c) for c in part[at:index])
            space = -1
        used += cells
        if character in " \t-/":
            space = index + 1
    lines.append((start + at, start + len(part)))


class SourceView(ScrollView, can_focus=True):
    """`chunk` is lightly marked, `span` strongly."""

    DEFAULT_CSS = """
    SourceView {
        height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; background: transparent;
        & > .source--gutter { color: $text-disabled; }
        & > .source--page { color: $accent; }
        & > .source--heading { color: $primary; text-style: bold; }
        & > .source--code { color: $secondary; }
        & > .source--chunk { background: $panel; }
        & > .source--span { background: $citation-background; color: $citation-foreground; text-style: bold; }
        &:ansi > .source--chunk { text-style: none; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"source--{name}" for name in ("gutter", "page", "heading", "code", "chunk", "span")
    }

    class Scrolled(Message):
        """The line that is being read, a third down the view, begins at `offset`."""

        def __init__(self, offset: int) -> None:
            super().__init__()
            self.offset = offset

    def __init__(self, document: Document, chunk: Span | None, span: Span | None) -> None:
        super().__init__()
        self.document = document
        self.text = plain(document.text)
        self.chunk = chunk
        self.span = span
        self.lines: list[Span] = []
        self._starts: list[int] = []
        self._width = 0
        self._blocks = [block.start for block in document.blocks]

    def block_at(self, offset: int) -> Block | None:
        """The block that holds `offset`, or the last one before it."""
        index = bisect.bisect_right(self._blocks, offset) - 1
        return self.document.blocks[index] if index >= 0 else None

    def on_resize(self, event: events.Resize) -> None:
        width = self.scrollable_content_region.width - GUTTER
        if width > 0 and width != self._width:
            self._width = width
            self._wrap(width)

    @work(thread=True, exclusive=True, group="wrap")
    def _wrap(self, width: int) -> None:
        lines = wrap(self.text, width)
        self.app.call_from_thread(self._wrapped, width, lines)

    def _wrapped(self, width: int, lines: list[Span]) -> None:
        if width != self._width:
            return
        first_time = not self.lines
        top = self.lines[self.scroll_offset.y][0] if self.lines and self.scroll_offset.y < len(self.lines) else 0
        self.lines = lines
        self._starts = [start for start, _ in lines]
        self.virtual_size = Size(self.size.width, len(lines))
        if first_time:
            self.show_span()
        else:
            self.call_after_refresh(self.scroll_to, y=self.line_of(top), animate=False, force=True)
        self.refresh()

    def line_of(self, offset: int) -> int:
        return max(0, bisect.bisect_right(self._starts, offset) - 1)

    def show_span(self) -> None:
        """Bring the highlighted span a third down the view: one reads what stands before it too."""
        target = self.span or self.chunk
        if target is not None and self.lines:
            place = max(0, self.line_of(target[0]) - self.size.height // 3)
            self.call_after_refresh(self.scroll_to, y=place, animate=False, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.lines:
            # A third down the view: where `show_span` puts what one came for.
            place = min(int(new_value) + self.size.height // 3, len(self.lines) - 1)
            self.post_message(self.Scrolled(self.lines[place][0]))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        index = y + self.scroll_offset.y
        if not 0 <= index < len(self.lines):
            return Strip.blank(width, base)
        start, end = self.lines[index]
        block = self.block_at(start)
        segments = [self._gutter(index, start, block, base)]
        tone = base
        if block is not None and block.kind in ("heading", "code") and start < block.end:
            tone = base + self.get_component_rich_style(f"source--{block.kind}", partial=True)
        cuts = {start, end}
        for span in (self.chunk, self.span):
            if span is not None:
                cuts.update(max(start, min(end, edge)) for edge in span)
        edges = sorted(cuts)
        for left, right in itertools.pairwise(edges):
            style = tone
            if self.chunk and self.chunk[0] <= left < self.chunk[1]:
                style = tone + self.get_component_rich_style("source--chunk", partial=True)
            if self.span and self.span[0] <= left < self.span[1]:
                style = base + self.get_component_rich_style("source--span", partial=True)
            segments.append(Segment(self.text[left:right].replace("\t", " "), style))
        return Strip(segments).adjust_cell_length(width, base)

    def _gutter(self, index: int, start: int, block: Block | None, base: Style) -> Segment:
        in_chunk = self.chunk is not None and self.chunk[0] <= start < self.chunk[1]
        in_span = self.span is not None and start < self.span[1] and self.lines[index][1] > self.span[0]
        bar = "┃" if in_span else "│" if in_chunk else " "
        label, name = "", "gutter"
        if block is not None and block.page is not None:
            before = self.block_at(self.lines[index - 1][0]) if index else None
            if before is None or before.page != block.page:
                label, name = f"p.{block.page}", "page"
        return Segment(f"{label:>5}{bar} ", base + self.get_component_rich_style(f"source--{name}", partial=True))


class SourceScreen(ModalScreen[None]):
    """A document at a span. `note` is a line that matters (the source has changed since the answer was written)."""

    DEFAULT_CSS = (
        dialog_css("SourceScreen")
        + """
    SourceScreen > .dialog { width: 120; height: 92%; padding: 0 1; }
    SourceScreen #source-head { height: auto; padding: 0 1; color: $text-muted; }
    SourceScreen #source-note { height: auto; padding: 0 1; color: $warning; }
    """
    )
    BINDINGS: ClassVar[list[Any]] = bindings("source")

    def __init__(
        self,
        document: Document,
        chunk: Span | None = None,
        span: Span | None = None,
        *,
        verdict: str = "",
        note: str = "",
    ) -> None:
        super().__init__()
        self.document, self.chunk, self.span, self.verdict, self.note = document, chunk, span, verdict, note
        self.view = SourceView(document, chunk, span)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = content(self.document.title or self.document.path, one_line=True)
            dialog.border_subtitle = Content("b back to the span · c copy it · Esc closes")
            yield Static("", id="source-head", markup=False)
            if self.note:
                yield Static(content(self.note), id="source-note")
            yield self.view

    def on_mount(self) -> None:
        self.view.focus()
        target = self.span or self.chunk
        self._head(target[0] if target else 0)

    def on_source_view_scrolled(self, event: SourceView.Scrolled) -> None:
        self._head(event.offset)

    def _head(self, offset: int) -> None:
        block = self.view.block_at(offset)
        parts: list[Any] = [shorten(self.document.path, max(20, min(110, self.app.size.width - 12))), "\n"]
        facts = []
        if block is not None and block.page is not None:
            facts.append(f"page {block.page}" + (f" of {self.document.pages}" if self.document.pages else ""))
        if block is not None and block.section:
            facts.append(" › ".join(line(one) for one in block.section))
        if not facts:
            facts.append(line(self.document.kind))
        parts.append(("  ·  ".join(facts), "$foreground"))
        if self.verdict:
            tone = {"verbatim": "$success", "supported": "$success", "weak": "$warning"}.get(self.verdict, "$error")
            parts.extend(["  ·  ", (line(self.verdict), tone)])
        self.query_one("#source-head", Static).update(Content.assemble(*parts))

    def action_back(self) -> None:
        self.view.show_span()

    def action_copy(self) -> None:
        target = self.span or self.chunk
        start, end = target or (0, len(self.document.text))
        self.app.copy_to_clipboard(plain(self.document.text[start:end]))
        self.app.notify("Copied", markup=False, timeout=2)

    def action_close(self) -> None:
        self.dismiss(None)
