"""The ten points: the walk by hand, the truth by sorting all distances, and what is said to right and wrong predictions."""

from __future__ import annotations

import math

import pytest

from ragterm.engine.types.lessons import ONWARD
from ragterm.engine.vectors.lesson import EDGES, LEVELS, POINTS, SHADOWED, lesson_walk, lessons, search_layer


def places(walk):
    """The nodes that a walk is at, in order, repetitions left out."""
    found = []
    for step in walk.steps:
        if not found or found[-1] != step.node:
            found.append(step.node)
    return found


def test_the_search_for_7_7_visits_v4_then_v9_and_returns_v9_at_1_41():
    walk = lesson_walk()
    assert places(walk) == [4, 9]
    ((node, score),) = walk.results
    assert (node, f"{-score:.2f}") == (9, "1.41")
    assert [(s.level, s.action, s.node) for s in walk.steps] == [
        (2, "enter", 4),
        (2, "expand", 4),
        (1, "descend", 4),
        (1, "expand", 4),
        (1, "expand", 9),
        (0, "descend", 9),
        (0, "expand", 9),
        (0, "stop", 9),
    ]
    assert [key for key, _ in walk.steps[3].visited] == [1, 9]
    assert [key for key, _ in walk.steps[6].visited] == [6, 8]
    assert walk.distances_computed == 5


def test_the_graph_is_the_one_of_the_example():
    assert POINTS == ((1, 1), (2, 2), (3, 1), (1, 3), (4, 4), (7, 2), (8, 1), (2, 8), (3, 7), (8, 8))
    assert [n for n, level in enumerate(LEVELS) if level >= 2] == [4]
    assert [n for n, level in enumerate(LEVELS) if level >= 1] == [1, 4, 9]
    assert len(EDGES[0]) == 11
    assert set(EDGES[1]) == {(1, 4), (4, 9)}
    for layer, edges in enumerate(EDGES):
        assert all(LEVELS[a] >= layer and LEVELS[b] >= layer for a, b in edges)


@pytest.mark.parametrize("query", [(7, 7), (7, 1.5), (0, 0), (2.2, 7.4), (5, 5)])
def test_a_beam_as_wide_as_the_graph_finds_the_true_order(query):
    walk = lesson_walk(query, k=10, ef=10)
    truth = sorted(range(10), key=lambda n: ((POINTS[n][0] - query[0]) ** 2 + (POINTS[n][1] - query[1]) ** 2, n))
    assert [node for node, _ in walk.results] == truth == [node for node, _ in walk.exact]
    for node, score in walk.results:
        assert -score == pytest.approx(math.hypot(POINTS[node][0] - query[0], POINTS[node][1] - query[1]))


def test_ef_1_misses_what_lies_behind_a_step_away_and_ef_2_finds_it():
    assert [node for node, _ in lesson_walk(SHADOWED, ef=1).results] == [4]
    assert lesson_walk(SHADOWED).exact[0][0] == 5
    wider = lesson_walk(SHADOWED, ef=2)
    assert wider.results[0][0] == 5
    assert places(wider)[:4] == [4, 1, 2, 5]


def test_a_full_beam_drops_its_furthest():
    steps = []
    found = search_layer(POINTS, EDGES[0], (7, 7), 9, 3, 0, steps)
    assert [node for _, node in found] == [9, 8, 4]
    assert [round(step.beam, 2) for step in steps] == [1.41, 6.08, 4.24, 4.24]
    assert steps[-1].node == 4, "V7, at 5.10, is further than the third best and is not expanded"


@pytest.mark.parametrize("lesson", lessons(), ids=lambda one: one.title)
def test_every_decision_is_answered_by_the_walk_and_every_prediction_is_judged(lesson):
    steps = lesson.walk.steps
    assert len(lesson.narration) == len(steps)
    assert [d.after for d in lesson.decisions] == [i for i, s in enumerate(steps) if s.action == "expand"]
    for decision in lesson.decisions:
        following = steps[decision.after + 1]
        assert decision.answer == (following.node if following.action == "expand" else ONWARD)
        assert set(decision.verdicts) == {ONWARD, *range(10)}
        for choice, verdict in decision.verdicts.items():
            assert verdict.startswith("Right:" if choice == decision.answer else "No:"), verdict


def test_a_prediction_is_answered_with_the_distances_that_decide():
    first = lessons()[0]
    on_layer_1 = first.decisions[1]
    assert on_layer_1.verdicts[9] == "Right: V9, at 1.41, is nearer than anything before: the search moves there."
    assert on_layer_1.verdicts[1] == "No: V1 is at 7.07; V9, at 1.41, is nearer and comes first."
    assert on_layer_1.verdicts[4] == "No: V4 has been expanded already; a node is expanded once."
    assert on_layer_1.verdicts[8] == "No: V8 does not stand on layer 1."
    assert on_layer_1.verdicts[ONWARD] == "No: V9 waits at 1.41, nearer than anything before: the search goes on."
    last = first.decisions[-1]
    assert last.verdicts[ONWARD].startswith("Right: the nearest that waits is V8 at 4.00, and the best is at 1.41")
    assert last.verdicts[8].startswith("No: V8 is at 4.00, but the best is at 1.41.")
    assert last.verdicts[2].startswith("No: V2 has not been met yet.")
