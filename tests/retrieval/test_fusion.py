"""Fusion on numbers small enough to check by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.retrieval.fusion import best_first, convex, min_max, reciprocal_rank

scores = st.dictionaries(st.integers(1, 30), st.floats(-1, 50, allow_nan=False, width=32), min_size=1)


def test_min_max() -> None:
    assert min_max({1: 2.0, 2: 4.0, 3: 3.0}) == {1: 0.0, 2: 1.0, 3: 0.5}
    assert min_max({1: 7.0, 2: 7.0}) == {1: 1.0, 2: 1.0}
    assert min_max({5: -3.0}) == {5: 1.0}
    assert min_max({}) == {}


def test_convex_weighs_both_exact_scores() -> None:
    fused = convex({1: 0.9, 2: 0.5, 3: 0.7}, {1: 0.0, 2: 10.0, 3: 5.0}, 0.6)
    assert fused == pytest.approx({1: 0.6, 2: 0.4, 3: 0.5 * 0.6 + 0.5 * 0.4})


def test_convex_without_any_keyword_match_keeps_the_dense_order() -> None:
    fused = convex({1: 0.9, 2: 0.5, 3: 0.7}, {1: 0.0, 2: 0.0, 3: 0.0}, 0.6)
    assert best_first(fused) == [1, 3, 2]


def test_a_chunk_that_one_index_does_not_hold_counts_as_its_lowest() -> None:
    assert convex({1: 0.9, 2: 0.5}, {1: 1.0, 2: 2.0, 3: 3.0}, 0.5) == pytest.approx({1: 0.5, 2: 0.25, 3: 0.5})


def test_reciprocal_rank_by_hand() -> None:
    fused = reciprocal_rank([[7, 8], [8, 9]])
    assert fused == pytest.approx({7: 1 / 61, 8: 1 / 62 + 1 / 61, 9: 1 / 62})
    assert best_first(fused) == [8, 7, 9]


def test_ties_go_by_the_next_score_and_at_last_by_key() -> None:
    assert best_first({3: 1.0, 2: 1.0, 1: 1.0, 4: 1.0}, {3: 0.1, 4: 0.2}, {1: 0.0, 2: 5.0}) == [4, 3, 2, 1]


@settings(deadline=None)
@given(scores, st.floats(0, 1))
def test_convex_lies_between_nothing_and_all(dense: dict[int, float], weight: float) -> None:
    keyword = {key: -score for key, score in dense.items()}
    fused = convex(dense, keyword, weight)
    assert fused.keys() == dense.keys()
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in fused.values())


@settings(deadline=None)
@given(scores, st.floats(0.01, 100), st.floats(-10, 10))
def test_the_scale_of_a_score_does_not_matter(dense: dict[int, float], factor: float, shift: float) -> None:
    before = min_max(dense)
    spread = max(dense.values()) - min(dense.values())
    if 0 < spread < 1e-3:
        return  # the shift would round the differences away
    assert min_max({key: factor * score + shift for key, score in dense.items()}) == pytest.approx(before, abs=1e-6)


@settings(deadline=None)
@given(scores)
def test_the_order_depends_on_the_scores_alone(dense: dict[int, float]) -> None:
    assert best_first(dense) == best_first(dict(reversed(dense.items())))
