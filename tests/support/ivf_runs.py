"""Run by the tests in a process of its own: inverted files searched with the kernels in one execution, and what came out.

    python ivf_runs.py compiled|loops|numpy OUT.npz

The executions are those of `compiled_runs.py`.
"""

import os
import sys

if sys.argv[1:2] == ["loops"]:
    os.environ["NUMBA_DISABLE_JIT"] = "1"

import numpy as np

from ragterm.engine.vectors import execution
from ragterm.engine.vectors.ivf import IvfIndex
from ragterm.engine.vectors.pq import PqParameters

KINDS = {"flat": None, "bytes": PqParameters(4, 8), "halves": PqParameters(8, 4)}
METRICS = ("cosine", "dot", "euclidean")


def data_set() -> tuple[np.ndarray, np.ndarray]:
    """Vectors (600, 16) in clusters and 6 queries; some vectors occur twice."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((12, 16))
    points = (centres[rng.integers(0, 12, 606)] + 0.4 * rng.standard_normal((606, 16))).astype(np.float32)
    points[550:600] = points[:50]
    return points[:600], points[600:]


def main() -> None:
    execution_name, out = sys.argv[1:3]
    if execution_name != "numpy":
        assert execution.compile_kernels() == (execution_name == "compiled")
    vectors, queries = data_set()
    results: dict[str, np.ndarray] = {}
    for metric in METRICS:
        for kind, pq in KINDS.items():
            index = IvfIndex(16, metric, 9, pq, seed=2)
            index.train(vectors)
            index.add(vectors[:400])
            index.add(vectors[400:])
            index.remove(np.arange(0, 600, 7))
            index.rescore_from(vectors)
            for rescored in (0,) if pq is None else (0, 30):
                found = [index.search(query, 12, 3, rescored) for query in queries]
                results[f"{metric}/{kind}/{rescored}/rows"] = np.array([rows for rows, _ in found])
                results[f"{metric}/{kind}/{rescored}/scores"] = np.array([scores for _, scores in found])
    np.savez(out, **results)


if __name__ == "__main__":
    main()
