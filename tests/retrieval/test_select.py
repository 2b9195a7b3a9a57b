"""Which chunks reach the prompt."""

from __future__ import annotations

from ragterm.engine.retrieval import select_passages
from ragterm.engine.types.documents import Chunk
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, Trace


def chunk(name: str, start: int, end: int, document: str = "d", text: str = "", tokens: int = 50) -> Chunk:
    return Chunk(name, document, "b", 0, start, end, text or f"text of {name}", tokens=tokens)


def trace_of(*chunks: Chunk) -> Trace:
    candidates = tuple(Candidate(c, f"title {c.document_id}", f"{c.document_id}.md", "h", {}) for c in chunks)
    return Trace("t", "", "c", "b", 1, "m", "q", "q", RetrievalSettings(), candidates, ())


def names(trace: Trace) -> dict[str, int | None]:
    return {c.chunk.id: c.marker for c in trace.candidates}


def test_passages_are_numbered_in_final_order() -> None:
    marked, passages = select_passages(
        trace_of(chunk("a", 0, 100), chunk("b", 200, 300), chunk("c", 400, 500)), 1000, 2
    )
    assert names(marked) == {"a": 1, "b": 2, "c": None}
    assert [(p.marker, p.chunk.id, p.title, p.path) for p in passages] == [
        (1, "a", "title d", "d.md"),
        (2, "b", "title d", "d.md"),
    ]


def test_the_budget_holds_and_a_shorter_chunk_may_still_fit() -> None:
    chunks = [chunk("a", 0, 100, tokens=76), chunk("b", 200, 300, tokens=100), chunk("c", 400, 500, tokens=26)]
    marked, passages = select_passages(trace_of(*chunks), 150, 8)
    assert names(marked) == {"a": 1, "b": None, "c": 2}
    assert [p.chunk.id for p in passages] == ["a", "c"]


def test_the_first_passage_is_taken_whatever_its_length() -> None:
    marked, _ = select_passages(trace_of(chunk("a", 0, 100, tokens=900), chunk("b", 200, 300)), 128, 8)
    assert names(marked) == {"a": 1, "b": None}


def test_the_tokens_of_the_budget_can_be_those_of_another_model() -> None:
    counted: list[str] = []

    def count(texts: list[str]) -> list[int]:
        counted.extend(texts)
        return [1000 for _ in texts]

    marked, _ = select_passages(trace_of(chunk("a", 0, 100), chunk("b", 200, 300)), 1100, 8, count)
    assert names(marked) == {"a": 1, "b": None}
    assert counted == ["text of a", "text of b"]


def test_chunks_that_overlap_by_half_are_one_passage_and_neighbours_are_two() -> None:
    chunks = [chunk("a", 0, 100), chunk("half", 50, 150), chunk("inside", 20, 40), chunk("neighbour", 90, 190)]
    assert names(select_passages(trace_of(*chunks), 1000, 8)[0]) == {
        "a": 1,
        "half": None,
        "inside": 1,  # it stands in the prompt, as a part of "a"
        "neighbour": 2,
    }


def test_the_same_words_elsewhere_are_left_out_but_one_other_number_is_not() -> None:
    chunks = [
        chunk("old", 0, 50, "old", "Refunds within 30 days of purchase."),
        chunk("copy", 0, 50, "copy", "Refunds  within 30 days\nof purchase. "),
        chunk("new", 0, 50, "new", "Refunds within 14 days of purchase."),
    ]
    assert names(select_passages(trace_of(*chunks), 1000, 8)[0]) == {"old": 1, "copy": None, "new": 2}


def test_the_same_span_of_two_documents_is_two_passages() -> None:
    assert names(select_passages(trace_of(chunk("a", 0, 100), chunk("b", 0, 100, "other")), 1000, 8)[0]) == {
        "a": 1,
        "b": 2,
    }


def test_nothing_found_gives_no_passage() -> None:
    trace = trace_of()
    assert select_passages(trace, 1000, 8) == (trace, [])


def test_markers_of_an_earlier_choice_are_gone() -> None:
    once, _ = select_passages(trace_of(chunk("a", 0, 100), chunk("b", 200, 300)), 1000, 2)
    assert names(select_passages(once, 1000, 1)[0]) == {"a": 1, "b": None}
