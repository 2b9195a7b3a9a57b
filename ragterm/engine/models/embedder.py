"""Text to unit vectors through ONNX Runtime, the same as sentence-transformers computes with torch.

Pooling follows the checkpoint (Reimers & Gurevych 2019, section 3: mean of the token vectors under the attention mask, or the
[CLS] vector); the graph gives token vectors, so late interaction is served by the same one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.models.checkpoint import Checkpoint, Pooling, read_embedding_checkpoint
from ragterm.engine.models.export import discard, ensure_onnx, tokenizer_file
from ragterm.engine.models.runtime import Graph, batches_by_length
from ragterm.engine.models.token_memory import TokenMemory
from ragterm.engine.models.tokenization import TextTokenizer, padded
from ragterm.engine.models.weights import Weights, find_weights
from ragterm.engine.types.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragterm.engine.types.settings import EmbeddingSettings

    FloatArray = NDArray[np.float32]

# Texts that are tokenised, sorted and embedded together: long enough to sort well, short enough to bound memory.
_SLICE = 2048


class OnnxEmbedder:
    """Implements `protocols.Embedder`. Safe from several threads. The graph is read at the first embedding."""

    def __init__(
        self,
        open_graph: Callable[[], Graph],
        tokenizer: TextTokenizer,
        checkpoint: Checkpoint,
        model_id: str,
    ) -> None:
        self.model_id = model_id
        self.dimensions = checkpoint.dimensions
        self.max_tokens = checkpoint.max_tokens
        self.tokenizer = tokenizer
        self._checkpoint = checkpoint
        self._open_graph = open_graph
        self._token_memory = TokenMemory()

    def load(self) -> None:
        """Read the graph now instead of at the first text."""
        _ = self._graph

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """float32 (n, dimensions), L2-normalised, in the order of `texts`. Text past the window is truncated."""
        return self._embed([self._checkpoint.document_prompt + text for text in texts])

    def embed_query(self, text: str) -> FloatArray:
        """float32 (dimensions,), L2-normalised."""
        vector: FloatArray = self._embed([self._checkpoint.query_prompt + text])[0]
        return vector

    def token_vectors(self, texts: Sequence[str]) -> list[FloatArray]:
        """For each text float32 (tokens, dimensions), L2-normalised per token, special tokens left out. Text past the window is
        truncated; a text without tokens gives (0, dimensions). Texts seen lately are remembered, in half
        precision."""
        return self._token_memory.get(texts, self._encode_tokens)

    def _encode_tokens(self, texts: Sequence[str]) -> list[FloatArray]:
        import numpy as np

        out: list[FloatArray] = [np.empty((0, self.dimensions), np.float32)] * len(texts)

        def keep(batch: list[int], encodings: list[Any], hidden: FloatArray, mask: Any) -> None:
            for row, (i, encoding) in enumerate(zip(batch, encodings, strict=True)):
                real = np.asarray(encoding.special_tokens_mask) == 0
                out[i] = _unit(hidden[row, : len(real)][real])

        self._run(texts, keep)
        return out

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        import numpy as np

        out = np.empty((len(texts), self.dimensions), np.float32)
        pooling = self._checkpoint.pooling

        def keep(batch: list[int], encodings: list[Any], hidden: FloatArray, mask: Any) -> None:
            out[batch] = _unit(_pool(hidden, mask, pooling))

        self._run(texts, keep)
        return out

    def _run(self, texts: Sequence[str], keep: Callable[[list[int], list[Any], FloatArray, Any], None]) -> None:
        graph = self._graph
        for start, part in _slices(texts):
            encodings = self.tokenizer.encode([t.lower() for t in part] if self._checkpoint.lower_case else part)

            def work(batch: list[int], encodings: list[Any] = encodings, start: int = start) -> None:
                chosen = [encodings[i] for i in batch]
                width = max(len(e) for e in chosen)
                ids = padded([e.ids for e in chosen], width, self.tokenizer.pad_id)  # (b, width)
                mask = padded([e.attention_mask for e in chosen], width, 0)  # (b, width)
                keep([start + i for i in batch], chosen, graph.run(ids, mask), mask)  # hidden: (b, width, d)

            graph.map(work, list(batches_by_length([len(e) for e in encodings], graph.threads)))

    @functools.cached_property
    def _graph(self) -> Graph:
        return self._open_graph()


def load_embedder(
    settings: EmbeddingSettings, cache: Path, *, offline: bool = False, progress: Callable[[str], None] | None = None
) -> OnnxEmbedder:
    """The embedder of `settings.model`, exported first if it never was (progress is told then).

    Raises DownloadNeeded when the model is not on this machine, OfflineError when it is not and `offline` is set, ModelError
    when it is damaged or cannot be exported.
    """
    weights, checkpoint = _find(settings, cache, offline)
    ensure_onnx(weights, cache, settings.precision, progress)
    tokenizer = _tokenizer(weights, checkpoint, cache, progress)

    def open_graph() -> Graph:
        return open_or_remake(
            lambda: ensure_onnx(weights, cache, settings.precision, progress),
            lambda path: Graph(path, settings.threads),
        )

    return OnnxEmbedder(open_graph, tokenizer, checkpoint, _model_id(weights, checkpoint, settings.precision))


def load_tokenizer(settings: EmbeddingSettings, cache: Path, *, offline: bool = False) -> TextTokenizer:
    """The model's tokenizer alone. Raises as `load_embedder`."""
    weights, checkpoint = _find(settings, cache, offline)
    return _tokenizer(weights, checkpoint, cache, None)


