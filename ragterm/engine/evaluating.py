"""A judged data set through the engine: a throw-away collection is filled, asked and scored, and deleted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.collections import OpenCollection
from ragterm.engine.resident import ResidentModels
from ragterm.engine.types.control import Control
from ragterm.engine.types.ingesting import IngestProgress, IngestStage
from ragterm.engine.types.tracing import RetrievalSettings

if TYPE_CHECKING:
    from ragterm.engine.store import Build
    from ragterm.engine.types.documents import Document
    from ragterm.engine.types.protocols import Embedder


def evaluate_folder(
    models: ResidentModels,
    folder: Path,
    settings: RetrievalSettings,
    run_file: Path | None,
    on_progress: Callable[[IngestProgress], None] | None,
    on_step: Callable[[str], None] | None,
    control: Control | None,
) -> dict[str, Any]:
    """See `Engine.evaluate`. Raises NotFoundError and RagtermError for a folder that is not in BEIR form, Cancelled."""
    from ragterm.engine.evaluation import evaluate, index_corpus, load_beir, write_run

    data = load_beir(folder)
    embedder = models.embedder(on_step)
    # Recall at 100 needs a hundred candidates whatever `-k` says.
    settings = replace(settings, k=max(settings.k, 100))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ragterm-eval-") as home:
        opened = OpenCollection(Path(home) / "eval", models, create=True)
        try:
            build = opened.store.builds.create_live(embedder.model_id, embedder.dimensions, models.settings.chunking)
            chunks, entries = index_corpus(
                data,
                lambda documents: _add(opened, build, embedder, documents),
                on_progress=_reporter(on_progress, "embedding", data.folder.name),
                control=control,
            )
            result = evaluate(
                data,
                lambda question: opened.search(question, settings, control),
                lambda candidate: entries[candidate.chunk.document_id],
                on_progress=_reporter(on_progress, "searching", "questions"),
                control=control,
            )
        finally:
            opened.close()
    if run_file is not None:
        write_run(result.run, run_file)
    return {
        **result.metrics,
        "queries": result.queries,
        "settings": {
            **asdict(settings),
            "model": embedder.model_id,
            "documents": len(data.entries),
            "chunks": chunks,
            "seconds": round(time.monotonic() - started, 1),
        },
    }


def _add(opened: OpenCollection, build: Build, embedder: Embedder, documents: Sequence[Document]) -> int:
    """Chunk, embed and store as an ingest does, without files; how many chunks that gave."""
    from ragterm.engine.chunking import ChunkingTools, chunk_document
    from ragterm.engine.store import NewDocument, pack_version

    chunked = [chunk_document(document, build.id, ChunkingTools.of(embedder), build.chunking) for document in documents]
    vectors = embedder.embed_documents([chunk.embedding_text for chunks in chunked for chunk in chunks])
    at = 0
    with opened.store.atomic():
        for document, chunks in zip(documents, chunked, strict=True):
            if chunks:
                mine = vectors[at : at + len(chunks)]
                size = len(document.text)
                opened.store.put_document(NewDocument(document, chunks, mine, pack_version(document), size, 0), build)
            at += len(chunks)
    return at


def _reporter(
    on_progress: Callable[[IngestProgress], None] | None, stage: IngestStage, what: str
) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    started = time.monotonic()

    def report(done: int, total: int) -> None:
        seconds = time.monotonic() - started
        left = seconds / done * (total - done) if done else None
        on_progress(IngestProgress(stage, "eval", "", total, done, seconds=seconds, seconds_left=left, message=what))

    return report
