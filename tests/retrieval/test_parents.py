"""Small chunks are found, their parents are handed to the model, once, and citations stay spans of the document."""

from __future__ import annotations

from collections.abc import Iterator

from support.cheap_embedder import CheapEmbedder, WordTokenizer
from support.real_documents import FAQ, parsed

from ragterm.engine.answering.answer import answer_question
from ragterm.engine.chunking import ChunkingTools, chunk_with
from ragterm.engine.retrieval import select_passages
from ragterm.engine.retrieval.parents import Parents
from ragterm.engine.types.answers import AnswerReady, Finished, LlmEvent, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Document
from ragterm.engine.types.settings import ChunkingSettings
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, Trace

DOC = parsed(FAQ, "faq.md")
CHUNKS = chunk_with("hierarchical", DOC, "b", ChunkingTools(WordTokenizer(), 64), ChunkingSettings())

# A chunk that is not the first of its parent.
LATER = next(n for n, c in enumerate(CHUNKS) if "garden tap" in c.text)


def trace_of(*numbers: int) -> Trace:
    candidates = tuple(Candidate(CHUNKS[n], DOC.title, DOC.path, DOC.content_hash, {}) for n in numbers)
    question = "Why is my bill higher than last year?"
    return Trace("t", "", "c", "b", 1, "m", question, question, RetrievalSettings(), candidates, ())


class _Versions:
    def __init__(self, document: Document | None = DOC) -> None:
        self.document = document
        self.asked: list[tuple[str, str]] = []

    def __call__(self, document_id: str, content_hash: str) -> Document | None:
        self.asked.append((document_id, content_hash))
        return self.document


def test_siblings_reach_the_prompt_as_their_parent_once() -> None:
    ink = LATER
    siblings = [n for n, c in enumerate(CHUNKS) if c.parent_id == CHUNKS[ink].parent_id and n != ink]
    stranger = next(n for n, c in enumerate(CHUNKS) if c.parent_id != CHUNKS[ink].parent_id)
    versions = _Versions()
    parents = Parents(versions, WordTokenizer())
    trace, passages = select_passages(trace_of(ink, *siblings, stranger), 3000, 8, handed_over=parents.handed_over)
    assert siblings and [p.chunk.id for p in passages] == [CHUNKS[ink].id, CHUNKS[stranger].id]
    assert [c.marker for c in trace.candidates] == [1, *(1 for _ in siblings), 2], (
        "what the parent holds stands there too"
    )
    whole = passages[0].chunk
    assert (whole.start, whole.end) == CHUNKS[ink].parent
    assert whole.text == DOC.text[whole.start : whole.end] and CHUNKS[ink].text in whole.text
    assert whole.tokens == WordTokenizer().count([whole.embedding_text])[0] + 2
    assert trace.candidates[0].chunk == CHUNKS[ink], "what was found stays in the trace"
    assert versions.asked == [("id", "hash")], "a document is read once"


def test_the_budget_counts_the_parent() -> None:
    ink = LATER
    stranger = next(n for n, c in enumerate(CHUNKS) if c.parent_id != CHUNKS[ink].parent_id)
    parents = Parents(_Versions(), WordTokenizer())
    found, _ = select_passages(trace_of(ink, stranger), 100, 8, handed_over=parents.handed_over)
    assert [c.marker for c in found.candidates] == [1, None]
    small, _ = select_passages(trace_of(ink, stranger), 100, 8)
    assert [c.marker for c in small.candidates] == [1, 2]


def test_without_its_version_the_chunk_itself_is_handed_over() -> None:
    parents = Parents(_Versions(None), WordTokenizer())
    _, passages = select_passages(trace_of(1), 3000, 8, handed_over=parents.handed_over)
    assert passages[0].chunk == CHUNKS[1]


class _Writer:
    name = "writer"

    def context_window(self) -> int:
        return 8000

    def stream(self, prompt: Prompt, control: Control) -> Iterator[LlmEvent]:
        yield TextDelta("A running toilet is the most common other reason [1].")
        yield Finished("stop")


def test_a_citation_is_a_span_of_the_document_though_it_lies_outside_the_chunk_that_was_found() -> None:
    embedder = CheapEmbedder()
    parents = Parents(_Versions(), embedder.tokenizer)
    assert "running toilet" not in CHUNKS[LATER].text
    trace, passages = select_passages(trace_of(LATER), 3000, 8, handed_over=parents.handed_over)
    *_, last = answer_question(trace, passages, _Writer(), embedder)
    assert isinstance(last, AnswerReady) and last.trace.answer is not None
    (citation,) = last.trace.answer.citations
    assert citation.quote == DOC.text[citation.start : citation.end]
    assert citation.quote.startswith("A running toilet")
    assert citation.verdict == "verbatim" and citation.chunk_id == CHUNKS[LATER].id
    assert CHUNKS[LATER].parent is not None and DOC.text[slice(*CHUNKS[LATER].parent)] in last.trace.prompt
