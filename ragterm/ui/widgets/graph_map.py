"""The map of one layer of the graph on the screen: `MapPicture`, its legend, and a cursor (arrows or mouse) on the nearest node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from ragterm.ui.widgets.braille import BrailleCanvas
from ragterm.ui.widgets.line_view import strip_of, styled
from ragterm.ui.widgets.map_picture import LEGEND, MANY_EDGES, NODE, STYLES, SYMBOLS, MapPicture

if TYPE_CHECKING:
    from ragterm.engine.types.graphs import LayerMap, Walk


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