def open_or_remake(ensure: Callable[[], Path], open_path: Callable[[Path], Graph]) -> Graph:
    """A graph that cannot be loaded although its size is right was damaged on disk: make it again, once."""
    path = ensure()
    try:
        return open_path(path)
    except ModelError:
        discard(path)
        return open_path(ensure())


def _find(settings: EmbeddingSettings, cache: Path, offline: bool) -> tuple[Weights, Checkpoint]:
    weights = find_weights(settings.model, cache, offline)
    return weights, read_embedding_checkpoint(weights.path)


def _tokenizer(
    weights: Weights, checkpoint: Checkpoint, cache: Path, progress: Callable[[str], None] | None
) -> TextTokenizer:
    file = tokenizer_file(weights, checkpoint.encoder, cache, progress=progress)
    return TextTokenizer(file, checkpoint.max_tokens)


def _model_id(weights: Weights, checkpoint: Checkpoint, precision: str) -> str:
    prefixes = "none"
    if checkpoint.query_prompt or checkpoint.document_prompt:
        prefixes = f"{checkpoint.query_prompt!r}|{checkpoint.document_prompt!r}"
    return (
        f"{weights.name} hash={weights.content_hash[:16]} dim={checkpoint.dimensions} pooling={checkpoint.pooling}"
        f" prefix={prefixes} precision={precision}"
    )


def _slices(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    for start in range(0, len(texts), _SLICE):
        yield start, texts[start : start + _SLICE]


def _pool(hidden: FloatArray, mask: Any, pooling: Pooling) -> FloatArray:
    """float32 (b, d) from token vectors (b, width, d) and an int64 mask (b, width)."""
    import numpy as np

    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "lasttoken":
        last: FloatArray = hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1]
        return last
    if pooling == "max":
        highest: FloatArray = np.where(mask[:, :, None] > 0, hidden, -np.inf).max(axis=1)
        return highest
    weights = mask.astype(np.float32)
    mean: FloatArray = np.einsum("bwd,bw->bd", hidden, weights) / weights.sum(axis=1, keepdims=True)
    return mean


def _unit(vectors: FloatArray) -> FloatArray:
    import numpy as np

    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    result: FloatArray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)
    return result
