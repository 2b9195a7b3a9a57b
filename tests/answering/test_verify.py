"""Verdicts, against what a careful person would say of each claim and its source."""

from __future__ import annotations

import pytest
from support.minilm import minilm
from support.passages import passage

from ragterm.engine.answering.verify import judge_claim, names, normalised, numbers, verify

POLICY = (
    "Refunds are paid within 14 days of the return. Customers must keep the receipt. Shipping costs are not refunded."
)
OFFICE = "The head office has been in Oslo since 2016. It has 41 employees. Ingrid Berg founded the company."


def verdicts(text: str) -> list[tuple[str, str, str]]:
    passages = [passage(1, POLICY, start=1000), passage(2, OFFICE, page=4)]
    sentences, citations = verify(text, passages, {"document-1": "h1"}, minilm())
    return [(s.text, s.verdict, c.quote) for s, c in zip(sentences, citations, strict=True)]


@pytest.mark.parametrize(
    ("claim", "verdict", "quote"),
    [
        (
            "Refunds are paid within 14 days of the return [1].",
            "verbatim",
            "Refunds are paid within 14 days of the return.",
        ),
        (
            "**refunds** are paid within 14 days of the return. [1]",
            "verbatim",
            "Refunds are paid within 14 days of the return.",
        ),
        ("You get your money back within 14 days [1].", "supported", "Refunds are paid within 14 days of the return."),
        ("You must keep your receipt [1].", "supported", "Customers must keep the receipt."),
        ("The head office is located in Oslo [2].", "supported", "The head office has been in Oslo since 2016."),
        ("The company was founded by Ingrid Berg [2].", "supported", "Ingrid Berg founded the company."),
    ],
)
def test_what_the_source_says(claim: str, verdict: str, quote: str) -> None:
    assert [(v, q) for _, v, q in verdicts(claim)] == [(verdict, quote)]


@pytest.mark.parametrize(
    "claim",
    [
        "Refunds are paid within 30 days of the return [1].",
        "The head office has been in Oslo since 2011 [2].",
        "The company has 57 employees [2].",
        "Shipping costs are refunded [1].",
        "The head office has been in Bergen since 2016 [2].",
        "The company was founded by Astrid Moe [2].",
        "Penguins live in Antarctica [1].",
    ],
)
def test_what_the_source_contradicts_is_never_supported(claim: str) -> None:
    ((_, verdict, _),) = verdicts(claim)
    assert verdict in ("weak", "unsupported")


def test_a_wrong_number_is_unsupported() -> None:
    assert [v for _, v, _ in verdicts("The company has 57 employees [2].")] == ["unsupported"]


def test_each_marker_gets_its_span_with_place_and_page() -> None:
    passages = [passage(1, POLICY, start=1000), passage(2, OFFICE, page=4)]
    text = "Refunds are paid within 14 days and the office is in Oslo [1][2]."
    (sentence,), citations = verify(text, passages, {"document-1": "h1"}, minilm())
    assert sentence.markers == (1, 2)
    assert [(c.marker, c.quote, c.page) for c in citations] == [
        (1, "Refunds are paid within 14 days of the return.", None),
        (2, "The head office has been in Oslo since 2016.", 4),
    ]
    for citation, source in zip(citations, passages, strict=True):
        chunk = source.chunk
        assert chunk.text[citation.start - chunk.start : citation.end - chunk.start] == citation.quote
    assert citations[0].content_hash == "h1"


def test_a_sentence_without_a_marker_gets_no_citation_but_a_verdict() -> None:
    passages = [passage(1, POLICY), passage(2, OFFICE)]
    sentences, citations = verify("Customers must keep the receipt. Elephants sing at night.", passages, {}, minilm())
    assert citations == ()
    assert [(s.markers, s.verdict) for s in sentences] == [((), "verbatim"), ((), "unsupported")]


def test_a_claim_is_only_measured_against_what_it_cites() -> None:
    ((_, verdict, _),) = verdicts("Refunds are paid within 14 days of the return [2].")
    assert verdict == "unsupported"


def test_a_lead_in_claims_nothing() -> None:
    sentences, _ = verify(
        "The policy says:\n\n- Customers must keep the receipt [1].", [passage(1, POLICY)], {}, minilm()
    )
    assert [s.text for s in sentences] == ["Customers must keep the receipt [1]."]


def test_offsets_are_those_of_the_answer() -> None:
    text = "# Refunds\n\nPaid within 14 days. [1] Keep the receipt [1]!\n"
    sentences, _ = verify(text, [passage(1, POLICY)], {}, minilm())
    assert all(text[s.start : s.end] == s.text for s in sentences)


def test_judge_claim_steps() -> None:
    source = "The trial lasts 30 days."
    assert judge_claim("The trial lasts 30 days", source, 1.0) == "verbatim"
    assert judge_claim("A trial of 30 days", source, 0.8) == "supported"
    assert judge_claim("A trial of thirty-one, that is 31 days", source, 0.8) == "unsupported"
    # The number stands elsewhere in the passage, not in the sentence that fits best.
    assert judge_claim("A trial of 60 days", source, 0.8, around="Partners get 60 days.") == "weak"
    assert judge_claim("The trial at Acme lasts 30 days", source, 0.9) == "weak"
    assert judge_claim("The trial at Acme lasts 30 days", source, 0.9, around="Acme") == "supported"
    assert judge_claim("The trial does not last 30 days", source, 0.9) == "weak"
    assert judge_claim("Yes", "Yes, it does.", 0.3) != "verbatim"


def test_numbers_and_names_in_one_form() -> None:
    assert numbers("1,000 or 1000.00, 2.50 and twelve, No. 007") == {"1000", "2.5", "12", "7"}
    assert numbers("3,5 Prozent") == numbers("3.5 per cent") == {"3.5"}
    assert names("The boss of Acme Corp met Ann in Oslo.") == {"Acme", "Corp", "Ann", "Oslo"}
    assert normalised("“Don’t”  PAY—1,000 €!") == normalised("don't pay 1000 €")
