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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.errors import NotFoundError, UsageError
from ragterm.engine.vectors import index as indexing
from ragterm.engine.vectors.columns import MetadataColumns
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.index import Metric, VectorIndex
from ragterm.engine.vectors.memory_items import MemoryItems
from ragterm.engine.vectors.upkeep import Upkeep

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.metadata import Json, Metadata
    from ragterm.engine.vectors.upkeep import Progress

    Floats = NDArray[np.float32]
    Filter = Mapping[str, object]
    Hits = list[tuple[str, float]]

_NOTHING: dict[str, Any] = {}


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
        self, dimensions: int, metric: Metric = "cosine", *, m: int = 16, ef_construction: int = 200, seed: int = 1
    ) -> None:
        self._index = VectorIndex(dimensions, metric, m, ef_construction, seed)
        self._items = MemoryItems()
        self._columns: MetadataColumns | None = None
        self._names: list[str] = []
        self._changing = threading.RLock()
        self._upkeep = Upkeep(self._index)
        self._searches = 0
        self._search_nanoseconds = 0

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
        return self._items.all_ids()

    def get(self, doc_id: str) -> Item:
        """Raises NotFoundError."""
        row = self._row(doc_id)
        return Item(doc_id, self._index.vectors[row].copy(), self._items.metadata_of(row))

    # -- changing -----------------------------------------------------------------------------------------------------

    def insert(self, doc_id: str, vector: ArrayLike, metadata: Metadata | None = None) -> None:
        """Add a vector (d,), or replace what stands under its id."""
        self._insert([doc_id], checked_vectors(vector, self.dimensions), [metadata])

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
            ids = [item[0] for item in tuples]
            parts = [checked_vectors(item[1], self.dimensions, f"vector of {item[0]!r}") for item in tuples]
            array = np.concatenate(parts) if parts else np.empty((0, self.dimensions), dtype=np.float32)
            metadata = [item[2] if len(item) > 2 else None for item in tuples]
        else:
            ids, array = list(items), checked_vectors(vectors, self.dimensions)
        if len(ids) != len(array):
            raise UsageError(f"{len(ids)} ids for {len(array)} vectors", "", "pass one id for each vector")
        self._insert(ids, array, metadata)

    def update(self, doc_id: str, vector: ArrayLike | None = None, metadata: Metadata | None = None) -> None:
        """Another vector, other metadata, or both. Raises NotFoundError."""
        with self._changing:
            row = self._row(doc_id)
            if vector is not None:
                kept = self._items.metadata_of(row) if metadata is None else metadata
                self._insert([doc_id], checked_vectors(vector, self.dimensions), [kept])
            elif metadata is not None:
                self._items.set_metadata(doc_id, metadata)
                if self._columns is not None:
                    self._columns.replace(row, self._items.metadata_of(row))

    def delete(self, doc_id: str) -> None:
        """Raises NotFoundError for an id that is not there."""
        with self._changing:
            rows = self._items.remove([doc_id])
            self._forget(rows)
        self._upkeep.look()

    def _insert(self, ids: Sequence[str], vectors: Floats, metadata: Sequence[Metadata | None] | None) -> None:
        if not len(ids):
            return
        with self._changing:
            before = self._items.alive()
            first = self._items.append(ids, metadata)
            self._index.add(vectors)
            self._names.extend(ids)
            now = self._items.alive()
            if self._columns is not None:
                added = range(first, first + len(ids))
                self._columns.append([self._items.metadata_of(row) for row in added] if metadata else [{}] * len(ids))
            gone = np.flatnonzero(~now)
            self._forget(gone[(gone >= first) | np.append(before, np.ones(len(ids), dtype=np.bool_))[gone]])
        self._upkeep.look()

    def _forget(self, rows: NDArray[np.int64]) -> None:
        if len(rows):
            self._index.remove(rows)
            if self._columns is not None:
                self._columns.remove(rows)

    def _row(self, doc_id: str) -> int:
        row = self._items.row_of(doc_id)
        if row is None:
            raise NotFoundError(f"No vector has the id {doc_id!r}", "", "")
        return row

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(
        self, query: ArrayLike, top_k: int = 10, filter: Filter | None = None, ef_search: int | None = None
    ) -> Hits:
        """(id, score), best first; fewer than `top_k` where fewer match. `ef_search`: candidates that the graph
        keeps; below top_k it is raised to that."""
        started = perf_counter_ns()
        names = self._names
        allowed = None if filter is None else self._matching(filter)
        rows, scores = self._index.search_lists(query, top_k, ef_search, allowed)  # type: ignore[arg-type]
        hits = list(zip(map(names.__getitem__, rows), scores))  # noqa: B905  strict costs as much as five distances
        self._searches += 1
        self._search_nanoseconds += perf_counter_ns() - started
        return hits

    def search_batch(
        self, queries: ArrayLike, top_k: int = 10, filter: Filter | None = None, ef_search: int | None = None
    ) -> list[Hits]:
        """`search` for each row of `queries` (q, d)."""
        return [self.search(query, top_k, filter, ef_search) for query in checked_vectors(queries, self.dimensions)]

    def search_exact(self, query: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> Hits:
        """`search` by a scan: no graph, no miss."""
        allowed = None if filter is None else self._matching(filter)
        rows, scores = self._index.search_exact(checked_vectors(query, self.dimensions, "query")[0], top_k, allowed)
        return [(self._names[row], score) for row, score in zip(rows.tolist(), scores.tolist(), strict=True)]

    def _matching(self, given: Filter) -> NDArray[np.bool_]:
        if self._columns is None:
            with self._changing:
                columns = MetadataColumns()
                columns.append([self._items.metadata_of(row) for row in range(self._index.rows)])
                columns.remove(np.flatnonzero(~self._index.alive))
                self._columns = columns
        return self._columns.select(given).bitmap

    # -- upkeep -------------------------------------------------------------------------------------------------------

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
        """What there is: counts, parameters, bytes, mean time of a search in milliseconds, the layers of the graph."""
        index = self._index
        layers = self._upkeep.layers()
        return {
            "total_vectors": len(index),
            "deleted": index.deleted,
            "dimensions": index.dimensions,
            "metric": index.metric,
            "m": index.m,
            "ef_construction": index.ef_construction,
            "seed": index.seed,
            "index": "hnsw" if layers and len(index) > indexing.EXACT_LIMIT else "exact",
            "searches": self._searches,
            "avg_search_ms": self._search_nanoseconds / max(1, self._searches) / 1e6,
            "memory_bytes": index.memory_bytes + self._items.memory_bytes,
            "disk_bytes": 0,
            "layers": layers,
            "edges": sum(layer["edges"] for layer in layers),
            "linked": index.linked,
            "ready": self.ready,
        }

    def close(self) -> None:
        """Stop what runs in the background."""
        self._upkeep.close()

    def __enter__(self) -> VectorDB:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
