"""`VectorDB`: a vector database in one object, usable without the rest of ragterm.

    db = VectorDB(dimensions=384)
    db.insert("doc_1", vector, {"year": 2024})
    for doc_id, score in db.search(query, top_k=10, filter={"year": {"$gte": 2020}}):
        ...

In memory, or with a path in a folder. Scores are similarities, higher is better: cosine in [-1, 1], the dot product, or the
negative Euclidean distance.

What is searched is `VectorIndex`, by row number; what a row is called and what is known of it are `Items`. Small databases are
scanned, exactly; in large ones new rows are linked into the graph in the background, and scanned until then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ragterm.engine.types.errors import NotFoundError, UsageError
from ragterm.engine.vectors import searching
from ragterm.engine.vectors.columns import MetadataColumns, Selection
from ragterm.engine.vectors.filters import Filter as ParsedFilter
from ragterm.engine.vectors.filters import parse_filter
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.index import Metric, VectorIndex
from ragterm.engine.vectors.kept import FolderRows, MemoryRows
from ragterm.engine.vectors.upkeep import Upkeep
from ragterm.engine.vectors.views import layer_map_of

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.types.graphs import LayerMap
    from ragterm.engine.vectors.metadata import Json, Metadata
    from ragterm.engine.vectors.upkeep import Progress

    Floats = NDArray[np.float32]
    Filter = Mapping[str, object]
    Hits = list[tuple[str, float]]

_COPIED_AT_ONCE = 8192
_PARSED = 64
Profile = Literal["fast", "compact"]
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
        profile: Profile = "fast",
        m: int = 16,
        ef_construction: int = 200,
        seed: int = 1,
        path: Path | str | None = None,
    ) -> None:
        """A new, empty database: in memory, or in the folder `path`. Raises StoreError where there is one already. `profile` "compact"
        keeps a fifth of the bytes of "fast" in memory, leaves the vectors on the disk (the best few of a search are read there), and so
        needs a path."""
        if metric not in get_args(Metric):
            raise UsageError(f"Unknown metric {metric!r}", "", f"choose one of: {', '.join(get_args(Metric))}")
        if profile not in get_args(Profile):
            raise UsageError(f"Unknown profile {profile!r}", "", f"choose one of: {', '.join(get_args(Profile))}")
        if profile == "compact" and path is None:
            raise UsageError(
                "The profile compact needs a path", "it leaves the vectors on the disk", "pass path=FOLDER"
            )
        index = VectorIndex(dimensions, metric, m, ef_construction, seed, profile == "compact")
        parameters = {"metric": metric, "profile": profile, "m": m, "ef_construction": ef_construction, "seed": seed}
        rows = MemoryRows(parameters) if path is None else FolderRows.create(Path(path), dimensions, parameters)
        self._begin(index, rows)

    @classmethod
    def open(cls, path: Path | str) -> VectorDB:
        """The database in the folder `path`. Raises StoreError when there is none or its vectors are damaged; an index that is damaged
        or missing is made anew."""
        rows = FolderRows.open(Path(path))
        of: Any = rows.items.parameters
        index = VectorIndex(
            rows.dimensions, of["metric"], of["m"], of["ef_construction"], of["seed"], of["profile"] == "compact"
        )
        database = cls.__new__(cls)
        database._begin(index, rows)
        return database

    def _begin(self, index: VectorIndex, rows: MemoryRows | FolderRows) -> None:
        self._index, self._rows, self._items = index, rows, rows.items
        self._columns: MetadataColumns | None = None
        self._parsed: dict[str, ParsedFilter] = {}
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
        """The names are read without a lock: they are replaced, or written only behind what any row number reaches yet."""
        names = self._index.names
        if rows.stop > len(names):
            names = np.empty(rows.stop + rows.stop // 2, dtype=object)
            names[: rows.start] = self._index.names[: rows.start]
        names[rows.start : rows.stop] = self._items.ids_of(rows)
        self._index.names = names

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
    ) -> Hits:
        """(id, score), best first; fewer than `top_k` where fewer match. `ef_search`: candidates that the graph
        keeps; below top_k it is raised to that. `exact`: as `search_exact`."""
        started = perf_counter_ns()
        if started - self._looked > LOOK_SECONDS * 1e9:
            self._look()
        if exact:
            return self.search_exact(query, top_k, filter)
        state = self._index.state
        allowed = None if filter is None else self._matching(filter)
        hits = self._index.hits(query, top_k, ef_search, allowed, self._index.names, state)
        self._searches += 1
        self._search_nanoseconds += perf_counter_ns() - started
        return hits

    def _look(self) -> None:
        self._looked = perf_counter_ns()
        if self._items.changed_elsewhere():
            self._follow()

    def search_batch(
        self, queries: ArrayLike, top_k: int = 10, filter: Filter | None = None, ef_search: int | None = None
    ) -> list[Hits]:
        """`search` for each row of `queries` (q, d)."""
        return [self.search(query, top_k, filter, ef_search) for query in checked_vectors(queries, self.dimensions)]

    def search_exact(self, query: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> Hits:
        """`search` by a scan: no graph, no miss."""
        self._look()
        state = self._index.state
        allowed = None if filter is None else self._matching(filter)
        rows, scores = self._index.exactly(state, query, top_k, allowed)
        return list(zip(self._index.names[rows].tolist(), scores.tolist(), strict=True))

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
        # To parse a filter takes as long as to search behind it; most are asked again.
        asked = repr(given)
        parsed = self._parsed.get(asked)
        if parsed is None:
            if len(self._parsed) >= _PARSED:
                self._parsed.clear()
            parsed = self._parsed[asked] = parse_filter(given)
        return columns.select(parsed)

    # -- upkeep -------------------------------------------------------------------------------------------------------

    def save(self, path: Path | str | None = None) -> None:
        """Write the index beside the vectors, which are on disk already; with `path`, everything that lives as a new database there."""
        if path is None:
            self._rows.save(self._index)
            return
        self._look()
        with self._changing:
            of = self._items.parameters
            copy = FolderRows.create(Path(path), self.dimensions, of)
            rows = np.flatnonzero(self._index.alive)
            for start in range(0, len(rows), _COPIED_AT_ONCE):
                part = rows[start : start + _COPIED_AT_ONCE]
                metadata = [self._items.metadata_of(row) for row in part.tolist()]
                copy.append(self._items.ids_of(part.tolist()), self._index.vectors[part], metadata)
            copy.close()

    def link(self, progress: Progress | None = None) -> None:
        """Bring the graph to all rows now, on all cores. Without it that happens in the background, where a graph is of use."""
        self._upkeep.link(progress)

    @property
    def ready(self) -> bool:
        """Whether searches run as fast as they will: kernels compiled, every row linked where a graph is of use."""
        return self._upkeep.ready

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until `ready`, at most `timeout` seconds; whether it is."""
        return self._upkeep.wait(timeout)

    def get_stats(self) -> dict[str, Any]:
        """What there is: counts, parameters, bytes, mean time of a search in milliseconds, the layers of the graph;
        `note` says what went wrong in the background, "" for nothing."""
        index = self._index
        layers = self._upkeep.layers()
        return {
            "total_vectors": len(index),
            "deleted": index.deleted,
            "dimensions": index.dimensions,
            "metric": index.metric,
            "profile": "compact" if index.compact else "fast",
            "m": index.m,
            "ef_construction": index.ef_construction,
            "seed": index.seed,
            "index": "hnsw" if layers and len(index) > searching.EXACT_LIMIT else "exact",
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
