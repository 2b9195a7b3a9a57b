"""Fixed windows of tokens: the baseline that everybody knows.

Every chunk has the same number of the model's own tokens, every next one begins `overlap` tokens before the end of the one before,
whatever the text says there. (As in dense passage retrieval: Karpukhin et al. 2020, section 4.1, disjoint passages of 100 words.)
"""

from __future__ import annotations

from collections.abc import Iterator

from ragterm.engine.chunking.spans import RUNNING_TEXT_TOKENS, MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings


def chunk_fixed(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """Windows of the room that the document's longest context leaves, overlapping by `settings.overlap` of it, cut where a token
    begins."""
    measured = MeasuredDocument(document, build_id, tools, settings, RUNNING_TEXT_TOKENS)
    return measured.chunks(_windows(measured))


def _windows(measured: MeasuredDocument) -> Iterator[Span]:
    starts, end = measured.ruler.starts, len(measured.text)
    size = max(1, min((measured.least_left(path) for path in {b.section for b in measured.blocks}), default=1))
    step = max(1, size - round(measured.overlap * size))
    for first in range(0, max(1, len(starts)), step):
        # What stands before the first token or after the last one is no token to the model, but it is text.
        start = starts[first] if first else 0
        stop = starts[first + size] if first + size < len(starts) else end
        yield measured.span(start, stop)
        if stop == end:
            return
