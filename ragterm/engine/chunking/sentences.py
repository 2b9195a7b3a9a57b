"""Whole sentences, as many as fit: no chunk begins or ends inside one.

Sentence boundaries are those of `types.sentences` (the rules of pragmatic_segmenter; Kiss & Strunk 2006 for what a dot can be).
Headings, rows and lines of code count as sentences. Structure plays no part beyond that.
"""

from __future__ import annotations

from collections.abc import Iterator

from ragterm.engine.chunking.spans import RUNNING_TEXT_TOKENS, MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.chunking.units import sentence_starts
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings


def chunk_sentences(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """Sentences up to the window; each chunk begins with the last whole sentences of the one before it, no more than
    `settings.overlap` of its room. A sentence longer than the window is halved at words."""
    measured = MeasuredDocument(document, build_id, tools, settings, RUNNING_TEXT_TOKENS)
    return measured.chunks(_packed(measured))


def _packed(measured: MeasuredDocument) -> Iterator[Span]:
    ends = [*sentence_starts(measured.text, 0, len(measured.text)), len(measured.text)]
    at = [measured.ruler.index(offset) for offset in ends]
    new = 0  # the first sentence that is in no chunk yet
    while new < len(ends) - 1:
        touched = measured.blocks_in(ends[new], ends[new + 1])
        room = measured.least_left(touched[0].section) if touched else measured.room
        first = new
        while first > 0 and at[new] - at[first - 1] <= measured.overlap * room:
            first -= 1
        if at[new + 1] - at[first] > room:
            first = new  # a long sentence leaves no room for what was said before
        stop = new + 1
        while stop < len(ends) - 1 and at[stop + 1] - at[first] <= room:
            stop += 1
        yield measured.span(ends[first], ends[stop])
        new = stop
