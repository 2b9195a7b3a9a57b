"""The map of one layer of the graph: every chunk a dot, the walk of the last query on top of it.

Dots are braille, so a cell holds eight; what matters is a symbol, so that it can be told without colour: ◆ entry, ○ expanded,
• visited, ● result, ✗ one of the true nearest that was missed, × the query itself. The cursor (arrows or mouse) is on the
nearest node and shows its chunk. `MapPicture` draws; it is plain Python and is tested without a screen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from ragterm.ui.widgets.braille import BrailleCanvas
from ragterm.ui.widgets.line_view import strip_of, styled

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


class GraphMap(Widget, can_focus=True):
    """`cursor` is the key of the node under the cursor, None before there is one."""

    DEFAULT_CSS = """
    GraphMap { height: 1fr; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "go(-1, 0)", "Node to the left", show=False),
        Binding("right", "go(1, 0)", "Node to the right", show=False),
        Binding("up", "go(0, -1)", "Node above", show=False),
        Binding("down", "go(0, 1)", "Node below", show=False),
        Binding("enter", "open", "Open the chunk", show=False),
    ]

    class NodeChosen(Message):
        """The cursor is on node `key` now."""

        def __init__(self, key: int) -> None:
            super().__init__()
            self.key = key

    class NodeOpened(Message):
        """Enter, or a double click, on node `key`."""

        def __init__(self, key: int) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.layer_map: LayerMap | None = None
        self.walk: Walk | None = None
        self.step = 0
        self.edges = "walk"
        self.entry: int | None = None
        self.cursor: int | None = None
        self.message = ""
        self._picture: MapPicture | None = None
        self._canvas: BrailleCanvas | None = None
        self._background: tuple[object, BrailleCanvas] | None = None

    def show(
        self, *, layer: LayerMap | None = None, walk: Walk | None = None, step: int | None = None, edges: str = ""
    ) -> None:
        """Change what is drawn; what is not given stays."""
        if layer is not None:
            self.layer_map = layer
            if self.cursor not in layer.keys:
                self.cursor = None
        if walk is not None:
            self.walk = walk
        if step is not None:
            self.step = step
        self.edges = edges or self.edges
        self.redraw()

    def forget_walk(self) -> None:
        self.walk, self.step = None, 0
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        width, height = self.size.width, self.size.height - 1
        self._picture = self._canvas = None
        if self.layer_map is not None and width > 4 and height > 2:
            picture = MapPicture(self.layer_map, width, height, self.walk, self.step, self.edges, self.entry)
            if self.edges == "all":
                picture.background = self._edges_of(picture)
            self._picture, self._canvas = picture, picture.draw()
        self.refresh()

    def _edges_of(self, picture: MapPicture) -> BrailleCanvas | None:
        """All edges, at once when they are few; else drawn in a thread, the picture following."""
        key = (id(picture.layer), picture.width, picture.height)
        if self._background is not None and self._background[0] == key:
            return self._background[1]
        if len(picture.layer.edges) <= MANY_EDGES:
            self._background = (key, picture.draw_edges())
            return self._background[1]

        async def draw() -> None:
            self._background = (key, await asyncio.to_thread(picture.draw_edges))
            self.redraw()

        self.run_worker(draw(), group="edges", exclusive=True)
        return None

    # --- Drawing ----------------------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self._canvas is None or self._picture is None:
            said = styled(self.message, "$text-muted") if y == self.size.height // 2 else Content("")
            left = max(0, (width - said.cell_length) // 2)
            return strip_of(said.pad_left(left), self.visual_style, width)
        if y >= self._picture.height:
            return strip_of(self.legend(), self.visual_style, width)
        content = Content.assemble(
            *(styled(run, STYLES[ink] if ink is not None else "") for run, ink in self._canvas.row(y))
        )
        cell = self._picture.cell_of(self.cursor) if self.cursor is not None else None
        if cell is not None and cell[1] == y:
            style = "$block-cursor-foreground on $block-cursor-background" if self.has_focus else "reverse"
            content = content.stylize(style, max(0, cell[0]), cell[0] + 1)
        return strip_of(content, self.visual_style, width)

    def style_of(self, ink: int | None) -> str:
        """Among all edges the nodes must stand out."""
        if ink is None:
            return ""
        return "$text" if ink == NODE and self.edges == "all" else STYLES[ink]

    def legend(self) -> Content:
        """The symbols that are in the picture now."""
        assert self._canvas is not None
        there = self._canvas.glyph_inks()
        parts = [
            Content.assemble(styled(SYMBOLS[ink], STYLES[ink]), styled(f" {word}", "$text-muted"))
            for ink, word in LEGEND
            if ink in there
        ]
        made = Content("  ").join(parts)
        if self.layer_map is not None and self.layer_map.sampled_from > len(self.layer_map.keys):
            shown = f"   {len(self.layer_map.keys):,} of {self.layer_map.sampled_from:,} nodes drawn"
            made = Content.assemble(made, styled(shown, "$text-warning"))
        return made

    # --- Keys and mouse ------------------------------------------------------------

    def choose(self, key: int | None, *, tell: bool = True) -> None:
        if key is not None and key != self.cursor:
            self.cursor = key
            self.refresh()
            if tell:
                self.post_message(self.NodeChosen(key))

    def action_go(self, dx: int, dy: int) -> None:
        if self._picture is not None:
            self.choose(self._picture.towards(self.cursor, dx, dy))

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.NodeOpened(self.cursor))

    def _under(self, event: events.MouseEvent) -> int | None:
        offset = event.get_content_offset(self)
        if offset is None or self._picture is None or offset.y >= self._picture.height:
            return None
        key = self._picture.nearest(offset.x, offset.y)
        cell = self._picture.cell_of(key) if key is not None else None
        if cell is None or abs(cell[0] - offset.x) > 4 or abs(cell[1] - offset.y) > 2:
            return None
        return key

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self.choose(self._under(event))

    def on_click(self, event: events.Click) -> None:
        key = self._under(event)
        self.choose(key)
        if key is not None and event.chain == 2:
            self.action_open()
