"""`VectorDB` against the compiled libraries on real embeddings: queries a second at equal recall, build, exact scan, filters.

    RAGTERM_TEST_DATA=DIR python tests/benchmarks/vectors.py [--peers] [--parts search,build,exact,filter] [--passes 4]

One thread, one query a public call, thread time; every engine takes its turn in every pass, the best pass of each counts. The grid of
each engine's parameter is printed; between two points of it time is read off logarithmically at a recall of 0.95 and 0.99.
The peers' own indexes use M = 16, efConstruction = 200, as ours does, and are kept in the cache folder.
`--fallback haswell` does the part `search` once more in a child process, with the kernels compiled for that older processor.
"""

# ruff: noqa: E402  the threads of the linear algebra are counted when it is loaded

from __future__ import annotations

import argparse
import gc
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import vector_data
import vector_peers
from llvmlite import binding

from ragterm.engine.models.weights import cache_dir
from ragterm.engine.vectors import avx2_intrinsics, intrinsics
from ragterm.engine.vectors.database import VectorDB
from ragterm.engine.vectors.index import VectorIndex
from ragterm.engine.vectors.upkeep import cores
from ragterm.engine.vectors.warm import warm

EFS = (10, 14, 20, 24, 28, 32, 40, 60, 80, 100, 140, 200)
K = 10


def machine() -> str:
    features = binding.get_host_cpu_features()
    sets = [name for name in ("avx2", "avx512f", "avx512bw", "avx512vnni", "avx512bf16") if features.get(name)]
    cpu = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    leaves = "AVX-512 VNNI" if intrinsics.supported() else "AVX2" if avx2_intrinsics.supported() else "plain loops"
    return f"{cpu}, {os.cpu_count()} cores, {' '.join(sets)}; kernels: {leaves}; load {os.getloadavg()[0]:.1f}"


def nearest(base: np.ndarray, queries: np.ndarray, k: int = K) -> list[list[int]]:
    """The truth in float64."""
    wide = base.astype(np.float64)
    out = []
    for query in queries.astype(np.float64):
        scores = wide @ query
        part = np.argpartition(-scores, k)[:k]
        out.append(part[np.lexsort((part, -scores[part]))].tolist())
    return out


def database(base: np.ndarray, profile: str, folder: Path | None) -> tuple[VectorDB, float]:
    """A database linked on one thread, and the thread time that took."""
    db = VectorDB(base.shape[1], profile=profile, path=folder)  # type: ignore[arg-type]
    db.insert_batch([f"doc_{i}" for i in range(len(base))], base)
    started = time.thread_time()
    db._index.link(threads=1)
    return db, time.thread_time() - started


def contenders(
    db: VectorDB, base: np.ndarray, peers: bool
) -> Iterator[tuple[str, int, Callable[[], None], Callable[..., Any], Any]]:
    """(engine, parameter, what sets it, search, rows of an answer)."""
    for ef in EFS:
        yield (
            "ragterm",
            ef,
            lambda: None,
            lambda q, ef=ef: db.search(q, K, ef_search=ef),
            lambda hits: [int(i[4:]) for i, _ in hits],
        )
    if peers:
        yield from vector_peers.engines(base, cache_dir() / "benchmarks" / f"peers-{len(base)}", K)


