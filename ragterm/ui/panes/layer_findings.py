"""What the Layers pane finds out beyond the walk: misses, true ranks, recall, neighbours, health; and the map as a file.

A mixin of the pane, which owns question, walk and map. Each list is read when it is first looked at.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content
from textual.timer import Timer

from ragterm.ui.safe_text import plain, shorten
from ragterm.ui.widgets.citation import MUTED, file_name
from ragterm.ui.widgets.graph_findings import ExactList, HealthList, NeighbourList, NodeRows, placed, told
from ragterm.ui.widgets.line_view import styled
from ragterm.ui.widgets.map_picture import WHOLE, ZOOM_STEP
from ragterm.ui.widgets.pick_list import PickList
from ragterm.ui.widgets.sliders import SliderLine
from ragterm.ui.widgets.tab_line import TabLine

if TYPE_CHECKING:
    from textual.widgets import ContentSwitcher

    from ragterm.engine.types.documents import Chunk, DocumentRow
    from ragterm.engine.types.graphs import (
        Explanation,
        GraphHealth,
        GraphSummary,
        Miss,
        RecallReport,
        Standing,
        Walk,
    )
    from ragterm.ui.panes.pane import Pane
    from ragterm.ui.widgets.graph_lists import NodeDetail
    from ragterm.ui.widgets.graph_map import GraphMap

    _Base = Pane
else:
    _Base = object

VIEWS = (("steps", "Steps", "s"), ("exact", "Exact", "m"), ("near", "Near", "n"), ("health", "Health", "h"))
LOOKED_AT = 0.15
"""Seconds that the cursor rests on a node before more is asked about it."""


class LayerFindings(_Base):
    summary: GraphSummary | None
    walk: Walk | None
    question: str
    level: int
    explanation: Explanation | None
    trail: list[int]
    view: str
    _recalls: dict[tuple[int, int], RecallReport]
    _healths: dict[int, GraphHealth]
    _standings: dict[int, Standing | None]
    _chunks: dict[int, tuple[Chunk, DocumentRow] | None]
    _looking: Timer | None

    if TYPE_CHECKING:
        map: GraphMap
        node: NodeDetail
        exact: ExactList
        near: NeighbourList
        health: HealthList
        sliders: SliderLine
        switcher: ContentSwitcher
        tabs: TabLine

        @property
        def k(self) -> int: ...

        @property
        def beam(self) -> int: ...

        def go_to_step(self, index: int) -> None: ...

        def stop(self) -> None: ...

        def open_node(self, key: int) -> None: ...

    def forget_findings(self) -> None:
        """The graph is another one."""
        self.explanation = None
        self.trail = []
        self._recalls, self._healths, self._standings = {}, {}, {}
        self.exact.show(None, None)
        self.near.show(None, self.level, (), {}, ())
        self.health.show(None)
        self.sliders.say()

    # --- The lists ------------------------------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        self.view = name
        self.tabs.choose(name)
        self.switcher.current = f"layer-{name}"
        self.switcher.query_one(f"#layer-{name}").focus()
        if name == "exact":
            self.point_at(self.exact)
        elif name == "near":
            self.look_around()
        elif name == "health":
            self.fetch_health()

    def point_at(self, rows: NodeRows) -> None:
        """Bring the map's cursor to the node that a list's cursor is on."""
        if (key := rows.key_at(rows.cursor)) is not None:
            self.map.choose(key, tell=False)
            self.show_node(key)

    # Found by their names: the decorator `on` is read only in classes that are message pumps themselves.

    def on_tab_line_chosen(self, message: TabLine.Chosen) -> None:
        message.stop()
        self.action_view(message.name)

    def on_pick_list_highlighted(self, message: PickList.Highlighted) -> None:
        if isinstance(message.picker, NodeRows):
            self.point_at(message.picker)

    def on_pick_list_opened(self, message: PickList.Opened) -> None:
        if not isinstance(message.picker, NodeRows) or (key := message.picker.key_at(message.index)) is None:
            return
        if message.picker is self.near:
            self.follow(key)
        else:
            self.map.choose(key, tell=False)
            self.open_node(key)

    def action_open(self) -> None:
        """Read the chunk under the cursor, wherever the focus is."""
        if self.map.cursor is not None:
            self.open_node(self.map.cursor)

    # --- ANN miss or embedding miss? ------------------------------------------------------------------------------------------

    def explain_walk(self, walk: Walk) -> None:
        self.explanation, self._standings = None, {}
        self.exact.show(walk, None)
        if walk.missed and walk.steps:
            self.fetch(self.bridge.explain(self.question, self.k, self.beam), self._explained, group="explain")

    def _explained(self, explanation: Explanation) -> None:
        if self.walk is None or (explanation.walk.question, explanation.walk.ef) != (self.walk.question, self.walk.ef):
            return
        self.explanation = explanation
        self.exact.show(self.walk, explanation)
        self.refresh_node()

    def miss_of(self, key: int) -> Miss | None:
        return next((one for one in self.explanation.misses if one.key == key), None) if self.explanation else None

    def why_missed(self, key: int) -> Content:
        """Where the walk turned away from a node that it missed; empty for any other."""
        miss = self.miss_of(key)
        return (
            styled(told(miss, self.walk), "$text-error") if miss is not None and self.walk is not None else Content("")
        )

    def action_turn(self) -> None:
        """Go to the step that turned away from the missed node under the cursor, or from the first that was missed."""
        misses = self.explanation.misses if self.explanation is not None else ()
        here = self.miss_of(self.map.cursor) if self.map.cursor is not None else None
        miss = here or next((one for one in misses if one.turned_at is not None), None)
        if miss is None or miss.turned_at is None:
            self.app.notify("No step of this walk turned away from one of the nearest", markup=False, timeout=3)
            return
        self.stop()
        self.go_to_step(miss.turned_at)

    # --- What rests under the cursor ------------------------------------------------------------------------------------------

    def show_node(self, key: int) -> None:
        self.node.show(key, self._chunks.get(key), self.about(key))
        self.look_closer(key)
        if key in self._chunks:
            self._label(key)
        else:

            def found(answer: tuple[Chunk, DocumentRow] | None) -> None:
                self._chunks[key] = answer
                self._label(key)
                if self.node.key == key:
                    self.refresh_node()

            self.fetch(self.bridge.chunk_by_key(key), found, group="chunk")

    def _label(self, key: int) -> None:
        if found := self._chunks.get(key):
            chunk, row = found
            self.map.say(key, f"{shorten(file_name(row.path, row.title), 18)}: {chunk.text[:60]}")

    def refresh_node(self) -> None:
        """More is known about the node that is shown."""
        if (key := self.node.key) is not None:
            self.node.show(key, self._chunks.get(key), self.about(key))

    def about(self, key: int) -> Content:
        """What the walk says about a node: its place among the results, its distance."""
        parts = [styled(f"node {key}", MUTED)]
        if self.walk is not None:
            missed = {one for _, one, _ in self.walk.missed}
            for rank, (one, cosine) in enumerate(self.walk.exact, 1):
                if one == key:
                    look = ("✗ missed", "$text-error") if one in missed else ("● found", "$text-success")
                    parts.append(styled(f"{look[0]}, truly #{rank}, cosine {cosine:.3f}", look[1]))
                    break
            else:
                seen = next(
                    (d for s in self.walk.steps for k, d in ((s.node, s.distance), *s.visited) if k == key), None
                )
                parts.append(styled("never looked at" if seen is None else f"distance {seen:.3f}", MUTED))
            parts += [more for more in (self.why_missed(key), self.true_place(key)) if more]
        return Content.styled(" · ", MUTED).join(parts)

    def look_closer(self, key: int) -> None:
        """Ask more about a node once the cursor rests on it."""
        if self._looking is not None:
            self._looking.stop()

        def rested() -> None:
            if self.map.cursor == key:
                self.fetch_standing(key)
                if self.view == "near" and not self.near.has_focus:
                    self.look_around()

        self._looking = self.set_timer(LOOKED_AT, rested)

    def fetch_standing(self, key: int) -> None:
        walk = self.walk
        if walk is None or key in self._standings or any(key == one for one, _ in walk.exact):
            return

        def found(standing: Standing | None) -> None:
            if self.walk is walk:
                self._standings[key] = standing
                self.refresh_node()

        self.fetch(self.bridge.standing(walk.question, key), found, group="standing")

    def true_place(self, key: int) -> Content:
        standing = self._standings.get(key)
        if standing is None or self.walk is None:
            return Content("")
        return placed(standing, len(self.walk.exact), any(key == one for one, _ in self.walk.results))

    # --- Walking by hand ------------------------------------------------------------------------------------------------------

    def look_around(self) -> None:
        """Show the neighbours of the node under the cursor."""
        here, level = self.map.cursor, self.level
        if here is None:
            return

        async def request() -> tuple[list[tuple[int, float]], dict[int, str]]:
            near = await self.bridge.neighbours(here, level)
            return near, await self.bridge.labels([key for key, _ in near])

        def found(answer: tuple[list[tuple[int, float]], dict[int, str]]) -> None:
            self.near.show(here, level, *answer, tuple(self.trail))

        self.fetch(request(), found, group="near")

    def follow(self, key: int) -> None:
        """Go from the node that the list is about to one of its neighbours."""
        if self.near.here is not None:
            self.trail.append(self.near.here)
        self._stand_at(key)

    def action_retrace(self) -> None:
        if self.trail:
            self._stand_at(self.trail.pop())

    def _stand_at(self, key: int) -> None:
        self.map.choose(key, tell=False)
        self.show_node(key)
        self.look_around()

    # --- Recall and health ----------------------------------------------------------------------------------------------------

    def fetch_recall(self) -> None:
        asked = (self.k, max(self.k, self.beam))
        if asked in self._recalls:
            self.say_recall(self._recalls[asked])
        elif self.summary is not None and self.summary.nodes and self.summary.ready:

            def found(report: RecallReport) -> None:
                self._recalls[asked] = report
                if asked == (self.k, max(self.k, self.beam)):
                    self.say_recall(report)

            self.fetch(self.bridge.recall(*asked), found, group="recall")

    def say_recall(self, report: RecallReport) -> None:
        if not report.questions:
            self.sliders.say(styled("recall: none of your questions is kept yet", MUTED))
            return
        many = f"your last {report.questions} questions" if report.questions > 1 else "your last question"
        tone = "$text-success" if report.recall >= 0.95 else "$text-warning"
        value = styled(f"{report.recall:.2f}", "bold", tone)
        whole = Content.assemble(
            styled(f"recall@{report.k} over {many}: ", MUTED), value, styled(f" at ef {report.ef}", MUTED)
        )
        short = Content.assemble(styled(f"recall@{report.k} over {report.questions} questions: ", MUTED), value)
        self.sliders.say(whole, short)
        worst = f"lowest: {report.worst_recall:.2f} for {plain(report.worst)}" if report.recall < 1 else "none missed"
        self.sliders.tooltip = Content(worst)

    def fetch_health(self) -> None:
        level = self.level
        if level in self._healths:
            self.health.show(self._healths[level])
            return

        def found(health: GraphHealth) -> None:
            self._healths[level] = health
            if self.level == level:
                self.health.show(health)

        self.health.show(None)
        self.fetch(self.bridge.graph_health(level), found, group="health")

    # --- The view of the map --------------------------------------------------------------------------------------------------

    def action_zoom(self, by: int) -> None:
        self.map.zoom(ZOOM_STEP**by)

    def action_fit(self) -> None:
        self.map.fit()

    def action_save_map(self) -> None:
        """What is seen, as SVG and as DOT."""
        layer = self.map.layer_map
        if layer is None or not layer.keys:
            self.app.notify("There is no map to save yet", markup=False, timeout=3)
            return
        folder = Path(self.bridge.home or Path.cwd()) / "maps"
        name = f"{self.bridge.collection}-layer-{layer.level}-{time.strftime('%Y%m%d-%H%M%S')}"
        box = None if self.map.box == WHOLE else self.map.box
        walk = self.walk

        async def request() -> list[Path]:
            return [await self.bridge.save_map(folder / f"{name}{end}", layer, walk, box) for end in (".svg", ".dot")]

        def saved(paths: list[Path]) -> None:
            self.app.notify(plain("\n".join(map(str, paths))), title="Saved", markup=False, timeout=8)

        self.fetch(request(), saved, group="save")
