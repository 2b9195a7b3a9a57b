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
EDGE, NODE, PATH, VISITED, EXPANDED, RESULT, MISSED, ENTRY, NOW, QUERY = range(10)
STYLES = {
    EDGE: "$text-disabled",
    NODE: "$text-muted",
    PATH: "$text-primary",
    VISITED: "$text-secondary",
    EXPANDED: "bold $text-primary",
    RESULT: "bold $text-success",
    MISSED: "bold $text-error",
    ENTRY: "bold $text-warning",
    NOW: "bold $text-accent",
    QUERY: "bold reverse $text-accent",
}
SYMBOLS = {VISITED: "•", EXPANDED: "○", RESULT: "●", MISSED: "✗", ENTRY: "◆", NOW: "◉", QUERY: "×"}
LEGEND = (
    (QUERY, "query"),
    (ENTRY, "entry"),
    (NOW, "now"),
    (EXPANDED, "expanded"),
    (VISITED, "visited"),
    (RESULT, "result"),
    (MISSED, "missed"),
)
MANY_EDGES = 3000


@dataclass(frozen=True, slots=True)
class Progress:
    """A walk up to and including step `step` (0-based), told for one layer."""

    expanded: frozenset[int] = frozenset()
    visited: frozenset[int] = frozenset()
    links: tuple[tuple[int, int], ...] = ()
    """(from, to): `to` was first seen when `from` was expanded, and was expanded itself later."""
    now: int | None = None
    finished: bool = False


def progress(walk: Walk, step: int, level: int) -> Progress:
    """What the walk has touched on `level` after `step`."""
    expanded: dict[int, None] = {}
    visited: set[int] = set()
    parent: dict[int, int] = {}
    now = None
    for one in walk.steps[: step + 1]:
        if one.level == level:
            now = one.node
            if one.action in ("expand", "enter", "descend"):
                expanded[one.node] = None
            for key, _ in one.visited:
                visited.add(key)
                parent.setdefault(key, one.node)
    links = tuple((parent[key], key) for key in expanded if key in parent and parent[key] != key)
    return Progress(frozenset(expanded), frozenset(visited - set(expanded)), links, now, step >= len(walk.steps) - 1)


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
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = {k: self.place(p) for k, p in zip(self.layer.keys, self.layer.positions, strict=True)}

    def place(self, position: tuple[float, float]) -> tuple[int, int]:
        """The dot of a position in the unit square; a cell of margin all round."""
        x, y = position
        return (
            2 + round(min(1.0, max(0.0, x)) * max(0, 2 * self.width - 5)),
            4 + round(min(1.0, max(0.0, y)) * max(0, 4 * self.height - 9)),
        )

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
                    canvas.line(*self._places[start], *self._places[end], PATH)

        def put(keys: Sequence[int] | frozenset[int], ink: int) -> None:
            for key in keys:
                if key in self._places:
                    canvas.glyph(*self._places[key], SYMBOLS[ink], ink)

        put(done.visited, VISITED)
        put(done.expanded, EXPANDED)
        if walk.steps[0].level == self.layer.level:
            put((walk.steps[0].node,), ENTRY)
        if done.finished and self.layer.level == 0:
            found = {key for key, _ in walk.results}
            put(frozenset(found), RESULT)
            put(frozenset(key for key, _ in walk.exact if key not in found), MISSED)
        elif done.now is not None:
            put((done.now,), NOW)
        canvas.glyph(*self.place(walk.query_position), SYMBOLS[QUERY], QUERY)

    def draw_edges(self) -> BrailleCanvas:
        """Every link of the layer as dim lines: slow for many, so done in a thread."""
        canvas = BrailleCanvas(self.width, self.height)
        keys = self.layer.keys
        for a, b in self.layer.edges:
            canvas.line(*self._places[keys[a]], *self._places[keys[b]], EDGE)
        return canvas

    def cell_of(self, key: int) -> tuple[int, int] | None:
        place = self._places.get(key)
        return None if place is None else (place[0] >> 1, place[1] >> 2)

    def nearest(self, column: float, row: float) -> int | None:
        """The key of the node nearest to a cell. A cell is twice as high as it is wide; so are its dots."""
        if not self._places:
            return None
        x, y = 2 * column + 1, 4 * row + 2

        def away(key: int) -> tuple[bool, float]:
            """A node in the very cell comes first: its dot may lie farther from the middle than a neighbour's."""
            px, py = self._places[key]
            return (px >> 1, py >> 2) != (int(column), int(row)), (px - x) ** 2 + (py - y) ** 2

        return min(self._places, key=away)

    def towards(self, key: int | None, dx: int, dy: int) -> int | None:
        """The next node from `key` in a direction: near, and more ahead than aside."""
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
