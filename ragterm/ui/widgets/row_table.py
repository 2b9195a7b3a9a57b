"""A table that draws only the rows one can see: Textual's line API over any sequence of objects.

A row is whatever the caller has; `cells(row)` says what stands in each column and is called for visible rows
only, so ten thousand rows are shown, sorted or filtered as fast as ten. Text is made safe and cut to its column
here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ragterm.ui.safe_text import line
from ragterm.ui.widgets.tones import tone


@dataclass(frozen=True, slots=True)
class Column:
    """`width` in cells; `flex` is the share of what is left over. A column is left out when the table is narrower than `from_width`.
    `middle`: what is too long is cut in the middle, for names that differ at their ends."""

    key: str
    label: str
    width: int
    flex: int = 0
    right: bool = False
    from_width: int = 0
    middle: bool = False


Cells = Mapping[str, tuple[str, str]]
"""Column key -> (text, tone); a tone is a name of `tones.tone`, or empty."""


class RowTable(ScrollView, can_focus=True):
    """`identify(row)` gives the row's key, by which cursor and marks survive a new set of rows."""

    DEFAULT_CSS = """ RowTable { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; background:
    transparent; & > .row-table--header { color: $text-muted; text-style: bold; } & > .row-table--cursor {
    background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground; } &:focus >
    .row-table--cursor { background: $block-cursor-background; color: $block-cursor-foreground; } & >
    .row-table--hover { background: $boost; } & > .row-table--good { color: $success; } & > .row-table--warn {
    color: $warning; } & > .row-table--bad { color: $error; } & > .row-table--muted { color: $text-muted; } & >
    .row-table--accent { color: $accent; } & > .row-table--strong { text-style: bold; } & > .row-table--mark {
    color: $accent; text-style: bold; } }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"row-table--{name}" for name in ("header", "cursor", "hover")}
    BINDINGS: ClassVar[list[Any]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(False)", "First", show=False),
        Binding("end,G", "edge(True)", "Last", show=False),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)
    hovered: reactive[int] = reactive(-1, repaint=False)

    class _About(Message):
        def __init__(self, table: RowTable, row: Any) -> None:
            super().__init__()
            self.table = table
            self.row = row

        @property
        def control(self) -> RowTable:
            return self.table

    class RowHighlighted(_About):
        """The cursor came to a row; `row` is None when there are none."""

    class RowChosen(_About):
        """Enter, or a double click."""

    class HeaderChosen(Message):
        def __init__(self, table: RowTable, column: str) -> None:
            super().__init__()
            self.table = table
            self.column = column

        @property
        def control(self) -> RowTable:
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[Any], Cells],
        identify: Callable[[Any], Hashable],
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.cells = cells
        self.identify = identify
        self.rows: Sequence[Any] = ()
        self.marked: set[Hashable] = set()
        self.sorted_by = ""
        self.descending = False
        self._layout: list[tuple[Column, int]] = []
        self._drawn: dict[Hashable, Strip] = {}
        self._base: Style | None = None

    # --- Rows -----------------------------------------------------------------------------------------------------------------

    def show(self, rows: Sequence[Any]) -> None:
        """Show these rows; the cursor stays on the row it was on, if that is still there."""
        before = self.current
        key = None if before is None else self.identify(before)
        self.rows = rows
        self._forget()
        place = min(self.cursor, max(0, len(rows) - 1))
        if key is not None:
            place = next((i for i, row in enumerate(rows) if self.identify(row) == key), place)
        self.marked &= {self.identify(row) for row in rows}
        self.virtual_size = Size(self.size.width, len(rows) + 1)
        moved = place != self.cursor
        self.cursor = place
        after = self.current
        if not moved and (before is None or after is None or self.identify(after) != key or before != after):
            self.post_message(self.RowHighlighted(self, after))
        self.refresh()

    @property
    def current(self) -> Any:
        """The row under the cursor, None when there are no rows."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    @property
    def chosen(self) -> list[Any]:
        """The marked rows, or the one under the cursor when none is marked."""
        marked = [row for row in self.rows if self.identify(row) in self.marked]
        return marked or ([self.current] if self.current is not None else [])

    def toggle_mark(self) -> None:
        if self.current is None:
            return
        self.marked ^= {self.identify(self.current)}
        self.refresh()
        self.action_move(1)

    def clear_marks(self) -> None:
        self.marked.clear()
        self.refresh()

    def watch_cursor(self) -> None:
        height = max(1, self.scrollable_content_region.height - 1)
        if self.cursor < self.scroll_offset.y:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= self.scroll_offset.y + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True)
        self.post_message(self.RowHighlighted(self, self.current))
        self.refresh()

    def watch_hovered(self) -> None:
        self.refresh()

    # --- Keys and mouse ---------------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        if self.rows:
            self.cursor = min(max(self.cursor + by, 0), len(self.rows) - 1)

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.scrollable_content_region.height - 2))

    def action_edge(self, last: bool) -> None:
        self.action_move(len(self.rows) if last else -len(self.rows))

    def action_choose(self) -> None:
        if self.current is not None:
            self.post_message(self.RowChosen(self, self.current))

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y == 0:
            at = 2
            for column, width in self._layout:
                if at <= place.x < at + width + 1:
                    self.post_message(self.HeaderChosen(self, column.key))
                    return
                at += width + 1
            return
        index = place.y - 1 + self.scroll_offset.y
        if index < len(self.rows):
            self.cursor = index
            if place.x < 2:
                self.toggle_mark()
            elif event.chain == 2:
                self.action_choose()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self.hovered = event.y - 1 + self.scroll_offset.y if event.y > 0 else -1

    def on_leave(self) -> None:
        self.hovered = -1

    # --- Drawing ----------------------------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out(self.scrollable_content_region.width)
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)

    def _lay_out(self, width: int) -> None:
        self._forget()
        shown = [column for column in self.columns if width >= column.from_width]
        rest = width - 2 - sum(column.width + 1 for column in shown)
        shares = sum(column.flex for column in shown) or 1
        self._layout = [
            (column, max(1, column.width + (max(rest, 0) * column.flex // shares if column.flex else 0)))
            for column in shown
        ]

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if not self._layout:
            self._lay_out(width)
        if self._base is None:
            self._base = self.rich_style
        base = self._base
        if y == 0:
            return self._header(width, base)
        index = y - 1 + self.scroll_offset.y
        if not 0 <= index < len(self.rows):
            return Strip.blank(width, base)
        row = self.rows[index]
        key = (
            self.identify(row),
            index == self.cursor,
            index == self.hovered,
            self.identify(row) in self.marked,
            width,
        )
        if key not in self._drawn:
            if len(self._drawn) > 500:
                self._drawn.clear()
            self._drawn[key] = self._row(row, index, width, base)
        return self._drawn[key]

    def _row(self, row: Any, index: int, width: int, base: Style) -> Strip:
        over = Style.null()
        if index == self.cursor:
            over = self.get_component_rich_style("row-table--cursor", partial=True)
        elif index == self.hovered:
            over = self.get_component_rich_style("row-table--hover", partial=True)
        marked = self.identify(row) in self.marked
        pieces = [("▌ " if marked else "  ", base + tone(self.app, "accent") + over)]
        cells = self.cells(row)
        for column, room in self.layout_of(row):
            text, meaning = cells.get(column.key, ("", ""))
            style = base + tone(self.app, meaning)
            if index == self.cursor and meaning == "muted":
                style = base  # on the cursor's colour, quiet text would be too quiet
            pieces.append((fit(text, room, right=column.right, middle=column.middle) + " ", style + over))
        segments: list[Segment] = []
        for text, style in pieces:  # neighbours of one style are one segment: each is paid for wherever the line is cut
            if segments and segments[-1].style == style:
                segments[-1] = Segment(segments[-1].text + text, style)
            else:
                segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, base + over)

    def layout_of(self, row: Any) -> list[tuple[Column, int]]:
        """The columns of a row with their widths; a subclass may give some rows others than the header's."""
        return self._layout

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._forget()

    def _forget(self) -> None:
        """What was drawn no longer holds: rows, widths or colours have changed."""
        self._drawn.clear()
        self._base = None

    def _header(self, width: int, base: Style) -> Strip:
        style = base + self.get_component_rich_style("row-table--header", partial=True)
        segments = [Segment("  ", style)]
        for column, room in self._layout:
            label = column.label
            if column.key == self.sorted_by:
                label += " ↓" if self.descending else " ↑"
            segments.append(Segment(fit(label, room, right=column.right) + " ", style))
        return Strip(segments).adjust_cell_length(width, style)


def fit(text: str, width: int, *, right: bool = False, middle: bool = False) -> str:
    """One safe line of exactly `width` cells, with an ellipsis where something was cut."""
    text = line(text)
    length = cell_len(text)
    if length > width and middle and width > 8:
        tail = text[-width * 3 // 5 :]
        while cell_len(tail) > width * 3 // 5:
            tail = tail[1:]
        return set_cell_size(text, width - 1 - cell_len(tail)) + "…" + tail
    if length > width:
        return set_cell_size(text, max(0, width - 1)) + "…"
    return " " * (width - length) + text if right else text + " " * (width - length)
