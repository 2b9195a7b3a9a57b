"""Layers: the table of the graph, the map, the walk step by step, the chunk behind a node; hostile text."""

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
from textual.pilot import Pilot

from ragterm.engine.types.documents import Chunk, DocumentRow
from ragterm.engine.types.graphs import LayerMap, Walk, WalkStep
from ragterm.ui import messages
from ragterm.ui.panes.layers import LayersPane
from ragterm.ui.widgets.graph_lists import table_lines, walk_summary
from ragterm.ui.widgets.map_picture import (
    ENTRY,
    EXPANDED,
    MISSED,
    NOW,
    QUERY,
    RESULT,
    SYMBOLS,
    VISITED,
    MapPicture,
    progress,
)

# --- The picture, without a screen --------------------------------------------------------------

# Four nodes in the corners of the plane; the walk enters at 1, sees 2 and 3, expands 3, and never sees 4.
CORNERS = LayerMap(0, (1, 2, 3, 4), ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)), ((0, 1), (0, 2), (1, 3)), 4)
STEPS = (
    WalkStep(0, "enter", 1, 0.9, ((1, 0.9),), 0.9),
    WalkStep(0, "expand", 1, 0.9, ((2, 0.8), (3, 0.3)), 0.9),
    WalkStep(0, "expand", 3, 0.3, (), 0.9),
    WalkStep(0, "stop", 3, 0.3, (), 0.9),
)
SMALL = Walk("q", 4, STEPS, ((3, 0.7), (1, 0.1)), ((3, 0.7), (4, 0.6)), 3, 4, (0.5, 0.5))


def symbols(picture: MapPicture) -> dict[int, str]:
    canvas = picture.draw()
    found = {}
    for key in picture.layer.keys:
        cell = picture.cell_of(key)
        assert cell is not None
        found[key] = canvas.cell(*cell)[0]
    return found


def test_progress_tells_what_was_expanded_seen_and_from_where() -> None:
    assert progress(SMALL, 0, 0).visited == frozenset()
    middle = progress(SMALL, 1, 0)
    assert (middle.expanded, middle.visited, middle.now) == ({1}, {2, 3}, 1)
    end = progress(SMALL, 3, 0)
    assert (end.expanded, end.visited, end.links) == ({1, 3}, {2}, ((1, 3),))
    assert end.finished and not middle.finished
    assert progress(SMALL, 3, 1).expanded == frozenset()


def test_each_kind_of_node_has_a_symbol_of_its_own() -> None:
    at_start = symbols(MapPicture(CORNERS, 20, 10, SMALL, 1))
    assert at_start[1] == SYMBOLS[NOW] and at_start[2] == SYMBOLS[VISITED] == at_start[3]
    assert 0x2800 < ord(at_start[4]) < 0x2900, "a node that was not touched is a dot"
    at_end = symbols(MapPicture(CORNERS, 20, 10, SMALL, 3))
    assert at_end == {1: SYMBOLS[ENTRY], 2: SYMBOLS[VISITED], 3: SYMBOLS[RESULT], 4: SYMBOLS[MISSED]}
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)
    canvas = MapPicture(CORNERS, 21, 11, SMALL, 3).draw()
    assert SYMBOLS[QUERY] in canvas.text() and SYMBOLS[EXPANDED] not in canvas.text()


def test_edges_of_the_walk_all_or_none() -> None:
    none = MapPicture(CORNERS, 20, 10, SMALL, 3, "none").draw().text()
    walk = MapPicture(CORNERS, 20, 10, SMALL, 3, "walk").draw().text()
    picture = MapPicture(CORNERS, 20, 10, SMALL, 3, "all")
    picture.background = picture.draw_edges()
    everything = picture.draw().text()

    def dots(text: str) -> int:
        return sum(bin(ord(c) - 0x2800).count("1") for c in text if 0x2800 < ord(c) < 0x2900)

    assert dots(none) < dots(walk) < dots(everything)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30),
    st.integers(5, 60),
    st.integers(3, 30),
)
def test_every_node_is_on_the_map_and_the_nearest_is_found(
    points: list[tuple[float, float]], width: int, height: int
) -> None:
    layer = LayerMap(0, tuple(range(len(points))), tuple(points), (), len(points))
    picture = MapPicture(layer, width, height)
    canvas = picture.draw()
    for key in layer.keys:
        cell = picture.cell_of(key)
        assert cell is not None and canvas.cell(*cell)[0] != " "
        nearest = picture.nearest(*cell)
        assert nearest is not None and picture.cell_of(nearest) == cell


