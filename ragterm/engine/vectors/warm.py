"""Compiling the kernels without holding anyone up: a child process fills the cache on disk, then this process loads from it.

    python -m ragterm.engine.vectors.warm

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


def exercise(dimensions: int = 8) -> None:
    """Call every kernel that an index calls, once: compiled then, or loaded from the cache."""
    from ragterm.engine.vectors import index

    execution.compile_kernels()
    vectors = np.random.default_rng(0).standard_normal((40, dimensions)).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        small = index.VectorIndex(dimensions, metric)  # type: ignore[arg-type]
        small.add(vectors)
        small.link(threads=1)
        small.walk(vectors[0], 3)
        small.scan(vectors[0], 3)
    execution.note_warm()


def compile_in_child() -> bool:
    """Fill the cache; whether that went well. Never raises: without a cache this process compiles for itself."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ragterm.engine.vectors.warm"],
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


def warm() -> None:
    """Make this process's kernels machine code. Returns at once when they are; threads that come meanwhile wait."""
    with _lock:
        if execution.is_warm():
            return
        compile_in_child()
        exercise()


if __name__ == "__main__":
    exercise()
