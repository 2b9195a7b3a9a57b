"""An answerer that needs no model but the embedder: it quotes.

The sentences of the retrieved passages that best answer the question, at most three, in reading order, each with its
marker and its exact place. It says plainly when none does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ragterm.engine.llm.evidence import Evidence, Judged, judge
from ragterm.engine.llm.relevance import UNRELATED_COSINE, UNRELATED_PASSAGE, missing_words
from ragterm.engine.types.answers import CitedSpan, Declined, Finished, LlmEvent, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.protocols import Embedder

MAX_SENTENCES = 3
WINDOW = 1_000_000
_MARGIN = 6.0
"""A sentence whose score lies further below the best is left out: it hardly ever holds the answer."""

_REFERENCE = re.compile(r"\s*\[\d{1,3}(?:\s*[-–,]\s*\d{1,3})*\]")


class ExtractiveAnswerer:
    """LanguageModel that works on `Prompt.passages`. Yields text and a `CitedSpan` per sentence, or `Declined`."""

    name = "extractive"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def context_window(self) -> int:
        """It reads passages one by one: any prompt fits."""
        return WINDOW

    def stream(self, prompt: Prompt, control: Control) -> Iterator[LlmEvent]:
        """Quote. Raises Cancelled."""
        control.checkpoint()
        judged = judge(prompt.question, prompt.passages, self._embedder)
        control.checkpoint()
        if reason := why_declined(judged):
            yield Declined(reason)
            return
        before: Evidence | None = None
        for found in in_reading_order(select(judged.evidence)):
            start, end = found.document_span
            if before is not None:
                follows = before.passage.marker == found.passage.marker and not _blank_between(before, found)
                yield TextDelta(" " if follows else "\n\n")
            yield TextDelta(f"{quoted(found.text)} [{found.passage.marker}]")
            yield CitedSpan(found.passage.marker, start, end)
            before = found
        yield Finished("stop")


def select(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The best sentences, at most three, none far behind the first."""
    return [e for e in evidence[:MAX_SENTENCES] if e.score >= evidence[0].score - _MARGIN]


def in_reading_order(chosen: Sequence[Evidence]) -> list[Evidence]:
    """As a reader meets them: document by document, the best one's first, and by place within a document."""
    documents = list(dict.fromkeys(e.passage.chunk.document_id for e in chosen))
    return sorted(chosen, key=lambda e: (documents.index(e.passage.chunk.document_id), e.document_span))


def why_declined(judged: Judged) -> str:
    """ "" when there is an answer; else one sentence that says what was not found."""
    if not judged.evidence or _unrelated(judged.evidence):
        return "Nothing in the documents answers this question."
    if missing := missing_words(judged.words):
        named = " or ".join(f"“{word}”" for word in missing)
        return f"The documents do not answer this question: what they say that comes nearest does not mention {named}."
    return ""


def _unrelated(evidence: Sequence[Evidence]) -> bool:
    return (
        max(e.signals["cosine"] for e in evidence) < UNRELATED_COSINE
        and max(e.signals["passage"] for e in evidence) < UNRELATED_PASSAGE
    )


def quoted(sentence: str) -> str:
    """A sentence as it stands in an answer: on one line, without the source's own reference numbers (they would read
    as markers) and without the outer bars of a table row."""
    text = " ".join(_REFERENCE.sub("", sentence).split())
    return text.strip("| ") if text.startswith("|") else text


def _blank_between(first: Evidence, second: Evidence) -> bool:
    return "\n" in first.passage.chunk.text[first.end : second.start]
