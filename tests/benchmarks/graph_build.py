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
                        again = CollectionDenseIndex(Path(folder), DIMENSIONS)
                        print(f"  load {best_ms(lambda: again.load(1)):.1f} ms, ", end="")
                        again.summary()
                        print(f"exact search {best_ms(lambda: again.search(vectors[0], 100)):.2f} ms, ", end="")
                        print(f"walk {best_ms(lambda: again.walk('', vectors[0])):.1f} ms, ", end="")
                        print(
                            f"summary {best_ms(again.summary):.1f} ms, map {best_ms(lambda: again.layer_map(0)):.1f} ms"
                        )


if __name__ == "__main__":
    main([int(x) for x in sys.argv[1:]] or [5000, 20000])
