"""Layers, the questions behind the walk: what was missed and why, sliders, recall, walking by hand, health, zoom, files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import traces
from support.layers_pane import run, text_of, walked
from support.pane_app import PaneApp, TraceEngine
from support.ui import screen_text, until
from textual.events import MouseScrollUp
from textual.pilot import Pilot

from ragterm.engine.types.graphs import GraphHealth, LayerMap, RecallReport, Standing, Walk, WalkStep
from ragterm.ui.panes.layers import LayersPane
from ragterm.ui.widgets.braille import SPARKS
from ragterm.ui.widgets.graph_findings import health_rows, placed, told, verdict
from ragterm.ui.widgets.graph_lists import frontier
from ragterm.ui.widgets.map_picture import PRUNED, SYMBOLS, VISITED, WHOLE, MapPicture, clipped, moved, progress, zoomed

EXPAND = WalkStep(0, "expand", 1, 0.9, ((2, 0.8), (3, 0.3)), 0.5)
STOP = WalkStep(0, "stop", 1, 0.9, (), 0.5)
WALK = Walk("q", 4, (WalkStep(0, "enter", 1, 0.9, (), 0.9), EXPAND, STOP), ((3, 0.7),), ((3, 0.7),), 3, 4)


def missing() -> TraceEngine:
    engine = TraceEngine()
    engine.query = traces.MISSING
    return engine


# --- The picture ------------------------------------------------------------------------------------


def test_what_is_further_than_the_beam_is_pruned_and_looks_it() -> None:
    done = progress(WALK, 1, 0)
    assert (done.visited, done.pruned) == ({3}, {2})
    layer = LayerMap(0, (1, 2, 3), ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)), (), 3)
    picture = MapPicture(layer, 20, 10, WALK, 1)
    canvas = picture.draw()
    cells = [picture.cell_of(key) for key in (2, 3)]
    assert [canvas.cell(*cell)[0] for cell in cells if cell] == [SYMBOLS[PRUNED], SYMBOLS[VISITED]]


boxes = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.2, 5)).map(lambda t: zoomed(WHOLE, t[2], t[:2]))


@given(boxes, st.floats(0.1, 8), st.tuples(st.floats(0, 1), st.floats(0, 1)), st.floats(-3, 3), st.floats(-3, 3))
def test_the_view_never_leaves_the_map_and_zoom_keeps_its_point(
    box: Any, by: float, at: tuple[float, float], dx: float, dy: float
) -> None:
    for made in (zoomed(box, by, at), moved(box, dx, dy)):
        left, top, right, bottom = made
        assert -1e-9 <= left < right <= 1 + 1e-9 and -1e-9 <= top < bottom <= 1 + 1e-9
        assert right - left == pytest.approx(bottom - top)
    left, top, right, bottom = zoomed(box, by, at)
    if by >= 1:
        x = box[0] + at[0] * (box[2] - box[0])
        assert left + at[0] * (right - left) == pytest.approx(x, abs=1e-6)


@given(*[st.tuples(st.integers(-300, 300), st.integers(-300, 300))] * 2)
def test_a_clipped_line_is_the_part_that_is_in_the_picture(start: tuple[int, int], end: tuple[int, int]) -> None:
    part = clipped(start, end, 40, 30)
    inside = []
    for i in range(601):
        x, y = (start[n] + (end[n] - start[n]) * i / 600 for n in (0, 1))
        if 0 <= x <= 39 and 0 <= y <= 29:
            inside.append((x, y))
    if part is None:
        assert len(inside) <= 2, "a line may touch a corner"
        return
    for x, y in part:
        assert 0 <= x < 40 and 0 <= y < 30
    if inside:
        for n in (0, 1):
            assert part[0][n] == pytest.approx(inside[0][n], abs=2)
            assert part[1][n] == pytest.approx(inside[-1][n], abs=2)


def test_zoomed_in_only_what_is_seen_is_there_and_arrows_go_on_beyond() -> None:
    layer = LayerMap(0, (1, 2, 3, 4), ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.2, 0.2)), ((0, 1), (0, 3)), 4)
    picture = MapPicture(layer, 40, 20, box=(0.0, 0.0, 0.4, 0.4))
    assert picture.cell_of(1) is not None and picture.cell_of(2) is None
    assert picture.in_sight() == 2
    assert picture.nearest(39, 19) == 4
    assert picture.towards(1, 1, 0) in (2, 4) and picture.towards(4, 1, 0) == 2
    assert picture.draw_edges().text().strip()


# --- What is said -------------------------------------------------------------------------------------


def test_the_chart_of_the_frontier_falls_and_marks_the_step() -> None:
    steps = tuple(WalkStep(0, "expand", i, 1.0 - i / 10) for i in range(8))
    walk = replace(WALK, steps=steps)
    drawn = frontier(walk, 3, 60)
    assert drawn.plain == f"1.00 {''.join(reversed(SPARKS[1:]))} 0.30"
    marked = [drawn.plain[s.start : s.end] for s in drawn.spans if "reverse" in str(s.style)]
    assert marked == [SPARKS[5]]
    assert frontier(walk, 0, 14).cell_length <= 14
    assert frontier(replace(WALK, steps=steps[:1]), 0, 40).plain.split()[1] == SPARKS[1]


def test_a_miss_is_told_with_step_distance_and_the_ef_that_finds_it() -> None:
    explanation = missing().explain("q", k=10, ef=40)
    by_rank = {miss.rank: miss for miss in explanation.misses}
    walk = explanation.walk
    first = by_rank[1]
    step = walk.steps[first.turned_at or 0]
    assert told(first, walk) == (
        f"The way leads through node {first.through}. Step {(first.turned_at or 0) + 1} turned away: that node is at "
        f"{first.distance:.3f}, and the beam kept up to {step.beam:.3f}. ef 61 finds it (60 does not)."
    )
    assert told(by_rank[5], walk) == "No way leads there from the entry point: no ef finds it."
    assert told(replace(by_rank[5], fails_at=80), walk) == "No search up to ef 80 finds it."
    dropped = replace(first, through=first.key)
    assert told(dropped, walk).startswith(f"Met, at {first.distance:.3f}, and dropped at step")


def test_ann_miss_or_embedding_miss() -> None:
    assert verdict(missing().explain("q", k=10, ef=40).walk).plain.startswith("4 ANN misses of 10:")
    assert verdict(traces.walk()).plain.startswith("No ANN miss: the graph found the 10 nearest.")
    lost = Standing(7, 57, 0.412, 420)
    assert placed(lost, 10, False).plain == (
        "truly #57 of 420, cosine 0.412: no ef brings it into the first 10; if it belongs there, the embedding misses it"
    )
    assert "embedding" not in placed(replace(lost, rank=4), 10, False).plain


def test_health_names_the_sick_and_says_when_nobody_is() -> None:
    sick = GraphHealth(1, 30, 120, 4.0, (7,), 3, ((9, 40),), 1, 13, ((4, 5, 0.0002),), 1, 2)
    rows = health_rows(sick)
    said = [content.plain for _, content in rows]
    assert [key for key, _ in rows if key is not None] == [7, 9, 4]
    assert "✗ 3 unreachable from the entry" in said and "! 1 hub: in-degree of 13 or more" in said
    assert "≈ 1 pair of duplicates" in said and "    4 ≈ 5 · 0.0002" in said
    well = GraphHealth(0, 30, 120, 4.0, (), 0, (), 0, 13, (), 0, 0)
    assert sum(content.plain.startswith("✓") for _, content in health_rows(well)) == 4


# --- The pane -------------------------------------------------------------------------------------------


def test_exact_hits_beside_the_graphs_and_the_turn_of_a_miss() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await until(pilot, lambda: pane.explanation is not None)
        await pilot.press("m")
        await pilot.pause()
        assert "4 ANN misses of 10" in screen_text(app)
        text = text_of(pane.exact)
        assert text.count("✗") == 4 and "ef 61" in text and "no way leads there" in text and "found as #1" in text
        assert pane.walk is not None
        key = pane.walk.exact[0][0]
        assert pane.map.cursor == key == pane.node.key
        await until(pilot, lambda: "ef 61 finds it" in " ".join(text_of(pane.node).split()))
        await pilot.press("down")
        assert pane.map.cursor == pane.walk.exact[1][0]
        await pilot.press("up", "j")
        miss = pane.miss_of(key)
        assert miss is not None and pane.steps.cursor == miss.turned_at == pane.map.step

    run(steps, missing())


def test_where_nothing_was_missed_no_further_search_is_made() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await pilot.press("m", "j")
        await pilot.pause(0.2)
        assert not [call for call in app.engine.calls if call[0] == "explain"]
        assert "No ANN miss" in screen_text(app) and pane.steps.cursor == 55

    run(steps)


def test_a_node_beyond_the_exact_hits_is_told_its_true_rank() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        pane.map.choose(5)
        await until(pilot, lambda: "truly #57 of 100" in " ".join(text_of(pane.node).split()))
        assert "the embedding misses it" in " ".join(text_of(pane.node).split())

    run(steps)


def test_the_walk_follows_a_slider_when_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.ui.panes.layers.REST", 0.2)

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await pilot.press("plus", "plus", "plus", "greater_than_sign")
        assert (pane.beam, pane.k) == (128, 20)
        await until(pilot, lambda: ("walk", traces.QUESTION, 20, 128) in app.engine.calls)
        walks = [call for call in app.engine.calls if call[0] == "walk"]
        assert [call[2:] for call in walks] == [(10, 40), (20, 128)], "none for the values on the way"
        await until(pilot, lambda: "recall@20 over your last 12 questions: 0.99 at ef 128" in screen_text(app))
        await pilot.press("minus", "less_than_sign")
        assert (pane.beam, pane.k) == (96, 10)

    run(steps)


def test_sliders_by_mouse_and_by_arrows() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        line = pane.sliders
        inside = line.content_region.x - line.region.x
        await pilot.click(line, offset=(inside + 3 + 7, 0))
        assert pane.beam == 256
        await pilot.mouse_down(line, offset=(inside + 3 + 7, 0))
        await pilot.hover(line, offset=(inside + 3 + 1, 0))
        await pilot.mouse_up(line, offset=(inside + 3 + 1, 0))
        assert pane.beam == 20
        line.focus()
        await pilot.press("right", "down", "right", "right")
        assert (pane.beam, pane.k) == (40, 50)
        await pilot.press("right", "right", "right")
        assert pane.k == 100

    run(steps)


def test_recall_is_said_short_where_there_is_little_room_and_not_made_up() -> None:
    class Empty(TraceEngine):
        def recall(self, collection: str = "default", k: int = 10, ef: int = 40) -> RecallReport:
            return RecallReport(k, 0, 0, 1.0)

    async def narrow(app: PaneApp, pilot: Pilot[Any]) -> None:
        await walked(app, pilot)
        await until(pilot, lambda: "recall@10 over 12 questions: 0.99" in screen_text(app))

    async def none(app: PaneApp, pilot: Pilot[Any]) -> None:
        await walked(app, pilot)
        await until(pilot, lambda: "none of your questions is kept" in screen_text(app))

    run(narrow, size=(80, 24))
    run(none, Empty())


def test_the_graph_is_walked_by_hand_there_and_back() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        start = pane.map.cursor
        assert start is not None
        await pilot.press("n")
        await until(pilot, lambda: pane.near.here == start)
        assert pane.near.keys == [key for key, _ in traces.neighbours(start, 0)]
        assert f"Chunk {pane.near.keys[0]}" in text_of(pane.near)
        await pilot.press("down")
        second = pane.near.keys[1]
        assert pane.map.cursor == second
        await pilot.press("enter")
        await until(pilot, lambda: pane.near.here == second)
        assert pane.trail == [start]
        third = pane.near.keys[0]
        await pilot.press("enter")
        await until(pilot, lambda: pane.near.here == third)
        assert f"{start} → {second} → {third}" in screen_text(app)
        await pilot.press("backspace", "backspace")
        await until(pilot, lambda: pane.near.here == start)
        assert pane.map.cursor == start and pane.trail == []
        await pilot.press("o")
        await pilot.pause()
        assert app.heard[-1].chunk.key == start  # type: ignore[attr-defined]

    run(steps)


def test_health_of_the_layer_that_is_shown() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        inside = pane.tabs.region
        await pilot.click(pane.tabs, offset=(inside.width - 2 if inside.width < 40 else 32, 0))
        await until(pilot, lambda: "unreachable" in text_of(pane.health))
        await pilot.press("down", "down")
        assert pane.map.cursor == 1002
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "Layer 1" in text_of(pane.health))

    run(steps)


def test_zoom_and_pan_by_key_wheel_and_drag() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        pane.map.focus()
        await pilot.press("z", "z")
        assert pane.map.box[2] - pane.map.box[0] == pytest.approx(1 / 1.5**2)
        assert "zoom 2.2" in screen_text(app)
        before = pane.map.box
        await pilot.press("shift+left")
        assert pane.map.box[0] < before[0]
        await pilot.press("f")
        assert pane.map.box == WHOLE
        await pilot._post_mouse_events([MouseScrollUp], pane.map, offset=(30, 8), button=0)
        await pilot.pause()
        zoom = pane.map.box
        assert zoom[2] - zoom[0] == pytest.approx(1 / 1.5)
        await pilot.mouse_down(pane.map, offset=(20, 8))
        await pilot.hover(pane.map, offset=(30, 8))
        await pilot.mouse_up(pane.map, offset=(30, 8))
        assert pane.map.box[0] < zoom[0], "what was under the mouse comes along"
        await pilot.press("x", "x")
        assert pane.map.box == WHOLE
        for _ in range(30):
            await pilot.press("z")
        pane.map.choose(1)
        assert pane.map._picture is not None and pane.map._picture.cell_of(1) is not None, "the view goes to the cursor"

    run(steps)


def test_the_node_under_the_mouse_is_labelled_from_its_chunk() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        picture = pane.map._picture
        assert picture is not None
        cell = picture.cell_of(17)
        assert cell is not None
        inside = pane.map.content_region.offset - pane.map.region.offset
        await pilot.hover(pane.map, offset=(inside.x + cell[0], inside.y + cell[1]))
        await until(pilot, lambda: bool(pane.map.label))
        shown = screen_text(app).splitlines()[pane.map.content_region.y + cell[1]]
        assert pane.map.label[:12] in shown

    run(steps)


def test_the_map_is_saved_as_it_is_seen_and_the_reader_is_told_where() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await pilot.press("z", "w")
        await until(pilot, lambda: len([c for c in app.engine.calls if c[0] == "save_map"]) == 2)
        saved = [call for call in app.engine.calls if call[0] == "save_map"]
        assert [name.rpartition(".")[2] for _, name, _, _ in saved] == ["svg", "dot"]
        assert saved[0][3] == pane.map.box != WHOLE
        await until(pilot, lambda: bool(app._notifications))
        assert ".svg" in next(iter(app._notifications)).message

    run(steps, size=(140, 44))


class HostileGraph(TraceEngine):
    def labels(self, keys: Any, collection: str = "default") -> dict[int, str]:
        return dict.fromkeys(keys, traces.HOSTILE)

    def recall(self, collection: str = "default", k: int = 10, ef: int = 40) -> RecallReport:
        return RecallReport(k, ef, 2, 0.5, traces.HOSTILE, 0.1)


def test_hostile_labels_and_questions_neither_crash_nor_leak() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await pilot.press("n")
        await until(pilot, lambda: "[/foo]" in text_of(pane.near))
        await pilot.hover(pane.sliders)
        await pilot.pause(0.5)
        seen = screen_text(app)
        for bad in ("\x1b", "\x9b", "\x07", "\u202e", "\x00"):
            assert bad not in seen

    run(steps, HostileGraph())


def test_another_collection_forgets_what_was_found() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane: LayersPane = await walked(app, pilot)
        await pilot.press("n")
        await until(pilot, lambda: pane.near.here is not None)
        app.bridge.switch_collection("other")
        await until(pilot, lambda: pane.walk is None)
        assert pane.near.here is None and pane.explanation is None and pane._recalls.keys() <= {(10, 40)}
        assert pane.exact.walk is None and pane.exact.keys == []

    run(steps, missing())
