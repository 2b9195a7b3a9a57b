"""The embedding model and the rerankers: where weights come from, how they are exported once, how they are served."""

from __future__ import annotations

from ragterm.engine.models.weights import cache_dir

__all__ = ["cache_dir"]
