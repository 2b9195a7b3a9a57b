"""The fake engine with the real comparison of chunking strategies over its documents; the embedder costs nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from support.cheap_embedder import CheapEmbedder
from support.fake_engine import FakeEngine

from ragterm.engine.comparing import ChunkingQuestions


class ComparingEngine(ChunkingQuestions, FakeEngine):
    def __init__(self, **values: Any) -> None:
        FakeEngine.__init__(self, **values)
        self.embedder = CheapEmbedder()
        self.models: Any = SimpleNamespace(embedder=lambda step=None: self.embedder)
        store = SimpleNamespace(
            documents=SimpleNamespace(document=self.document),
            chunks=SimpleNamespace(vectors_of_texts=lambda texts, model: {}),
        )
        self._shelf: Any = SimpleNamespace(get=lambda name: SimpleNamespace(store=store))
