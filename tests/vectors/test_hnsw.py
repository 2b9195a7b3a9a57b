"""The paper's algorithms on points whose answers can be worked out by hand, and on small graphs against plain references."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.vectors import connect, hnsw, walk_log
from ragterm.engine.vectors.check import check_graph
from ragterm.engine.vectors.construction import chosen_by, insert_nodes
from ragterm.engine.vectors.kernels import pack

EUCLIDEAN, INNER_PRODUCT = "euclidean", "inner product"


def graph_of(points, levels=None, m=4, metric=EUCLIDEAN):
    """A graph on integer points, each its own code. Distances are half the squared Euclidean ones (the points are doubled to keep
    halves whole), or minus the inner products."""
    points = np.array(points, dtype=np.int64)
    levels = np.zeros(len(points), dtype=np.int8) if levels is None else np.array(levels, dtype=np.int8)
    codes = np.full((len(points), 64), 128, dtype=np.uint8)
    codes[:, : points.shape[1]] = points + 128
    bias = (points * points).sum(axis=1).astype(np.int32) // 2 if metric == EUCLIDEAN else None
    return hnsw.empty_graph(codes, 8, levels, m, bias)


def in_order(graph, nodes, ef_construction):
    """Insert `nodes` one after the other, as the paper does, in plain steps."""
    scratch, settled = hnsw.new_scratch(graph, ef_construction), np.zeros(len(graph.links), dtype=np.uint8)
    around = np.empty(200, dtype=np.int64)
    for node in nodes:
        one = np.array([node], dtype=np.int32)
        if graph.top[0] >= 0:
            hnsw.find_batch(graph, graph, one, ef_construction, scratch, around)
            for layer in range(min(int(graph.levels[node]), int(graph.top[1])) + 1):
                hnsw.link_batch(graph, layer, *chosen_by(graph, one, layer), settled, scratch, around)
        if graph.levels[node] > graph.top[1]:
            graph.top[:] = node, graph.levels[node]


def built(points, m=4, ef_construction=40, metric=EUCLIDEAN, seed=1):
    graph = graph_of(points, hnsw.draw_levels(seed, len(points), m), m, metric)
    insert_nodes(graph, np.arange(len(points), dtype=np.int32), ef_construction)
    return graph


def row_of(graph, node, layer=0):
    return node if layer == 0 else int(graph.upper_row[node]) + layer - 1


def links(graph, node, layer=0):
    return [target for target in graph.links[row_of(graph, node, layer)].tolist() if target >= 0]


def link(graph, layer, *pairs):
    for a, b in pairs:
        for source, target in ((a, b), (b, a)):
            graph.links[row_of(graph, source, layer), len(links(graph, source, layer))] = target


def search(graph, query, ef, log_rows=0, best=0):
    """(node, squared distance) nearest first, and the log."""
    query = np.array(query, dtype=np.int64)
    scratch = hnsw.new_scratch(graph, ef, log_rows)
    scratch.query[: len(query)] = query
    half = int(query @ query) // 2 if len(graph.bias) else 0
    scratch.constant[0] = 128 * int(query.sum()) + half
    count = hnsw.knn_search(graph, ef, scratch, best)
    return [(hnsw.entry_node(e), 2 * hnsw.entry_distance(e)) for e in scratch.pool[:count].tolist()], scratch.log


# Algorithm 4. q stands at the origin; candidates are named by where they lie.


def select(points, m):
    """The nodes chosen for q = points[0] from all the others."""
    points = [(2 * x, 2 * y) for x, y in points]
    graph = graph_of(points)
    half = [((x - points[0][0]) ** 2 + (y - points[0][1]) ** 2) // 2 for x, y in points]
    candidates = np.sort(np.array([pack(half[i], i) for i in range(1, len(points))], dtype=np.int64))
    chosen = np.empty(len(points) + 1, dtype=np.int64)
    count = hnsw.select_neighbours(graph, candidates, len(candidates), m, chosen)
    return [hnsw.entry_node(e) for e in chosen[:count].tolist()]


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


def test_settled_candidates_are_not_compared_with_each_other():
    points = [(0, 0), (4, 0), (8, 0), (-10, 0)]
    graph = graph_of(points)
    entries = np.array([pack(8, 1), pack(32, 2), pack(50, 3)], dtype=np.int64)
    chosen = np.empty(4, dtype=np.int64)
    assert hnsw.select_neighbours(graph, entries, 3, 3, chosen) == 2  # 2 lies behind 1
    entries[:2] |= 1  # as if an earlier selection had found them both worth keeping
    assert hnsw.select_neighbours(graph, entries, 3, 3, chosen) == 3


def test_a_tie_is_kept():
    # Node 2 is as far from node 1 as from q: not nearer to what was taken.
    assert select([(0, 0), (2, 0), (1, 5)], 2) == [1, 2]


# Algorithms 2 and 5 on the ten points of the teaching mode.

TEN_POINTS = [(1, 1), (2, 2), (3, 1), (1, 3), (4, 4), (7, 2), (8, 1), (2, 8), (3, 7), (8, 8)]


@pytest.fixture
def ten_points():
    # Doubled, so that half a squared distance is a whole number.
    graph = graph_of([(2 * x, 2 * y) for x, y in TEN_POINTS], [0, 1, 0, 0, 2, 0, 0, 0, 0, 1])
    link(graph, 0, (0, 1), (0, 3), (1, 2), (2, 5), (3, 7), (4, 1), (4, 8), (5, 6), (6, 9), (7, 8), (8, 9))
    link(graph, 1, (1, 4), (4, 9))
    graph.top[:] = [4, 2]
    assert check_graph(graph) == []
    return graph


def test_the_ten_points_are_searched_by_way_of_v4_and_v9(ten_points):
    found, log = search(ten_points, (14, 14), 1, 100)
    assert [(node, math.sqrt(gap / 4)) for node, gap in found] == [(9, pytest.approx(1.41, abs=0.01))]
    events = log[1 : 1 + log[0, 0]].tolist()
    way = [(layer, node) for event, layer, node, _ in events if event in (walk_log.ENTERED, walk_log.EXPANDED)]
    assert way == [(2, 4), (2, 4), (1, 4), (1, 4), (1, 9), (0, 9), (0, 9)]
    assert {node for event, layer, node, _ in events if event == walk_log.MET and layer == 1} == {1, 4, 9}


def test_a_wider_search_finds_what_a_narrow_one_misses(ten_points):
    # Squared distances to (7, 7): V9 2, V8 16, V4 18, V5 25, V7 26, V6 37. The way to V5 leads over V6, which a beam of four drops.
    assert search(ten_points, (14, 14), 4)[0] == [(9, 8), (8, 64), (4, 72), (7, 104)]
    assert search(ten_points, (14, 14), 5)[0] == [(9, 8), (8, 64), (4, 72), (5, 100), (7, 104)]
    assert [node for node, _ in search(ten_points, (14, 14), 10)[0]] == [9, 8, 4, 5, 7, 6, 1, 2, 3, 0]


def test_a_log_that_is_full_keeps_the_first_events(ten_points):
    found, whole = search(ten_points, (14, 14), 3, 100)
    again, short = search(ten_points, (14, 14), 3, 5)
    assert found == again
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
    """Even coordinates, at most 126."""
    points = np.random.default_rng(seed).normal(0, spread, (count, dimensions))
    return 2 * np.clip(np.rint(points / 2), -63, 63).astype(np.int64)


def test_a_built_graph_is_sound_and_finds_the_true_neighbours():
    points = random_points(400)
    graph = built(points, m=5, ef_construction=50)
    assert check_graph(graph, np.arange(400)) == []
    assert max(len(links(graph, node)) for node in range(400)) <= 10
    hits = 0
    for query in random_points(40, seed=1):
        gaps = ((points.astype(int) - query.astype(int)) ** 2).sum(axis=1)
        found = search(graph, query, 50)[0][:10]
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
    in_order(whole, range(200), 40)
    in_order(grown, range(77), 40)
    in_order(grown, range(77, 200), 40)
    assert (whole.links == grown.links).all()


def test_any_number_of_threads_gives_the_same_graph():
    points = random_points(500)
    graphs = [graph_of(points, hnsw.draw_levels(1, 500, 4)) for _ in range(3)]
    for threads, graph in enumerate(graphs, 1):
        insert_nodes(graph, np.arange(500, dtype=np.int32), 20, threads)
        assert (graphs[0].links == graph.links).all()


def test_a_batch_is_linked_as_the_nodes_of_it_chose():
    graph = graph_of(random_points(30))
    in_order(graph, range(20), 20)
    batch = np.arange(20, 24, dtype=np.int32)
    hnsw.find_batch(graph, graph, batch, 20, hnsw.new_scratch(graph, 20), np.empty(20, dtype=np.int64))
    targets, starts, sources = chosen_by(graph, batch, 0)
    chosen = {(int(t), int(s)) for i, t in enumerate(targets) for s in sources[starts[i] : starts[i + 1]]}
    assert chosen == {(target, node) for node in range(20, 24) for target in links(graph, node)}
    assert sorted(set(targets.tolist())) == targets.tolist()


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
    graph.links[graph.links == 50] = 51  # node 50 is now unreachable, 51 is linked twice here and there, and to itself
    for row in range(len(graph.links)):
        once = [t for t in dict.fromkeys(graph.links[row].tolist()) if t >= 0 and (row, t) != (51, 51)]
        graph.links[row] = once + [-1] * (4 - len(once))
    assert any("cannot be reached" in problem for problem in check_graph(graph))
    assert connect.connect_layers(graph) >= 1
    assert check_graph(graph) == []
    assert connect.connect_layers(graph) == 0


def test_copies_of_one_point_are_left_again():
    """With 2M links each, 2M + 1 copies would link to each other and to nobody else: a search that comes there would stay."""
    points = [(20 + i, 7 * i % 20) for i in range(40)] + [(0, 0)] * 9
    graph = built(points, m=4, ef_construction=20)
    assert check_graph(graph) == []
    for start in range(len(points)):
        met, frontier = {start}, [start]
        while frontier:
            ahead = [target for target in links(graph, frontier.pop()) if target not in met]
            met.update(ahead)
            frontier += ahead
        assert len(met) == len(points), start
    assert graph.top[0] < 40
    graph.links[40:49] = [[other for other in range(40, 49) if other != copy] for copy in range(40, 49)]
    assert any("from 9 nodes there is no way" in problem for problem in check_graph(graph))
    assert connect.connect_layers(graph) >= 1
    assert check_graph(graph) == []


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
    in_order(graph, range(160), 12)
    layers, entry = paper_graph(points, levels.tolist(), 3, 12)
    assert graph.top.tolist() == [entry, len(layers) - 1]
    assert len(layers) > 3
    for layer, expected in enumerate(layers):
        assert {node: links(graph, node, layer) for node in expected} == expected


def test_an_insertion_walks_down_from_the_top_and_looks_at_few_nodes():
    points = random_points(600, dimensions=2, spread=50)
    levels = hnsw.draw_levels(2, 600, 4)
    graph = graph_of(points, levels)
    in_order(graph, range(599), 5)
    assert levels[599] == 0
    scratch = hnsw.new_scratch(graph, 5, 5000)
    hnsw.find_batch(graph, graph, np.array([599], dtype=np.int32), 5, scratch, np.empty(5, dtype=np.int64))
    log = scratch.log
    events = log[1 : 1 + log[0, 0]].tolist()
    assert [layer for event, layer, _, _ in events if event == walk_log.ENTERED] == list(
        range(int(graph.top[1]), -1, -1)
    )
    assert sum(event == walk_log.MET for event, *_ in events) < 200


def test_a_search_gives_up_after_a_third_of_ef_expansions_that_bring_nothing_among_the_best():
    points = random_points(600, dimensions=6)
    graph = built(points)
    for query in random_points(5, seed=1).tolist():
        whole, _ = search(graph, query, 60)
        found, log = search(graph, query, 60, 5000, best=8)
        assert found[:8] == whole[:8]
        events = log[1 : 1 + log[0, 0]].tolist()
        ground = events[max(i for i, event in enumerate(events) if event[0] == walk_log.ENTERED) :]
        near, in_vain = [], []
        for event, _, node, gap in ground:
            if event == walk_log.EXPANDED:
                in_vain.append(0)
            elif event != walk_log.KEPT:
                near = sorted([*near, (gap, node)])[:8]
                if in_vain and (gap, node) in near:
                    in_vain[-1] = 1
        assert in_vain[-20:] == [0] * 20
        assert in_vain[-21] == 1
        assert len(in_vain) < 60


def test_an_empty_graph_finds_nothing_and_is_sound():
    graph = graph_of(np.empty((0, 3)), [])
    assert search(graph, (1, 2, 3), 5)[0] == []
    assert check_graph(graph) == []
    assert connect.connect_layers(graph) == 0


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda g: g.links.__setitem__((0, 0), 0), "themselves"),
        (lambda g: g.links.__setitem__((0, 0), g.links[0, 1]), "twice"),
        (lambda g: g.links.__setitem__((0, 0), 5000), "no node"),
        (lambda g: g.links.__setitem__(int(g.upper_row[g.top[0]]), range(8)), "at most 4"),
        (lambda g: g.top.__setitem__(0, int(np.argmin(g.levels))), "entry point"),
        (lambda g: g.top.__setitem__(0, -1), "no node"),
        (lambda g: g.upper_row.__setitem__(3, 0), "do not follow"),
        (
            lambda g: g.links.__setitem__((int(g.upper_row[g.top[0]]), 0), int(np.argmin(g.levels))),
            "leave the layer",
        ),
        (lambda g: g.links.__setitem__(slice(None), -1), "cannot be reached"),
        (lambda g: g.links.__setitem__((0, 0), -1), "behind its last"),
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
    assert check_graph(graph, keys, np.arange(30) == 9) == []
    assert check_graph(graph, keys[:-1]) == ["29 keys for 30 nodes"]
