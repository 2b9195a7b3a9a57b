"""The teaching mode's plane: a handful of named points with their links, the query, and what the search knows of them so far.

Every state has a symbol of its own (◆ entry, ◉ now, ○ expanded, • met, · unknown), so that it can be told without colour. y points
up, and a unit is as long across as it is up. `PlanePicture` draws; it is plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from ragterm.ui.widgets.braille import BrailleCanvas
from ragterm.ui.widgets.line_view import strip_of, styled
from ragterm.ui.widgets.map_picture import (
    ENTRY,
    EXPANDED,
    LEGEND,
    NOW,
    QUERY,
    RESULT,
    STYLES,
    SYMBOLS,
    VISITED,
    progress,
)

if TYPE_CHECKING:
    from ragterm.engine.types.lessons import Lesson

LINK, ELSEWHERE, POINT, TAKEN = -4, -3, -2, -1
PLANE_STYLES = {
    **STYLES,
    LINK: "$text-disabled",
    ELSEWHERE: "$text-disabled",
    POINT: "$text",
    TAKEN: "$text-primary",
}
UNKNOWN = "·"
LABEL = len("V0 0.00")
REACH = (4, 2)
"""Cells across and down within which a click means a node."""


@dataclass(slots=True)
class PlanePicture:
    """Draws a lesson after step `step` into `width` x `height` cells."""

    lesson: Lesson
    step: int
    width: int
    height: int
    _places: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places = [self.place(point) for point in self.lesson.points]

    def place(self, point: tuple[float, float]) -> tuple[int, int]:
        """The dot of a point, kept in the middle, with room for labels at the right and a cell all round."""
        xs = [x for x, _ in (*self.lesson.points, self.lesson.query)]
        ys = [y for _, y in (*self.lesson.points, self.lesson.query)]
        wide, high = 2 * self.width - 4 - 2 * LABEL, 4 * self.height - 8
        span_x, span_y = max(xs) - min(xs), max(ys) - min(ys)
        unit = max(1.0, min(wide / max(span_x, 1e-9), high / max(span_y, 1e-9)))
        left, top = 2 + (wide - unit * span_x) / 2, 4 + (high - unit * span_y) / 2
        return round(left + (point[0] - min(xs)) * unit), round(top + (max(ys) - point[1]) * unit)

    @property
    def level(self) -> int:
        return self.lesson.walk.steps[self.step].level

    def draw(self) -> BrailleCanvas:
        canvas = BrailleCanvas(self.width, self.height)
        lesson, level = self.lesson, self.level
        done = progress(lesson.walk, self.step, level)
        taken = {frozenset(pair) for pair in done.links}
        for a, b in lesson.edges[level]:
            canvas.line(*self._places[a], *self._places[b], TAKEN if frozenset((a, b)) in taken else LINK)
        known = {step.node: step.distance for step in lesson.walk.steps[: self.step + 1] if step.level == level}
        for step in lesson.walk.steps[: self.step + 1]:
            known |= dict(step.visited) if step.level == level else {}
        results = {key for key, _ in lesson.walk.results} if done.finished else set()
        for node, place in enumerate(self._places):
            if lesson.levels[node] < level:
                ink, symbol = ELSEWHERE, UNKNOWN
            elif node in results:
                ink, symbol = RESULT, SYMBOLS[RESULT]
            elif node == done.now:
                ink, symbol = NOW, SYMBOLS[NOW]
            elif node in done.expanded:
                ink, symbol = EXPANDED, SYMBOLS[EXPANDED]
            elif node in done.visited or node in done.pruned:  # which of the two is for the reader to say
                ink, symbol = VISITED, SYMBOLS[VISITED]
            else:
                ink, symbol = POINT, UNKNOWN
            canvas.glyph(*place, symbol, ink + 20)  # over every line and label
            label = f"V{node}" + (f" {known[node]:.2f}" if node in known else "")
            for i, letter in enumerate(label):
                canvas.glyph(place[0] + 2 * (i + 1), place[1], letter, ink)
        canvas.glyph(*self.place(lesson.query), SYMBOLS[QUERY], QUERY + 20)
        return canvas

    def cell_of(self, node: int) -> tuple[int, int]:
        x, y = self._places[node]
        return x >> 1, y >> 2

    def node_at(self, column: int, row: int) -> int | None:
        """The node nearest to a cell, if it is near."""

        def away(node: int) -> tuple[int, int]:
            x, y = self.cell_of(node)
            return abs(x - column), abs(y - row)

        best = min(range(len(self._places)), key=lambda node: away(node)[0] ** 2 + (2 * away(node)[1]) ** 2)
        across, down = away(best)
        return best if across <= REACH[0] and down <= REACH[1] else None


class PlaneView(Widget):
    """Shows a `PlanePicture` with its legend."""

    DEFAULT_CSS = """
    PlaneView { width: 1fr; height: 1fr; }
    """

    class Chosen(Message):
        """A click on node `node`."""

        def __init__(self, node: int) -> None:
            super().__init__()
            self.node = node

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lesson: Lesson | None = None
        self.step = 0
        self.picture: PlanePicture | None = None
        self._canvas: BrailleCanvas | None = None

    def show(self, lesson: Lesson, step: int) -> None:
        self.lesson, self.step = lesson, step
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        width, height = self.size.width, self.size.height - 1
        self.picture = self._canvas = None
        if self.lesson is not None and width > 10 and height > 4:
            self.picture = PlanePicture(self.lesson, self.step, width, height)
            self._canvas = self.picture.draw()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self._canvas is None or self.picture is None or y > self.picture.height:
            return strip_of(Content(""), self.visual_style, width)
        if y == self.picture.height:
            return strip_of(self.legend(), self.visual_style, width)
        row = (styled(run, PLANE_STYLES[_bare(ink)] if ink is not None else "") for run, ink in self._canvas.row(y))
        return strip_of(Content.assemble(*row), self.visual_style, width)

    def legend(self) -> Content:
        assert self._canvas is not None
        there = {_bare(ink) for ink in self._canvas.glyph_inks()}
        parts = [
            Content.assemble(styled(SYMBOLS[ink], STYLES[ink]), styled(f" {word}", "$text-muted"))
            for ink, word in (*((i, "met" if i == VISITED else w) for i, w in LEGEND if i != ENTRY),)
            if ink in there
        ]
        return Content("  ").join(parts)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or self.picture is None or offset.y >= self.picture.height:
            return
        if (node := self.picture.node_at(offset.x, offset.y)) is not None:
            self.post_message(self.Chosen(node))


def _bare(ink: int) -> int:
    """Symbols lie over labels by an ink raised by 20."""
    return ink - 20 if ink >= 16 else ink
