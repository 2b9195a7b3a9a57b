"""Documents to chunks: one strategy per module, one protocol."""

from __future__ import annotations

from ragterm.engine.chunking.registry import DESCRIPTIONS, STRATEGIES, chunk_document, chunk_with, strategy_for
from ragterm.engine.chunking.strategy import ChunkingStrategy, ChunkingTools

__all__ = [
    "DESCRIPTIONS",
    "STRATEGIES",
    "ChunkingStrategy",
    "ChunkingTools",
    "chunk_document",
    "chunk_with",
    "strategy_for",
]
