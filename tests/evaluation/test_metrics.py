"""The metrics against cases computed by hand and against ir-measures, an independent tool."""

from __future__ import annotations

import math

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, R, nDCG

from ragterm.engine.evaluation.metrics import average_precision, ndcg, recall, reciprocal_rank

JUDGED = {"a": 3, "b": 1, "c": 0, "d": 2, "e": -1}


def test_ndcg_by_hand() -> None:
    # c (0), d (2), x (not judged), a (3) against a (3), d (2), b (1)
    found = 2 / math.log2(3) + 3 / math.log2(5)
    best = 3 + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(["c", "d", "x", "a"], JUDGED, 10) == pytest.approx(found / best)
    assert ndcg(["c", "d", "x", "a"], JUDGED, 2) == pytest.approx((2 / math.log2(3)) / (3 + 2 / math.log2(3)))
    assert ndcg(["a", "d", "b", "c"], JUDGED, 10) == pytest.approx(1.0)


def test_the_others_by_hand() -> None:
    ranked = ["c", "d", "x", "a"]
    assert recall(ranked, JUDGED, 2) == pytest.approx(1 / 3)
    assert recall(ranked, JUDGED, 100) == pytest.approx(2 / 3)
    assert reciprocal_rank(ranked, JUDGED, 10) == pytest.approx(1 / 2)
    assert reciprocal_rank(ranked, JUDGED, 1) == 0.0
    assert average_precision(ranked, JUDGED) == pytest.approx((1 / 2 + 2 / 4) / 3)


@pytest.mark.parametrize("judged", [{}, {"a": 0}, {"a": -1}])
def test_a_query_without_a_relevant_document_scores_nothing(judged: dict[str, int]) -> None:
    scores = (ndcg(["a"], judged, 10), recall(["a"], judged, 10), reciprocal_rank(["a"], judged, 10))
    assert scores == (0.0, 0.0, 0.0)
    assert average_precision(["a"], judged) == 0.0


IDS = [f"d{i}" for i in range(25)]


@settings(deadline=None)
@given(
    ranked=st.lists(st.sampled_from(IDS), unique=True, min_size=1),
    grades=st.dictionaries(st.sampled_from(IDS), st.integers(0, 4), min_size=1),
)
def test_the_metrics_are_those_of_ir_measures(ranked: list[str], grades: dict[str, int]) -> None:
    run = {"q": {document: float(len(ranked) - i) for i, document in enumerate(ranked)}}
    measures = [nDCG @ 10, R @ 100, RR @ 10, AP]
    theirs = ir_measures.calc_aggregate(measures, {"q": grades}, run)
    ours = {
        nDCG @ 10: ndcg(ranked, grades, 10),
        R @ 100: recall(ranked, grades, 100),
        RR @ 10: reciprocal_rank(ranked, grades, 10),
        AP: average_precision(ranked, grades),
    }
    for measure in measures:
        assert ours[measure] == pytest.approx(theirs[measure], abs=1e-9), measure
