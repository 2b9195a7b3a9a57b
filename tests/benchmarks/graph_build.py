"""How long the child process takes to build a graph, compiled kernels in the cache or not, and what one query costs.

    python tests/benchmarks/graph_build.py [5000 20000]

Clustered vectors of 384 dimensions. CPU seconds beside wall seconds: on a busy machine only the former can be compared.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ragterm.engine.types.protocols import IndexChanges, IndexEntry
from ragterm.engine.vectors.dense import CollectionDenseIndex

DIMENSIONS = 384


def clustered(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((count // 50, DIMENSIONS))
    points = centres[rng.integers(0, len(centres), count)] + 0.7 * rng.standard_normal((count, DIMENSIONS))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def best_ms(call, times: int = 20) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def main(counts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUMBA_CACHE_DIR"] = cache
        for kernels in ("cold", "warm"):
            for count in counts[:1] if kernels == "cold" else counts:
                vectors = clustered(count)
                with tempfile.TemporaryDirectory() as folder:
                    index = CollectionDenseIndex(Path(folder), DIMENSIONS)
                    index.apply(IndexChanges([IndexEntry(i, "", "", "", "", v) for i, v in enumerate(vectors)], [], 1))
                    wall, cpu = time.perf_counter(), child_seconds()
                    index.save(wait=True)
                    wall, cpu = time.perf_counter() - wall, child_seconds() - cpu
                    print(f"{count} vectors, kernels {kernels}: built in {wall:.1f} s, {cpu:.1f} s of CPU")
                    if kernels == "warm":
                        report_queries(Path(folder), vectors[0])


def report_queries(folder: Path, query: np.ndarray) -> None:
    index = CollectionDenseIndex(folder, DIMENSIONS)
    calls = {
        "load": lambda: index.load(1),
        "first summary": index.summary,
        "exact search": lambda: index.search(query, 100),
        "walk": lambda: index.walk("", query),
        "map": lambda: index.layer_map(0),
    }
    times = {name: best_ms(call, 1 if name == "first summary" else 20) for name, call in calls.items()}
    print("  " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in times.items()))


if __name__ == "__main__":
    main([int(x) for x in sys.argv[1:]] or [5000, 20000])
