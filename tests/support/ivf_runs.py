"""Run by the tests in a process of its own: inverted files searched with the kernels in one execution, and what came out.

    python ivf_runs.py compiled|loops|numpy OUT.npz

The executions are those of `compiled_runs.py`. Compiled, it also counts for how many kinds of arguments each entry was compiled, before
and after searches as users come by them.
"""

import os
import sys
import tempfile
from pathlib import Path

if sys.argv[1:2] == ["loops"]:
    os.environ["NUMBA_DISABLE_JIT"] = "1"

import numpy as np

from ragterm.engine.vectors import execution, inverted_search, ivf_search, warm
from ragterm.engine.vectors.database import VectorDB
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


def specialisations() -> list[int]:
    entries = (ivf_search.search_flat, ivf_search.search_codes, ivf_search.scan_rows)
    return [len(entry.signatures) for entry in entries]


def kinds_of_callers() -> set[str]:
    """What answered."""
    vectors, queries = data_set()
    fixed = queries[0].copy()
    fixed.flags.writeable = False
    answered = set()
    for metric in METRICS:
        for home in (None, Path(tempfile.mkdtemp()) / "db"):
            for kind in ("ivf-flat", "ivf-pq"):
                path = None if home is None else home / kind
                db = VectorDB(16, metric, index=kind, path=path)
                for turn in range(2):
                    ids = [f"{turn} {i}" for i in range(300)]
                    db.insert_batch(ids, vectors[300 * turn :][:300], [{"n": i} for i in range(300)])
                    db.link()
                    for query in (fixed, fixed.copy(), fixed.tolist(), np.repeat(fixed, 2)[::2], fixed * 1e-30):
                        for k in (3, np.int32(3), np.int64(90)):
                            db.search(query, k)
                            db.search(query, k, {"n": {"$lt": 150}}, nprobe=np.int64(4))
                            db.search_exact(query, k)
                    db.delete(f"{turn} 7")
                    answered.add(db.search_explained(fixed)[1])
                    answered.add(db.search_explained(fixed, filter={"n": {"$lt": 5}})[1])
                db.close()
                if path is not None:
                    with VectorDB.open(path) as again:
                        again.search(fixed)
                        again.insert("x", fixed)
                        again.search(fixed, filter={"n": {"$lt": 150}})
    return answered


def main() -> None:
    execution_name, out = sys.argv[1:3]
    results: dict[str, np.ndarray] = {}
    if execution_name == "compiled":
        warm.exercise("lists")
        assert execution.is_warm("lists") and not execution.is_warm()
        before = specialisations()
        inverted_search.EXACT_LIMIT, inverted_search.SCAN_LIMIT = 20, 10
        assert kinds_of_callers() == {"ivf-flat", "ivf-pq", "exact"}
        results["specialisations"] = np.array([before, specialisations()])
    elif execution_name == "loops":
        assert not execution.compile_kernels()
    vectors, queries = data_set(24)
    queries = queries[:3]
    kinds = {"flat": None} | {f"{m}x{bits}": PqParameters(m, bits) for bits, ms in SUBSPACES.items() for m in ms}
    allowed = np.random.default_rng(4).random(600) < 0.4
    for metric in METRICS:
        for kind, pq in kinds.items():
            index = IvfIndex(24, metric, 9, pq, seed=2)
            index.train(vectors)
            index.add(vectors[:400])
            index.add(vectors[400:])
            index.remove(np.arange(0, 600, 7))
            index.rescore_from(vectors)
            for rescored in (0,) if pq is None else (0, 30):
                for way, nprobe, mask in (("all", 3, None), ("allowed", 9, allowed)):
                    found = [index.search(query, 12, nprobe, rescored, mask) for query in queries]
                    results[f"{metric}/{kind}/{rescored}/{way}/rows"] = np.array([rows for rows, _ in found])
                    results[f"{metric}/{kind}/{rescored}/{way}/scores"] = np.array([scores for _, scores in found])
            found = [index.scan(index.state, query, 12, np.arange(0, 600, 3)) for query in queries]
            results[f"{metric}/{kind}/scan/rows"] = np.array([rows for rows, _ in found])
            results[f"{metric}/{kind}/scan/scores"] = np.array([scores for _, scores in found])
    np.savez(out, **results)


if __name__ == "__main__":
    main()
