"""The paper's algorithms on points whose answers can be worked out by hand, and on small graphs against plain references."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.vectors import connect, hnsw
from ragterm.engine.vectors.check import check_graph
from ragterm.engine.vectors.construction import insert_nodes
from ragterm.engine.vectors.kernels import EUCLIDEAN, INNER_PRODUCT, pack


def graph_of(points, levels=None, m=4, metric=EUCLIDEAN):
    codes = np.array(points, dtype=np.int8)
    levels = np.zeros(len(codes), dtype=np.int8) if levels is None else np.array(levels, dtype=np.int8)
    return hnsw.empty_graph(codes, levels, m, metric)


def built(points, m=4, ef_construction=40, metric=EUCLIDEAN, seed=1):
    graph = graph_of(points, hnsw.draw_levels(seed, len(points), m), m, metric)
    insert_nodes(graph, 0, ef_construction)
    return graph


def links(graph, node, layer=0):
    row = graph.first_row[node] + layer
    return graph.links[row, : graph.degrees[row]].tolist()


def link(graph, layer, *pairs):
    for a, b in pairs:
        for source, target in ((a, b), (b, a)):
            row = graph.first_row[source] + layer
            graph.links[row, graph.degrees[row]] = target
            graph.degrees[row] += 1


def search(graph, query, ef, log=None):
    scratch = hnsw.scratch_for(graph, ef)
    count = hnsw.knn_search(graph, np.array(query, dtype=np.int8), ef, scratch, hnsw.new_log() if log is None else log)
    return [(int(e) & 0xFFFFFFFF, int(e) >> 32) for e in scratch.found[:count]]


# Algorithm 4. q stands at the origin; candidates are named by where they lie.


def select(points, m):
    """The nodes chosen for q = points[0] from all the others."""
    graph = graph_of(points)
    squared = [int(((graph.codes[i].astype(int) - graph.codes[0].astype(int)) ** 2).sum()) for i in range(len(points))]
    candidates = np.sort(np.array([pack(squared[i], i) for i in range(1, len(points))], dtype=np.int64))
    chosen = np.empty(len(points) + 1, dtype=np.int64)
    count = hnsw.select_neighbours(graph, candidates, len(candidates), m, chosen)
    return [int(e) & 0xFFFFFFFF for e in chosen[:count]]


def test_candidates_in_different_directions_are_all_taken():
    assert select([(0, 0), (3, 0), (0, 4), (-5, 0), (0, -6)], 4) == [1, 2, 3, 4]


def test_a_candidate_behind_a_nearer_one_is_left_out():
    # Node 2 lies behind node 1 as seen from q, node 3 on the other side.
    assert select([(0, 0), (2, 0), (4, 0), (-5, 0)], 3) == [1, 3]


def test_a_tight_cluster_gives_one_link_and_leaves_room_for_the_far_side():
    assert select([(0, 0), (10, 0), (11, 0), (10, 1), (11, 1), (0, 40)], 3) == [1, 5]


def test_only_candidates_that_were_taken_block_others():
    # 2 is blocked by 1 (9 to 1, 25 to q). 3 is nearer to 2 (8) than to q (58), and to 1 (26 < 58): blocked by 1, not by 2 alone.
    # 4 is nearer to 2 than to q but further from 1 (41) than from q (40): taken, as 2 was not.
    assert select([(0, 0), (4, 0), (4, 3), (3, 7), (-1, 4)], 4) == [1, 4]
    assert select([(0, 0), (4, 0), (3, 3), (2, 6)], 4) == [1, 3]


def test_no_more_than_m_are_taken_nearest_first():
    assert select([(0, 0), (3, 0), (0, 4), (-5, 0), (0, -6)], 2) == [1, 2]


def test_a_tie_is_kept():
    # Node 2 is as far from node 1 as from q: not nearer to what was taken.
    assert select([(0, 0), (2, 0), (1, 5)], 2) == [1, 2]


# Algorithms 2 and 5 on the ten points of the teaching mode.

TEN_POINTS = [(1, 1), (2, 2), (3, 1), (1, 3), (4, 4), (7, 2), (8, 1), (2, 8), (3, 7), (8, 8)]


@pytest.fixture
def ten_points():
    graph = graph_of(TEN_POINTS, [0, 1, 0, 0, 2, 0, 0, 0, 0, 1])
    link(graph, 0, (0, 1), (0, 3), (1, 2), (2, 5), (3, 7), (4, 1), (4, 8), (5, 6), (6, 9), (7, 8), (8, 9))
    link(graph, 1, (1, 4), (4, 9))
    graph.top[:] = [4, 2]
    assert check_graph(graph) == []
    return graph


def test_the_ten_points_are_searched_by_way_of_v4_and_v9(ten_points):
    log = hnsw.new_log(100)
    found = search(ten_points, (7, 7), 1, log)
    assert [(node, math.sqrt(gap)) for node, gap in found] == [(9, pytest.approx(1.41, abs=0.01))]
    events = log[1 : 1 + log[0, 0]].tolist()
    way = [(layer, node) for event, layer, node, _ in events if event in (hnsw.ENTERED, hnsw.EXPANDED)]
    assert way == [(2, 4), (2, 4), (1, 4), (1, 4), (1, 9), (0, 9), (0, 9)]
    assert {node for event, layer, node, _ in events if event == hnsw.MET and layer == 1} == {1, 9}


def test_a_wider_search_finds_what_a_narrow_one_misses(ten_points):
    # Squared distances to (7, 7): V9 2, V8 16, V4 18, V5 25, V7 26, V6 37. The way to V5 leads over V6, which a beam of four drops.
    assert search(ten_points, (7, 7), 4) == [(9, 2), (8, 16), (4, 18), (7, 26)]
    assert search(ten_points, (7, 7), 5) == [(9, 2), (8, 16), (4, 18), (5, 25), (7, 26)]
    assert [node for node, _ in search(ten_points, (7, 7), 10)] == [9, 8, 4, 5, 7, 6, 1, 2, 3, 0]


def test_a_tombstone_leads_on_but_is_not_returned(ten_points):
    ten_points.deleted[[9, 4]] = True
    assert search(ten_points, (7, 7), 2) == [(8, 16), (7, 26)]
    ten_points.deleted[:] = True
    assert search(ten_points, (7, 7), 2) == []


def test_a_log_that_is_full_keeps_the_first_events(ten_points):
    whole, short = hnsw.new_log(100), hnsw.new_log(5)
    assert search(ten_points, (7, 7), 3, whole) == search(ten_points, (7, 7), 3, short)
    assert short[1:].tolist() == whole[1:6].tolist()
    assert short[0, 0] == 5


# Algorithm 1 and what must hold for every graph.


def test_levels_fall_off_by_m_from_layer_to_layer():
    levels = hnsw.draw_levels(0, 200_000, 16)
    for level in (1, 2, 3):
        expected = 200_000 / 16**level
        assert (levels >= level).sum() == pytest.approx(expected, abs=4 * math.sqrt(expected))


def test_the_level_of_a_node_does_not_depend_on_how_many_follow():
    assert hnsw.draw_levels(5, 1000, 8)[:300].tolist() == hnsw.draw_levels(5, 300, 8).tolist()
    assert hnsw.draw_levels(5, 300, 8).tolist() != hnsw.draw_levels(6, 300, 8).tolist()


def test_points_on_a_line_are_linked_to_the_points_beside_them():
    graph = built([(x, 0) for x in range(10)], m=4)
    for node in range(10):
        assert set(links(graph, node)) >= {n for n in (node - 1, node + 1) if 0 <= n < 10}


def random_points(count, dimensions=6, seed=0, spread=60):
    points = np.random.default_rng(seed).normal(0, spread, (count, dimensions))
    return np.clip(np.rint(points), -127, 127).astype(np.int8)


def test_a_built_graph_is_sound_and_finds_the_true_neighbours():
    points = random_points(400)
    graph = built(points, m=5, ef_construction=50)
    assert check_graph(graph, np.arange(400)) == []
    assert graph.degrees.max() <= 10
    hits = 0
    for query in random_points(40, seed=1):
        gaps = ((points.astype(int) - query.astype(int)) ** 2).sum(axis=1)
        found = search(graph, query, 50)[:10]
        assert [gap for _, gap in found] == sorted(gaps[node] for node, _ in found)
        hits += len({node for node, _ in found} & set(np.argsort(gaps, kind="stable")[:10].tolist()))
    assert hits >= 0.98 * 400


def test_the_same_seed_gives_the_same_graph_and_another_seed_another():
    points = random_points(150)
    one, two, other = built(points, seed=3), built(points, seed=3), built(points, seed=4)
    assert all((a == b).all() for a, b in zip(one, two, strict=True) if isinstance(a, np.ndarray))
    assert one.levels.tolist() != other.levels.tolist()


def test_inserting_in_two_runs_gives_the_graph_of_one():
    points = random_points(200)
    levels = hnsw.draw_levels(1, 200, 4)
    whole, grown = graph_of(points, levels), graph_of(points, levels)
    scratch, log = hnsw.scratch_for(whole, 40), hnsw.new_log()
    hnsw.insert_range(whole, 0, 200, 40, scratch, log)
    hnsw.insert_range(grown, 0, 77, 40, scratch, log)
    hnsw.insert_range(grown, 77, 200, 40, hnsw.scratch_for(grown, 40), log)
    assert (whole.links == grown.links).all()
    assert (whole.degrees == grown.degrees).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-3, 3)] * 2), min_size=1, max_size=60),
    st.sampled_from([EUCLIDEAN, INNER_PRODUCT]),
    st.integers(2, 4),
)
def test_every_node_can_be_reached_whatever_the_points(points, metric, m):
    # A small grid: many points coincide, which is what cuts nodes off.
    graph = built(points, m=m, ef_construction=8, metric=metric)
    assert check_graph(graph, np.arange(len(points))) == []


def test_a_node_without_links_to_it_gets_one_without_cutting_off_another():
    graph = built(random_points(120), m=2, ef_construction=10)
    graph.links[graph.links == 50] = 51  # node 50 is now unreachable, 51 is linked twice here and there
    for row in range(len(graph.links)):
        once = list(dict.fromkeys(t for t in graph.links[row].tolist() if t >= 0))
        graph.links[row] = once + [-1] * (4 - len(once))
        graph.degrees[row] = len(once)
    row = graph.first_row[51]
    own = [t for t in links(graph, 51) if t != 51]
    graph.links[row] = own + [-1] * (4 - len(own))
    graph.degrees[row] = len(own)
    assert any("cannot be reached" in problem for problem in check_graph(graph))
    assert connect.connect_layers(graph) >= 1
    assert check_graph(graph) == []
    assert connect.connect_layers(graph) == 0


def paper_graph(points, levels, m, ef_construction):
    """The paper's algorithms 1, 2 and 4 once more, as directly as Python allows: layers as dictionaries, heapq, no arrays."""
    layers = [{} for _ in range(max(levels) + 1)]
    entry, top = None, -1

    def gap(a, b):
        return sum((int(x) - int(y)) ** 2 for x, y in zip(points[a], points[b], strict=True))

    def search_layer(q, entries, ef, layer):
        seen, candidates = {node for _, node in entries}, sorted(entries)
        nearest = sorted(entries)
        while candidates:
            nearest_gap, node = heapq.heappop(candidates)
            if len(nearest) == ef and nearest_gap > nearest[-1][0]:
                break
            for other in layers[layer][node]:
                if other not in seen:
                    seen.add(other)
                    item = (gap(q, other), other)
                    if len(nearest) < ef or item < nearest[-1]:
                        heapq.heappush(candidates, item)
                        nearest = sorted([*nearest, item])[:ef]
        return nearest[:ef]

    def select(candidates, count):
        chosen = []
        for distance, node in candidates:
            if len(chosen) < count and all(gap(node, other) >= distance for other in chosen):
                chosen.append(node)
        return chosen

    for q, level in enumerate(levels):
        for layer in range(level + 1):
            layers[layer][q] = []
        if entry is None:
            entry, top = q, level
            continue
        found = [(gap(q, entry), entry)]
        for layer in range(top, level, -1):
            found = search_layer(q, found, 1, layer)
        for layer in range(min(top, level), -1, -1):
            found = search_layer(q, found, ef_construction, layer)
            layers[layer][q] = select(found, m)
            for other in layers[layer][q]:
                layers[layer][other].append(q)
                if len(layers[layer][other]) > (m if layer else 2 * m):
                    around = sorted((gap(other, node), node) for node in layers[layer][other])
                    layers[layer][other] = select(around, m if layer else 2 * m)
        if level > top:
            entry, top = q, level
    return layers, entry


