"""The measures against sets of characters counted one by one."""

from __future__ import annotations

from itertools import pairwise
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragterm.engine.evaluation.spans import (
    Place,
    held,
    ndcg_of_gains,
    precision_omega,
    shared,
    size,
    split,
    token_iou,
    token_precision,
    token_recall,
    united,
    within_budget,
)

places = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(0, 25)).map(lambda p: (p[0], p[1], p[1] + p[2])),
    max_size=6,
)


def characters(some: list[Place]) -> set[tuple[str, int]]:
    return {(document, at) for document, start, end in some for at in range(start, end)}


def repeats(some: list[Place]) -> list[tuple[str, int]]:
    return [(document, at) for document, start, end in some for at in range(start, end)]


@given(places, places)
def test_unions_and_intersections_are_those_of_sets(a: list[Place], b: list[Place]) -> None:
    assert size(united(a)) == len(characters(a))
    assert shared(united(a), united(b)) == len(characters(a) & characters(b))
    for document, spans in united(a).items():
        assert all(end < start for (_, end), (start, _) in pairwise(spans)), document


@given(places, places)
def test_recall_precision_and_iou_are_those_of_the_study(evidence: list[Place], retrieved: list[Place]) -> None:
    gold, both = characters(evidence), characters(evidence) & characters(retrieved)
    read = len(repeats(retrieved))
    assert token_recall(evidence, retrieved) == pytest.approx(len(both) / len(gold) if gold else 0)
    assert token_precision(evidence, retrieved) == pytest.approx(len(both) / read if read else 0)
    union = len(gold) + read - len(both)
    assert token_iou(evidence, retrieved) == pytest.approx(len(both) / union if union else 0)


@given(places, places)
def test_omega_reads_every_chunk_with_evidence_and_no_other(evidence: list[Place], chunks: list[Place]) -> None:
    gold = characters(evidence)
    holding = set().union(*(characters([chunk]) for chunk in chunks if characters([chunk]) & gold))
    assert precision_omega(evidence, chunks) == pytest.approx(len(holding & gold) / len(holding) if holding else 0)


@given(places, st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(0, 25)))
def test_a_chunk_holds_the_characters_that_it_shares(evidence: list[Place], chunk: Place) -> None:
    chunk = (chunk[0], chunk[1], chunk[1] + chunk[2])
    assert held(united(evidence), chunk) == len(characters(evidence) & characters([chunk]))


def test_repeated_text_costs_precision_but_adds_no_recall() -> None:
    evidence, chunks = [("a", 10, 20)], [("a", 0, 20), ("a", 10, 30)]
    assert token_recall(evidence, chunks) == 1
    assert token_precision(evidence, chunks) == pytest.approx(10 / 40)
    assert token_iou(evidence, chunks) == pytest.approx(10 / 40)
    assert precision_omega(evidence, chunks) == pytest.approx(10 / 30)


def test_ndcg_by_hand() -> None:
    ideal = 1 / log2(2) + 0.5 / log2(3)
    assert ndcg_of_gains([0.5, 0, 1], [1, 0.5, 0, 0], 10) == pytest.approx((0.5 + 1 / log2(4)) / ideal)
    assert ndcg_of_gains([1, 0.5, 1], [1, 0.5, 1], 2) == pytest.approx((1 + 0.5 / log2(3)) / (1 + 1 / log2(3)))
    assert ndcg_of_gains([0, 0], [0, 0], 10) == 0


def test_evidence_is_split_when_no_chunk_holds_it_whole() -> None:
    text = "one two  three"
    assert not split(text, ("a", 4, 9), [("a", 0, 7)]), "the white space behind a word is not part of it"
    assert not split(text, ("a", 3, 7), [("a", 4, 7)]), "nor that before it"
    assert split(text, ("a", 4, 14), [("a", 0, 7), ("a", 9, 14)])
    assert split(text, ("a", 4, 7), [("b", 0, 14)]), "another document does not hold it"


@given(places, st.integers(0, 30), st.integers(1, 5))
def test_the_budget_takes_the_first_tokens_that_are_retrieved(retrieved: list[Place], budget: int, width: int) -> None:
    starts = {document: list(range(0, 80, width)) for document in "ab"}
    taken = list(within_budget(retrieved, starts, budget))
    # Every character belongs to the token that begins at or before it; a chunk's own tokens are those that begin in it.
    tokens = [(d, at) for d, start, end in retrieved for at in starts[d] if start <= at < end]
    kept = [(d, at) for d, start, end in taken for at in starts[d] if start <= at < end]
    assert kept == tokens[:budget]
    whole = [one for one in retrieved if one in taken]
    assert taken[:-1] == [one for one in whole if one in taken][: len(taken[:-1])]
    if len(tokens) < budget:
        assert taken == retrieved