def search_part(
    db: VectorDB, base: np.ndarray, queries: np.ndarray, truth: list[list[int]], passes: int, peers: bool, only: str
) -> None:
    grid = [
        c for c in contenders(db, base, peers) if c[0] == "ragterm" or any(part in c[0] for part in only.split(","))
    ]
    recall: dict[tuple[str, int], float] = {}
    best: dict[tuple[str, int], float] = {}
    for turn in range(passes):
        for engine, parameter, prepare, search, rows in grid:
            prepare()
            key = (engine, parameter)
            if turn == 0:
                found = [set(rows(search(q))) for q in queries]
                recall[key] = sum(len(f & set(t)) for f, t in zip(found, truth, strict=True)) / (K * len(queries))
            started = time.thread_time()
            for query in queries:
                search(query)
            taken = (time.thread_time() - started) / len(queries) * 1e6
            best[key] = min(best.get(key, math.inf), taken)
    engines = list(dict.fromkeys(engine for engine, *_ in grid))
    at: dict[str, list[float | None]] = {}
    for engine in engines:
        points = sorted((recall[k], best[k]) for k in best if k[0] == engine)
        at[engine] = [read_off(points, wanted) for wanted in (0.95, 0.99)]
        line = "  ".join(f"{p}: {recall[engine, p]:.3f}/{best[engine, p]:.1f}" for e, p in best if e == engine)
        print(f"  {engine:28} {line}")
    print(f"\n  {'':28} {'µs at .95':>10} {'ratio':>7} {'µs at .99':>10} {'ratio':>7}")
    for engine in engines:
        cells = []
        for i in (0, 1):
            theirs, ours = at[engine][i], at["ragterm"][i]
            cells.append(f"{theirs:10.1f} {theirs / ours:7.2f}" if theirs and ours else f"{'-':>10} {'':>7}")
        print(f"  {engine:28} {cells[0]} {cells[1]}")
    others = [engine for engine in engines if engine != "ragterm"]
    for i, wanted in enumerate((0.95, 0.99)):
        known = [at[e][i] for e in others if at[e][i]]
        if known and at["ragterm"][i]:
            print(f"  the best peer at {wanted}: {min(known) / at['ragterm'][i]:.2f} times our time")


def anonymous_bytes() -> int:
    """This process's memory that is not a file's; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024


def read_off(points: list[tuple[float, float]], wanted: float) -> float | None:
    for (a, x), (b, y) in pairwise(points):
        if a <= wanted <= b:
            share = (wanted - a) / (b - a + 1e-12)
            return math.exp((1 - share) * math.log(x) + share * math.log(y))
    return None


def build_part(base: np.ndarray, peers: bool) -> None:
    """Thread time on one thread, wall time on all; ours and hnswlib's in turns."""
    ours, theirs = [], []
    graphs = []
    for _ in range(2):
        index = VectorIndex(base.shape[1])
        index.add(base)
        started = time.thread_time()
        index.link(threads=1)
        ours.append(time.thread_time() - started)
        graphs.append(index._state.graph)
        if peers:
            theirs.append(vector_peers.hnswlib_build_seconds(base))
    index = VectorIndex(base.shape[1])
    index.add(base)
    started, used = time.perf_counter(), time.process_time()
    index.link(threads=cores())
    wall, used = time.perf_counter() - started, time.process_time() - used
    same = all((g.links == index._state.graph.links).all() for g in graphs)
    print(
        f"  one thread: {min(ours):.1f} s ({len(base) / min(ours):,.0f} vectors/s); "
        f"{cores()} threads: {wall:.1f} s by the wall, {used:.1f} s of processor"
    )
    print(f"  {cores()} threads to one: {min(ours) / wall:.2f} by the wall; identical graphs: {same}")
    if theirs:
        print(f"  hnswlib, one thread: {min(theirs):.1f} s, {min(theirs) / min(ours):.2f} times ours")


def exact_part(db: VectorDB, base: np.ndarray, queries: np.ndarray, truth: list[list[int]]) -> None:
    queries, truth = queries[:200], truth[:200]

    def numpy_search(query: np.ndarray) -> np.ndarray:
        scores = base @ query
        part = np.argpartition(-scores, K)[:K]
        return part[np.argsort(-scores[part])]

    ours, theirs = math.inf, math.inf
    for _ in range(3):
        started = time.thread_time()
        answers = [db.search_exact(query, K) for query in queries]
        ours = min(ours, (time.thread_time() - started) / len(queries))
        started = time.thread_time()
        for query in queries:
            numpy_search(query)
        theirs = min(theirs, (time.thread_time() - started) / len(queries))
    wrong = sum([int(i[4:]) for i, _ in answer] != t for answer, t in zip(answers, truth, strict=True))
    print(
        f"  exact: {ours * 1e3:.3f} ms, numpy {theirs * 1e3:.3f} ms, "
        f"ratio {ours / theirs:.3f}; unlike float64: {wrong} of {len(queries)}"
    )


