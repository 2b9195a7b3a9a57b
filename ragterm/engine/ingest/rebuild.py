"""A shadow build: every document of a collection cut and embedded anew from its stored text, beside the build that answers.

Nothing is parsed again, and texts that come out as before keep their vectors. It may be stopped at any time: what is there
stays, and the next call goes on. Documents that an ingest changes meanwhile come again at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.chunking import ChunkingTools, chunk_document
from ragterm.engine.ingest.progress import Reporter
from ragterm.engine.store import Build, CollectionStore
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.ingesting import IngestProgress
from ragterm.engine.types.protocols import Embedder

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray

_AT_ONCE = 192
"""Texts that are embedded together: enough that those of one batch are of about one length."""


@dataclass(frozen=True)
class _Cut:
    document: Document
    chunks: Sequence[Chunk]
    vectors: FloatArray
    missing: Sequence[int]


def fill_build(
    store: CollectionStore,
    build: Build,
    embedder: Embedder,
    on_progress: Callable[[IngestProgress], None] | None = None,
    control: Control | None = None,
    collection: str = "",
) -> tuple[int, int]:
    """Give `build` all that it lacks. Returns (documents written, texts embedded). Raises Cancelled, ModelError, StoreError."""
    control = control or Control()
    reporter = Reporter(collection, on_progress)
    reporter.show("embedding")
    tools = ChunkingTools.of(embedder)
    written = embedded = 0
    waiting: list[_Cut] = []
    ids = store.shadows.lacking(build)
    reporter.files_total = len(ids)
    for number, id_ in enumerate(ids):
        control.checkpoint()
        try:
            document = store.documents.document(id_)
        except NotFoundError:
            continue  # it was removed meanwhile
        reporter.path, reporter.files_done = document.path, number
        waiting.append(_cut(store, build, embedder, tools, document))
        reporter.chunks_known += len(waiting[-1].chunks)
        if sum(len(one.missing) for one in waiting) >= _AT_ONCE:
            embedded += _embed(waiting, embedder, reporter)
            written += _write(store, build, waiting)
        reporter.show()
    embedded += _embed(waiting, embedder, reporter)
    written += _write(store, build, waiting)
    reporter.files_done = len(ids)
    reporter.show("done")
    return written, embedded


def _cut(store: CollectionStore, build: Build, embedder: Embedder, tools: ChunkingTools, document: Document) -> _Cut:
    chunks = chunk_document(document, build.id, tools, build.chunking)
    vectors = np.zeros((len(chunks), embedder.dimensions), dtype=np.float32)
    known = store.chunks.vectors_of_texts([chunk.embedding_text for chunk in chunks], build.model_id)
    missing = []
    for number, chunk in enumerate(chunks):
        vector = known.get(chunk.embedding_text)
        if vector is None:
            missing.append(number)
        else:
            vectors[number] = vector
    return _Cut(document, chunks, vectors, missing)


def _embed(waiting: Sequence[_Cut], embedder: Embedder, reporter: Reporter) -> int:
    places = [(one, number) for one in waiting for number in one.missing]
    places.sort(key=lambda place: place[0].chunks[place[1]].tokens)
    for start in range(0, len(places), _AT_ONCE):
        part = places[start : start + _AT_ONCE]
        made = embedder.embed_documents([one.chunks[number].embedding_text for one, number in part])
        for (one, number), vector in zip(part, made, strict=True):
            one.vectors[number] = vector
        reporter.estimate.embedded(len(part), sum(one.chunks[number].tokens for one, number in part))
    return len(places)


def _write(store: CollectionStore, build: Build, waiting: list[_Cut]) -> int:
    written = 0
    for one in waiting:
        written += store.shadows.put(build, one.document.id, one.document.content_hash, one.chunks, one.vectors)
    waiting.clear()
    return written
