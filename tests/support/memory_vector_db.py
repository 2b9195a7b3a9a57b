"""A stand-in for `VectorDB` with its public API: exact search by numpy, everything in memory, saved as rows of one SQLite file.

An independent, slow and obvious model: what the real database answers can be held against it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ragterm.engine.types.errors import NotFoundError, StoreError, UsageError
from ragterm.engine.types.graphs import LayerMap

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda a, b: a == b,
    "$ne": lambda a, b: a != b,
    "$gt": lambda a, b: a is not None and a > b,
    "$gte": lambda a, b: a is not None and a >= b,
    "$lt": lambda a, b: a is not None and a < b,
    "$lte": lambda a, b: a is not None and a <= b,
    "$in": lambda a, b: a in b,
    "$nin": lambda a, b: a not in b,
    "$exists": lambda a, b: (a is not None) == b,
}


@dataclass(frozen=True)
class Item:
    id: str
    vector: np.ndarray
    metadata: Mapping[str, Any]


class MemoryVectorDB:
    ready = True

    def __init__(self, dimensions: int, metric: str = "cosine", *, index: str = "hnsw", profile: str = "fast",
                 m: int = 16, ef_construction: int = 200, lists: int | None = None, nprobe: int | None = None,
                 code_bytes: int | None = None, seed: int = 1, path: Path | str | None = None) -> None:  # fmt: skip
        own = {"profile": profile, "m": m, "ef_construction": ef_construction}
        if index != "hnsw":
            own = {"lists": lists, "nprobe": nprobe} | ({"code_bytes": code_bytes or 1} if index == "ivf-pq" else {})
        self._shape = {"dimensions": dimensions, "metric": metric, "index": index, **own, "seed": seed}
        self.dimensions, self.metric = dimensions, metric
        self._path = Path(path) if path is not None else None
        self._items: dict[str, Item] = {}
        self._searches = 0
        self._deleted = 0
        if self._path is not None:
            self.save()

    def __enter__(self) -> MemoryVectorDB:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._items

    def ids(self) -> list[str]:
        return list(self._items)

    def insert(self, doc_id: str, vector: Any, metadata: Mapping[str, Any] | None = None) -> None:
        self.insert_batch([doc_id], np.asarray(vector)[np.newaxis], [metadata or {}])

    def insert_batch(self, items: Iterable[Any], vectors: Any = None, metadata: Sequence[Any] | None = None) -> None:
        if vectors is None:
            rows = [(row[0], row[1], row[2] if len(row) > 2 else {}) for row in items]
        else:
            ids = list(items)
            rows = list(zip(ids, vectors, metadata or [{}] * len(ids), strict=True))
        checked = [Item(doc_id, self._checked(vector), dict(facts or {})) for doc_id, vector, facts in rows]
        self._items |= {item.id: item for item in checked}

    def update(self, doc_id: str, vector: Any = None, metadata: Mapping[str, Any] | None = None) -> None:
        old = self.get(doc_id)
        new = old.vector if vector is None else self._checked(vector)
        self._items[doc_id] = Item(doc_id, new, old.metadata if metadata is None else dict(metadata))

    def delete(self, doc_id: str) -> None:
        self.get(doc_id)
        del self._items[doc_id]
        self._deleted += 1

    def get(self, doc_id: str) -> Item:
        if doc_id not in self._items:
            raise NotFoundError(f"No vector has the id {doc_id!r}")
        return self._items[doc_id]

    def search(self, query: Any, top_k: int = 10, filter: Mapping[str, Any] | None = None,
               ef_search: int | None = None, exact: bool = False, nprobe: int | None = None) -> list[tuple[str, float]]:  # fmt: skip
        self._searches += 1
        vector = self._checked(query)
        items = [item for item in self._items.values() if matches(item.metadata, filter or {})]
        scored = sorted(((self._score(item.vector, vector), item.id) for item in items), key=lambda one: -one[0])
        return [(doc_id, score) for score, doc_id in scored[:top_k]]

    def search_explained(self, query: Any, top_k: int = 10, filter: Mapping[str, Any] | None = None,
                         ef_search: int | None = None, nprobe: int | None = None) -> tuple[Any, str]:  # fmt: skip
        if (nprobe if self._shape["index"] == "hnsw" else ef_search) is not None:
            raise UsageError("The parameter of another index")
        return self.search(query, top_k, filter), "exact"

    def search_batch(self, queries: Any, top_k: int = 10, filter: Mapping[str, Any] | None = None,
                     ef_search: int | None = None) -> list[list[tuple[str, float]]]:  # fmt: skip
        return [self.search(query, top_k, filter, ef_search) for query in queries]

    def link(self, progress: Callable[[int, int], None] | None = None) -> None:
        if progress is not None:
            progress(len(self), len(self))

    def wait_ready(self, timeout: float | None = None) -> bool:
        return True

    def layer_map(self, level: int, max_nodes: int) -> LayerMap:
        """A ring: node i is linked to i + 1. Layer n holds every 4^n-th node, on two layers."""
        held = list(range(0, len(self._items), 4**level)) if level < 2 else []
        keys = held[:max_nodes]
        angles = [2 * np.pi * i / max(1, len(keys)) for i in range(len(keys))]
        places = tuple((0.5 + 0.5 * float(np.cos(a)), 0.5 + 0.5 * float(np.sin(a))) for a in angles)
        edges = tuple((i, (i + 1) % len(keys)) for i in range(len(keys))) if len(keys) > 2 else ()
        return LayerMap(level, tuple(keys), places, edges, len(held))

    def id_of(self, key: int) -> str:
        return list(self._items)[key]

    def get_stats(self) -> dict[str, Any]:
        nodes = len(self._items)
        layers = [
            {
                "level": level,
                "nodes": held,
                "edges": 2 * held,
                "mean_degree": 2.0,
                "max_degree": 2,
                "degree_histogram": {2: held},
            }
            for level in range(2)
            if (held := len(range(0, nodes, 4**level)))
        ]
        disk = sum(file.stat().st_size for file in self._path.iterdir()) if self._path is not None else 0
        return {**self._shape, "total_vectors": nodes, "deleted": self._deleted, "answers": "exact", "list_sizes": {},
                "avg_search_ms": 0.1,
                "searches": self._searches, "memory_bytes": nodes * self.dimensions * 4, "disk_bytes": disk,
                "layers": layers, "edges": sum(one["edges"] for one in layers), "linked": nodes, "ready": True}  # fmt: skip

    @classmethod
    def open(cls, path: Path | str) -> MemoryVectorDB:
        file = Path(path) / "items.sqlite"
        if not file.is_file():
            raise StoreError("No database", str(path))
        with sqlite3.connect(file) as connection:
            shape, deleted = connection.execute("SELECT shape, deleted FROM made").fetchone()
            rows = connection.execute("SELECT id, vector, metadata FROM items ORDER BY rowid").fetchall()
        connection.close()
        found = cls(**json.loads(shape))
        found._path, found._deleted = Path(path), deleted
        found._items = {i: Item(i, np.frombuffer(vector, np.float32), json.loads(facts)) for i, vector, facts in rows}
        return found

    def save(self, path: Path | str | None = None) -> None:
        folder = Path(path) if path is not None else self._path
        if folder is None:
            raise UsageError("Where to?")
        folder.mkdir(parents=True, exist_ok=True)
        rows = [(item.id, item.vector.tobytes(), json.dumps(item.metadata)) for item in self._items.values()]
        with sqlite3.connect(folder / "items.sqlite") as connection:
            connection.executescript(
                "DROP TABLE IF EXISTS items; DROP TABLE IF EXISTS made;"
                "CREATE TABLE items (id TEXT, vector BLOB, metadata TEXT); CREATE TABLE made (shape TEXT, deleted INTEGER);"
            )
            connection.executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
            connection.execute("INSERT INTO made VALUES (?, ?)", (json.dumps(self._shape), self._deleted))
        connection.close()

    def close(self) -> None:
        if self._path is not None:
            self.save()

    def _checked(self, vector: Any) -> np.ndarray:
        array = np.asarray(vector, dtype=np.float32)
        if array.shape != (self.dimensions,):
            raise UsageError("The dimensions differ", f"{array.shape} for {self.dimensions}")
        if not np.isfinite(array).all():
            raise UsageError("Not finite")
        return array

    def _score(self, a: np.ndarray, b: np.ndarray) -> float:
        a, b = a.astype(np.float64), b.astype(np.float64)
        if self.metric == "euclidean":
            return -float(np.linalg.norm(a - b))
        lengths = float(np.linalg.norm(a) * np.linalg.norm(b)) if self.metric == "cosine" else 1.0
        return float(a @ b) / lengths if lengths else 0.0


def matches(metadata: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    for key, wanted in condition.items():
        if key == "$and":
            good = all(matches(metadata, one) for one in wanted)
        elif key == "$or":
            good = any(matches(metadata, one) for one in wanted)
        elif key == "$not":
            good = not matches(metadata, wanted)
        else:
            tests = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
            if unknown := [name for name in tests if name not in _COMPARE]:
                raise UsageError(f"Unknown operator {unknown[0]}")
            good = all(_COMPARE[name](metadata.get(key), value) for name, value in tests.items())
        if not good:
            return False
    return True
