import numpy as np
import pytest
from support.vector_indexes import changes, linked_index, true_order, unit_vectors

from ragterm.engine.types.protocols import GraphView
from ragterm.engine.vectors.projection import fit_projection


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """For tests that only look at it."""
    with linked_index(tmp_path_factory.mktemp("dense"), range(1000, 1300), unit_vectors(300), (1004, 1007)) as index:
        yield index


def test_the_summary_counts_what_the_maps_show(index):
    summary = index.summary()
    assert (summary.ready, summary.nodes, summary.deleted, summary.m, summary.generation) == (True, 298, 2, 4, 2)
    assert not summary.answers_queries
    assert "exact scan" in summary.note
    assert len(summary.layers) >= 3
    for layer in summary.layers:
        everything = index.layer_map(layer.level)
        assert layer.nodes == len(everything.keys) == everything.sampled_from
        degrees = [len(index.neighbours(key, layer.level)) for key in everything.keys]
        assert layer.edges == sum(degrees)
        assert layer.max_degree == max(degrees)
        assert layer.mean_degree == pytest.approx(sum(degrees) / len(degrees))
        assert dict(layer.degree_histogram) == {d: degrees.count(d) for d in set(degrees)}
    assert summary.entry in index.layer_map(len(summary.layers) - 1).keys


def test_a_map_draws_each_link_once_between_its_own_nodes(index):
    drawn = index.layer_map(0)
    assert not {1004, 1007} & set(drawn.keys)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in drawn.positions)
    assert len(set(drawn.edges)) == len(drawn.edges)
    assert all(a < b < len(drawn.keys) for a, b in drawn.edges)
    linked = {frozenset((key, other)) for key in drawn.keys for other, _ in index.neighbours(key, 0)}
    assert {frozenset((drawn.keys[a], drawn.keys[b])) for a, b in drawn.edges} == linked


def test_a_large_layer_is_thinned_out_the_same_way_every_time(index):
    few = index.layer_map(0, max_nodes=40)
    assert (len(few.keys), few.sampled_from) == (40, 298)
    assert few == index.layer_map(0, max_nodes=40)
    assert set(index.layer_map(2).keys) <= set(few.keys)
    whole = dict(zip(*[getattr(index.layer_map(0), name) for name in ("keys", "positions")], strict=True))
    assert all(whole[key] == at for key, at in zip(few.keys, few.positions, strict=True))


def test_neighbours_come_with_their_cosines_nearest_first(index):
    vectors = {1000 + i: v for i, v in enumerate(unit_vectors(300))}
    found = index.neighbours(1010, 0)
    assert found
    assert [c for _, c in found] == sorted((c for _, c in found), reverse=True)
    for key, cosine in found:
        assert cosine == pytest.approx(float(vectors[key] @ vectors[1010]), abs=1e-6)
    assert index.neighbours(1004, 0) == []
    assert index.neighbours(5, 0) == []
    assert index.neighbours(1010, 30) == []


def test_a_layer_that_is_not_there_is_empty(index):
    assert index.layer_map(25).keys == ()


