"""A scroll of prepared lines: the base of every widget here that shows more than a handful of rows.

Textual's line API: a widget is asked for one row at a time, so a conversation of ten thousand lines costs what its visible part
costs. A subclass says what its lines are at a given width (`make_lines`); this class draws, caches, scrolls, selects, and knows the
*spots*: stretches of a line that stand for something (a citation, an example question, a row's node), reached by mouse and by
keyboard. A spot is a style's meta value, so it survives wrapping.

Whatever the lines hold, what is drawn passes `safe_text.plain`: nothing foreign reaches the terminal unsafe.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.content import Content, Span
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style

from ragterm.ui.safe_text import plain

SPOT = "spot"


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `fill` is a style for the whole row, past its end too."""

    content: Content
    fill: str = ""


def spot(name: str) -> Style:
    """The style that makes a stretch of text a spot called `name`."""
    return Style.from_meta({SPOT: name})


def spots_of(content: Content) -> list[tuple[int, int, str]]:
    """(start, end, name) of the spots in a line, from left to right; pieces that touch are one."""
    found: list[tuple[int, int, str]] = []
    for span in sorted((s for s in content.spans if isinstance(s.style, Style)), key=lambda s: s.start):
        name = span.style.meta.get(SPOT) if isinstance(span.style, Style) else None
        if not isinstance(name, str) or span.end <= span.start:
            continue
        if found and found[-1][2] == name and found[-1][1] >= span.start:
            found[-1] = (found[-1][0], max(found[-1][1], span.end), name)
        else:
            found.append((span.start, span.end, name))
    return found


def blank_line() -> Line:
    return Line(Content(""))


def indented(lines: Iterable[Content], first: Content | str, rest: Content | str) -> list[Content]:
    """Put `first` before the first line and `rest` before the others."""
    return [Content.assemble(first if i == 0 else rest, one) for i, one in enumerate(lines)]


