"""What the bridge asks about chunking. A part of `Bridge`, which inherits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ragterm.ui import messages

if TYPE_CHECKING:
    from ragterm.engine.types.builds import Rebuilt
    from ragterm.engine.types.comparing import ChunkingComparison, ComparisonProgress
    from ragterm.engine.types.control import Control
    from ragterm.engine.types.ingesting import IngestProgress
    from ragterm.engine.types.settings import ChunkingSettings

T = TypeVar("T")


class ComparisonRequests:
    collection: str

    async def call(self, work: Callable[[Any], T]) -> T:
        raise NotImplementedError

    def publish(self, message: Any) -> None:
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

    async def rechunk(
        self, chunking: ChunkingSettings, on_progress: Callable[[IngestProgress], None], control: Control
    ) -> Rebuilt:
        """Make this the chunking of the current collection. `on_progress` is called in another thread."""
        name = self.collection

        def work(engine: Any) -> Rebuilt:
            made: Rebuilt = engine.rechunk(chunking, name, on_progress, control)
            return made

        made = await self.call(work)
        self.publish(messages.DocumentsChanged(name))
        return made

    async def roll_back(self, on_progress: Callable[[IngestProgress], None], control: Control) -> Rebuilt:
        """Go back to the chunking before the last that was adopted."""
        name = self.collection

        def work(engine: Any) -> Rebuilt:
            made: Rebuilt = engine.roll_back(name, on_progress, control)
            return made

        made = await self.call(work)
        self.publish(messages.DocumentsChanged(name))
        return made
