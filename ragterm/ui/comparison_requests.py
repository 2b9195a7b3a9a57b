"""What the bridge asks about chunking. A part of `Bridge`, which inherits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ragterm.engine.types.comparing import ChunkingComparison, ComparisonProgress
    from ragterm.engine.types.control import Control

T = TypeVar("T")


class ComparisonRequests:
    collection: str

    async def call(self, work: Callable[[Any], T]) -> T:
        raise NotImplementedError

    async def compare_chunking(
        self,
        documents: Sequence[str],
        strategies: Sequence[str],
        questions: Path | None,
        on_progress: Callable[[ComparisonProgress], None],
        control: Control,
    ) -> ChunkingComparison:
        """These documents of the current collection by several strategies. `on_progress` is called in another thread."""
        name = self.collection

        def work(engine: Any) -> ChunkingComparison:
            compared: ChunkingComparison = engine.compare_chunking(
                (),
                strategies,
                questions,
                documents=documents,
                collection=name,
                on_progress=on_progress,
                control=control,
            )
            return compared

        return await self.call(work)
