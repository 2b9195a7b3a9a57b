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
# Registers add up four parts at a time, then what is left: of these numbers of parts, some leave none and one has too few.
SUBSPACES = {8: (2, 6, 12), 4: (2, 6, 12)}
METRICS = ("cosine", "dot", "euclidean")


def data_set(dimensions: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (600, d) in clusters and 6 queries; some vectors occur twice."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((12, dimensions))
    points = (centres[rng.integers(0, 12, 606)] + 0.4 * rng.standard_normal((606, dimensions))).astype(np.float32)
    points[550:600] = points[:50]
    return points[:600], points[600:]


def main() -> None:
    execution_name, out = sys.argv[1:3]
    if execution_name != "numpy":
        assert execution.compile_kernels() == (execution_name == "compiled")
    vectors, queries = data_set(24)
    kinds = {"flat": None} | {f"{m}x{bits}": PqParameters(m, bits) for bits, ms in SUBSPACES.items() for m in ms}
    results: dict[str, np.ndarray] = {}
    for metric in METRICS:
        for kind, pq in kinds.items():
            index = IvfIndex(24, metric, 9, pq, seed=2)
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