def test_the_graph_is_the_one_that_a_plain_reading_of_the_paper_builds():
    points = random_points(160, dimensions=3, spread=15)
    levels = hnsw.draw_levels(11, 160, 3)
    graph = graph_of(points, levels, m=3)
    hnsw.insert_range(graph, 0, 160, 12, hnsw.scratch_for(graph, 12), hnsw.new_log())
    layers, entry = paper_graph(points, levels.tolist(), 3, 12)
    assert graph.top.tolist() == [entry, len(layers) - 1]
    assert len(layers) > 3
    for layer, expected in enumerate(layers):
        assert {node: links(graph, node, layer) for node in expected} == expected


def test_an_insertion_walks_down_from_the_top_and_looks_at_few_nodes():
    points = random_points(600, dimensions=2, spread=50)
    levels = hnsw.draw_levels(2, 600, 4)
    graph = graph_of(points, levels)
    scratch, log = hnsw.scratch_for(graph, 5), hnsw.new_log(5000)
    hnsw.insert_range(graph, 0, 599, 5, scratch, hnsw.new_log())
    assert levels[599] == 0
    hnsw.insert(graph, 599, 5, scratch, log)
    events = log[1 : 1 + log[0, 0]].tolist()
    assert [layer for event, layer, _, _ in events if event == hnsw.ENTERED] == list(range(int(graph.top[1]), -1, -1))
    assert sum(event == hnsw.MET for event, *_ in events) < 200


