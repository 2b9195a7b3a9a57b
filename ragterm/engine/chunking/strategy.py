"""What every way of chunking looks like from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.protocols import Embedder, Tokenizer
from ragterm.engine.types.settings import ChunkingSettings

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray


@dataclass(frozen=True, slots=True)
class ChunkingTools:
    """What a strategy may measure with: the embedding model's tokenizer, its window `max_tokens` (special tokens included), and for
    strategies that compare meanings `embed`, texts to float32 (n, dimensions), L2-normalised."""

    tokenizer: Tokenizer
    max_tokens: int
    embed: Callable[[Sequence[str]], FloatArray] | None = None

    @classmethod
    def of(cls, embedder: Embedder) -> ChunkingTools:
        return cls(embedder.tokenizer, embedder.max_tokens, embedder.embed_documents)


class ChunkingStrategy(Protocol):
    def __call__(
        self, document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings
    ) -> list[Chunk]:
        """The document's chunks in reading order: deterministic, every character but white space in at least one of them,
        none longer with its context than the window."""
