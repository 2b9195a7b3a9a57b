"""What the bridge asks about the graph of the current collection. A part of `Bridge`, which inherits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ragterm.engine.types.graphs import (
        Explanation,
        GraphHealth,
        GraphSummary,
        LayerMap,
        RecallReport,
        Standing,
        Walk,
    )
    from ragterm.engine.types.lessons import Lesson

T = TypeVar("T")


class GraphRequests:
    collection: str

    async def call(self, work: Callable[[Any], T]) -> T:
        raise NotImplementedError

    async def graph_summary(self) -> GraphSummary:
        return await self.call(lambda engine: engine.graph_summary(self.collection))

    async def layer_map(self, level: int, max_nodes: int = 2000) -> LayerMap:
        return await self.call(lambda engine: engine.layer_map(self.collection, level, max_nodes))

    async def walk(self, question: str, k: int = 10, ef: int = 40) -> Walk:
        return await self.call(lambda engine: engine.walk(question, self.collection, k, ef))

    async def neighbours(self, key: int, level: int) -> list[tuple[int, float]]:
        return await self.call(lambda engine: engine.neighbours(key, level, self.collection))

    async def lessons(self) -> tuple[Lesson, ...]:
        return await self.call(lambda engine: engine.lessons())

    async def explain(self, question: str, k: int = 10, ef: int = 40) -> Explanation:
        return await self.call(lambda engine: engine.explain(question, self.collection, k, ef))

    async def standing(self, question: str, key: int) -> Standing | None:
        return await self.call(lambda engine: engine.standing(question, key, self.collection))

    async def recall(self, k: int = 10, ef: int = 40) -> RecallReport:
        return await self.call(lambda engine: engine.recall(self.collection, k, ef))

    async def graph_health(self, level: int = 0) -> GraphHealth:
        return await self.call(lambda engine: engine.graph_health(self.collection, level))

    async def labels(self, keys: Sequence[int]) -> dict[int, str]:
        return await self.call(lambda engine: engine.labels(keys, self.collection))

    async def save_map(
        self,
        path: Path,
        layer: LayerMap,
        walk: Walk | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> Path:
        """Write what is seen as SVG or DOT, by the name's ending; the path it is at."""
        return await self.call(lambda engine: engine.save_map(path, layer, walk, box, self.collection))
