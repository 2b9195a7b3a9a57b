"""The real embedding model for tests: exported once per machine, into the user's cache (or RAGTERM_CACHE)."""

from __future__ import annotations

import functools
from typing import Any

from ragterm.engine.models.embedder import load_embedder, load_tokenizer
from ragterm.engine.models.weights import cache_dir
from ragterm.engine.types.settings import EmbeddingSettings


@functools.cache
def minilm_tokenizer() -> Any:
    return load_tokenizer(EmbeddingSettings(), cache_dir())


@functools.cache
def minilm(precision: str = "fp32") -> Any:
    return load_embedder(EmbeddingSettings(precision=precision), cache_dir())  # type: ignore[arg-type]
