"""Run by the tests in a process of its own: build and search with the kernels in one execution, and write down what came out.

    python compiled_runs.py compiled|loops|numpy OUT.npz [small]

"compiled": machine code. "loops": the kernels' own source in plain Python (numba switched off). "numpy": as the app runs
before anything is compiled, with numpy in place of the leaf loops. "small" leaves out the data sets for which only compiled
code is quick enough.
"""

import os
import sys

if sys.argv[1:2] == ["loops"]:
    os.environ["NUMBA_DISABLE_JIT"] = "1"

import numpy as np

from ragterm.engine.vectors import connect, construction, execution
from ragterm.engine.vectors.flat import Rows
from ragterm.engine.vectors.stored import GraphParameters, StoredVectors


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def data_set(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and 100 (for "small" 10) held-out queries from the same distribution."""
    rng = np.random.default_rng(len(name))
    if name == "random":
        points = rng.standard_normal((4100, 24))
    elif name == "clustered":
        centres = rng.standard_normal((60, 96))
        points = centres[rng.integers(0, 60, 3100)] + 0.5 * rng.standard_normal((3100, 96))
    else:
        centres = rng.standard_normal((8, 16))
        points = centres[rng.integers(0, 8, 120)] + 0.5 * rng.standard_normal((120, 16))
    points = unit(points)
    held_out = 10 if name == "small" else 100
    return points[:-held_out], points[-held_out:]


def main() -> None:
    execution_name, out = sys.argv[1:3]
    names = ["small"] if "small" in sys.argv[3:] else ["small", "random", "clustered"]
    if execution_name != "numpy":
        assert execution.compile_kernels() == (execution_name == "compiled")
    results: dict[str, np.ndarray] = {}
    for name in names:
        vectors, queries = data_set(name)
        rows = Rows.of(np.arange(len(vectors)) + 1000, vectors)
        stored = construction.build(StoredVectors(rows, 1, "", "x"), GraphParameters(m=8, ef_construction=100, seed=3))
        for field in ("codes", "sums", "levels", "upper_row", "links", "top"):
            results[f"{name}/{field}"] = getattr(stored.graph, field).copy()
        deleted = np.zeros(len(vectors), dtype=np.bool_)
        for case in ("whole", "deleted"):
            if case == "deleted":
                deleted = np.random.default_rng(5).random(len(vectors)) < 0.3
            found = np.full((len(queries), 100), -1, dtype=np.int64)
            for i, query in enumerate(queries):
                nodes, _ = construction.search_graph(stored, query, 100, deleted)
                found[i, : len(nodes[:100])] = nodes[:100]
            results[f"{name}/{case}"] = found
        results[f"{name}/mask"] = deleted
        results[f"{name}/limit"] = np.array([stored.code_limit])
        if name == "small":
            # A graph that lost all but one link of every node exercises the repair as well.
            stored.graph.links[:, 1:] = -1
            results["small/repaired"] = np.array([connect.connect_layers(stored.graph)])
            results["small/repaired_links"] = stored.graph.links
    np.savez(out, **results)


if __name__ == "__main__":
    main()
