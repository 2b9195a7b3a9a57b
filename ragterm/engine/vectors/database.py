"""`VectorDB`: a vector database in one object, usable without the rest of ragterm.

    db = VectorDB(dimensions=384)
    db.insert("doc_1", vector)
    for doc_id, score in db.search(query, top_k=10):
        ...

In memory, exact search; `save` and `open` keep it in one file. Scores are similarities, higher is better: cosine in
[-1, 1], the dot product, or the negative Euclidean distance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ragterm.engine.types.errors import NotFoundError, StoreError, UsageError
from ragterm.engine.vectors import flat
from ragterm.engine.vectors.flat import Rows
from ragterm.engine.vectors.snapshot import SnapshotError, read_snapshot, write_snapshot

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float32]

Metric = Literal["cosine", "dot", "euclidean"]


class VectorDB:
    """Vectors under string ids. Raises UsageError for NaN, infinity and a wrong dimension, naming both; nothing is changed then."""

    def __init__(self, dimensions: int, metric: Metric = "cosine") -> None:
        if metric not in get_args(Metric):
            raise UsageError(f"Unknown metric {metric!r}", "", f"choose one of: {', '.join(get_args(Metric))}")
        if dimensions < 1:
            raise UsageError(f"A vector cannot have {dimensions} dimensions", "", "pass 1 or more")
        self.dimensions = dimensions
        self.metric: Metric = metric
        self._rows = Rows.none(dimensions)
        self._keys: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._next_key = 1

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._keys

    def insert(self, doc_id: str, vector: ArrayLike) -> None:
        """Add a vector (dimensions,), or replace the one of this id."""
        self._insert([doc_id], self._checked(vector))

    def insert_batch(
        self, items: Iterable[tuple[str, ArrayLike]] | Sequence[str], vectors: ArrayLike | None = None
    ) -> None:
        """Add pairs (id, vector), or ids and an array (n, dimensions). All or nothing; the last of several with one id stays."""
        if vectors is not None:
            ids, array = [str(item) for item in items], self._checked(vectors)
        else:
            pairs = [(str(item[0]), item[1]) for item in items]
            ids = [doc_id for doc_id, _ in pairs]
            parts = [self._checked(vector) for _, vector in pairs]
            array = np.concatenate(parts) if parts else np.empty((0, self.dimensions), dtype=np.float32)
        if len(ids) != len(array):
            raise UsageError(f"{len(ids)} ids for {len(array)} vectors", "", "pass one id for each vector")
        last = {doc_id: i for i, doc_id in enumerate(ids)}
        self._insert(list(last), array[list(last.values())])

    def delete(self, doc_id: str) -> None:
        """Raises NotFoundError for an id that is not there."""
        key = self._key(doc_id)
        self._rows = self._rows.with_changes(_no_keys(), self._no_vectors(), np.array([key], dtype=np.int64))
        del self._keys[doc_id], self._ids[key]
        if len(self._rows) > 2 * max(64, self._rows.live):
            self._rows = self._rows.compacted()

    def get(self, doc_id: str) -> FloatArray:
        """The vector of an id as it was given, float32 (dimensions,); with "cosine" at length 1. Raises NotFoundError."""
        row = self._rows.find(np.array([self._key(doc_id)], dtype=np.int64))[0]
        vector: FloatArray = self._rows.vectors[row].copy()
        return vector

    def search(self, query: ArrayLike, top_k: int = 10) -> list[tuple[str, float]]:
        """(id, score), best first, ties in order of insertion; at most `top_k`, fewer when there are fewer."""
        vector = self._checked(query)[0]
        if self.metric == "euclidean":
            found, scores = self._nearest(vector, top_k)
        else:
            found, scores = flat.top_k(self._rows, flat.unit(vector) if self.metric == "cosine" else vector, top_k)
        keys = self._rows.keys[found].tolist()
        return [(self._ids[key], score) for key, score in zip(keys, scores.tolist(), strict=True)]

    def save(self, path: Path | str) -> None:
        """Write everything to one file, whole or not at all."""
        rows = self._rows.compacted()
        names = [self._ids[key].encode("utf-8", "surrogatepass") for key in rows.keys.tolist()]
        sections: dict[str, NDArray[Any]] = {
            "vectors": rows.vectors,
            "ids": np.frombuffer(b"".join(names), dtype=np.uint8),
            "id_ends": np.cumsum([len(name) for name in names], dtype=np.int64),
        }
        write_snapshot(Path(path), "database", {"dimensions": self.dimensions, "metric": self.metric}, sections)

    @classmethod
    def open(cls, path: Path | str) -> VectorDB:
        """Read a saved database. Raises StoreError when the file is missing or damaged."""
        try:
            values, arrays = read_snapshot(Path(path), "database")
        except SnapshotError as error:
            raise StoreError("The database cannot be opened", error.message, "restore it from a copy") from error
        database = cls(values["dimensions"], values["metric"])
        ends = arrays["id_ends"].tolist()
        blob = arrays["ids"].tobytes()
        starts = [0, *ends[:-1]]
        names = [blob[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=False)]
        database._insert(names, arrays["vectors"], as_stored=True)
        return database

    def _checked(self, vectors: ArrayLike) -> FloatArray:
        return flat.checked_vectors(vectors, self.dimensions)

    def _no_vectors(self) -> FloatArray:
        return np.empty((0, self.dimensions), dtype=np.float32)

    def _key(self, doc_id: str) -> int:
        if doc_id not in self._keys:
            raise NotFoundError(f"No vector has the id {doc_id!r}", "", "")
        return self._keys[doc_id]

    def _insert(self, ids: Sequence[str], vectors: FloatArray, as_stored: bool = False) -> None:
        """Distinct ids. A replaced vector keeps its place in the order of insertion."""
        if self.metric == "cosine" and not as_stored:
            lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
            vectors = (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
        keys = np.empty(len(ids), dtype=np.int64)
        for i, doc_id in enumerate(ids):
            key = self._keys.get(doc_id)
            if key is None:
                key = self._keys[doc_id] = self._next_key
                self._ids[key] = doc_id
                self._next_key += 1
            keys[i] = key
        self._rows = self._rows.with_changes(keys, vectors, _no_keys())

    def _nearest(self, query: FloatArray, k: int) -> tuple[NDArray[np.int64], FloatArray]:
        rows = np.flatnonzero(self._rows.alive)
        gaps = self._rows.vectors[rows].astype(np.float64) - query.astype(np.float64)
        scores = -np.sqrt(np.einsum("ij,ij->i", gaps, gaps)).astype(np.float32)
        order = np.lexsort((self._rows.keys[rows], -scores))[: max(k, 0)]
        return rows[order].astype(np.int64), scores[order]


def _no_keys() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)
