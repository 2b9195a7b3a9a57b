"""Documents to chunks: one strategy per module, one protocol."""

from __future__ import annotations

from ragterm.engine.chunking.registry import chunk_document, chunk_with
from ragterm.engine.chunking.strategy import ChunkingStrategy, ChunkingTools

__all__ = ["ChunkingStrategy", "ChunkingTools", "chunk_document", "chunk_with"]
