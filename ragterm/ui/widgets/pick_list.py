"""A list of one-line rows with a cursor and a heading that stays: keyboard, mouse wheel, click, double click.

The heading (zero or more lines) is drawn over the top of the scroll; spots in it can be pressed (a column to sort by).
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from ragterm.ui.widgets.line_view import Line, LineView, spots_of

CURSOR = "$block-cursor-foreground on $block-cursor-background"
CURSOR_AWAY = "on $block-cursor-blurred-background"


class PickList(LineView):
    """`cursor` is the chosen row, 0-based."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "go(0)", "First", show=False),
        Binding("end", "go(-1)", "Last", show=False),
        Binding("enter", "open", "Open", show=False),
    ]

    class Highlighted(Message):
        """The cursor is on row `index` now."""

        def __init__(self, picker: PickList, index: int) -> None:
            super().__init__()
            self.picker = picker
            self.index = index

        @property
        def control(self) -> PickList:
            return self.picker

    class Opened(Message):
        """Enter, or a double click, on row `index`."""

        def __init__(self, picker: PickList, index: int) -> None:
            super().__init__()
            self.picker = picker
            self.index = index

        @property
        def control(self) -> PickList:
            return self.picker

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.heading: list[Line] = []
        self.cursor = 0

    # --- What subclasses say ------------------------------------------------------------------------------------------------------

    def make_heading(self, width: int) -> list[Line]:
        return []

    # --- Layout and drawing -------------------------------------------------------------------------------------------------------

    def relayout(self) -> None:
        width = self.scrollable_content_region.width or self.size.width
        self.heading = self.make_heading(width) if width > 0 else []
        super().relayout()
        self.virtual_size = Size(max(width, 0), len(self.heading) + len(self.lines))
        self.cursor = max(0, min(self.cursor, len(self.lines) - 1))

    def on_resize(self, event: events.Resize) -> None:
        self.reveal(self.cursor)  # what was in view must not slip away when a neighbour takes room

    def render_line(self, y: int) -> Strip:
        if y < len(self.heading):
            return self.draw(-1, self.heading[y], self.size.width)
        scroll_x, scroll_y = self.scroll_offset
        index = y - len(self.heading) + scroll_y
        return self.strip_at(index, self.size.width).apply_offsets(scroll_x, index)

    def draw(self, index: int, line: Line, width: int) -> Strip:
        if index == self.cursor and self.lines and index >= 0:
            style = CURSOR if self.has_focus else CURSOR_AWAY
            content = line.content
            if self.has_focus:  # one colour for the text: what the row's own colours say could vanish on the cursor's
                content = content.without_spans.add_spans([s for s in content.spans if not isinstance(s.style, str)])
            line = Line(content, style)
        return super().draw(index, line, width)

    def reveal(self, index: int, margin: int = 1) -> None:
        top, room = self.scroll_offset.y, max(1, self.size.height - len(self.heading))
        margin = min(margin, (room - 1) // 2)
        if index < top + margin:
            self.scroll_to(y=max(0, index - margin), animate=False, force=True)
        elif index >= top + room - margin:
            self.scroll_to(y=index - room + 1 + margin, animate=False, force=True)

    # --- The cursor -----------------------------------------------------------------------------------------------------------------

    def go_to(self, index: int, *, tell: bool = True) -> None:
        """Put the cursor on a row (kept within the list)."""
        index = max(0, min(index, len(self.lines) - 1))
        if not self.lines:
            return
        moved = index != self.cursor
        self.cursor = index
        self.reveal(index)
        self.cursor_moved()
        if moved and tell:
            self.post_message(self.Highlighted(self, index))

    def cursor_moved(self) -> None:
        """Draw again; a subclass may have more to draw than two rows."""
        self.redraw()

    def action_move(self, step: int) -> None:
        self.go_to(self.cursor + step)

    def action_page(self, step: int) -> None:
        self.go_to(self.cursor + step * max(1, self.size.height - len(self.heading) - 1))

    def action_go(self, index: int) -> None:
        self.go_to(index if index >= 0 else len(self.lines) - 1)

    def action_open(self) -> None:
        if self.lines:
            self.post_message(self.Opened(self, self.cursor))

    # --- Mouse ----------------------------------------------------------------------------------------------------------------------

    def row_under(self, event: events.MouseEvent) -> int | None:
        """The row under the mouse; negative in the heading (-1 is its first line); None elsewhere."""
        offset = event.get_content_offset(self)
        if offset is None:
            return None
        if offset.y < len(self.heading):
            return -1 - offset.y
        index = offset.y - len(self.heading) + self.scroll_offset.y
        return index if index < len(self.lines) else None

    def spot_under(self, event: events.MouseEvent) -> str:
        row = self.row_under(event)
        offset = event.get_content_offset(self)
        if row is None or offset is None:
            return ""
        content = (self.heading[-1 - row] if row < 0 else self.lines[row]).content
        for start, end, name in spots_of(content):
            left = content[:start].cell_length if start else 0
            if left <= offset.x < left + content[start:end].cell_length:
                return name
        return ""

    def on_click(self, event: events.Click) -> None:
        row = self.row_under(event)
        if row is not None and row >= 0:
            self.go_to(row)
            if event.chain == 2:
                self.action_open()
