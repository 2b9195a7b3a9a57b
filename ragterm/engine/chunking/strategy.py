"""What every way of chunking looks like from outside."""

from __future__ import annotations

from typing import Protocol

from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.protocols import Tokenizer
from ragterm.engine.types.settings import ChunkingSettings


class ChunkingStrategy(Protocol):
    def __call__(
        self, document: Document, build_id: str, tokenizer: Tokenizer, settings: ChunkingSettings, max_tokens: int
    ) -> list[Chunk]:
        """The document's chunks in reading order: deterministic, every character but white space in at least one of them,
        none longer with its context than the window."""
