"""Small chunks are found, their parents are handed to the model, once, and citations stay spans of the document."""

from __future__ import annotations

from support.cheap_embedder import CheapEmbedder, WordTokenizer, vector_of
from support.real_documents import FAQ, parsed

from ragterm.engine.answering.answer import answer_question
from ragterm.engine.chunking import ChunkingTools, chunk_with
from ragterm.engine.llm.extractive import ExtractiveAnswerer
from ragterm.engine.retrieval import select_passages
from ragterm.engine.retrieval.parents import Parents
from ragterm.engine.types.answers import AnswerReady
from ragterm.engine.types.documents import Document
from ragterm.engine.types.settings import ChunkingSettings
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, Trace

DOC = parsed(FAQ, "faq.md")
CHUNKS = chunk_with("hierarchical", DOC, "b", ChunkingTools(WordTokenizer(), 64), ChunkingSettings())


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
    ink = next(n for n, c in enumerate(CHUNKS) if "ink" in c.text)
    siblings = [n for n, c in enumerate(CHUNKS) if c.parent_id == CHUNKS[ink].parent_id and n != ink]
    stranger = next(n for n, c in enumerate(CHUNKS) if c.parent_id != CHUNKS[ink].parent_id)
    versions = _Versions()
    parents = Parents(versions, WordTokenizer())
    trace, passages = select_passages(trace_of(ink, *siblings, stranger), 3000, 8, handed_over=parents.handed_over)
    assert siblings and [p.chunk.id for p in passages] == [CHUNKS[ink].id, CHUNKS[stranger].id]
    assert [c.marker for c in trace.candidates] == [1, *(None for _ in siblings), 2]
    whole = passages[0].chunk
    assert (whole.start, whole.end) == CHUNKS[ink].parent
    assert whole.text == DOC.text[whole.start : whole.end] and CHUNKS[ink].text in whole.text
    assert whole.tokens == WordTokenizer().count([whole.embedding_text])[0] + 2
    assert trace.candidates[0].chunk == CHUNKS[ink], "what was found stays in the trace"
    assert versions.asked == [("id", "hash")], "a document is read once"


def test_the_budget_counts_the_parent() -> None:
    ink = next(n for n, c in enumerate(CHUNKS) if "ink" in c.text)
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


class _Embedder(CheapEmbedder):
    def token_vectors(self, texts):  # type: ignore[no-untyped-def]
        import numpy as np

        return [np.stack([vector_of(text[s:e]) for s, e in self.tokenizer.spans(text)]) for text in texts]


def test_a_citation_is_a_span_of_the_document_though_it_lies_outside_the_chunk_that_was_found() -> None:
    ink = next(n for n, c in enumerate(CHUNKS) if "ink" in c.text)
    embedder = _Embedder()
    parents = Parents(_Versions(), embedder.tokenizer)
    trace, passages = select_passages(trace_of(ink), 3000, 8, handed_over=parents.handed_over)
    *_, last = answer_question(trace, passages, ExtractiveAnswerer(embedder), embedder)
    assert isinstance(last, AnswerReady) and last.trace.answer is not None
    citations = last.trace.answer.citations
    assert citations and all(DOC.text[c.start : c.end] == c.quote for c in citations)
    assert any(c.end <= CHUNKS[ink].start or c.start >= CHUNKS[ink].end for c in citations)
    assert CHUNKS[ink].parent is not None and DOC.text[slice(*CHUNKS[ink].parent)] in last.trace.prompt
