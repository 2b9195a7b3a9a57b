"""Documents, chunks and traces made by hand, for tests of the store."""

from __future__ import annotations

import numpy as np
from support.cheap_embedder import DIMENSIONS, CheapEmbedder, vector_of

from ragterm.engine.store import Build, CollectionStore, NewDocument, pack_version
from ragterm.engine.types.documents import Block, Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, StageScore, StageTiming, Trace


def cheap_build(store: CollectionStore) -> Build:
    return store.builds.create_live(CheapEmbedder.model_id, DIMENSIONS, ChunkingSettings())


def document_of(name: str, text: str, content_hash: str = "") -> Document:
    return Document(
        id=f"id-{name}",
        path=f"/docs/{name}.md",
        title=name.title(),
        kind="markdown",
        content_hash=content_hash or f"hash of {text}",
        text=text,
        blocks=(Block("paragraph", 0, len(text), section=("One", "Two")),),
        parser="test",
        metadata={"author": "Ada"},
        warnings=("odd",),
    )


def chunks_of(document: Document, build_id: str) -> list[Chunk]:
    """One chunk a line."""
    chunks, at = [], 0
    for number, line in enumerate(document.text.split("\n")):
        chunks.append(
            Chunk(
                id=f"{document.id} {document.content_hash} {build_id} {at}",
                document_id=document.id,
                build_id=build_id,
                ordinal=number,
                start=at,
                end=at + len(line),
                text=line,
                context=document.title,
                page=number + 1,
                section=("One", "Two"),
                tokens=len(line.split()),
            )
        )
        at += len(line) + 1
    return chunks


def put(store: CollectionStore, name: str, text: str, content_hash: str = "", build: Build | None = None) -> Document:
    build = build or cheap_build(store)
    document = document_of(name, text, content_hash)
    chunks = chunks_of(document, build.id)
    vectors = np.stack([vector_of(chunk.embedding_text) for chunk in chunks])
    store.put_document(NewDocument(document, chunks, vectors, pack_version(document), len(text), 1), build)
    return document


def trace_about(
    store: CollectionStore, document_id: str, trace_id: str = "t1", created: str = "2026-01-01T00:00:00+00:00"
) -> Trace:
    """A trace whose candidates are the document's chunks."""
    document = store.documents.document(document_id)
    candidates = tuple(
        Candidate(
            chunk=chunk,
            document_title=document.title,
            document_path=document.path,
            content_hash=document.content_hash,
            stages={"dense": StageScore(1, 0.5), "keyword": StageScore(None, 0.0)},
        )
        for chunk in store.chunks.of_document(document_id)
    )
    return Trace(
        id=trace_id,
        created=created,
        collection="c",
        build_id="b",
        generation=store.generation,
        model_id="m",
        question="why?",
        query="why",
        settings=RetrievalSettings(documents=("a", "b")),
        candidates=candidates,
        timings=(StageTiming("dense", 1.25, "exact scan"),),
        scales={"dense": "cosine"},
        matched_terms=("why",),
    )
