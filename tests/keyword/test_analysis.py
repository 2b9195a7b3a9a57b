"""From text to terms, and back to the words that a view highlights."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.keyword.analysis import MAX_QUERY_TERMS, matched_spans, query_terms, surface_forms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("What is the refund policy?", ["refund", "polici"]),
        ("Why don't we run?", ["run"]),
        ("naïve Café CAFE\u0301", ["naiv", "cafe", "cafe"]),
        ("re\u0301sume\u0301", ["resum"]),
        ("of\ufb01ce hy\u00adphen", ["offic", "hyphen"]),
        ("snake_case x.y/z", ["snake", "case", "x", "y", "z"]),
        ("東京都 は", ["東京", "京都", "は"]),
        ("PDFの3章", ["pdf", "の", "3", "章"]),
        ("한국어", ["한국", "국어"]),
        ("", []),
        ("the of and", []),
        ("?!~:() AND", []),
    ],
)
def test_terms_of_a_question(text: str, terms: list[str]) -> None:
    assert query_terms(text) == terms


def test_a_pasted_page_is_cut() -> None:
    assert len(query_terms(" ".join(f"w{i}" for i in range(5000)))) == MAX_QUERY_TERMS


def test_spans_cover_every_form_of_a_word() -> None:
    text = "Refunds: we refunded the REFUND, not the refinery."
    spans = matched_spans(text, query_terms("refunding"))
    assert [text[s:e] for s, e in spans] == ["Refunds", "refunded", "REFUND"]


def test_spans_hold_in_text_that_the_index_normalises() -> None:
    text = "Fu\u00dfball im Cafe\u0301 und of\ufb01cers hy\u00adphenated"
    for question, word in [("café", "Cafe\u0301"), ("officer", "of\ufb01cers"), ("hyphenate", "hy\u00adphenated")]:
        assert [text[s:e] for s, e in matched_spans(text, query_terms(question))] == [word]


def test_spans_in_text_without_spaces_join_overlapping_bigrams() -> None:
    text = "私は東京都に住んでPDFを読む"
    assert [text[s:e] for s, e in matched_spans(text, query_terms("東京都のPDF"))] == ["東京都", "PDF"]


def test_surface_forms_are_lower_case_each_once_and_bounded() -> None:
    texts = ["Refunds and refunded", "REFUNDS, a policy", "policies"]
    assert surface_forms(texts, query_terms("refund policy")) == ("refunds", "refunded", "policy", "policies")
    assert surface_forms(texts, query_terms("refund policy"), limit=2) == ("refunds", "refunded")
    assert surface_forms(texts, []) == ()


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_analysed_and_finds_its_own_words(text: str) -> None:
    terms = query_terms(text)
    spans = matched_spans(text, terms)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["refund", "Policies", "naïve", "東京都", "x1", "the", "co-op"]), max_size=12),
    st.sampled_from([" ", ", ", "\n"]),
)
def test_every_term_of_a_text_is_found_in_it(words: list[str], between: str) -> None:
    text = between.join(words)
    found = {term for start, end in matched_spans(text, query_terms(text)) for term in query_terms(text[start:end])}
    assert found == set(query_terms(text))