def filter_part(base: np.ndarray, queries: np.ndarray) -> None:
    """Random filters, and filters that correlate with the vectors: the rows nearest to one direction."""
    queries = queries[:100]
    random = np.random.default_rng(3)
    towards = base @ base[0]
    shares = (0.001, 0.01, 0.1, 0.5)
    db = VectorDB(base.shape[1])
    drawn, ranks = random.random(len(base)), np.argsort(np.argsort(-towards)) / len(base)
    metadata = [{"random": float(a), "near": float(b)} for a, b in zip(drawn, ranks, strict=True)]
    db.insert_batch([f"doc_{i}" for i in range(len(base))], base, metadata)
    db.wait_ready()
    wide = base.astype(np.float64)
    for name, values in (("random", drawn), ("near", ranks)):
        for share in shares:
            rows = np.flatnonzero(values < share)
            hits = 0
            condition = {name: {"$lt": share}}
            db.search(queries[0], K, filter=condition)
            best = math.inf
            for _ in range(3):
                started = time.thread_time()
                answers = [db.search(query, K, filter=condition) for query in queries]
                best = min(best, (time.thread_time() - started) / len(queries) * 1e6)
            for query, answer in zip(queries, answers, strict=True):
                scores = wide[rows] @ query.astype(np.float64)
                expected = set(rows[np.argsort(-scores)[:K]].tolist())
                hits += len(expected & {int(i[4:]) for i, _ in answer})
            print(
                f"  {name:7} {share:6.1%} ({len(rows):6,} rows): recall {hits / (K * len(queries)):.4f}, {best:7.1f} µs"
            )


