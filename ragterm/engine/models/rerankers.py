"""Two ways to look at a query and a text together: a cross-encoder, and late interaction with the embedding model itself.

A cross-encoder reads both in one pass and gives a logit (Nogueira & Cho 2019). Late interaction compares their token
vectors: for each token of the query the best cosine over the text's tokens, averaged (MaxSim; Khattab & Zaharia 2020,
section 3.3, there a sum over a query of fixed length). It needs no weights beyond the embedding model's.

Cost: either runs an encoder over every text, so 100 chunks of 240 tokens cost what embedding them costs, one to two seconds on
two cores. So retrieval hands over only the first candidates of the fused list, and the embedder remembers the token vectors of what it
has seen (most questions of a session meet the same chunks).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.models.checkpoint import read_cross_encoder_checkpoint
from ragterm.engine.models.embedder import open_or_remake
from ragterm.engine.models.export import ensure_onnx, tokenizer_file
from ragterm.engine.models.runtime import Graph, batches_by_length
from ragterm.engine.models.tokenization import TextTokenizer, padded
from ragterm.engine.models.weights import find_weights, locate
from ragterm.engine.types.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragterm.engine.types.protocols import Embedder

    FloatArray = NDArray[np.float32]


class LateInteraction:
    """Implements `protocols.Reranker`: MaxSim over the embedding model's token vectors. Scores lie in [-1, 1]."""

    name = "late-interaction"
    scale = "MaxSim (mean cosine)"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def score(self, query: str, texts: Sequence[str]) -> FloatArray:
        """float32 (n,), in the order of `texts`. Texts past the model's window are judged by what is inside it; a text or
        query without tokens scores -1."""
        import numpy as np

        scores = np.full(len(texts), -1.0, dtype=np.float32)
        asked = self._embedder.token_vectors([query])[0]  # (q, d)
        if not len(asked):
            return scores
        for i, tokens in enumerate(self._embedder.token_vectors(texts)):
            if len(tokens):
                cosines = asked @ tokens.T  # (q, t)
                scores[i] = cosines.max(axis=1).mean()
        return scores


class CrossEncoder:
    """Implements `protocols.Reranker`: one logit per (query, text) pair, unbounded."""

    scale = "logit"

    def __init__(self, open_graph: Callable[[], Graph], tokenizer: TextTokenizer, name: str) -> None:
        self.name = name
        self._open_graph = open_graph
        self._tokenizer = tokenizer

    def score(self, query: str, texts: Sequence[str]) -> FloatArray:
        """float32 (n,), in the order of `texts`. A pair past the model's window is cut from its longer side."""
        import numpy as np

        scores = np.empty(len(texts), dtype=np.float32)
        if not texts:
            return scores
        graph = self._graph
        encodings = self._tokenizer.encode_pairs(query, texts)

        def work(batch: list[int]) -> None:
            chosen = [encodings[i] for i in batch]
            width = max(len(e) for e in chosen)
            ids = padded([e.ids for e in chosen], width, self._tokenizer.pad_id)  # (b, width)
            mask = padded([e.attention_mask for e in chosen], width, 0)
            types = padded([e.type_ids for e in chosen], width, 0)
            scores[batch] = graph.run(ids, mask, types)[:, 0]  # logits: (b, 1)

        graph.map(work, list(batches_by_length([len(e) for e in encodings], graph.threads)))
        return scores

    @functools.cached_property
    def _graph(self) -> Graph:
        return self._open_graph()


def cross_encoder_present(name: str, cache: Path) -> bool:
    """Whether the checkpoint is on this machine. Looks at the disk only."""
    try:
        return locate(name) is not None
    except ModelError:
        return False


def load_cross_encoder(
    name: str, cache: Path, offline: bool = False, progress: Callable[[str], None] | None = None, threads: int = 0
) -> CrossEncoder:
    """Any sentence-transformers CrossEncoder checkpoint with one label, exported first if it never was.

    Raises DownloadNeeded when it is not on this machine, OfflineError when it is not and `offline` is set, ModelError when it
    cannot be used.
    """
    weights = find_weights(name, cache, offline)
    checkpoint = read_cross_encoder_checkpoint(weights.path)
    ensure_onnx(weights, cache, "fp32", progress, "cross-encoder")
    file = tokenizer_file(weights, checkpoint.encoder, cache, "cross-encoder", progress)

    def open_graph() -> Graph:
        return open_or_remake(
            lambda: ensure_onnx(weights, cache, "fp32", progress, "cross-encoder"), lambda path: Graph(path, threads)
        )

    return CrossEncoder(open_graph, TextTokenizer(file, checkpoint.max_tokens), name)