def test_arrows_go_to_the_node_in_that_direction() -> None:
    picture = MapPicture(CORNERS, 40, 20)
    assert [picture.towards(1, *d) for d in ((1, 0), (0, 1), (-1, 0), (0, -1))] == [2, 3, 1, 1]
    assert picture.towards(4, 0, -1) == 2
    assert picture.towards(None, 1, 0) in (1, 2, 3, 4)


# --- What the lists say ----------------------------------------------------------------------------


def test_the_table_tells_nodes_edges_and_degrees_of_each_layer() -> None:
    lines = [line.plain for line in table_lines(traces.graph_summary(), 0, 150)]
    assert lines[1].split()[:2] == ["2", "3"] and lines[2].split()[:3] == ["1", "30", "120"]
    assert lines[3].startswith("▸") and "420" in lines[3] and "3,360" in lines[3] and "⌀8.0 max 16" in lines[3]
    assert "▁" in lines[3] and "█" in lines[3]


@pytest.mark.parametrize("width", [60, 80, 160, 250])
def test_it_says_when_questions_are_answered_by_exact_scan(width: int) -> None:
    said = " ".join(
        " ".join(line.plain for line in table_lines(traces.graph_summary(), 0, width)).replace("│", " ").split()
    )
    assert "answered by exact scan" in said
    graph = " ".join(line.plain for line in table_lines(traces.graph_summary(answers_queries=True), 0, width))
    assert "exact scan" not in graph and "by this graph" in graph
    assert all(line.cell_length <= width for line in table_lines(traces.graph_summary(note=traces.HOSTILE), 0, width))


def test_the_walk_is_counted_against_the_full_scan() -> None:
    assert walk_summary(SMALL).plain == (
        "3 of 4 distances computed · found 1 of the 2 nearest · missed: rank 2 · ef 4 · 1.3 times fewer than a full scan"
    )


# --- The pane ---------------------------------------------------------------------------------------


def test_the_walk_of_a_trace_is_shown_and_counted() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        assert ("walk", traces.QUESTION, 10, 40) in app.engine.calls
        shown = screen_text(app)
        assert "98 of 420 distances computed" in shown and "found 10 of the 10 nearest" in shown
        assert "Questions are answered by exact scan" in shown
        assert "step 56 of 56" in shown and "● result" in shown
        assert pane.walk is not None and pane.steps.cursor == len(pane.walk.steps) - 1
        assert "56 " in shown, "the last step is in view"

    run(steps)


def test_stepping_moves_map_list_layer_and_chunk_together() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        assert pane.walk is not None
        await pilot.press("comma")
        assert pane.map.step == pane.steps.cursor == 54
        pane.steps.focus()
        await pilot.press("home")
        await until(pilot, lambda: pane.map.layer_map is not None and pane.map.layer_map.level == 2)
        assert pane.level == 2 and pane.map.step == 0 and pane.map.cursor == pane.walk.steps[0].node
        await until(pilot, lambda: "refund-policy-2025.pdf" in text_of(pane.node))
        await pilot.press("full_stop", "full_stop", "full_stop")
        await until(pilot, lambda: pane.level == 1)

    run(steps)


def test_playing_runs_to_the_end_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.ui.panes.layers.PLAY_EVERY", 0.001)

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        pane.go_to_step(52)
        await pilot.press("space")
        await until(pilot, lambda: pane.steps.cursor == 55 and pane._playing is None)

    run(steps)


