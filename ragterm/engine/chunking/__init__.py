"""Documents to chunks: one strategy per module, one protocol."""

from __future__ import annotations

from ragterm.engine.chunking.recursive import chunk_document
from ragterm.engine.chunking.strategy import ChunkingStrategy

__all__ = ["ChunkingStrategy", "chunk_document"]
