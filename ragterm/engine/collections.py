"""A collection that is open: its store, and the two indexes derived from it, kept at the store's generation.

Whoever asks a question first brings the indexes up to date (`fresh`). The dense index lives in memory, so any process can
catch up by itself; the keyword index is on disk and has one writer, so a process catches it up only while no other one is
indexing (that one will do it, moments after its commit).
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.resident import ResidentModels
from ragterm.engine.types.errors import NotFoundError, StoreError, UsageError
from ragterm.engine.types.tracing import RetrievalSettings, Trace

if TYPE_CHECKING:
    from ragterm.engine.ingest import IngestRooms
    from ragterm.engine.keyword import TantivyIndex
    from ragterm.engine.retrieval.pipeline import RetrievalRooms
    from ragterm.engine.store import Build, CollectionStore
    from ragterm.engine.types.answers import Passage, StageDone
    from ragterm.engine.types.control import Control
    from ragterm.engine.types.documents import Block
    from ragterm.engine.types.protocols import Embedder, FloatArray, Reranker
    from ragterm.engine.types.settings import AnswerSettings
    from ragterm.engine.vectors.dense import CollectionDenseIndex

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[\w][\w .+-]{0,63}")


def check_name(name: str) -> str:
    """A collection's name is a folder's name. Raises UsageError."""
    if not _NAME.fullmatch(name) or name.endswith((".", " ")):
        raise UsageError(
            "A collection cannot have this name", repr(name), "use letters, digits, blanks, dots and dashes"
        )
    return name


class OpenCollection:
    """One folder: `store.sqlite3` is the truth, `vectors/` and `keyword/` are derived from its first build, those below
    `builds/<id>/` from the others."""

    def __init__(self, folder: Path, models: ResidentModels, create: bool = False) -> None:
        from ragterm.engine.store import CollectionStore

        self.name = folder.name
        self.folder = folder
        self.models = models
        self.store: CollectionStore = CollectionStore(folder, create=create)
        self._dense: CollectionDenseIndex | None = None
        self._keyword: TantivyIndex | None = None
        self._keyword_in = folder
        self._guard = threading.RLock()

    # The indexes

    @property
    def keyword(self) -> TantivyIndex:
        with self._guard:
            live = self.store.builds.live()
            folder = self.folder_of(live)
            if self._keyword is None or self._keyword_in != folder:
                # The one of another build may be in use by a search: it is let go of, not closed.
                self._keyword, self._keyword_in = self._keyword_index(live), folder
            return self._keyword

    def dense(self) -> CollectionDenseIndex:
        """The vectors of the live build (of the configured model while there is no build yet)."""
        with self._guard:
            live = self.store.builds.live()
            if live is None:
                embedder = self.models.embedder()
                identity, dimensions = self._identity(embedder.model_id), embedder.dimensions
            else:
                identity, dimensions = self._identity(live.model_id, live), live.dimensions
            if self._dense is None or self._dense.identity != identity:
                if self._dense is not None:
                    self._dense.close()
                self._dense = self._dense_index(live, identity, dimensions)
            return self._dense

    def _identity(self, model_id: str, build: Build | None = None) -> str:
        # A snapshot copied in from another collection numbers its chunks differently: the store's identity tells them apart.
        identity = f"{self.store.identity} {model_id}"
        return identity if build is None or build.number == 1 else f"{identity} {build.id}"

    def folder_of(self, build: Build | None) -> Path:
        """Where the indexes of a build lie."""
        return self.folder if build is None or build.number == 1 else self.folder / "builds" / build.id

    def _dense_index(self, build: Build | None, identity: str, dimensions: int) -> CollectionDenseIndex:
        from ragterm.engine.vectors.dense import CollectionDenseIndex

        index = CollectionDenseIndex(self.folder_of(build) / "vectors", dimensions, identity=identity)
        index.load()
        if index.generation > self.store.generation:
            index.clear()
        return index

    def _keyword_index(self, build: Build | None) -> TantivyIndex:
        from ragterm.engine.keyword import TantivyIndex

        return TantivyIndex(self.folder_of(build) / "keyword", identity=self.store.identity)

    def prepare_indexes(self, build: Build) -> None:
        """Bring the indexes of a build that is not live to the store's generation. The caller holds the indexer lock."""
        dense = self._dense_index(build, self._identity(build.model_id, build), build.dimensions)
        keyword = self._keyword_index(build)
        try:
            for changes in self.store.changes.blocks(dense.generation, build=build):
                dense.apply(changes)
            dense.save(build_graph=False)
            for changes in self.store.changes.blocks(keyword.generation, vectors=False, build=build):
                keyword.apply(changes)
        finally:
            dense.close()
            keyword.close()

    def fresh(self) -> tuple[CollectionDenseIndex, TantivyIndex, str]:
        """Both indexes at the store's generation, and a note if the keyword index has to wait for another process (else "")."""
        dense, keyword = self.dense(), self.keyword
        generation = self.store.generation
        if dense.generation < generation:
            with self._guard:
                for changes in self.store.changes.blocks(dense.generation):
                    dense.apply(changes)
        if keyword.generation < generation:
            # A question on a collection at rest does not pay for importing the ingest.
            from ragterm.engine.ingest.rooms import catch_up
            from ragterm.engine.store.locks import IndexerLock

            lock = IndexerLock(self.folder)
            if not lock.try_acquire():
                behind = generation - keyword.generation
                return dense, keyword, f"The keyword index is {behind} changes behind while another ingest writes it."
            try:
                catch_up(self.store, dense, keyword)
                dense.save(build_graph=False)
            finally:
                lock.release()
        return dense, keyword, ""

    def save_indexes(self, build_graph: bool) -> None:
        """Write the vectors' snapshot; with `build_graph` bring the graph up to date in the background."""
        self.dense().save(build_graph=build_graph)

    # The rooms of an ingest and of a question

    def ingest_rooms(self, progress: Callable[[str], None] | None = None) -> IngestRooms:
        from ragterm.engine.ingest import IngestRooms

        dense = self.dense()
        return IngestRooms(
            store=self.store,
            dense=dense,
            keyword=self.keyword,
            embedder=lambda: self.models.embedder(progress),
            flush=lambda: dense.save(build_graph=False),
            collection=self.name,
        )

    def retrieval_rooms(self, rerank: str, needs_vectors: bool) -> tuple[RetrievalRooms, str]:
        """What `retrieve` needs, and `fresh`'s note. Raises StoreError when the live build is another model's."""
        from ragterm.engine.retrieval.pipeline import RetrievalRooms

        self.models.begin_loading()
        dense, keyword, note = self.fresh()
        live = self.store.builds.live()
        embedder = self.models.embedder()
        if needs_vectors and live is not None and live.model_id != embedder.model_id:
            raise StoreError(
                "The collection was made with another embedding model",
                f"{self.name} holds vectors of {live.model_id}; the settings ask for {embedder.model_id}",
                "set embedding.model and embedding.precision back, or ingest into a new collection",
            )
        reranker: Reranker | None = self.models.reranker(rerank)
        rooms = RetrievalRooms(
            collection=self.name,
            build_id=live.id if live else "",
            generation=self.store.generation,
            embedder=embedder,
            dense=dense,
            keyword=keyword,
            chunks=self.store.chunks.by_keys,
            keys_of=self.store.chunks.keys,
            reranker=reranker,
            describe_dense=lambda: _how(dense),
        )
        return rooms, note

    def search(
        self,
        question: str,
        settings: RetrievalSettings,
        control: Control | None = None,
        on_stage: Callable[[StageDone], None] | None = None,
    ) -> Trace:
        """The one way from a question to a trace, for app, command line and evaluation. Not saved."""
        from ragterm.engine.retrieval.pipeline import retrieve

        rooms, note = self.retrieval_rooms(settings.rerank, settings.mode != "keyword")
        trace = retrieve(question, settings, rooms, control=control, on_stage=on_stage)
        return replace(trace, notes=(*trace.notes, note)) if note else trace

    def passages(self, trace: Trace, limits: AnswerSettings) -> tuple[Trace, list[Passage]]:
        """What reaches the language model: the best chunks that fit, as their parents where they have one."""
        from ragterm.engine.retrieval.parents import Parents
        from ragterm.engine.retrieval.select import select_passages

        parents = Parents(self.store.documents.version, self.models.embedder().tokenizer)
        return select_passages(trace, limits.context_tokens, limits.max_passages, handed_over=parents.handed_over)

    def blocks_of(self, document_id: str, content_hash: str) -> Sequence[Block]:
        """Of this version of a document; empty when it is gone."""
        version = self.store.documents.version(document_id, content_hash)
        return version.blocks if version is not None else ()

    def query_vector(self, question: str) -> FloatArray:
        embedder: Embedder = self.models.embedder()
        return embedder.embed_query(question)

    def close(self) -> None:
        with self._guard:
            if self._dense is not None:
                self._dense.close()
            if self._keyword is not None:
                self._keyword.close()
            self.store.close()


