"""The measuring core, against values worked out by hand and against plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import measure

# Around (1, 0): b in the same direction, then a at 45 degrees, c at 90, d opposite; e lies nearest by distance.
ROWS = np.array([[1, 1], [3, 0], [0, 2], [-1.5, 0], [1, 0.5]], dtype=np.float32)
QUERY = np.array([[1, 0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("metric", "rows", "scores"),
    [
        ("cosine", [1, 4, 0], [1.0, 2 / math.sqrt(5), math.sqrt(0.5)]),
        ("dot", [1, 0, 4], [3.0, 1.0, 1.0]),
        ("euclidean", [4, 0, 1], [-0.5, -1.0, -2.0]),
    ],
)
def test_exact_neighbours_by_hand(metric, rows, scores):
    truth = measure.exact_neighbours(ROWS, QUERY, 3, metric)
    assert truth.rows.tolist() == [rows]
    assert truth.scores[0] == pytest.approx(scores, abs=1e-12)
    assert measure.brute_force(ROWS, metric, 3)(QUERY[0]).tolist() == rows


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_exact_neighbours_over_many_blocks(metric, monkeypatch):
    monkeypatch.setattr(measure, "_ROWS", 16)
    random = np.random.default_rng(3)
    rows, queries = (
        random.standard_normal((100, 6)).astype(np.float32),
        random.standard_normal((5, 6)).astype(np.float32),
    )
    truth = measure.exact_neighbours(rows, queries, 7, metric)
    for query, found in zip(queries, truth.rows, strict=True):
        scored = []
        for number, row in enumerate(rows):
            a, b = [float(x) for x in row], [float(x) for x in query]
            product = math.fsum(x * y for x, y in zip(a, b, strict=True))
            score = {"dot": product, "cosine": product / math.hypot(*a) / math.hypot(*b), "euclidean": -math.dist(a, b)}
            scored.append((-score[metric], number))
        assert found.tolist() == [number for _, number in sorted(scored)[:7]]


def test_a_collection_smaller_than_k():
    truth = measure.exact_neighbours(ROWS, QUERY, 10, "dot")
    assert truth.rows.shape == (1, 5)
    assert measure.recall([[0, 1, 2, 3, 4]], truth, ROWS, QUERY, "dot") == 1.0


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ([1, 4, 0], 1.0),
        ([0, 4, 1], 1.0),  # in another order
        ([1, 4, 3], 2 / 3),
        ([1, 1, 1], 1 / 3),  # one row three times is one row
        ([3, 2], 0.0),
        ([], 0.0),
        ([3, 2, 2, 1, 4, 0], 1 / 3),  # of 3, 2, 1 only the last is right; what comes after the k-th does not count
    ],
)
def test_recall_by_hand(found, share):
    truth = measure.exact_neighbours(ROWS, QUERY, 3, "cosine")
    assert measure.recall([found], truth, ROWS, QUERY, "cosine") == pytest.approx(share)


def test_recall_takes_any_of_equal_rows():
    rows = np.array([[1, 0], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0, 1]], dtype=np.float32)
    truth = measure.exact_neighbours(rows, QUERY, 2, "cosine")
    for twin in (1, 2, 3):
        assert measure.recall([[0, twin]], truth, rows, QUERY, "cosine") == 1.0
    assert measure.recall([[0, 4]], truth, rows, QUERY, "cosine") == 0.5


def test_recall_needs_an_answer_for_each_query():
    truth = measure.exact_neighbours(ROWS, QUERY, 3, "cosine")
    with pytest.raises(UsageError, match="0 answers for 1 queries"):
        measure.recall([], truth, ROWS, QUERY, "cosine")


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 20), (0.25, 10), (0.75, 30), (0.76, 40), (0.99, 40), (1.0, 40), (0.01, 10)]
)
def test_percentile_is_a_measured_value(share, value):
    assert measure.percentile([40, 10, 30, 20], share) == value
    assert math.isnan(measure.percentile([], share))


def test_a_pass_is_timed_call_by_call(monkeypatch):
    """By clocks that the search itself moves: 1, 2, 3 and 10 microseconds a query, half of it processor time."""
    now = {"wall": 0, "thread": 0}
    monkeypatch.setattr(measure.time, "perf_counter_ns", lambda: now["wall"])
    monkeypatch.setattr(measure.time, "thread_time_ns", lambda: now["thread"])

    def search(query):
        now["wall"] += int(query[0]) * 1000
        now["thread"] += int(query[0]) * 500
        return float(query[0])

    answers, timing = measure.timed_pass(search, np.array([[3], [1], [10], [2]], dtype=np.float32))
    assert answers == [3.0, 1.0, 10.0, 2.0]
    assert (timing.mean, timing.p50, timing.p99, timing.thread) == (4.0, 2.0, 10.0, 2.0)
    assert timing.per_second == 250_000


def test_engines_take_turns_and_the_best_pass_counts(monkeypatch):
    now = {"thread": 0}
    costs = {"a": iter([8, 4, 6]), "b": iter([1, 9, 9])}
    monkeypatch.setattr(measure.time, "thread_time_ns", lambda: now["thread"])
    warm = {"a": 1, "b": 1}  # the first call of each is not counted

    def engine(name):
        def search(query):
            if warm[name]:
                warm[name] -= 1
                return None
            now["thread"] += next(costs[name]) * 1000
            return name

        return search

    turns = []
    result = measure.in_turns({"a": engine("a"), "b": engine("b")}, np.zeros((1, 2), np.float32), 3, turns.append)
    assert turns == ["a", "b"] * 3
    assert {name: timing.thread for name, (_, timing) in result.items()} == {"a": 4.0, "b": 1.0}
    assert result["a"][0] == ["a"]


def test_held_out_queries_are_not_in_the_collection():
    random = np.random.default_rng(1)
    rows = random.standard_normal((50, 3)).astype(np.float32)
    rows = np.concatenate([rows, rows[:25]])  # half of them twice
    rest, held = measure.hold_out(rows, 20, seed=2)
    assert len(held) == 20
    kept, asked = {row.tobytes() for row in rest}, {row.tobytes() for row in held}
    assert not kept & asked
    assert kept | asked == {row.tobytes() for row in rows}
    again, _ = measure.hold_out(rows, 20, seed=2)
    assert np.array_equal(rest, again)


def test_made_up_vectors_have_near_neighbours():
    rows = measure.clustered_vectors(400, 32, seed=5)
    assert rows.shape == (400, 32)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(400), abs=1e-6)
    assert np.array_equal(rows, measure.clustered_vectors(400, 32, seed=5))
    cosines = rows.astype(np.float64) @ rows.T - 2 * np.eye(400)
    # Most have a neighbour in their cluster at cosine 1 / (1 + 0.7^2) = 0.67; of unit noise in 32 dimensions hardly any has.
    assert np.median(cosines.max(axis=1)) > 0.6
    assert abs(np.median(cosines)) < 0.1
