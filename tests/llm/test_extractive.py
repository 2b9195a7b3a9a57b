"""Quoting without a language model: which sentences, where they stand, and when there are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.minilm import minilm
from support.passages import passage

from ragterm.engine.llm.evidence import cue, is_heading, judge
from ragterm.engine.llm.extractive import ExtractiveAnswerer, in_reading_order, quoted, select
from ragterm.engine.llm.relevance import AskedWord, edits, missing_words, stands_in, stem
from ragterm.engine.types.answers import CitedSpan, Declined, Finished, LlmEvent, Passage, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled

HANDBOOK = """# Handbook

## Holidays

Every employee has 27 days of paid holiday a year. Unused days lapse at the end of April.

## Working from abroad

You may work from another country of the European Union for 30 days a year. Ask your lead first.

## Questions people ask

How long is the notice period?

Three months after the trial. During the trial it is two weeks.
"""
PARCELS = (
    "Property   Value\nWeight   38 g with battery\nSize   62 x 41 x 14 mm\n\nParcels leave the warehouse at 16:00."
)


def run(question: str, *passages: Passage) -> list[LlmEvent]:
    prompt = Prompt(question, (), passages, 0)
    return list(ExtractiveAnswerer(minilm()).stream(prompt, Control()))


def spans(events: list[LlmEvent], *passages: Passage) -> list[str]:
    """The text of each cited span, read from the documents themselves."""
    by_marker = {p.marker: p.chunk for p in passages}
    found = []
    for event in events:
        if isinstance(event, CitedSpan):
            chunk = by_marker[event.marker]
            found.append(chunk.text[event.start - chunk.start : event.end - chunk.start])
    return found


DOCUMENTS = (passage(1, HANDBOOK, "Handbook", start=700), passage(2, PARCELS, "Data sheet"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many days of holiday do I get?", "Every employee has 27 days of paid holiday a year."),
        ("What happens to unused days?", "Unused days lapse at the end of April."),
        (
            "May I work in another country?",
            "You may work from another country of the European Union for 30 days a year.",
        ),
        ("What is the weight with the battery?", "Weight   38 g with battery"),
        ("When do parcels leave?", "Parcels leave the warehouse at 16:00."),
        # The answer shares no word with the question that stands before it.
        ("How long is the notice period?", "Three months after the trial."),
    ],
)
def test_the_sentence_that_answers_is_cited_at_its_exact_place(question: str, answer: str) -> None:
    found = spans(run(question, *DOCUMENTS), *DOCUMENTS)
    assert answer in found
    assert len(found) <= 3


def test_text_and_spans_go_together_in_reading_order() -> None:
    events = run("How many holidays are there, and when do unused days lapse?", *DOCUMENTS)
    assert isinstance(events[-1], Finished)
    kinds = [type(e) for e in events[:-1]]
    assert kinds.count(CitedSpan) == sum(1 for e in events if isinstance(e, TextDelta) and e.text.strip())
    cited = [(e.marker, e.start) for e in events if isinstance(e, CitedSpan)]
    assert cited == sorted(cited)


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("How many days of holiday do contractors in Japan get?", "Japan"),
        ("How many days of paid holiday were there in 1987?", "1987"),
    ],
)
def test_a_near_miss_is_declined_and_says_what_is_nowhere(question: str, missing: str) -> None:
    (event,) = run(question, *DOCUMENTS)
    assert isinstance(event, Declined)
    assert missing in event.reason


def test_nothing_related_is_declined() -> None:
    (event,) = run("Who painted the ceiling of the chapel?", passage(1, PARCELS))
    assert isinstance(event, Declined)
    assert [type(e) for e in run("Anything?")] == [Declined]


def test_cancelled() -> None:
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        list(ExtractiveAnswerer(minilm()).stream(Prompt("Why?", (), DOCUMENTS, 0), control))


def test_a_sentence_that_two_chunks_share_is_quoted_once() -> None:
    first = passage(1, "The shop opens at nine. It closes at five.")
    # The next chunk of the document begins within its second sentence; another document holds a copy of it.
    tail = replace(first.chunk, id="c2", start=27, end=60, text="closes at five. Sundays are free.")
    copy = passage(3, "Elsewhere. It closes at five.")
    found = judge("When does it close?", [first, Passage(2, tail, "", ""), copy], minilm()).evidence
    assert [e.text for e in found if "five" in e.text] == ["It closes at five."]


def test_a_question_in_the_text_lends_its_words_to_the_sentence_after_it() -> None:
    found = judge("How long is the notice period?", DOCUMENTS, minilm()).evidence
    overlap = {e.text: e.signals["overlap"] for e in found}
    assert overlap["Three months after the trial."] == pytest.approx(1.0)
    assert overlap["During the trial it is two weeks."] == 0.0
    assert "How long is the notice period?" not in overlap


def test_signals_are_on_their_scales_and_the_score_is_their_sum() -> None:
    for found in judge("How many days of holiday?", DOCUMENTS, minilm()).evidence:
        assert -1 <= found.signals["cosine"] <= 1.0001
        assert 0 <= found.signals["overlap"] <= 1.0001
        assert found.signals["maxsim"] <= found.signals["passage"] + 1e-5
        assert found.signals["rank"] == 1 / found.passage.marker


def test_selection_keeps_three_and_drops_what_is_far_behind() -> None:
    evidence = judge("How many days of holiday do employees have?", DOCUMENTS, minilm()).evidence
    assert select(evidence) == [e for e in evidence[:3] if e.score > evidence[0].score - 6.0]
    assert select([]) == []
    ordered = in_reading_order(evidence[:5])
    assert ordered[0].passage.chunk.document_id == evidence[0].passage.chunk.document_id


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("It was opened\nin 1932.[2][3] ", "It was opened in 1932."),
        ("| Plan | Price |", "Plan | Price"),
        ("A set [1, 2] of two", "A set of two"),
        ("In [2019] it was", "In [2019] it was"),
    ],
)
def test_quoted(sentence: str, shown: str) -> None:
    assert quoted(sentence) == shown


@pytest.mark.parametrize(
    ("text", "piece", "heading"),
    [
        ("## Holidays\n\nText.", "Holidays", True),
        ("Intro.\n\nDaily allowance\n\nIt is paid.", "Daily allowance", True),
        ("Intro.\n\n3 Office in Leeds\n\nIt is there.", "3 Office in Leeds", True),
        ("Text.\n\nAcme - manual - page 1 of 4\n\nMore.", "Acme - manual - page 1 of 4", True),
        ("Property   Value\nWeight   38 g", "Property   Value", True),
        ("Property   Value\nWeight   38 g", "Weight   38 g", False),
        ("Intro.\n\nIt is paid.\n\nMore.", "It is paid.", False),
        ("Intro.\n\n- one item\n\n- another", "one item", False),
        ("Opening hours 9:00 to 16:00", "Opening hours 9:00 to 16:00", False),
    ],
)
def test_headings(text: str, piece: str, heading: bool) -> None:
    start = text.index(piece)
    assert is_heading(text, start, start + len(piece)) is heading


@pytest.mark.parametrize(
    ("question", "sentence", "value"),
    [
        ("When did it open?", "It opened in May.", 1.0),
        ("When did it open?", "It opened late.", -1.0),
        ("How many are there?", "There are twelve of them.", 1.0),
        ("How much is it?", "It is cheap.", -1.0),
        ("Who founded it?", "The firm was founded by Ann Lee.", 1.0),
        ("Why is it so?", "It is so.", 0.0),
    ],
)
def test_cue(question: str, sentence: str, value: float) -> None:
    assert cue(question, sentence) == value


@pytest.mark.parametrize(
    ("one", "other"),
    [("refunds", "refunded"), ("policies", "policy"), ("storing", "stored"), ("employees", "employee")],
)
def test_stem_joins_forms(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_missing_words() -> None:
    def word(text: str, nearest: float, *, stands: bool = False, name: bool = False, pull: float = 0.05) -> AskedWord:
        return AskedWord(text, nearest, stands, importance=0.1, pull=pull, is_name=name)

    assert missing_words([word("2019", 0.9)]) == ["2019"]
    assert missing_words([word("2019", 0.9, stands=True)]) == []
    assert missing_words([word("Japan", 0.4, name=True), word("Japan", 0.4, name=True)]) == ["Japan"]
    assert missing_words([word("cable", 0.4)]) == []
    assert missing_words([word("cable", 0.2)]) == ["cable"]
    # Without it the question would not be nearer to what was found: a mere turn of phrase.
    assert missing_words([word("cable", 0.2, pull=-0.01)]) == []


EVIDENCE = "Juris Hartmanis wrote to the United Methodist Church in Colombia. European rulers kept a mask."


@pytest.mark.parametrize(
    ("word", "is_name", "stands"),
    [
        ("rulers", False, True),
        ("ruler", False, True),
        ("Europe", True, True),
        ("Hatmanis", True, True),
        ("Columbia", True, True),
        ("UMC", True, True),
        ("UNC", True, False),
        ("Japan", True, False),
        ("Mark", True, False),
        ("task", False, False),
        ("eur", False, False),
    ],
)
def test_a_word_stands_in_the_evidence_in_another_form_or_spelling(word: str, is_name: bool, stands: bool) -> None:
    stems = frozenset(stem(w.lower()) for w in EVIDENCE.replace(".", "").split())
    assert stands_in(word, is_name, EVIDENCE, stems) is stands


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("Iain", "Lain", 1), ("kitten", "sitting", 3), ("same", "Same", 0), ("ab", "abcdefgh", 4), ("", "ab", 2)],
)
def test_edits(one: str, other: str, count: int) -> None:
    assert edits(one, other, 3) == count
