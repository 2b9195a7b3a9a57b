"""An embedder that costs nothing and is a function of the text alone: a bag of hashed words on the unit sphere."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from hashlib import sha256

import numpy as np

DIMENSIONS = 32
_WORD = re.compile(r"\w+|[^\w\s]")


class WordTokenizer:
    special_tokens = 2

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _WORD.finditer(text)]

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]


class CheapEmbedder:
    """`seconds` is slept for each call; `texts` counts what was embedded, `calls` the texts of each call, and `on_call` is told
    the number of each, so that an ingest can be interrupted at a known point."""

    model_id = "cheap-words-1"
    dimensions = DIMENSIONS
    max_tokens = 64

    def __init__(self, seconds: float = 0.0) -> None:
        self.tokenizer = WordTokenizer()
        self.seconds = seconds
        self.texts = 0
        self.calls: list[int] = []
        self.on_call: Callable[[int], None] = lambda number: None

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += len(texts)
        self.calls.append(len(texts))
        self.on_call(len(self.calls))
        time.sleep(self.seconds)
        return np.stack([vector_of(text) for text in texts]) if texts else np.zeros((0, DIMENSIONS), dtype=np.float32)

    def embed_query(self, text: str) -> np.ndarray:
        return vector_of(text)

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        raise NotImplementedError


def vector_of(text: str) -> np.ndarray:
    """float32 (32,), of length 1."""
    vector = np.full(DIMENSIONS, 1e-3)
    for word in _WORD.findall(text.lower()):
        digest = sha256(word.encode("utf-8", "surrogatepass")).digest()
        vector[digest[0] % DIMENSIONS] += 1.0 if digest[1] & 1 else -1.0
        vector[digest[2] % DIMENSIONS] += 0.5
    return (vector / np.linalg.norm(vector)).astype(np.float32)
