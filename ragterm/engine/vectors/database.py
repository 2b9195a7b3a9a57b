"""`VectorDB`: a vector database in one object, usable without the rest of ragterm.

    db = VectorDB(dimensions=384)
    db.insert("doc_1", vector, {"year": 2024})
    for doc_id, score in db.search(query, top_k=10, filter={"year": {"$gte": 2020}}):
        ...

In memory, or with a path in a folder. Scores are similarities, higher is better: cosine in [-1, 1], the dot product, or the
negative Euclidean distance.

What is searched is an index (`indexes.py`), by row number; what a row is called and what is known of it are `Items`. Small databases
are scanned, exactly; in large ones a graph or lists are made in the background, and brought up to date there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.errors import NotFoundError, UsageError
from ragterm.engine.vectors.columns import MetadataColumns, Selection
from ragterm.engine.vectors.filters import ParsedFilters
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.index import Metric, VectorIndex
from ragterm.engine.vectors.indexes import Kind, Profile, checked_parameters, effort_of, index_of
from ragterm.engine.vectors.kept import FolderRows, MemoryRows
from ragterm.engine.vectors.names import NamesOf, with_names
from ragterm.engine.vectors.upkeep import Upkeep
from ragterm.engine.vectors.views import layer_map_of, layers_of

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.types.graphs import LayerMap
    from ragterm.engine.vectors.indexes import Index
    from ragterm.engine.vectors.metadata import Json, Metadata
    from ragterm.engine.vectors.upkeep import Progress

    Floats = NDArray[np.float32]
    Filter = Mapping[str, object]
    Hits = list[tuple[str, float]]

_COPIED_AT_ONCE = 8192
LOOK_SECONDS = 1.0
"""A search notices what other processes wrote no later than this after the one before."""


@dataclass(frozen=True)
class Item:
    """What stands under an id. `vector` float32 (d,), with cosine at length 1."""

    id: str
    vector: NDArray[np.float32]
    metadata: Mapping[str, Json]


class VectorDB:
    """Vectors under string ids, with JSON metadata. Any method from any thread. Raises UsageError for NaN, infinity and a wrong
    dimension, naming both, and for a filter that is none; nothing is changed then."""

    def __init__(
        self,
        dimensions: int,
        metric: Metric = "cosine",
        *,
        index: Kind = "hnsw",
        profile: Profile = "fast",
        m: int = 16,
        ef_construction: int = 200,
        lists: int | None = None,
        nprobe: int | None = None,
        code_bytes: int | None = None,
        seed: int = 1,
        path: Path | str | None = None,
    ) -> None:
        """A new, empty database: in memory, or in the folder `path`. Raises StoreError where there is one already.

        `index` "hnsw": a graph, the quickest; with `m`, `ef_construction` and `profile`, of which "compact" keeps a quarter of what
        "fast" does in memory, the vectors on the disk (the best few of a search are read there), and so needs a path. "ivf-pq":
        inverted lists of codes of `code_bytes` (one for every 8 dimensions), the least memory where a path leaves the vectors on the
        disk. "ivf-flat": lists of whole vectors. `lists`, and how many of them a search looks into (`nprobe`), go by the size.
        """
        shape: dict[str, Any] = {"profile": profile, "m": m, "ef_construction": ef_construction}
        shape |= {"lists": lists, "nprobe": nprobe, "code_bytes": code_bytes}
        parameters = checked_parameters(dimensions, index, metric, path is not None, seed, shape)
        made = index_of(dimensions, parameters)  # or it raises, before there is a folder
        folder = None if path is None else FolderRows.create(Path(path), dimensions, parameters)
        self._begin(made, folder or MemoryRows(parameters))

    @classmethod
    def open(cls, path: Path | str) -> VectorDB:
        """The database in the folder `path`. Raises StoreError when there is none or its vectors are damaged; an index that is damaged
        or missing is made anew."""
        rows = FolderRows.open(Path(path))
        database = cls.__new__(cls)
        database._begin(index_of(rows.dimensions, rows.items.parameters), rows)
        return database

    def _begin(self, index: Index, rows: MemoryRows | FolderRows) -> None:
        self._index, self._rows, self._items = index, rows, rows.items
        self._lists = index.kind != "hnsw"
        small = self._lists or bool(index.parameters.get("compact"))
        self._names: Any = NamesOf(rows.items) if small else np.empty(0, dtype=object)
        self._columns: MetadataColumns | None = None
        self._parsed = ParsedFilters()
        self._changing = threading.RLock()
        self._upkeep = Upkeep(index, rows.save)
        self._searches = self._search_nanoseconds = 0
        self._looked = perf_counter_ns()
        try:
            self._mark = rows.begin(index)
            self._named(range(self._mark.rows))
            self._follow()
        except BaseException:
            rows.close()
            raise
        self._upkeep.look()

    # -- what is there ------------------------------------------------------------------------------------------------

    @property
    def dimensions(self) -> int:
        return self._index.dimensions

    @property
    def metric(self) -> str:
        return self._index.metric

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, str) and self._items.row_of(doc_id) is not None

    def ids(self) -> list[str]:
        """All of them, in the order of insertion; a replaced vector counts as new."""
        self._look()
        return self._items.all_ids()

    def get(self, doc_id: str) -> Item:
        """Raises NotFoundError."""
        row = self._row(doc_id)
        return Item(doc_id, self._index.vectors[row].copy(), self._items.metadata_of(row))

    def items(self) -> Iterator[Item]:
        """All of them, in the order of `ids`."""
        self._look()
        vectors, rows = self._index.vectors, np.flatnonzero(self._index.alive)
        for start in range(0, len(rows), _COPIED_AT_ONCE):
            part = rows[start : start + _COPIED_AT_ONCE].tolist()
            for row, name in zip(part, self._items.ids_of(part), strict=True):
                yield Item(name, vectors[row].copy(), self._items.metadata_of(row))

    def layer_map(self, level: int, max_nodes: int = 2000) -> LayerMap:
        """The nodes of a layer of the graph on the plane, at most `max_nodes`; empty for a layer that is not there. A node's key is for
        `id_of`."""
        return layer_map_of(self._index, level, max_nodes)

    def id_of(self, key: int) -> str:
        return self._items.ids_of([key])[0]

    # -- changing -----------------------------------------------------------------------------------------------------

    def insert(self, doc_id: str, vector: ArrayLike, metadata: Metadata | None = None) -> None:
        """Add a vector (d,), or replace what stands under its id."""
        self._insert([doc_id], self._index.checked(vector), [metadata])

    def insert_batch(
        self,
        items: Iterable[tuple[Any, ...]] | Sequence[str],
        vectors: ArrayLike | None = None,
        metadata: Sequence[Metadata | None] | None = None,
    ) -> None:
        """Add tuples (id, vector) or (id, vector, metadata); or ids, an array (n, d) and metadata for each. All or nothing; the last of
        several with one id stays."""
        if vectors is None:
            tuples = [tuple(item) for item in items]
            if metadata is not None or any(len(item) not in (2, 3) for item in tuples):
                raise UsageError("A batch of tuples", "", "pass (id, vector) or (id, vector, metadata) for each")
            ids = [item[0] for item in tuples]
            parts = [self._index.checked(item[1], f"vector of {item[0]!r}") for item in tuples]
            array = np.concatenate(parts) if parts else np.empty((0, self.dimensions), dtype=np.float32)
            metadata = [item[2] if len(item) > 2 else None for item in tuples]
        else:
            ids, array = list(items), self._index.checked(vectors)
        self._insert(ids, array, metadata)

    def update(self, doc_id: str, vector: ArrayLike | None = None, metadata: Metadata | None = None) -> None:
        """Another vector, other metadata, or both. Raises NotFoundError."""
        with self._changing:
            row = self._row(doc_id)
            if vector is not None:
                kept = self._items.metadata_of(row) if metadata is None else metadata
                self._insert([doc_id], self._index.checked(vector), [kept])
            elif metadata is not None:
                self._items.set_metadata(doc_id, metadata)
                self._follow()

    def delete(self, doc_id: str) -> None:
        """Raises NotFoundError for an id that is not there."""
        with self._changing:
            self._items.remove([doc_id])
            self._follow()
        self._upkeep.look()

    def _insert(self, ids: Sequence[str], vectors: Floats, metadata: Sequence[Metadata | None] | None) -> None:
        if len(ids) != len(vectors):
            raise UsageError(f"{len(ids)} ids for {len(vectors)} vectors", "", "pass one id for each vector")
        if not len(ids):
            return
        with self._changing:
            self._rows.append(ids, vectors, metadata)
            self._follow()
        self._upkeep.look()

    def _follow(self) -> None:
        """Bring names, columns and, last, the index to what the items say, whoever wrote it: a search takes the index's state first,
        and finds at least as much in the others. Columns keep what is removed, as the state says which rows live."""
        with self._changing:
            changes = self._items.refresh(self._mark)
            if changes.new:
                self._named(changes.new)
            if self._columns is not None:
                if changes.new:
                    self._columns.append(self._items.metadata_between(len(self._columns), changes.mark.rows))
                for row in changes.edited[changes.edited < changes.first].tolist():
                    self._columns.replace(row, self._items.metadata_of(row))
            if changes.new:
                self._rows.extend(self._index, changes.mark.rows, changes.removed)
            elif len(changes.removed):
                self._index.remove(changes.removed)
            self._mark = changes.mark

    def _named(self, rows: range) -> None:
        if isinstance(self._index, VectorIndex) and not self._index.compact:
            self._names = self._index.names = with_names(self._names, rows, self._items)

    def _row(self, doc_id: str) -> int:
        row = self._items.row_of(doc_id)
        if row is None:
            raise NotFoundError(f"No vector has the id {doc_id!r}", "", "")
        if row >= self._index.rows:  # another process has just written it
            self._follow()
        return row

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(
        self,
        query: ArrayLike,
        top_k: int = 10,
        filter: Filter | None = None,
        ef_search: int | None = None,
        exact: bool = False,
        nprobe: int | None = None,
    ) -> Hits:
        """(id, score), best first; fewer than `top_k` where fewer match. `ef_search`: candidates that a graph keeps; below top_k it is
        raised to that. `nprobe`: inverted lists that are looked into. `exact`: as `search_exact`. Raises UsageError for the parameter
        of another index."""
        started = perf_counter_ns()
        if started - self._looked > LOOK_SECONDS * 1e9:
            self._look()
        if exact:
            return self.search_exact(query, top_k, filter)
        if self._lists or nprobe is not None:
            ef_search = effort_of(self._index, ef_search, nprobe)
        state = self._index.state
        allowed = None if filter is None else self._matching(filter)
        hits = self._index.hits(query, top_k, ef_search, allowed, self._names, state)
        self._searches += 1
        self._search_nanoseconds += perf_counter_ns() - started
        return hits

    def search_explained(
        self,
        query: ArrayLike,
        top_k: int = 10,
        filter: Filter | None = None,
        ef_search: int | None = None,
        nprobe: int | None = None,
    ) -> tuple[Hits, str]:
        """`search`, and what answered: the index ("hnsw", "ivf-flat", "ivf-pq"), "exact": a scan, as of a small database, behind a
        very selective filter, or while kernels are not compiled; or "estimates": a scan of codes of one bit, behind other filters."""
        self._look()
        state = self._index.state
        allowed = None if filter is None else self._matching(filter)
        effort = effort_of(self._index, ef_search, nprobe)
        rows, scores, by = self._index.answered(state, query, top_k, effort, allowed)
        return list(zip(self._names[rows].tolist(), scores.tolist(), strict=True)), by

    def _look(self) -> None:
        self._looked = perf_counter_ns()
        if self._items.changed_elsewhere():
            self._follow()

    def search_batch(
        self,
        queries: ArrayLike,
        top_k: int = 10,
        filter: Filter | None = None,
        ef_search: int | None = None,
        nprobe: int | None = None,
    ) -> list[Hits]:
        """`search` for each row of `queries` (q, d)."""
        checked = checked_vectors(queries, self.dimensions)
        return [self.search(query, top_k, filter, ef_search, nprobe=nprobe) for query in checked]

    def search_exact(self, query: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> Hits:
        """`search` by a scan of the vectors: no graph, no lists, no miss."""
        self._look()
        state = self._index.state
        allowed = None if filter is None else self._matching(filter)
        rows, scores = self._index.exactly(state, query, top_k, allowed)
        return list(zip(self._names[rows].tolist(), scores.tolist(), strict=True))

    def _matching(self, given: Filter) -> Selection:
        """Rows that match, removed ones too, at least as many as the index had before the call."""
        columns = self._columns
        if columns is None:
            with self._changing:
                if self._columns is None:
                    columns = MetadataColumns()
                    columns.append(self._items.metadata_between(0, self._mark.rows))
                    self._columns = columns
                columns = self._columns
        return columns.select(self._parsed.of(given))

    # -- upkeep -------------------------------------------------------------------------------------------------------

    def save(self, path: Path | str | None = None) -> None:
        """Write the index beside the vectors, which are on disk already; with `path`, everything that lives as a new database there."""
        if path is None:
            self._rows.save(self._index)
            return
        self._look()
        with self._changing:
            copy = FolderRows.create(Path(path), self.dimensions, self._items.parameters)
            copy.append_all(self._index, self._items)
            copy.close()

    def link(self, progress: Progress | None = None) -> None:
        """Bring the graph or the lists to all rows now, on all cores. Without it that happens in the background, where it is of use."""
        self._upkeep.link(progress)

    @property
    def ready(self) -> bool:
        """Whether searches run as fast as they will: kernels compiled, every row linked where a graph or lists are of use."""
        return self._upkeep.ready

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until `ready`, at most `timeout` seconds; whether it is."""
        return self._upkeep.wait(timeout)

    def get_stats(self) -> dict[str, Any]:
        """What there is: counts, the index and its parameters, what `answers` a search now ("exact": a scan), bytes, the layers of a
        graph; `linked`: rows in the graph or the lists; `note` says what went wrong in the background, "" for nothing."""
        index = self._index
        layers = layers_of(index.graph)
        return {
            "total_vectors": len(index),
            "deleted": index.rows - len(index),
            "dimensions": index.dimensions,
            "metric": index.metric,
            "index": index.kind,
            **index.described,
            "answers": index.answers,
            "searches": self._searches,
            "avg_search_ms": self._search_nanoseconds / max(1, self._searches) / 1e6,
            "memory_bytes": index.memory_bytes + self._items.memory_bytes,
            "disk_bytes": self._rows.disk_bytes,
            "layers": layers,
            "edges": sum(layer["edges"] for layer in layers),
            "linked": index.linked,
            "ready": self.ready,
            "note": self._upkeep.note,
        }

    def close(self) -> None:
        """Stop what runs in the background, write the index, let go of the files."""
        self._upkeep.close()
        try:
            self._rows.save(self._index)
        finally:
            self._rows.close()

    def __enter__(self) -> VectorDB:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