def test_an_empty_graph_finds_nothing_and_is_sound():
    graph = hnsw.empty_graph(np.empty((0, 3), dtype=np.int8), hnsw.draw_levels(1, 0, 4), 4)
    assert search(graph, (1, 2, 3), 5) == []
    assert check_graph(graph) == []
    assert connect.connect_layers(graph) == 0


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda g: g.links.__setitem__((0, 0), 0), "themselves"),
        (lambda g: g.links.__setitem__((0, 0), g.links[0, 1]), "twice"),
        (lambda g: g.links.__setitem__((0, 0), 5000), "no node"),
        (lambda g: g.degrees.__setitem__(0, 9), "at most 8"),
        (lambda g: g.top.__setitem__(0, int(np.argmin(g.levels))), "entry point"),
        (lambda g: g.top.__setitem__(0, -1), "no node"),
        (lambda g: g.first_row.__setitem__(3, 0), "do not follow"),
        (
            lambda g: g.links.__setitem__((int(g.first_row[g.top[0]]) + 1, 0), int(np.argmin(g.levels))),
            "leave the layer",
        ),
        (lambda g: (g.degrees.__setitem__(slice(None), 0), g.links.__setitem__(slice(None), -1)), "cannot be reached"),
        (lambda g: g.degrees.__setitem__(0, g.degrees[0] - 1), "not as many as its degree says"),
    ],
)
def test_the_check_sees_damage(damage, complaint):
    graph = built(random_points(80))
    assert check_graph(graph) == []
    damage(graph)
    assert any(complaint in problem for problem in check_graph(graph)), check_graph(graph)


def test_the_check_sees_keys_that_are_not_one_to_one():
    graph = built(random_points(30))
    keys = np.arange(30)
    keys[4] = 9
    assert any("share their key" in problem for problem in check_graph(graph, keys))
    graph.deleted[9] = True
    assert check_graph(graph, keys) == []
    assert check_graph(graph, keys[:-1]) == ["29 keys for 30 nodes"]
