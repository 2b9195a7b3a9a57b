"""`IvfIndex` beside faiss at the same parameters, on real embeddings: recall@10 against memory and thread time.

    RAGTERM_TEST_DATA=DIR python tests/benchmarks/ivf.py [--vectors 100000] [--queries 300] [--passes 3] [--keep FOLDER]

One thread, one query a call; both take their turn in every pass, and the best pass of each counts. Memory: the arrays of ours
(`memory_bytes`), the size of the file that faiss writes. The float32 rows that RFlat scores again are counted in neither. Trained
indexes of faiss, and ours, are kept in the cache folder: training takes a minute each.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import math
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
import vector_data
from vectors import K, machine, nearest

from ragterm.engine.models.weights import cache_dir
from ragterm.engine.vectors import execution
from ragterm.engine.vectors.ivf import IvfIndex
from ragterm.engine.vectors.pq import PqParameters

LISTS = 256
PROBES = (1, 4, 16, 64)
RESCORED = 40
KINDS = {
    "Flat": (None, 0),
    "PQ48": (PqParameters(48), 0),
    "PQ96": (PqParameters(96), 0),
    "PQ96x4fs": (PqParameters(96, 4), 0),
    "PQ48,RFlat": (PqParameters(48), RESCORED),
    "PQ96x4fs,RFlat": (PqParameters(96, 4), RESCORED),
}


class Contender(NamedTuple):
    bytes_a_vector: float
    prepare: Callable[[int], None]
    search: Callable[[np.ndarray], np.ndarray]


def ours(kind: str, base: np.ndarray, folder: Path) -> Contender:
    parameters, rescored = KINDS[kind]
    path = folder / f"ragterm-2-{kind.removesuffix(',RFlat')}.pickle"
    index = IvfIndex(base.shape[1], "cosine", LISTS, parameters)
    if path.exists():
        index._state = pickle.loads(path.read_bytes())
    else:
        started = time.process_time()
        index.train(base)
        trained = time.process_time() - started
        index.add(base)
        print(
            f"  ragterm {kind}: trained in {trained:.1f} s, all in {time.process_time() - started:.1f} s of processor"
        )
        path.write_bytes(pickle.dumps(index._state))
    index.rescore_from(base)
    probes = [0]
    return Contender(
        index.memory_bytes / len(base),
        lambda nprobe: probes.__setitem__(0, nprobe),
        lambda query: index.search(query, K, probes[0], rescored)[0],
    )


def theirs(kind: str, base: np.ndarray, folder: Path) -> Contender:
    name = kind.removesuffix(",RFlat")
    path = folder / f"faiss-{name}"
    if path.exists():
        index = faiss.read_index(str(path))
    else:
        started = time.process_time()
        index = faiss.index_factory(base.shape[1], f"IVF{LISTS},{name}", faiss.METRIC_INNER_PRODUCT)
        index.train(base)
        trained = time.process_time() - started
        index.add(base)
        print(f"  faiss {kind}: trained in {trained:.1f} s, all in {time.process_time() - started:.1f} s of processor")
        faiss.write_index(index, str(path))
    searched: Any = index
    held = [index]  # IndexRefine knows its two by address only
    if kind.endswith("RFlat"):
        rows = faiss.IndexFlat(base.shape[1], faiss.METRIC_INNER_PRODUCT)
        rows.add(base)
        held.append(rows)
        searched = faiss.IndexRefine(index, rows)
        searched.k_factor = RESCORED / K
    return Contender(
        path.stat().st_size / len(base),
        lambda nprobe: setattr(held[0], "nprobe", nprobe),
        lambda query: searched.search(query[None], K)[1][0],
    )


def measured(
    contenders: dict[str, Contender], queries: np.ndarray, truth: list[list[int]], passes: int
) -> Iterator[tuple[int, dict[str, tuple[float, float]]]]:
    """For each nprobe and contender: recall, and µs of thread time a query."""
    for nprobe in PROBES:
        best = dict.fromkeys(contenders, math.inf)
        recall = {}
        for _ in range(passes):
            for name, contender in contenders.items():
                contender.prepare(nprobe)
                contender.search(queries[0])
                started = time.thread_time()
                found = [contender.search(query) for query in queries]
                best[name] = min(best[name], (time.thread_time() - started) / len(queries) * 1e6)
                hits = sum(len(set(rows.tolist()) & set(true)) for rows, true in zip(found, truth, strict=True))
                recall[name] = hits / (K * len(queries))
        yield nprobe, {name: (recall[name], best[name]) for name in contenders}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--kinds", default=" ".join(KINDS), help="separated by spaces")
    parser.add_argument("--keep", type=Path, default=None, help="where trained indexes are kept")
    parser.add_argument("--data", type=Path, default=None, help="folder with base.npy and queries.npy")
    chosen = parser.parse_args()
    base, queries = vector_data.load(100_000, 1000, chosen.data)
    base, queries = np.ascontiguousarray(base[: chosen.vectors]), queries[: chosen.queries]
    folder = chosen.keep or cache_dir() / "benchmarks" / f"ivf-{len(base)}"
    folder.mkdir(parents=True, exist_ok=True)
    faiss.omp_set_num_threads(1)
    execution.compile_kernels()
    print(f"{len(base):,} vectors of {base.shape[1]} dimensions, {len(queries)} queries, k = {K}; {machine()}")
    truth = nearest(base, queries)
    print(f"  {'IVF' + str(LISTS):16} {'nprobe':>6}   {'ragterm: bytes':>14} {'recall':>7} {'µs':>7}", end="")
    print(f"   {'faiss: bytes':>12} {'recall':>7} {'µs':>7}   {'recall':>7} {'time':>5}  (ours to theirs)")
    for kind in chosen.kinds.split():
        pair = {"ragterm": ours(kind, base, folder), "faiss": theirs(kind, base, folder)}
        for nprobe, row in measured(pair, queries, truth, chosen.passes):
            (a, our_time), (b, their_time) = row["ragterm"], row["faiss"]
            print(
                f"  {kind:16} {nprobe:6}   {pair['ragterm'].bytes_a_vector:14.1f} {a:7.4f} {our_time:7.1f}"
                f"   {pair['faiss'].bytes_a_vector:12.1f} {b:7.4f} {their_time:7.1f}"
                f"   {a / b:7.3f} {our_time / their_time:5.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
