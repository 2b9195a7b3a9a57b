"""Another chunking for a collection, without a moment in which it does not answer: a shadow build beside the live one, cut over when
it is complete, and the way back.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ragterm.engine.collections import OpenCollection
from ragterm.engine.types.builds import BuildInfo, Rebuilt
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import NotFoundError, StoreError
from ragterm.engine.types.settings import ChunkingSettings

if TYPE_CHECKING:
    from ragterm.engine.store import Build
    from ragterm.engine.types.ingesting import IngestProgress

    OnProgress = Callable[[IngestProgress], None]


def builds_of(opened: OpenCollection) -> list[BuildInfo]:
    """In the order in which they were made."""
    store = opened.store
    previous = store.shadows.previous()
    with store.reading() as connection:
        counts = dict(connection.execute("SELECT build, count(*) FROM chunks GROUP BY build").fetchall())
    return [
        BuildInfo(b.id, b.model_id, b.chunking, b.live, b.id == previous, int(counts.get(b.number, 0)), b.created)
        for b in store.builds.all()
    ]


def rechunk(
    opened: OpenCollection,
    chunking: ChunkingSettings,
    on_progress: OnProgress | None = None,
    control: Control | None = None,
) -> Rebuilt:
    """Cut and embed every document anew and make that the live build. Stopped (Cancelled), it leaves the live build as it is, and goes
    on at the next call. Raises BusyError while an ingest runs, ModelError, StoreError."""
    live = opened.store.builds.live()
    if live is None:
        raise NotFoundError("The collection is empty", opened.name, f"ragterm ingest PATH -c {opened.name}")
    build = opened.store.builds.create(live.model_id, live.dimensions, chunking)
    return _switch(opened, live, build, on_progress, control)


def roll_back(opened: OpenCollection, on_progress: OnProgress | None = None, control: Control | None = None) -> Rebuilt:
    """Make the build that was live before live again; at once where no document has changed since. Raises NotFoundError when there
    is none."""
    live, before = opened.store.builds.live(), opened.store.builds.get(opened.store.shadows.previous())
    if live is None or before is None:
        raise NotFoundError("There is no build to go back to", opened.name, "ragterm chunk builds shows what there is")
    return _switch(opened, live, before, on_progress, control)


def _switch(
    opened: OpenCollection, live: Build, build: Build, on_progress: OnProgress | None, control: Control | None
) -> Rebuilt:
    from ragterm.engine.ingest.rebuild import fill_build
    from ragterm.engine.store.locks import IndexerLock

    began = time.monotonic()
    embedder = opened.models.embedder()
    if embedder.model_id != build.model_id:
        raise StoreError(
            "The collection was made with another embedding model",
            f"{opened.name} holds vectors of {build.model_id}; the settings ask for {embedder.model_id}",
            "set embedding.model and embedding.precision back",
        )
    # The long part without the lock, so that documents may come and go meanwhile; what they changed, and the rest, with it.
    documents, embedded = fill_build(opened.store, build, embedder, on_progress, control, opened.name)
    with IndexerLock(opened.folder):
        more, again = fill_build(opened.store, build, embedder, None, control, opened.name)
        opened.prepare_indexes(build)
        if not opened.store.shadows.cut_over(build):
            raise StoreError("The collection changed meanwhile", opened.name, "run the same command again")
        if build.id != live.id:
            _drop_others(opened, build, live)
    opened.save_indexes(build_graph=True)
    chunks = opened.store.chunks.count()
    return Rebuilt(build.id, live.id, documents + more, chunks, embedded + again, time.monotonic() - began)


def _drop_others(opened: OpenCollection, build: Build, before: Build) -> None:
    """Two builds are kept: the live one, and the one to go back to."""
    for one in opened.store.builds.all():
        if one.id not in (build.id, before.id):
            opened.store.shadows.drop(one)
            folder = opened.folder_of(one)
            for part in ("vectors", "keyword"):
                shutil.rmtree(folder / part, ignore_errors=True)
