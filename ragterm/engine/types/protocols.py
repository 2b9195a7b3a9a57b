"""What one room may expect of another: structural protocols, so that no room imports its neighbour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragterm.engine.types.answers import LlmEvent, Prompt
    from ragterm.engine.types.control import Control
    from ragterm.engine.types.graphs import GraphSummary, LayerMap, Walk

    FloatArray = NDArray[np.float32]
    KeyArray = NDArray[np.int64]


class Tokenizer(Protocol):
    """The embedding model's own tokens."""

    @property
    def special_tokens(self) -> int:
        """How many tokens the model adds around every text ([CLS] and [SEP]: 2)."""

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Character span of every token of `text`, without special tokens, in order. Never truncated."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens. Never truncated."""


class Embedder(Protocol):
    """Text to unit vectors."""

    @property
    def model_id(self) -> str:
        """Name, content hash, dimension, pooling, prefix and precision in one string: vectors of two ids never meet."""

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """The model's window, special tokens included."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """float32 (n, dimensions), L2-normalised, in the order of `texts`. Text past the window is truncated."""

    def embed_query(self, text: str) -> FloatArray:
        """float32 (dimensions,), L2-normalised."""

    def token_vectors(self, texts: Sequence[str]) -> list[FloatArray]:
        """For each text float32 (tokens, dimensions), L2-normalised per token, special tokens left out (late interaction)."""


class Reranker(Protocol):
    """Scores (query, text) pairs. Higher is better."""

    name: str
    scale: str
    """What the score is, for the reader: "logit", "MaxSim (mean cosine)"."""

    def score(self, query: str, texts: Sequence[str]) -> FloatArray:
        """float32 (n,), in the order of `texts`."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A chunk as the indexes take it. `vector` is float32 (dimensions,), L2-normalised, None for the keyword index. `title` and
    `context` may be empty; `text` is the chunk's own text."""

    key: int
    document_id: str
    title: str
    context: str
    text: str
    vector: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """What happened to a build between two generations, net: keys removed, then entries added."""

    added: Sequence[IndexEntry]
    removed: Sequence[int]
    generation: int


class DenseIndex(Protocol):
    """Nearest neighbours by cosine. Keys are the store's chunk keys (int64)."""

    @property
    def generation(self) -> int:
        """The store's generation that the index holds; 0 when it is empty."""

    def apply(self, changes: IndexChanges) -> None:
        """Bring the index to `changes.generation`."""

    def search(self, vector: FloatArray, k: int, allowed: KeyArray | None = None) -> tuple[KeyArray, FloatArray]:
        """Keys and cosines, best first, at most k; `allowed` limits the search to these keys."""

    def scores(self, vector: FloatArray, keys: KeyArray) -> FloatArray:
        """The exact cosine of each key, in order. Unknown keys score -1."""

    def keys(self) -> KeyArray:
        """int64, ascending: every chunk that can be found."""


class KeywordIndex(Protocol):
    """BM25 over context and text."""

    @property
    def generation(self) -> int: ...

    def apply(self, changes: IndexChanges) -> None: ...

    def search(self, query: str, k: int, documents: Sequence[str] | None = None) -> list[tuple[int, float]]:
        """(key, BM25), best first, at most k; only chunks that match a term; `documents` limits to these document ids."""

    def scores(self, query: str, keys: Sequence[int]) -> list[float]:
        """The exact BM25 of each key, in order; 0.0 where no term matches."""

    def keys(self, documents: Sequence[str] | None = None) -> list[int]:
        """Ascending: every chunk that can be found, of these document ids only when given."""

    def terms(self, query: str) -> list[str]:
        """The query's terms as they are matched (lower case, stemmed, stop words gone)."""


class GraphView(Protocol):
    """What the Layers pane asks of an index with a graph."""

    def summary(self) -> GraphSummary: ...

    def layer_map(self, level: int, max_nodes: int = 2000) -> LayerMap: ...

    def walk(self, question: str, vector: FloatArray, k: int = 10, ef: int = 40) -> Walk: ...

    def neighbours(self, key: int, level: int) -> list[tuple[int, float]]: ...


@runtime_checkable
class LanguageModel(Protocol):
    """One protocol of events for every kind of model."""

    name: str
    """As shown and as `--llm` takes it: "ollama:llama3.2", "extractive"."""

    def context_window(self) -> int:
        """The largest prompt plus answer in tokens. Raises LlmError when the model cannot be reached."""

    def stream(self, prompt: Prompt, control: Control) -> Iterator[LlmEvent]:
        """Write. Ends with `Finished` (or `Declined`). Raises LlmError when it breaks off, Cancelled when stopped; what was
        yielded until then is kept by the caller."""
