"""The picture of one layer of the graph: every chunk a dot, the walk of the last query on top of it.

Dots are braille, so a cell holds eight; what matters is a symbol, so that it can be told without colour: ◆ entry, ○ expanded,
• visited, ▾ pruned, ● result, ✗ one of the true nearest that was missed, × the query itself. Plain Python, tested without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragterm.ui.widgets.braille import BrailleCanvas

if TYPE_CHECKING:
    from ragterm.engine.types.graphs import LayerMap, Walk

# Inks, the higher over the lower.
EDGE, NODE, PATH, PRUNED, VISITED, EXPANDED, RESULT, MISSED, ENTRY, NOW, QUERY = range(11)
STYLES = {
    EDGE: "$text-disabled",
    NODE: "$text-muted",
    PATH: "$text-primary",
    PRUNED: "$text-warning",
    VISITED: "$text-secondary",
    EXPANDED: "bold $text-primary",
    RESULT: "bold $text-success",
    MISSED: "bold $text-error",
    ENTRY: "bold $text-warning",
    NOW: "bold $text-accent",
    QUERY: "bold reverse $text-accent",
}
SYMBOLS = {PRUNED: "▾", VISITED: "•", EXPANDED: "○", RESULT: "●", MISSED: "✗", ENTRY: "◆", NOW: "◉", QUERY: "×"}
LEGEND = (
    (QUERY, "query"),
    (ENTRY, "entry"),
    (NOW, "now"),
    (EXPANDED, "expanded"),
    (VISITED, "visited"),
    (PRUNED, "pruned"),
    (RESULT, "result"),
    (MISSED, "missed"),
)
MANY_EDGES = 3000


@dataclass(frozen=True, slots=True)
class Progress:
    """A walk up to and including step `step` (0-based), told for one layer."""

    expanded: frozenset[int] = frozenset()
    visited: frozenset[int] = frozenset()
    pruned: frozenset[int] = frozenset()
    """Met, and further away than the furthest that is kept: never to be expanded."""
    links: tuple[tuple[int, int], ...] = ()
    """(from, to): `to` was first seen when `from` was expanded, and was expanded itself later."""
    now: int | None = None
    finished: bool = False


def progress(walk: Walk, step: int, level: int) -> Progress:
    """What the walk has touched on `level` after `step`."""
    expanded: dict[int, None] = {}
    met: dict[int, float] = {}
    parent: dict[int, int] = {}
    now, beam = None, float("inf")
    for one in walk.steps[: step + 1]:
        if one.level == level:
            now, beam = one.node, one.beam
            if one.action in ("expand", "enter", "descend"):
                expanded[one.node] = None
            for key, distance in one.visited:
                met[key] = distance
                parent.setdefault(key, one.node)
    links = tuple((parent[key], key) for key in expanded if key in parent and parent[key] != key)
    pruned = frozenset(key for key, distance in met.items() if distance > beam and key not in expanded)
    visited = frozenset(met) - set(expanded) - pruned
    return Progress(frozenset(expanded), visited, pruned, links, now, step >= len(walk.steps) - 1)


Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
ZOOM_STEP = 1.5
MOST_ZOOM = 60.0


def zoomed(box: Box, by: float, at: tuple[float, float] = (0.5, 0.5)) -> Box:
    """`box` (left, top, right, bottom in the unit square) made `by` times smaller around `at`, a share of the box; never beyond the
    whole map, never more than MOST_ZOOM."""
    left, top, right, bottom = box
    size = min(1.0, max(1.0 / MOST_ZOOM, (right - left) / by))
    x, y = left + at[0] * (right - left), top + at[1] * (bottom - top)
    return moved((x - at[0] * size, y - at[1] * size, x + (1 - at[0]) * size, y + (1 - at[1]) * size), 0.0, 0.0)


def moved(box: Box, dx: float, dy: float) -> Box:
    """`box` moved by a share of itself, and kept on the map."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    left = min(max(0.0, left + dx * wide), 1.0 - wide)
    top = min(max(0.0, top + dy * high), 1.0 - high)
    return left, top, left + wide, top + high


