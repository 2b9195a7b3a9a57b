"""The strategies by name, and which one a document gets."""

from __future__ import annotations

from ragterm.engine.chunking.recursive import chunk_recursive
from ragterm.engine.chunking.strategy import ChunkingStrategy, ChunkingTools
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.errors import UsageError
from ragterm.engine.types.settings import ChunkingSettings

STRATEGIES: dict[str, ChunkingStrategy] = {"recursive": chunk_recursive}


def chunk_document(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """The chunks of a document by the strategy that the settings and its kind ask for. An archive has none: as a passage its listing
    would stand before the files that it lists."""
    if document.kind == "archive":
        return []
    return chunk_with("recursive", document, build_id, tools, settings)


def chunk_with(
    name: str, document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings
) -> list[Chunk]:
    """The chunks by the strategy of this name. Raises UsageError for an unknown one."""
    strategy = STRATEGIES.get(name)
    if strategy is None:
        raise UsageError(f"Unknown chunking strategy {name!r}", "", f"choose one of: {', '.join(sorted(STRATEGIES))}")
    return strategy(document, build_id, tools, settings)
