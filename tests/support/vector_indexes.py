"""Small vectors, the entries made from them, a reference for what a search must find, and processes for what is compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ragterm.engine.types.protocols import IndexChanges, IndexEntry
from ragterm.engine.vectors.build_worker import build_in_folder
from ragterm.engine.vectors.dense import CollectionDenseIndex
from ragterm.engine.vectors.stored import GraphParameters

ROOT = Path(__file__).resolve().parents[2]
RUNS = Path(__file__).with_name("compiled_runs.py")
SMALL = GraphParameters(m=4, ef_construction=30, seed=7)


def run_python(*arguments: object, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def changes(
    keys: list[int] | range, vectors: np.ndarray, generation: int, removed: tuple[int, ...] = ()
) -> IndexChanges:
    entries = [IndexEntry(key, "d", "", "", "", vector) for key, vector in zip(keys, vectors, strict=True)]
    return IndexChanges(entries, removed, generation)


def unit_vectors(count: int, dimensions: int = 12, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).standard_normal((count, dimensions))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def true_order(vectors: np.ndarray, keys: np.ndarray, query: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The independent reference: every cosine in float64, sorted; ties by key."""
    cosines = vectors.astype(np.float64) @ (query.astype(np.float64) / np.linalg.norm(query.astype(np.float64)))
    order = sorted(range(len(keys)), key=lambda i: (-cosines[i], keys[i]))
    return [int(keys[i]) for i in order], cosines[order]


@contextmanager
def linked_index(
    folder: Path, keys: range, vectors: np.ndarray, removed: tuple[int, ...]
) -> Iterator[CollectionDenseIndex]:
    """An index of these vectors with a graph, from which some were removed."""
    index = CollectionDenseIndex(folder, vectors.shape[1], parameters=SMALL)
    index.apply(changes(keys, vectors, 1))
    index.apply(IndexChanges([], removed, 2))
    link_here(index)
    yield index
    index.close()


def link_here(index: CollectionDenseIndex) -> None:
    """Save, and build the graph interpreted, in this process: what the child does, without its start."""
    index.save(build_graph=False)
    build_in_folder(index.folder, index.parameters, index.dimensions, index.identity, compiled=False)
