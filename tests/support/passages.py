"""Passages and a trace that holds them, as retrieval and selection hand them on."""

from __future__ import annotations

from collections.abc import Sequence

from ragterm.engine.types.answers import Passage
from ragterm.engine.types.documents import Chunk
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, StageScore, Trace


def passage(
    marker: int, text: str, title: str = "", *, page: int | None = None, start: int = 0, context: str = ""
) -> Passage:
    """A chunk of a document of its own that begins at `start` of its canonical text."""
    title = title or f"Document {marker}"
    chunk = Chunk(
        id=f"chunk-{marker}",
        document_id=f"document-{marker}",
        build_id="build",
        ordinal=0,
        start=start,
        end=start + len(text),
        text=text,
        context=context,
        page=page,
        tokens=len(text.split()),
    )
    return Passage(marker, chunk, title, f"/docs/{title.lower().replace(' ', '-')}.md")


def trace_of(question: str, passages: Sequence[Passage]) -> Trace:
    candidates = tuple(
        Candidate(
            p.chunk, p.title, p.path, f"hash-{p.marker}", {"fused": StageScore(p.marker, 1.0 / p.marker)}, p.marker
        )
        for p in passages
    )
    return Trace(
        "t1",
        "2026-01-01T00:00:00Z",
        "default",
        "build",
        1,
        "model",
        question,
        question,
        RetrievalSettings(),
        candidates,
        (),
    )
