"""Vectors of texts, each text embedded once: strategies cut the same document at many of the same places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from ragterm.engine.types.control import Control

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import Embedder, FloatArray

BATCH_TEXTS = 128
"""Texts between two looks at progress and at a cancel: two seconds of chunks of 240 tokens on two cores."""


class EmbeddedTexts:
    """`known` gives vectors that are already there (of a collection) for some of the texts it is asked about. `embedded` and `tokens`
    count what was embedded here, `reused` the texts that did not have to be. Not safe from several threads."""

    def __init__(
        self, embedder: Embedder, known: Callable[[Sequence[str]], Mapping[str, FloatArray]] | None = None
    ) -> None:
        import numpy as np

        self._embedder = embedder
        self._known = known
        self._rows: dict[bytes, int] = {}
        self._vectors: FloatArray = np.empty((0, embedder.dimensions), np.float32)
        self.embedded = 0
        self.tokens = 0
        self.reused = 0

    def vectors(
        self,
        texts: Sequence[str],
        on_progress: Callable[[int, int], None] | None = None,
        control: Control | None = None,
    ) -> FloatArray:
        """float32 (n, dimensions), L2-normalised, in the order of `texts`. `on_progress(done, all)` counts the texts that have to be
        embedded. Raises Cancelled between batches; what was embedded until then is kept."""
        import numpy as np

        keys = [_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        if self._known is not None and missing:
            found = self._known(list(missing.values()))
            if found:
                self._keep([_key(text) for text in found], np.stack(list(found.values())))
                missing = {key: text for key, text in missing.items() if key not in self._rows}
        self.reused += len(texts) - len(missing)
        # Texts of about one length make a batch without padding.
        waiting = sorted(missing.items(), key=lambda item: len(item[1]))
        for start in range(0, len(waiting), BATCH_TEXTS):
            if control is not None:
                control.checkpoint()
            if on_progress is not None:
                on_progress(start, len(waiting))
            batch = waiting[start : start + BATCH_TEXTS]
            chosen = [text for _, text in batch]
            self._keep([key for key, _ in batch], self._embedder.embed_documents(chosen))
            self.embedded += len(chosen)
            tokenizer = self._embedder.tokenizer
            self.tokens += sum(tokenizer.count(chosen)) + tokenizer.special_tokens * len(chosen)
        if on_progress is not None and waiting:
            on_progress(len(waiting), len(waiting))
        rows = np.fromiter((self._rows[key] for key in keys), dtype=np.int64, count=len(keys))
        result: FloatArray = self._vectors[rows]
        return result

    def _keep(self, keys: Sequence[bytes], vectors: FloatArray) -> None:
        import numpy as np

        held = len(self._rows)
        if held + len(keys) > len(self._vectors):
            room = np.empty((max(1024, 2 * (held + len(keys))), self._vectors.shape[1]), np.float32)
            room[:held] = self._vectors[:held]
            self._vectors = room
        self._vectors[held : held + len(keys)] = vectors
        self._rows.update((key, held + place) for place, key in enumerate(keys))


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
