"""Which chunks reach the language model: the best ones that fit, without saying the same thing twice.

In final order, each chunk is taken unless it repeats one that was taken: it overlaps a chosen chunk of the same document by
half or more, or it has the very words of one elsewhere. Two chunks with one parent stand there as that parent, once. Chunks that
merely resemble each other stay: a policy and its older version differ in the one number that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragterm.engine.types.answers import Passage

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Chunk
    from ragterm.engine.types.tracing import Candidate, Trace

FENCE_TOKENS = 24
"""What a prompt puts around a passage: its marker, its source line, the fence."""

REPEATED_SHARE = 0.5
"""From this share of the shorter chunk on, two overlapping chunks are the same passage. Neighbours share a tenth."""


def select_passages(
    trace: Trace,
    budget_tokens: int,
    max_passages: int,
    count_tokens: Callable[[Sequence[str]], list[int]] | None = None,
    handed_over: Callable[[Candidate], Chunk] | None = None,
) -> tuple[Trace, list[Passage]]:
    """Choose the passages of a prompt and number them from 1 in final order.

    `handed_over` gives what stands in the prompt for a candidate (its parent; None: its own chunk).
    `budget_tokens` bounds their sum; `count_tokens` counts texts in the tokens of the budget (None: the chunk's own count). A
    chunk that no longer fits is passed over for a shorter one further down; the first is taken whatever its length, since
    a prompt without any text answers nothing. Returns the trace with `Candidate.marker` set, and the passages.
    """
    kept: list[Chunk] = []
    words: set[str] = set()
    passages: list[Passage] = []
    left = budget_tokens
    for candidate in trace.candidates:
        if len(passages) >= max_passages:
            break
        chunk = handed_over(candidate) if handed_over else candidate.chunk
        plain = " ".join(chunk.text.split()).casefold()
        if not plain or plain in words or any(repeats(chunk, other) for other in kept):
            continue
        cost = FENCE_TOKENS + (count_tokens([chunk.embedding_text])[0] if count_tokens else chunk.tokens)
        if cost > left and passages:
            continue
        left -= cost
        kept.append(chunk)
        words.add(plain)
        passages.append(Passage(len(passages) + 1, chunk, candidate.document_title, candidate.document_path))
    return marked(trace, passages), passages


def marked(trace: Trace, passages: Sequence[Passage]) -> Trace:
    """The trace with each candidate's `marker`: the number of the first passage that is its chunk or holds it whole, as a parent
    holds all of its children, whichever of them brought it in."""
    own = {passage.chunk.id: passage.marker for passage in passages}
    of_document: dict[str, list[Passage]] = {}
    for passage in passages:
        of_document.setdefault(passage.chunk.document_id, []).append(passage)

    def marker_of(chunk: Chunk) -> int | None:
        if chunk.id in own:
            return own[chunk.id]
        around = (
            p for p in of_document.get(chunk.document_id, ()) if p.chunk.start <= chunk.start < chunk.end <= p.chunk.end
        )
        return next((p.marker for p in around), None)

    return replace(trace, candidates=tuple(replace(c, marker=marker_of(c.chunk)) for c in trace.candidates))


def repeats(chunk: Chunk, other: Chunk) -> bool:
    """Whether two chunks are the same passage of one document."""
    if chunk.document_id != other.document_id:
        return False
    shared = min(chunk.end, other.end) - max(chunk.start, other.start)
    return shared >= REPEATED_SHARE * min(chunk.end - chunk.start, other.end - other.start)