class LineView(ScrollView, can_focus=True):
    """See the module. `spot` is the name of the spot that the keyboard is on, "" for none."""

    DEFAULT_CSS = """
    LineView {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        background: transparent;
    }
    """

    ALLOW_SELECT: ClassVar[bool] = True
    SPOT_STYLE: ClassVar[str] = "$block-cursor-foreground on $block-cursor-background"
    HOVER_STYLE: ClassVar[str] = "underline"

    class SpotChosen(Message):
        """The spot called `name` was clicked, or Enter was pressed on it."""

        def __init__(self, view: LineView, name: str) -> None:
            super().__init__()
            self.view = view
            self.name = name

        @property
        def control(self) -> LineView:
            return self.view

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines: list[Line] = []
        self.spot = ""
        self._hovered = ""
        self._strips: dict[int, Strip] = {}
        self._spots: list[tuple[int, str]] | None = None
        self._made_at = -1

    # --- What subclasses say ------------------------------------------------------------------------------------------------

    def make_lines(self, width: int) -> list[Line]:
        """The lines at `width` cells."""
        raise NotImplementedError

    # --- Layout ---------------------------------------------------------------------------------------------------------------

    def relayout(self) -> None:
        """The content changed: make the lines again."""
        width = self.scrollable_content_region.width or self.size.width
        if width <= 0:
            return
        self._made_at = width
        self.lines = self.make_lines(width)
        self._strips.clear()
        self._spots = None
        self.virtual_size = Size(width, len(self.lines))
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        width = self.scrollable_content_region.width
        if width != self._made_at:
            self.relayout()

    def on_show(self) -> None:
        if self._made_at != self.scrollable_content_region.width:
            self.relayout()

    def redraw(self) -> None:
        """Same lines, other highlights."""
        self._strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    # --- Drawing --------------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        return self.strip_at(y + scroll_y, self.size.width).apply_offsets(scroll_x, y + scroll_y)

    def strip_at(self, index: int, width: int) -> Strip:
        """Line `index` as a strip of exactly `width` cells."""
        if not 0 <= index < len(self.lines):
            return Strip.blank(width, self.visual_style.rich_style)
        kept = self._strips.get(index)
        if kept is None or kept.cell_length != width:
            kept = self._strips[index] = self.draw(index, self.lines[index], width)
        return kept

    def draw(self, index: int, line: Line, width: int) -> Strip:
        content = safe(line.content)
        for start, end, name in spots_of(content):
            if name == self.spot and self.has_focus:
                content = content.stylize(self.SPOT_STYLE, start, end)
            elif name == self._hovered:
                content = content.stylize(self.HOVER_STYLE, start, end)
        base = self.visual_style
        if line.fill:
            base = base + Style.parse(line.fill)
        if (selection := self.text_selection) is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            chosen = Style.from_rich_style(self.screen.get_component_rich_style("screen--selection"))
            content = content.stylize(chosen, start, len(content) if end == -1 else end)
        return strip_of(content, base, width)

    # --- Selecting text with the mouse ------------------------------------------------------------------------------------------

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(line.content.plain.rstrip() for line in self.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.redraw()

    # --- Spots ------------------------------------------------------------------------------------------------------------------

    def all_spots(self) -> list[tuple[int, str]]:
        """(line, name) of every spot, top to bottom, each name once."""
        if self._spots is None:
            first: dict[str, int] = {}
            for index, line in enumerate(self.lines):
                if any(isinstance(s.style, Style) for s in line.content.spans):
                    for _, _, name in spots_of(line.content):
                        first.setdefault(name, index)
            self._spots = [(index, name) for name, index in first.items()]
        return self._spots

    def go_to_spot(self, name: str) -> None:
        """Put the keyboard on a spot ("" leaves) and bring it into view."""
        self.spot = name
        for index, one in self.all_spots():
            if one == name:
                self.reveal(index)
                break
        self.redraw()

    def reveal(self, index: int, margin: int = 1) -> None:
        """Scroll as little as shows line `index`."""
        top, height = self.scroll_offset.y, self.size.height
        if index < top + margin:
            self.scroll_to(y=max(0, index - margin), animate=False, force=True)
        elif index >= top + height - margin:
            self.scroll_to(y=index - height + 1 + margin, animate=False, force=True)

    def spot_under(self, event: events.MouseEvent) -> str:
        """The name of the spot under the mouse, "" for none."""
        offset = event.get_content_offset(self)
        if offset is None:
            return ""
        index = offset.y + self.scroll_offset.y
        if not 0 <= index < len(self.lines):
            return ""
        content = self.lines[index].content
        for start, end, name in spots_of(content):
            left = content[:start].cell_length if start else 0
            if left <= offset.x < left + content[start:end].cell_length:
                return name
        return ""

    def on_mouse_move(self, event: events.MouseMove) -> None:
        name = self.spot_under(event)
        if name != self._hovered:
            self._hovered = name
            self.styles.pointer = "pointer" if name else "default"
            self.redraw()

    def on_leave(self, event: events.Leave) -> None:
        if self._hovered:
            self._hovered = ""
            self.redraw()

    def on_click(self, event: events.Click) -> None:
        if name := self.spot_under(event):
            event.stop()
            self.spot = name
            self.redraw()
            self.post_message(self.SpotChosen(self, name))

    def on_focus(self, event: events.Focus) -> None:
        self.redraw()

    def on_blur(self, event: events.Blur) -> None:
        self.redraw()


def safe(content: Content) -> Content:
    """The same content with dangerous characters replaced one for one: spans keep their places."""
    text = content.plain
    made = plain(text)
    if made == text:
        return content
    return Content(made, list(content.spans))


def strip_of(content: Content, base: Style, width: int) -> Strip:
    """A line as a strip of exactly `width` cells on the style `base`."""
    segments = content.render_segments(base)
    strip = Strip([s if s.style else Segment(s.text, base.rich_style) for s in segments])
    return strip.crop_extend(0, width, base.rich_style)


def styled(text: str, *styles: str | Style) -> Content:
    """Text under several styles at once."""
    made = plain(text)
    return Content(made, [Span(0, len(made), style) for style in styles if style] if made else [])
