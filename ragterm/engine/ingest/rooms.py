"""What an ingest works with: the store, the two indexes, and how to get an embedding model and a pool of parsers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ragterm.engine.documents.places import Staging
from ragterm.engine.store import Build, CollectionStore
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import StoreError
from ragterm.engine.types.protocols import DenseIndex, Embedder, KeywordIndex
from ragterm.engine.types.settings import ChunkingSettings, IngestSettings


class Parsers(Protocol):
    """Worker processes that parse."""

    def submit(self, path: Path, staging: Staging | None = None) -> Future[ParsedDocument]:
        """`staging` says where bytes and members lie, for containers and what is in them. The future's `result()` raises ParseError."""

    def close(self) -> None:
        """Drop what waits, end the workers."""


def _parser_pool(settings: IngestSettings, passwords: Sequence[str] = ()) -> Parsers:
    from ragterm.engine.documents.workers import ParserPool

    return ParserPool(parser_workers(settings), settings.timeout_seconds, settings.memory_mb, passwords=passwords)


def parser_workers(settings: IngestSettings) -> int:
    import os

    return settings.workers or max(1, (os.cpu_count() or 2) - 1)


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class IngestRooms:
    """`embedder` is called once, and only when a file really has to be embedded. `flush` persists the indexes: it is called
    after they were brought up to date, every few seconds and at the end."""

    store: CollectionStore
    dense: DenseIndex
    keyword: KeywordIndex
    embedder: Callable[[], Embedder]
    flush: Callable[[], None] = _nothing
    collection: str = "default"
    parsers: Callable[[IngestSettings], Parsers] = _parser_pool


def with_passwords(rooms: IngestRooms, passwords: Sequence[str]) -> IngestRooms:
    """Rooms whose parsers try these on locked files. The passwords live as long as that pool."""
    return replace(rooms, parsers=lambda settings: _parser_pool(settings, passwords)) if passwords else rooms


def catch_up(store: CollectionStore, dense: DenseIndex, keyword: KeywordIndex) -> bool:
    """Bring both indexes to the store's generation; whether there was anything to do. An index that is ahead of the store was
    made from another state of it (a backup was put back): it starts again from nothing, where it can."""
    generation = store.generation
    for index in (dense, keyword):
        clear = getattr(index, "clear", None)
        if index.generation > generation and clear is not None:
            clear()
    behind = [index for index in (dense, keyword) if index.generation < generation]
    if not behind:
        return False
    if len(behind) == 2 and dense.generation == keyword.generation:
        for changes in store.changes.blocks(dense.generation):
            dense.apply(changes)
            keyword.apply(changes)
        return True
    for index in behind:
        for changes in store.changes.blocks(index.generation, vectors=index is dense):
            index.apply(changes)
    return True


def live_build(store: CollectionStore, embedder: Embedder, chunking: ChunkingSettings) -> tuple[Build, str]:
    """The build to write to, and a warning ("" when there is none). An empty collection takes whatever is asked for.

    Raises StoreError when the collection's vectors are another model's: vectors of two models never meet.
    """
    build = store.builds.live()
    if build is None or store.chunks.count() == 0:
        if build is not None and (build.model_id, build.chunking) == (embedder.model_id, chunking):
            return build, ""
        return store.builds.create_live(embedder.model_id, embedder.dimensions, chunking), ""
    if build.model_id != embedder.model_id:
        raise StoreError(
            "The collection was made with another embedding model",
            f"{store.folder.name} holds vectors of {build.model_id}; the settings ask for {embedder.model_id}",
            "set embedding.model and embedding.precision back, or ingest into a new collection: ragterm ingest PATH -c NAME",
        )
    if build.chunking != chunking:
        return (
            build,
            "the collection keeps its chunking; `ragterm chunk adopt` or a new collection takes the new settings",
        )
    return build, ""
