"""What several tests of the vectors share: one process with compiled kernels, and indexes that are closed at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.vector_indexes import RUNS, SMALL, run_python

from ragterm.engine.vectors import execution
from ragterm.engine.vectors.dense import CollectionDenseIndex


@pytest.fixture(autouse=True)
def _caches_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGTERM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def numba_cache() -> Path:
    """Where the compiled kernels of exactly this source are, for all workers and for the next run: compiling takes seconds."""
    return execution.numba_cache_folder()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, worker_id: str, numba_cache: Path) -> Path:
    """What `compiled_runs.py` writes down with compiled kernels. Compiling takes seconds: of several workers, one does it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    out, turn = shared / "compiled.npz", shared / "compiled.turn"
    try:
        turn.mkdir()
    except FileExistsError:
        for _ in range(3000):
            if out.exists():
                return out
            time.sleep(0.1)
        pytest.fail("the worker that compiles did not finish")
    unfinished = shared / "unfinished.npz"
    run_python(RUNS, "compiled", unfinished, NUMBA_CACHE_DIR=str(numba_cache))
    unfinished.replace(out)
    return out


@pytest.fixture
def new_index(tmp_path: Path) -> Iterator[Callable[..., CollectionDenseIndex]]:
    """Indexes on one folder, of 12 dimensions unless told; closed at the end."""
    opened = []

    def make(dimensions: int = 12, **options: object) -> CollectionDenseIndex:
        index = CollectionDenseIndex(tmp_path / "dense", dimensions, parameters=SMALL, **options)
        opened.append(index)
        return index

    yield make
    for index in opened:
        index.close()
