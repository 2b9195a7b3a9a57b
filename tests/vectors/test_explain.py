"""What was missed and why: on the ten points of the lesson, on graphs drawn by hand, and on random graphs against every ef."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.types.graphs import Walk
from ragterm.engine.vectors.explain import SAME, LayerLinks, explain, graph_health, recall_report
from ragterm.engine.vectors.lesson import SHADOWED, knn_search, lesson_walk


def test_the_miss_of_the_lesson_is_explained():
    told = explain(lambda k, ef: lesson_walk(SHADOWED, k, ef), k=1, ef=1)
    (miss,) = told.misses
    assert (miss.key, miss.rank, miss.smallest_ef, miss.fails_at) == (5, 1, 2, 1)
    assert miss.cosine == pytest.approx(-0.5)
    # The way to V5 is V4, V1, V2, V5. V1 was met when V4 was expanded, at 5.02, and V4's own 3.91 was the furthest kept.
    assert miss.through == 1
    assert miss.distance == pytest.approx(5.0249, abs=1e-4)
    step = told.walk.steps[miss.turned_at]
    assert (step.level, step.action, step.node) == (0, "expand", 4)
    assert step.beam < miss.distance


def test_where_nothing_is_missed_one_walk_is_enough():
    told = explain(lambda k, ef: lesson_walk(k=k, ef=ef), k=3, ef=3)
    assert (told.misses, told.searches) == ((), 1)


# Points on a line with the query at 0. A hill (the node 2, far away) hides node 3; node 4 has no way to it at all.
LINE = ((5.0, 0.0), (6.0, 0.0), (9.0, 0.0), (1.0, 0.0), (2.0, 0.0))
HILL = (((0, 1), (1, 2), (2, 3)),)


def test_a_node_that_was_kept_and_dropped_later_is_where_the_walk_turned():
    def walk(k, ef):
        return knn_search(LINE, HILL, 0, (0.0, 0.0), k, ef)

    told = explain(walk, k=1, ef=1)
    hidden = told.misses[0]
    assert (hidden.key, hidden.smallest_ef, hidden.fails_at, hidden.through) == (3, 3, 2, 1)
    assert told.walk.nodes == 5
    two = explain(walk, k=2, ef=2)
    assert [(m.key, m.rank) for m in two.misses] == [(3, 1), (4, 2)]
    assert (two.misses[0].through, two.misses[0].smallest_ef) == (2, 3)
    unreachable = two.misses[1]
    assert (unreachable.smallest_ef, unreachable.through, unreachable.turned_at) == (None, None, None)
    assert unreachable.fails_at == 5


def test_the_number_of_walks_is_bounded_and_what_is_known_then_is_told():
    made = []

    def walk(k, ef):
        made.append(ef)
        found = ((7, 0.9),) if ef >= 7000 else ()
        return Walk("q", ef, (), found, ((7, 0.9),), 10, 100_000)

    told = explain(walk, k=1, ef=10, searches=14)
    assert len(made) == len(set(made)) == told.searches == 14
    (miss,) = told.misses
    assert miss.fails_at < 7000 <= miss.smallest_ef <= 7040
    assert explain(walk, k=1, ef=10, searches=40).misses[0].smallest_ef == 7000
    short = explain(walk, k=1, ef=10, searches=3)
    assert (short.misses[0].smallest_ef, short.misses[0].fails_at) == (None, 40)


@st.composite
def graphs(draw):
    count = draw(st.integers(3, 14))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    points = [tuple(p) for p in rng.random((count, 2)).tolist()]
    some = [(i, int(rng.integers(0, i))) for i in range(1, count)]
    more = [tuple(sorted(rng.choice(count, 2, replace=False).tolist())) for _ in range(draw(st.integers(0, count)))]
    return points, [some + more], tuple(rng.random(2).tolist())


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(1, 4))
def test_every_miss_is_found_at_its_smallest_ef_and_turns_away_where_it_says(graph, k):
    points, edges, query = graph
    k = min(k, len(points))

    def walk(k, ef):
        return knn_search(points, edges, 0, query, k, ef)

    told = explain(walk, k, k, searches=1000)
    for miss in told.misses:
        assert miss.key not in {key for key, _ in told.walk.results}
        assert miss.key in {key for key, _ in walk(k, miss.smallest_ef).results}
        assert miss.fails_at == miss.smallest_ef - 1
        assert miss.key not in {key for key, _ in walk(k, miss.fails_at).results}
        met = dict(pair for step in told.walk.steps[: miss.turned_at + 1] for pair in step.visited)
        assert met[miss.through] == miss.distance > told.walk.steps[miss.turned_at].beam
        assert miss.through not in {s.node for s in told.walk.steps if s.action == "expand"}


# --- Recall --------------------------------------------------------------------------------------------------------


def found(question, got, truth):
    return Walk(question, 40, (), got, truth, 10, 100)


def test_recall_is_the_mean_over_the_questions():
    truth = ((1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6))
    walks = [found("a", truth, truth), found("b", (*truth[:1], (8, 0.3), (9, 0.2), (7, 0.1)), truth)]
    report = recall_report(walks, 4)
    assert (report.k, report.ef, report.questions, report.recall) == (4, 40, 2, (1 + 0.25) / 2)
    assert (report.worst, report.worst_recall) == ("b", 0.25)
    assert recall_report([], 10).questions == 0


def test_a_tie_is_no_miss_but_a_shorter_list_is():
    truth = ((1, 0.9), (2, 0.5), (3, 0.5))
    tied = found("q", ((1, 0.9), (3, 0.5), (4, 0.5)), truth)
    assert tied.missed == ()
    assert tied.recall == 1
    short = found("q", ((1, 0.9), (3, 0.5)), truth)
    assert short.missed == ((2, 2, 0.5),)
    assert short.recall == pytest.approx(2 / 3)


# --- Health --------------------------------------------------------------------------------------------------------


def layer(count, pairs, *, dead=(), lengths=None, entry=0, members=None):
    pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    alive = np.ones(count, dtype=bool)
    alive[list(dead)] = False
    there = np.ones(count, dtype=bool) if members is None else np.isin(np.arange(count), members)
    gaps = np.full(len(pairs), 0.5) if lengths is None else lengths
    keys = np.arange(count, dtype=np.int64) + 100
    return LayerLinks(keys, there, alive, pairs[:, 0], pairs[:, 1], np.asarray(gaps, dtype=np.float32), entry)


def test_who_cannot_be_reached_and_who_is_reached_through_the_deleted():
    health = graph_health(0, layer(6, [(0, 1), (1, 2), (3, 2), (4, 3), (2, 0)], dead=[1]))
    assert health.unreachable == (103, 104, 105)
    assert health.unreachable_count == 3
    assert (health.nodes, health.links) == (5, 3)
    assert health.lonely == 2, "4 and 5: what links to them is nobody"
    above = graph_health(1, layer(6, [(0, 2), (2, 0)], members=[0, 2]))
    assert (above.nodes, above.unreachable_count, above.level) == (2, 0, 1)


def test_a_hub_is_far_above_the_mean():
    ring = [(i, (i + 1) % 200) for i in range(200)] + [((i + 1) % 200, i) for i in range(200)]
    star = [(i, 7) for i in range(20, 80)]
    health = graph_health(0, layer(200, ring + star))
    assert health.hubs == ((107, 62),)
    assert health.hub_count == 1
    assert health.mean_in_degree == pytest.approx(2.3)
    assert 62 >= health.hub_limit > 6
    assert graph_health(0, layer(200, ring)).hubs == ()


def test_duplicates_are_pairs_at_no_distance_each_once():
    links = [(0, 1), (1, 0), (1, 2), (2, 3), (3, 2)]
    health = graph_health(0, layer(4, links, lengths=[0.0, 0.0, 0.4, SAME / 2, SAME / 2]))
    assert [(a, b) for a, b, _ in health.duplicates] == [(100, 101), (102, 103)]
    assert health.duplicates[1][2] == pytest.approx(SAME / 2)
    assert health.copies == 2
    assert graph_health(0, layer(4, links, lengths=[0.0, 0.0, 0.4, 0.0, 0.0], dead=[0])).copies == 1


def test_an_empty_layer_is_healthy():
    health = graph_health(0, layer(0, [], entry=-1))
    assert (health.nodes, health.unreachable_count, health.copies, health.hub_count) == (0, 0, 0, 0)
