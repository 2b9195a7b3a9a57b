"""Token vectors of texts seen lately. Reranking and the extractive answerer look at the same chunks, and so do the questions of a
session; encoding a chunk costs 16 ms of two cores, remembering it 180 kB."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

REMEMBERED_BYTES = 64 << 20
"""About 350 chunks of 240 tokens at 384 dimensions."""


class TokenMemory:
    """The least recently used texts are forgotten first. Vectors are kept as float16 (cosines move by less than 1e-3). Thread-safe."""

    def __init__(self, limit: int = REMEMBERED_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._kept: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, texts: Sequence[str], make: Callable[[Sequence[str]], list[FloatArray]]) -> list[FloatArray]:
        """float32 (tokens, dimensions) of each text; `make` is asked for those not remembered, each once."""
        import numpy as np

        with self._guard:
            found = {text: self._kept[text] for text in texts if text in self._kept}
            for text in found:
                self._kept.move_to_end(text)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            made = [vectors.astype(np.float16) for vectors in make(missing)]
            found.update(zip(missing, made, strict=True))
            with self._guard:
                for text, vectors in zip(missing, made, strict=True):
                    if text not in self._kept:
                        self._kept[text] = vectors
                        self._held += vectors.nbytes
                while self._held > self._limit and self._kept:
                    _, dropped = self._kept.popitem(last=False)
                    self._held -= dropped.nbytes
        return [found[text].astype(np.float32) for text in texts]