def test_layers_by_key_and_by_click() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: pane.map.layer_map is not None and pane.map.layer_map.level == 1)
        inside = pane.table.content_region.offset - pane.table.region.offset
        await pilot.click(pane.table, offset=(inside.x + 8, inside.y + 1))
        await until(pilot, lambda: pane.map.layer_map is not None and pane.map.layer_map.level == 2)
        await pilot.press("right_square_bracket")
        assert pane.level == 2

    run(steps)


def test_the_map_shows_the_chunk_behind_a_node_and_opens_it() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        pane.map.focus()
        await pilot.press("left", "up")
        key = pane.map.cursor
        assert key is not None
        await until(pilot, lambda: pane._chunks.get(key) is not None)
        assert f"node {key}" in text_of(pane.node)
        await pilot.press("enter")
        await pilot.pause()
        wish = app.heard[-1]
        assert isinstance(wish, messages.SourceRequested) and wish.chunk is not None and wish.chunk.key == key

    run(steps)


def test_the_mouse_moves_the_cursor_to_the_nearest_node() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        picture = pane.map._picture
        assert picture is not None
        cell = picture.cell_of(17)
        assert cell is not None
        inside = pane.map.content_region.offset - pane.map.region.offset
        await pilot.hover(pane.map, offset=(inside.x + cell[0], inside.y + cell[1]))
        await pilot.pause()
        assert pane.map.cursor is not None and picture.cell_of(pane.map.cursor) == cell

    run(steps)


def test_a_larger_beam_walks_again_and_edges_cycle() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await pilot.press("plus")
        await until(pilot, lambda: ("walk", traces.QUESTION, 10, 64) in app.engine.calls)
        seen = []
        for _ in range(3):
            await pilot.press("e")
            seen.append(pane.map.edges)
        assert seen == ["all", "none", "walk"]

    run(steps)


def test_many_edges_are_drawn_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.ui.widgets.graph_map.MANY_EDGES", 10)

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        await pilot.press("e")
        await until(pilot, lambda: pane.map._background is not None)
        assert pane.map._picture is not None and pane.map._picture.background is not None

    run(steps)


def test_a_typed_query_is_walked() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        await walked(app, pilot)
        await pilot.press("slash", *"x?", "enter")
        await until(pilot, lambda: ("walk", "x?", 10, 40) in app.engine.calls)

    run(steps)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"nodes": 0, "layers": (), "entry": None}, "No graph yet"), ({"ready": False}, "The graph is being built")],
)
def test_without_a_graph_it_says_why(changes: dict[str, Any], said: str) -> None:
    engine = TraceEngine()
    engine.summary = traces.graph_summary(**changes)

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: said in screen_text(app))

    run(steps, engine, (80, 24))


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (250, 60)])
def test_it_fits_from_80_to_250_columns(size: tuple[int, int]) -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await walked(app, pilot)
        assert pane.map.size.width >= 40 and pane.map.size.height >= 10 and pane.node.size.height >= 3
        assert SYMBOLS[RESULT] in screen_text(app)

    run(steps, size=size)


class HostileEngine(TraceEngine):
    def chunk_by_key(self, key: int, collection: str = "default") -> tuple[Chunk, DocumentRow] | None:
        chunk = replace(traces.chunk(0), key=key, text=traces.HOSTILE, section=(traces.HOSTILE,))
        return chunk, DocumentRow("d", "/" + traces.HOSTILE, traces.HOSTILE, "text", None, 1, "indexed")


def test_hostile_text_neither_crashes_nor_leaks() -> None:
    engine = HostileEngine()
    engine.summary = traces.graph_summary(note=traces.HOSTILE)

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane: LayersPane = app.pane  # type: ignore[assignment]
        app.bridge.publish(messages.TraceShown(traces.hostile()))
        await until(pilot, lambda: pane.walk is not None and "\ufffd[31mred" in text_of(pane.node))
        seen = screen_text(app)
        await pilot.hover(pane.map, offset=(20, 5))
        await pilot.press("slash", "escape", "e")
        await pilot.pause(0.3)
        seen += screen_text(app)
        assert "\ufffd[31mred" in seen
        for bad in ("\x1b", "\x9b", "\x07", "\u202e", "\x00"):
            assert bad not in seen

    run(steps, engine, (160, 48))