def clipped(
    start: tuple[int, int], end: tuple[int, int], width: int, height: int
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The part of a line inside [0, width) x [0, height); None when there is none. A zoomed-in map has lines that are thousands of
    dots long (Liang and Barsky, "A new concept and method for line clipping", ACM TOG 1984)."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = x1 - x0, y1 - y0
    first, last = 0.0, 1.0
    for step, room in ((-dx, x0), (dx, width - 1 - x0), (-dy, y0), (dy, height - 1 - y0)):
        if step == 0:
            if room < 0:
                return None
        elif step < 0:
            first = max(first, room / step)
        else:
            last = min(last, room / step)
    if first > last:
        return None
    return (round(x0 + first * dx), round(y0 + first * dy)), (round(x0 + last * dx), round(y0 + last * dy))


@dataclass(slots=True)
class MapPicture:
    """Draws a layer into `width` x `height` cells. `edges` is "walk", "all" or "none"."""

    layer: LayerMap
    width: int
    height: int
    walk: Walk | None = None
    step: int = 0
    edges: str = "walk"
    entry: int | None = None
    background: BrailleCanvas | None = None
    """All edges, drawn beforehand (`draw_edges`), when `edges` is "all"."""
    box: Box = WHOLE
    """The part of the map that is seen."""
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = {k: self.place(p) for k, p in zip(self.layer.keys, self.layer.positions, strict=True)}

    def place(self, position: tuple[float, float]) -> tuple[int, int]:
        """The dot of a position in the unit square, a cell of margin all round; outside the picture where it is outside the box."""
        left, top, right, bottom = self.box
        x = (min(1.0, max(0.0, position[0])) - left) / (right - left)
        y = (min(1.0, max(0.0, position[1])) - top) / (bottom - top)
        return 2 + round(x * max(0, 2 * self.width - 5)), 4 + round(y * max(0, 4 * self.height - 9))

    def _sees(self, place: tuple[int, int]) -> bool:
        return 0 <= place[0] < 2 * self.width and 0 <= place[1] < 4 * self.height

    def _line(self, canvas: BrailleCanvas, start: tuple[int, int], end: tuple[int, int], ink: int) -> None:
        if (part := clipped(start, end, canvas.dots_wide, canvas.dots_high)) is not None:
            canvas.line(*part[0], *part[1], ink)

    def draw(self) -> BrailleCanvas:
        canvas = BrailleCanvas(self.width, self.height)
        if self.edges == "all" and self.background is not None:
            canvas = self.background.copy()
        for x, y in self._places.values():
            canvas.dot(x, y, NODE)
        if self.walk is not None and self.walk.steps:
            self._draw_walk(canvas, self.walk)
        elif self.entry in self._places:
            canvas.glyph(*self._places[self.entry], SYMBOLS[ENTRY], ENTRY)
        return canvas

    def _draw_walk(self, canvas: BrailleCanvas, walk: Walk) -> None:
        done = progress(walk, self.step, self.layer.level)
        if self.edges != "none":
            for start, end in done.links:
                if start in self._places and end in self._places:
                    self._line(canvas, self._places[start], self._places[end], PATH)

        def put(keys: Sequence[int] | frozenset[int], ink: int) -> None:
            for key in keys:
                if key in self._places:
                    canvas.glyph(*self._places[key], SYMBOLS[ink], ink)

        put(done.pruned, PRUNED)
        put(done.visited, VISITED)
        put(done.expanded, EXPANDED)
        if walk.steps[0].level == self.layer.level:
            put((walk.steps[0].node,), ENTRY)
        if done.finished and self.layer.level == 0:
            put(frozenset(key for key, _ in walk.results), RESULT)
            put(frozenset(key for _, key, _ in walk.missed), MISSED)
        elif done.now is not None:
            put((done.now,), NOW)
        canvas.glyph(*self.place(walk.query_position), SYMBOLS[QUERY], QUERY)

    def draw_edges(self) -> BrailleCanvas:
        """Every link of the layer as dim lines: slow for many, so done in a thread."""
        canvas = BrailleCanvas(self.width, self.height)
        keys = self.layer.keys
        for a, b in self.layer.edges:
            self._line(canvas, self._places[keys[a]], self._places[keys[b]], EDGE)
        return canvas

    def cell_of(self, key: int) -> tuple[int, int] | None:
        """The cell of a node; None when it is not on the map, or not in the part that is seen."""
        place = self._places.get(key)
        return None if place is None or not self._sees(place) else (place[0] >> 1, place[1] >> 2)

    def nearest(self, column: float, row: float) -> int | None:
        """The key of the node in sight nearest to a cell. A cell is twice as high as it is wide; so are its dots."""
        x, y = 2 * column + 1, 4 * row + 2

        def away(key: int) -> tuple[bool, float]:
            """A node in the very cell comes first: its dot may lie farther from the middle than a neighbour's."""
            px, py = self._places[key]
            return (px >> 1, py >> 2) != (int(column), int(row)), (px - x) ** 2 + (py - y) ** 2

        return min((key for key, place in self._places.items() if self._sees(place)), key=away, default=None)

    def towards(self, key: int | None, dx: int, dy: int) -> int | None:
        """The next node from `key` in a direction: near, and more ahead than aside. It may be out of sight."""
        if key not in self._places:
            return self.nearest(self.width / 2, self.height / 2)
        here_x, here_y = self._places[key]
        best, least = None, float("inf")
        for other, (x, y) in self._places.items():
            ahead = (x - here_x) * dx + (y - here_y) * dy
            aside = abs((x - here_x) * dy) + abs((y - here_y) * dx)
            if other != key and ahead > 0 and (cost := ahead + 2.5 * aside) < least:
                best, least = other, cost
        return best if best is not None else key

    def in_sight(self) -> int:
        """How many nodes are in the part that is seen."""
        return sum(map(self._sees, self._places.values()))