def scale_part(base: np.ndarray, queries: np.ndarray, count: int, peers: bool) -> None:
    """From a thousand vectors to `count`: real ones, and where those do not suffice the same with noise of half their length."""
    random = np.random.default_rng(5)
    queries = queries[:200]
    print(
        f"  {'vectors':>10} {'insert s':>9} {'link s':>8} {'save s':>7} {'open s':>7} {'bytes/vector':>13} {'disk MB':>8}"
        "   recall/µs at ef 40, 80, 160"
    )
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= count]
    drawn: list[tuple[int, float]] = []
    for size in sizes:
        vectors = base[:size]
        if size > len(base):
            copies = [base] + [noisy(base, random) for _ in range(-(-size // len(base)) - 1)]
            vectors = np.concatenate(copies)[:size]
            del copies
        with tempfile.TemporaryDirectory() as name:
            before = anonymous_bytes()
            db = VectorDB(base.shape[1], path=Path(name) / "db")
            db._upkeep._closed = True  # each step is timed by itself
            started = time.perf_counter()
            for start in range(0, size, 50_000):
                part = vectors[start : start + 50_000]
                db.insert_batch([f"doc_{start + i}" for i in range(len(part))], part)
            inserted = time.perf_counter() - started
            started = time.perf_counter()
            db._index.link(cores())
            linked = time.perf_counter() - started
            started = time.perf_counter()
            db.save()
            saved = time.perf_counter() - started
            disk = db.get_stats()["disk_bytes"]
            db.close()
            del db
            gc.collect()
            started = time.perf_counter()
            db = VectorDB.open(Path(name) / "db")
            db.search(queries[0], K)
            opened = time.perf_counter() - started
            db.wait_ready()
            grown = anonymous_bytes() - before
            truth = nearest_in_parts(vectors, queries)
            cells = []
            for ef in (40, 80, 160):
                taken, hits = [], 0
                for _ in range(2):
                    started = time.thread_time()
                    answers = [db.search(query, K, ef_search=ef) for query in queries]
                    taken.append((time.thread_time() - started) / len(queries) * 1e6)
                hits = sum(len({int(i[4:]) for i, _ in a} & t) for a, t in zip(answers, truth, strict=True))
                cells.append(f"{hits / (K * len(queries)):.3f}/{min(taken):.1f}")
            drawn.append((size, min(taken)))
            print(
                f"  {size:10,} {inserted:9.2f} {linked:8.2f} {saved:7.2f} {opened:7.2f} {grown / size:13,.0f} {disk / 1e6:8,.0f}"
                f"   {'  '.join(cells)}",
                flush=True,
            )
            db.close()
        if peers and size == sizes[-1]:
            vector_peers.hnswlib_curve(vectors, queries, truth, K)
    longest = max(taken for _, taken in drawn)
    for size, taken in drawn:
        print(f"  {size:10,} {'#' * max(1, round(50 * taken / longest))} {taken:.0f} µs at ef 160")


def noisy(base: np.ndarray, random: np.random.Generator) -> np.ndarray:
    noise = random.standard_normal(base.shape, dtype=np.float32)
    noise *= 0.5 / np.linalg.norm(noise, axis=1, keepdims=True)
    noise += base
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return noise


def nearest_in_parts(base: np.ndarray, queries: np.ndarray) -> list[set[int]]:
    """The truth in float32, which at this size costs less; ties are of no weight here."""
    best = np.full((len(queries), 0), 0.0, dtype=np.float32)
    rows = np.empty((len(queries), 0), dtype=np.int64)
    for start in range(0, len(base), 50_000):
        scores = queries @ base[start : start + 50_000].T
        best = np.concatenate([best, scores], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)], axis=1)
        if best.shape[1] > K:
            keep = np.argpartition(-best, K - 1, axis=1)[:, :K]
            best, rows = np.take_along_axis(best, keep, axis=1), np.take_along_axis(rows, keep, axis=1)
    return [set(row.tolist()) for row in rows]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--parts", default="search,build,exact,filter")
    parser.add_argument("--peers", action="store_true", help="hnswlib, faiss, usearch, and what else is installed")
    parser.add_argument("--engines", default="", help="only engines whose name contains one of these, comma between")
    parser.add_argument("--scale", type=int, default=1_000_000, help="how far the part `scale` goes")
    parser.add_argument("--profile", default="fast", choices=["fast", "compact"])
    parser.add_argument("--fallback", default="", help="a processor, as NUMBA_CPU_NAME names it")
    parser.add_argument("--data", type=Path, default=None, help="folder with base.npy and queries.npy")
    chosen = parser.parse_args()
    base, queries = vector_data.load(100_000, 1000, chosen.data)
    base, queries = np.ascontiguousarray(base[: chosen.vectors]), queries[: chosen.queries]
    print(f"{len(base):,} vectors of {base.shape[1]} dimensions, {len(queries)} queries, k = {K}; {machine()}")
    warm()
    parts = chosen.parts.split(",")
    truth = nearest(base, queries) if {"search", "exact"} & set(parts) else []
    if {"search", "exact"} & set(parts):
        folder = Path(tempfile.mkdtemp()) / "db" if chosen.profile == "compact" else None
        before = anonymous_bytes()
        db, _ = database(base, chosen.profile, folder)
        db.search(queries[0], K)
        gc.collect()
        grown = anonymous_bytes() - before
        print(f"  the process grew by {grown / len(base):,.0f} bytes a vector (memory that is no file's)")
        stats = db.get_stats()
        print(
            f"  {stats['memory_bytes'] / len(base):,.0f} bytes a vector in arrays, the float32 originals "
            f"{'on the disk' if chosen.profile == 'compact' else 'included'}"
        )
        if "search" in parts:
            search_part(db, base, queries, truth, chosen.passes, chosen.peers, chosen.engines)
        if "exact" in parts:
            exact_part(db, base, queries, truth)
        db.close()
    if "build" in parts:
        build_part(base, chosen.peers)
    if "filter" in parts:
        filter_part(base, queries)
    if "scale" in parts:
        scale_part(base, queries, chosen.scale, chosen.peers)
    if chosen.fallback:
        given = [a for a in sys.argv[1:] if not a.startswith("--fallback") and a != chosen.fallback]
        child = [sys.executable, __file__, *given, "--parts", "search"]
        subprocess.run(
            child, env={**os.environ, "NUMBA_CPU_NAME": chosen.fallback, "NUMBA_CPU_FEATURES": ""}, check=True
        )
