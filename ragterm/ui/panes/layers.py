"""Layers: the graph of the vector index, and the way that a query takes through it.

Small collections are answered by exact scan; the graph is built all the same, and this pane replays the walk that it would
have taken, and counts what that would have saved and missed. The map follows the step list: one cursor for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widgets import ContentSwitcher, Input, Static

from ragterm.engine.types.answers import AnswerReady
from ragterm.ui import messages
from ragterm.ui.actions import bindings
from ragterm.ui.bridge import Bridge
from ragterm.ui.panes.layer_findings import VIEWS, LayerFindings
from ragterm.ui.panes.pane import Pane
from ragterm.ui.widgets.citation import MUTED
from ragterm.ui.widgets.graph_findings import ExactList, HealthList, NeighbourList
from ragterm.ui.widgets.graph_lists import LayerTable, NodeDetail, StepList, walk_summary
from ragterm.ui.widgets.graph_map import GraphMap
from ragterm.ui.widgets.line_view import LineView, styled
from ragterm.ui.widgets.pick_list import PickList
from ragterm.ui.widgets.query_line import QueryLine
from ragterm.ui.widgets.sliders import Slider, SliderLine
from ragterm.ui.widgets.status_line import StatusLine
from ragterm.ui.widgets.tab_line import TabLine

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Chunk, DocumentRow
    from ragterm.engine.types.graphs import GraphSummary, LayerMap, Walk
    from ragterm.engine.types.lessons import Lesson

EDGES = ("walk", "all", "none")
BEAMS = (10, 20, 40, 64, 96, 128, 192, 256, 384, 512)
KEEP = (1, 3, 5, 10, 20, 50, 100)
REST = 0.3
"""Seconds that a slider rests before the walk is made again."""
PLAY_EVERY = 0.35
READY_AFTER = 1.5
"""Seconds between two looks at a graph that is being built."""
MAX_NODES = 2000


class LayersPane(LayerFindings, Pane):
    PURPOSE = (
        "The graph behind the vector search: its layers, a map of each, and the walk of the last query step by step, with what it "
        "cost against a full scan, what it missed and why. Arrows move over the nodes, Enter reads the chunk; the wheel zooms, the "
        "mouse drags. Beside the map: the steps, the exact hits, the neighbours (Enter follows one), the health of the layer."
    )
    scope = "layers"
    BINDINGS = bindings("layers")  # type: ignore[assignment]

    DEFAULT_CSS = """
    LayersPane { layout: vertical; height: 1fr; }
    LayersPane #ask { height: 1; }
    LayersPane #ask Static { width: auto; padding: 0 0 0 1; color: $text-accent; text-style: bold; }
    LayersPane LayerTable { padding: 0 1; }
    LayersPane #field { height: 1fr; border-top: solid $border-blurred; }
    LayersPane GraphMap { width: 1fr; padding: 0 1; }
    LayersPane #beside { width: 38; border-left: solid $border-blurred; }
    LayersPane #beside TabLine { padding: 0; }
    LayersPane #findings { height: 3fr; }
    LayersPane.-wide-body #beside { width: 52; }
    LayersPane #findings > PickList { height: 1fr; padding: 0 0 0 1; }
    LayersPane NodeDetail { height: 2fr; padding: 0 0 0 1; border-top: solid $border-blurred; }
    """

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.summary: GraphSummary | None = None
        self.walk: Walk | None = None
        self.level = 0
        self.question = ""
        self.explanation = None
        self.trail = []
        self.view = "steps"
        self._recalls, self._healths, self._standings = {}, {}, {}
        self._looking: Timer | None = None
        self._resting: Timer | None = None
        self._stale = True
        self._walked_for = ("", 0, 0)
        self._playing: Timer | None = None
        self._maps: dict[int, LayerMap] = {}
        self._chunks: dict[int, tuple[Chunk, DocumentRow] | None] = {}

    def compose(self) -> ComposeResult:
        with Horizontal(id="ask"):
            yield Static(Content("walk for ▸"))
            yield QueryLine("type a query, Enter walks", id="walk-query")
        yield LayerTable(id="layer-table")
        with Horizontal(id="field"):
            yield GraphMap(id="map")
            with Container(id="beside"):
                yield TabLine(VIEWS, id="layer-views")
                with ContentSwitcher(initial="layer-steps", id="findings"):
                    yield StepList(id="layer-steps")
                    yield ExactList(id="layer-exact")
                    yield NeighbourList(id="layer-near")
                    yield HealthList(id="layer-health")
                yield NodeDetail(id="node")
        yield SliderLine([Slider("ef", BEAMS, BEAMS.index(40)), Slider("k", KEEP, KEEP.index(10))], id="sliders")
        yield StatusLine(id="layers-status")

    def built(self) -> None:
        self.query_line = self.query_one("#walk-query", QueryLine)
        self.table = self.query_one("#layer-table", LayerTable)
        self.map = self.query_one("#map", GraphMap)
        self.steps = self.query_one("#layer-steps", StepList)
        self.exact = self.query_one("#layer-exact", ExactList)
        self.near = self.query_one("#layer-near", NeighbourList)
        self.health = self.query_one("#layer-health", HealthList)
        self.sliders = self.query_one("#sliders", SliderLine)
        self.switcher = self.query_one("#findings", ContentSwitcher)
        self.tabs = self.query_one("#layer-views", TabLine)
        self.node = self.query_one("#node", NodeDetail)
        self.map.message = "Reading the graph…"

    def on_resize(self) -> None:
        self.set_class(self.size.width >= 120, "-wide-body")

    def focus_first(self) -> None:
        self.map.focus()
        self.refresh_graph()

    @property
    def shown(self) -> bool:
        return bool(self.size)

    @property
    def beam(self) -> int:
        return self.sliders.value("ef")

    @property
    def k(self) -> int:
        return self.sliders.value("k")

    # --- Reading ------------------------------------------------------------------------------------------------------------------

    def refresh_graph(self) -> None:
        """Read what is stale; called whenever the pane is shown."""
        if self._stale:
            self.fetch(self.bridge.graph_summary(), self._summarised, group="summary")
        elif self.question and self._walked_for != (self.question, self.k, self.beam):
            self.fetch_walk()

    def _summarised(self, summary: GraphSummary) -> None:
        self._stale = False
        if self.summary is None or summary.generation != self.summary.generation:
            self._maps.clear()
            self._chunks.clear()
            self.forget_findings()
        if not summary.ready:
            self._stale = True
            self.set_timer(READY_AFTER, self._look_again)
        self.summary = summary
        self.map.entry = summary.entry
        self.level = min(self.level, max((one.level for one in summary.layers), default=0))
        self.table.show(summary, self.level)
        if summary.nodes and summary.ready:
            self.fetch_layer(self.level)
            if self.question:
                self.fetch_walk()
            else:
                self.fetch_recall()
        else:
            self.map.message = "No graph yet: ingest documents first." if summary.ready else "The graph is being built…"
            self.map.layer_map = None
            self.map.redraw()
        self.say()

    def _look_again(self) -> None:
        if self.shown:
            self.refresh_graph()

    def fetch_layer(self, level: int) -> None:
        if level in self._maps:
            self._layer_known(self._maps[level])
        else:
            self.fetch(self.bridge.layer_map(level, MAX_NODES), self._layer_known, group="layer")

    def _layer_known(self, layer: LayerMap) -> None:
        self._maps[layer.level] = layer
        if layer.level == self.level:
            self.map.show(layer=layer)

    def fetch_walk(self) -> None:
        self._walked_for = (self.question, self.k, self.beam)
        self.say(styled("walking…", "$text-accent"))

        async def request() -> Walk:
            try:
                return await self.bridge.walk(self.question, self.k, self.beam)
            finally:
                self.say()

        self.fetch(request(), self._walked, group="walk")

    def _walked(self, walk: Walk) -> None:
        self.walk = walk
        self.stop()
        self.steps.show(walk)
        self.map.show(walk=walk)
        self.explain_walk(walk)
        self.fetch_recall()
        if walk.steps:
            self.go_to_step(len(walk.steps) - 1)
        self.say()

    # --- News -----------------------------------------------------------------------------------------------------------------------

    @on(messages.TraceShown)
    def _trace_shown(self, message: messages.TraceShown) -> None:
        self.ask(message.trace.question)

    @on(messages.AnswerEventArrived)
    def _answer_event(self, message: messages.AnswerEventArrived) -> None:
        if isinstance(message.event, AnswerReady):
            self._recalls.clear()  # there is one question more
            if not self.query_line.has_focus:
                self.ask(message.event.trace.question)

    @on(messages.DocumentsChanged)
    def _documents_changed(self) -> None:
        self._stale = True
        if self.shown:
            self.refresh_graph()

    @on(messages.CollectionChanged)
    def _collection_changed(self) -> None:
        self.question, self.walk, self.summary, self.level = "", None, None, 0
        self._stale, self._walked_for = True, ("", 0, 0)
        self._maps.clear()
        self._chunks.clear()
        self.forget_findings()
        self.query_line.show("")
        self.steps.show(None)
        self.map.layer_map = None
        self.map.forget_walk()
        self.node.show(None, None, Content(""))
        if self.shown:
            self.refresh_graph()

    def ask(self, question: str) -> None:
        """Show the walk of this question: now, or when the pane is next shown."""
        self.question = question.strip()
        self.query_line.show(self.question)
        if self.shown:
            self.refresh_graph()

    @on(Input.Submitted, "#walk-query")
    def _submitted(self) -> None:
        self.ask(self.query_line.value)
        self.map.focus()

    # --- Steps ------------------------------------------------------------------------------------------------------------------------

    @on(PickList.Highlighted, "#layer-steps")
    def _step_chosen(self, message: PickList.Highlighted) -> None:
        self.go_to_step(message.index)

    def go_to_step(self, index: int) -> None:
        if self.walk is None or not self.walk.steps:
            return
        index = max(0, min(index, len(self.walk.steps) - 1))
        step = self.walk.steps[index]
        if self.steps.cursor != index:
            self.steps.go_to(index, tell=False)
        if step.level != self.level:
            self.show_layer(step.level)
        self.map.show(step=index)
        self.map.choose(step.node, tell=False)
        self.show_node(step.node)
        self.say()

    def action_step(self, by: int) -> None:
        self.stop()
        self.go_to_step(self.steps.cursor + by)

    def action_play(self) -> None:
        if self._playing is not None:
            self.stop()
        elif self.walk is not None and self.walk.steps:
            if self.steps.cursor >= len(self.walk.steps) - 1:
                self.go_to_step(0)
            self._playing = self.set_interval(PLAY_EVERY, self._play_on)
            self.say()

    def _play_on(self) -> None:
        if self.walk is None or self.steps.cursor >= len(self.walk.steps) - 1:
            self.stop()
        else:
            self.go_to_step(self.steps.cursor + 1)

    def stop(self) -> None:
        if self._playing is not None:
            self._playing.stop()
            self._playing = None
            self.say()

    def action_slide(self, name: str, by: int) -> None:
        self.sliders.move(name, by)

    @on(SliderLine.Changed)
    def _slid(self) -> None:
        """The walk follows when the slider rests: not every value on the way is searched for."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST, self._slider_rests)

    def _slider_rests(self) -> None:
        if self.question:
            self.refresh_graph()
        else:
            self.fetch_recall()

    # --- Layers -----------------------------------------------------------------------------------------------------------------------

    def action_layer(self, by: int) -> None:
        if self.summary is None:
            return
        levels = sorted(one.level for one in self.summary.layers)
        if levels:
            self.show_layer(max(levels[0], min(levels[-1], self.level + by)))

    def show_layer(self, level: int) -> None:
        self.level = level
        if self.summary is not None:
            self.table.show(self.summary, level)
        self.fetch_layer(level)
        if self.view == "health":
            self.fetch_health()
        elif self.view == "near":
            self.look_around()

    @on(LineView.SpotChosen, "#layer-table")
    def _layer_chosen(self, message: LineView.SpotChosen) -> None:
        self.show_layer(int(message.name.partition(":")[2]))

    def action_edges(self) -> None:
        self.map.show(edges=EDGES[(EDGES.index(self.map.edges) + 1) % len(EDGES)])
        self.say()

    # --- Nodes ------------------------------------------------------------------------------------------------------------------------

    @on(GraphMap.NodeChosen)
    def _node_chosen(self, message: GraphMap.NodeChosen) -> None:
        self.show_node(message.key)

    @on(GraphMap.NodeOpened)
    def _node_opened(self, message: GraphMap.NodeOpened) -> None:
        self.open_node(message.key)

    @on(PickList.Opened, "#layer-steps")
    def _step_opened(self, message: PickList.Opened) -> None:
        if self.walk is not None and message.index < len(self.walk.steps):
            self.open_node(self.walk.steps[message.index].node)

    def open_node(self, key: int) -> None:
        if found := self._chunks.get(key):
            self.post_message(messages.SourceRequested(chunk=found[0], collection=self.bridge.collection))

    # --- The rest ---------------------------------------------------------------------------------------------------------------------

    def say(self, doing: Content | None = None) -> None:
        status = self.query_one("#layers-status", StatusLine)
        edges = styled(f"edges: {self.map.edges}", MUTED)
        if doing is not None:
            status.say(doing, edges)
        elif self.walk is None:
            status.say(styled("Ask in Chat, or press / and type a query, to see a walk.", MUTED), edges)
        else:
            at = f"{'▶ ' if self._playing else ''}step {self.steps.cursor + 1} of {len(self.walk.steps)}"
            right = Content.assemble(styled(at, "$text-accent"), styled(f" · edges: {self.map.edges}", MUTED))
            status.say(walk_summary(self.walk), right if self.walk.steps else edges)

    def action_query(self) -> None:
        self.query_line.focus()
        self.query_line.action_select_all()

    def action_lesson(self) -> None:
        """The teaching mode: it needs neither a question nor a collection."""

        def show(lessons: tuple[Lesson, ...]) -> None:
            from ragterm.ui.screens.lesson import LessonScreen

            if len(self.app.screen_stack) == 1:
                self.app.push_screen(LessonScreen(lessons))

        self.fetch(self.bridge.lessons(), show, group="lesson")

    def action_leave(self) -> None:
        (self.switcher.query_one(f"#layer-{self.view}") if self.map.has_focus else self.map).focus()
