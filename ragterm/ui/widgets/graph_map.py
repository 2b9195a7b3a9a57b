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

from ragterm.ui.safe_text import line
from ragterm.ui.widgets.braille import BrailleCanvas
from ragterm.ui.widgets.line_view import strip_of, styled
from ragterm.ui.widgets.map_picture import (
    LEGEND,
    MANY_EDGES,
    NODE,
    STYLES,
    SYMBOLS,
    WHOLE,
    ZOOM_STEP,
    Box,
    MapPicture,
    moved,
    zoomed,
)

if TYPE_CHECKING:
    from ragterm.engine.types.graphs import LayerMap, Walk

LABEL = 40
"""Cells of the label beside the cursor."""
PAN_STEP = 0.25
"""The share of the view by which a key moves it."""


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
        Binding("shift+left", "pan(-1, 0)", "Move the view left", show=False),
        Binding("shift+right", "pan(1, 0)", "Move the view right", show=False),
        Binding("shift+up", "pan(0, -1)", "Move the view up", show=False),
        Binding("shift+down", "pan(0, 1)", "Move the view down", show=False),
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
        self.box: Box = WHOLE
        """The part of the map that is seen."""
        self.label = ""
        """What is said beside the cursor."""
        self._dragged: tuple[int, int] | None = None
        """Where the mouse was last while a button is down."""
        self._was_dragged = False
        self._picture: MapPicture | None = None
        self._canvas: BrailleCanvas | None = None
        self._background: tuple[object, BrailleCanvas] | None = None

    def show(
        self, *, layer: LayerMap | None = None, walk: Walk | None = None, step: int | None = None, edges: str = ""
    ) -> None:
        """Change what is drawn; what is not given stays."""
        if layer is not None:
            if self.layer_map is not None and layer.level != self.layer_map.level:
                self.box = WHOLE
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
            picture = MapPicture(
                self.layer_map, width, height, self.walk, self.step, self.edges, self.entry, box=self.box
            )
            if self.edges == "all":
                picture.background = self._edges_of(picture)
            self._picture, self._canvas = picture, picture.draw()
        self.refresh()

    def _edges_of(self, picture: MapPicture) -> BrailleCanvas | None:
        """All edges, at once when they are few; else drawn in a thread, the picture following."""
        key = (id(picture.layer), picture.width, picture.height, picture.box)
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
        content = Content.assemble(*(styled(run, self.style_of(ink)) for run, ink in self._canvas.row(y)))
        cell = self._picture.cell_of(self.cursor) if self.cursor is not None else None
        if cell is not None and cell[1] == y:
            style = "$block-cursor-foreground on $block-cursor-background" if self.has_focus else "reverse"
            content = content.stylize(style, max(0, cell[0]), cell[0] + 1)
            content = self._with_label(content, cell[0], width)
        return strip_of(content, self.visual_style, width)

    def _with_label(self, content: Content, column: int, width: int) -> Content:
        """The label beside the cursor: to its right, or to its left where there is more room."""
        room = max(width - column - 2, column - 1)
        label = styled(f" {line(self.label)} ", "$text on $panel").truncate(min(LABEL, room), ellipsis=True)
        if not self.label or room < 8:
            return content
        start = column + 2 if width - column - 2 >= column - 1 else column - 1 - label.cell_length
        return Content.assemble(content[:start], label, content[start + label.cell_length :])

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
        if self.box != WHOLE and self._picture is not None:
            seen = f"   zoom {1 / (self.box[2] - self.box[0]):.1f}: {self._picture.in_sight():,} in sight"
            return Content.assemble(made, styled(seen, "$text-accent"))
        if self.layer_map is not None and self.layer_map.sampled_from > len(self.layer_map.keys):
            shown = f"   {len(self.layer_map.keys):,} of {self.layer_map.sampled_from:,} nodes drawn"
            made = Content.assemble(made, styled(shown, "$text-warning"))
        return made

    # --- Keys and mouse ------------------------------------------------------------

    def choose(self, key: int | None, *, tell: bool = True) -> None:
        if key is not None and key != self.cursor:
            self.cursor = key
            self.label = ""
            self.reveal()
            self.refresh()
            if tell:
                self.post_message(self.NodeChosen(key))

    def say(self, key: int, label: str) -> None:
        """Put a label beside the cursor, if it is still on `key`."""
        if key == self.cursor and label != self.label:
            self.label = label
            self.refresh()

    def reveal(self) -> None:
        """Move the view to where the cursor is, if it is out of sight."""
        if self._picture is None or self.layer_map is None or self.cursor not in self.layer_map.keys:
            return
        if self._picture.cell_of(self.cursor) is None:
            x, y = self.layer_map.positions[self.layer_map.keys.index(self.cursor)]
            left, top, right, bottom = self.box
            self.look_at(
                moved(self.box, (x - (left + right) / 2) / (right - left), (y - (top + bottom) / 2) / (bottom - top))
            )

    def look_at(self, box: Box) -> None:
        if box != self.box:
            self.box = box
            self.redraw()

    def zoom(self, by: float, at: tuple[float, float] | None = None) -> None:
        """Zoom around `at`, a share of the picture; without it around the cursor, if it is in sight."""
        cell = self._picture.cell_of(self.cursor) if self._picture is not None and self.cursor is not None else None
        if at is None and cell is not None and self._picture is not None:
            at = cell[0] / self._picture.width, cell[1] / self._picture.height
        self.look_at(zoomed(self.box, by, at or (0.5, 0.5)))

    def fit(self) -> None:
        self.look_at(WHOLE)

    def action_pan(self, dx: int, dy: int) -> None:
        self.look_at(moved(self.box, dx * PAN_STEP, dy * PAN_STEP))

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
        if self._dragged is not None and self._picture is not None:
            dx, dy = self._dragged[0] - event.screen_x, self._dragged[1] - event.screen_y
            if dx or dy:
                self._dragged = (event.screen_x, event.screen_y)
                self._was_dragged = True
                self.look_at(moved(self.box, dx / self._picture.width, dy / self._picture.height))
            return
        self.choose(self._under(event))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._dragged, self._was_dragged = (event.screen_x, event.screen_y), False
        self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._dragged = None
        self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, ZOOM_STEP)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1 / ZOOM_STEP)

    def _wheel(self, event: events.MouseEvent, by: float) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and self._picture is not None:
            event.stop()
            self.zoom(by, (offset.x / self._picture.width, min(1.0, offset.y / self._picture.height)))

    def on_click(self, event: events.Click) -> None:
        if self._was_dragged:
            return
        key = self._under(event)
        self.choose(key)
        if key is not None and event.chain == 2:
            self.action_open()
