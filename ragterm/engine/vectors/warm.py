"""Compiling the kernels without holding anyone up: a child process fills the cache on disk, then this process loads from it.

    python -m ragterm.engine.vectors.warm [graph|lists]

Compiling takes seconds in which the interpreter is hardly free; loading what was compiled takes less than one. Until it is done,
searches are answered by numpy.
"""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np

from ragterm.engine.vectors import execution
from ragterm.engine.vectors.builder import child_environment

_lock = threading.Lock()
_LIMIT_SECONDS = 300.0


def exercise(family: str = "graph", dimensions: int = 8) -> None:
    """Call every kernel that an index of this family calls, once: compiled then, or loaded from the cache."""
    execution.compile_kernels()
    if family == "graph":
        _walk_graphs(dimensions)
    else:
        _probe_lists(dimensions)
    execution.note_warm(family)


def _walk_graphs(dimensions: int) -> None:
    from ragterm.engine.vectors import index

    vectors = np.random.default_rng(0).standard_normal((40, dimensions)).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        small = index.VectorIndex(dimensions, metric)  # type: ignore[arg-type]
        small.add(vectors)
        small.link(threads=1)
        small.walk(vectors[0], 3)
        small.scan(vectors[0], 3)
        small.sign()
        small.estimate(vectors[0], 3, np.arange(len(vectors)))


def _probe_lists(dimensions: int) -> None:
    from ragterm.engine.vectors import inverted_index

    vectors = np.random.default_rng(0).standard_normal((40, dimensions)).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        for code_bytes in (None, 2):
            small = inverted_index.InvertedIndex(dimensions, metric, 2, 2, code_bytes)  # type: ignore[arg-type]
            small.add(small.checked(vectors))
            small.link()
            small.probe(vectors[0], 3)
            small.probe(vectors[0], 3, np.ones(len(vectors), dtype=np.bool_))
            small.scan(vectors[0], 3)


def compile_in_child(family: str = "graph") -> bool:
    """Fill the cache; whether that went well. Never raises: without a cache this process compiles for itself."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ragterm.engine.vectors.warm", family],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def warm(family: str = "graph") -> None:
    """Make the kernels of a family machine code in this process. Returns at once when they are; threads that come meanwhile wait."""
    with _lock:
        if execution.is_warm(family):
            return
        compile_in_child(family)
        exercise(family)


if __name__ == "__main__":
    exercise(sys.argv[1] if len(sys.argv) > 1 else "graph")
