"""By heading: the text under each heading is a chunk of its own, however short.

The section path of every chunk is exact, which is what a handbook or a specification wants whose sections are looked up by name; a
heading without text of its own goes with the first one below it. A section longer than the window is cut as the recursive strategy
cuts it. Headings are the parser's, so it works for every format that has them.
"""

from __future__ import annotations

from ragterm.engine.chunking.recursive import section_spans
from ragterm.engine.chunking.sections import grouped
from ragterm.engine.chunking.spans import MeasuredDocument
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings


def chunk_markdown(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """One chunk for each heading, more where its text is longer than the window."""
    measured = MeasuredDocument(document, build_id, tools, settings)
    return measured.chunks(span for section in grouped(measured.blocks) for span in section_spans(section, measured))