def test_a_walk_goes_down_the_layers_and_stops_when_nothing_nearer_is_left(index):
    query = unit_vectors(1, seed=6)[0]
    walk = index.walk("who?", query, k=10, ef=40)
    vectors, keys = unit_vectors(300), np.arange(1000, 1300)
    live = ~np.isin(keys, [1004, 1007])
    truth, cosines = true_order(vectors[live], keys[live], query)
    assert (walk.question, walk.ef, walk.nodes) == ("who?", 40, 298)
    assert [key for key, _ in walk.exact] == truth[:10]
    assert [c for _, c in walk.exact] == pytest.approx(cosines[:10], abs=1e-6)
    assert len({key for key, _ in walk.results} & set(truth[:10])) >= 8

    actions = [step.action for step in walk.steps]
    assert (actions[0], actions[-1]) == ("enter", "stop")
    levels = [step.level for step in walk.steps]
    assert levels == sorted(levels, reverse=True)
    assert actions.count("descend") == levels[0] == len(index.summary().layers) - 1
    assert walk.steps[0].node == index.summary().entry
    by_key = dict(zip(keys.tolist(), vectors, strict=True))
    for step in walk.steps:
        for key, distance in ((step.node, step.distance), *step.visited):
            assert distance == pytest.approx(1 - float(by_key[key] @ query), abs=0.02)
    for level in set(levels):
        expanded = [step.node for step in walk.steps if step.level == level and step.action == "expand"]
        assert len(expanded) == len(set(expanded))
        met = [key for step in walk.steps if step.level == level for key, _ in step.visited]
        assert len(met) == len(set(met))
        for step in (s for s in walk.steps if s.level == level and s.action == "expand"):
            if step.node in (1004, 1007):
                continue  # a tombstone leads on, but has no neighbours to show
            linked = {key for key, _ in index.neighbours(step.node, level)} | {1004, 1007}
            assert {key for key, _ in step.visited} <= linked
    # On the ground one for every node met; above, where nothing is remembered, one for every link of every expanded node.
    graph = index._state.graph.graph
    computed = 1 + sum(len(step.visited) for step in walk.steps if step.level == 0)
    for step in walk.steps:
        if step.level and step.action == "expand":
            computed += int((graph.links[graph.upper_row[step.node - 1000] + step.level - 1] >= 0).sum())
    assert walk.distances_computed == computed
    last = max((s for s in walk.steps if s.action == "expand"), key=walk.steps.index)
    assert walk.steps[-1].beam == last.beam
    assert all(0 <= c <= 1 for c in walk.query_position)


def test_a_walk_as_wide_as_the_collection_finds_everything(index):
    walk = index.walk("q", unit_vectors(1, seed=2)[0], k=298, ef=1)
    assert walk.ef == 298
    assert walk.results == walk.exact
    assert len(walk.results) == 298


def test_a_walk_longer_than_its_log_is_replayed_whole(index, monkeypatch):
    query = unit_vectors(1, seed=2)[0]
    whole = index.walk("q", query, k=5, ef=60)
    monkeypatch.setattr("ragterm.engine.vectors.views._LOG_ROWS_FIRST", 8)
    assert index.walk("q", query, k=5, ef=60) == whole


def test_without_a_graph_a_walk_has_no_steps(new_index):
    bare = new_index()
    bare.apply(changes(range(20), unit_vectors(20), 1))
    walk = bare.walk("q", unit_vectors(1)[0], k=3)
    assert walk.steps == ()
    assert [key for key, _ in walk.results] == [key for key, _ in walk.exact]
    assert len(walk.exact) == 3


def test_the_dense_index_is_a_graph_view(index):
    view: GraphView = index
    assert {name for name in dir(GraphView) if not name.startswith("_")} <= set(dir(view))


def test_the_projection_spans_the_two_widest_directions():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((2000, 5)) * np.array([0.1, 8, 0.1, 3, 0.1])
    projection = fit_projection(points.astype(np.float32))
    assert np.abs(projection.axes[0]).argmax() == 1
    assert np.abs(projection.axes[1]).argmax() == 3
    assert projection.axes.max(axis=1) == pytest.approx(np.abs(projection.axes).max(axis=1))
    places = projection.place(points.astype(np.float32))
    assert places.min() >= 0
    assert places.max() <= 1
    assert np.corrcoef(places[:, 0], points[:, 1])[0, 1] > 0.97
    middle = np.median(places, axis=0)
    assert middle == pytest.approx([0.5, 0.5], abs=0.08)
    chunked = fit_projection(np.tile(points, (3, 1)).astype(np.float32))
    assert chunked.place(np.tile(points, (3, 1)).astype(np.float32)).shape == (6000, 2)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("dimensions", [1, 2, 7])
def test_the_projection_copes_with_next_to_nothing(count, dimensions):
    vectors = np.ones((count, dimensions), dtype=np.float32)
    places = fit_projection(vectors).place(vectors)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert places == pytest.approx(np.full((count, 2), 0.5))