def _how(dense: CollectionDenseIndex) -> str:
    count = len(dense)
    return f"exact scan of {count:,} vectors" if count <= dense.exact_limit else f"HNSW over {count:,} vectors"


class Shelf:
    """The collections below one home folder, each opened once."""

    def __init__(self, home: Path, models: ResidentModels) -> None:
        self.folder = home / "collections"
        self._models = models
        self._open: dict[str, OpenCollection] = {}
        self._guard = threading.Lock()

    def names(self) -> list[str]:
        from ragterm.engine.store.store import FILE_NAME

        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob(f"*/{FILE_NAME}"))

    def get(self, name: str, create: bool = False) -> OpenCollection:
        """Raises NotFoundError, StoreError."""
        check_name(name)
        with self._guard:
            if name not in self._open:
                if not create and name not in self.names():
                    known = ", ".join(one for one in self.names() if not one.startswith("docs-")) or "none yet"
                    raise NotFoundError(
                        f"No collection {name}", f"there are: {known}", f"ragterm ingest PATH -c {name} makes it"
                    )
                self._open[name] = OpenCollection(self.folder / name, self._models, create=create)
            return self._open[name]

    def delete(self, name: str) -> None:
        """Close the collection and delete its folder. Raises NotFoundError, BusyError while another process indexes it."""
        from ragterm.engine.store.locks import IndexerLock

        collection = self.get(name)
        with IndexerLock(collection.folder):
            with self._guard:
                self._open.pop(name).close()
            shutil.rmtree(collection.folder)

    def close(self) -> None:
        with self._guard:
            for collection in self._open.values():
                collection.close()
            self._open.clear()
