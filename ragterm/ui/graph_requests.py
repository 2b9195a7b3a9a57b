"""What the bridge asks about the graph of the current collection. A part of `Bridge`, which inherits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ragterm.engine.types.graphs import GraphSummary, LayerMap, Walk
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
