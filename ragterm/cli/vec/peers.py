"""Other people's engines for `vec benchmark --peers`, where they are installed: hnswlib, faiss, usearch. One thread, the same M and
ef_construction, float32."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Peer:
    """A built index. `search(query, k, ef)` gives row numbers; `grown` is by how many bytes the process grew (None where that cannot
    be told)."""

    name: str
    search: Callable[[FloatArray, int, int], Any]
    seconds: float
    grown: int | None


PEERS = {"hnswlib": "hnswlib", "faiss": "faiss-cpu", "usearch": "usearch"}
_MODULES = {"hnswlib": "hnswlib", "faiss": "faiss", "usearch": "usearch.index"}


def installed() -> list[str]:
    return [name for name in PEERS if importlib.util.find_spec(name) is not None]


def build(name: str, vectors: FloatArray, metric: str, m: int, ef_construction: int) -> Peer:
    importlib.import_module(_MODULES[name])  # its code is not counted as the index's memory
    before, started = resident_bytes(), time.perf_counter()
    label, search = _BUILDERS[name](vectors, metric, m, ef_construction)
    seconds, after = time.perf_counter() - started, resident_bytes()
    return Peer(label, search, seconds, after - before if before is not None and after is not None else None)


def resident_bytes() -> int | None:
    """The process's resident memory now; None where the system does not tell."""
    import os

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _hnswlib(vectors: FloatArray, metric: str, m: int, ef_construction: int) -> tuple[str, Callable[..., Any]]:
    import hnswlib

    index = hnswlib.Index({"cosine": "cosine", "dot": "ip", "euclidean": "l2"}[metric], vectors.shape[1])
    index.init_index(len(vectors), ef_construction=ef_construction, M=m)
    index.set_num_threads(1)
    index.add_items(vectors)

    def search(query: FloatArray, k: int, ef: int) -> Any:
        index.set_ef(max(ef, k))
        return index.knn_query(query, k)[0][0]

    return "hnswlib", search


def _faiss(vectors: FloatArray, metric: str, m: int, ef_construction: int) -> tuple[str, Callable[..., Any]]:
    import faiss
    import numpy as np

    faiss.omp_set_num_threads(1)
    kind = faiss.METRIC_L2 if metric == "euclidean" else faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWFlat(vectors.shape[1], m, kind)
    index.hnsw.efConstruction = ef_construction
    rows = vectors
    if metric == "cosine":
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
    index.add(rows)

    def search(query: FloatArray, k: int, ef: int) -> Any:
        index.hnsw.efSearch = ef
        return index.search(query[np.newaxis], k)[1][0]

    return "faiss HNSWFlat", search


def _usearch(vectors: FloatArray, metric: str, m: int, ef_construction: int) -> tuple[str, Callable[..., Any]]:
    import numpy as np
    from usearch.index import Index

    kind = {"cosine": "cos", "dot": "ip", "euclidean": "l2sq"}[metric]
    index = Index(ndim=vectors.shape[1], metric=kind, dtype="f32", connectivity=m, expansion_add=ef_construction)
    index.add(np.arange(len(vectors)), vectors, threads=1)

    def search(query: FloatArray, k: int, ef: int) -> Any:
        index.expansion_search = ef
        return index.search(query, k, threads=1).keys

    return "usearch f32", search


_BUILDERS: dict[str, Callable[[Any, str, int, int], tuple[str, Callable[..., Any]]]] = {
    "hnswlib": _hnswlib,
    "faiss": _faiss,
    "usearch": _usearch,
}
