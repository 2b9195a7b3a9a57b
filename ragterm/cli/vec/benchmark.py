"""`ragterm vec benchmark`: brute force against an index on your own vectors, with the recall beside every speed."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import StatusLine, emit_json, say, warn
from ragterm.cli.vec import peers
from ragterm.cli.vec.create import SHAPE, in_words, shape_options
from ragterm.cli.vec.opening import db_option, is_database, new_database, open_database
from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import measure
from ragterm.engine.vectors.embedding_files import read_embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragterm.engine.vectors.database import VectorDB

    FloatArray = NDArray[np.float32]

_EF = (16, 32, 64, 128, 256)
_FEWEST = 20


@dataclass(frozen=True)
class Contender:
    """One line of the table. `search` answers a query with what `rows` turns into row numbers, outside the measured time."""

    name: str
    effort: tuple[str, int] | None  # ("ef", 64), ("nprobe", 8)
    search: Callable[[FloatArray], Any]
    rows: Callable[[Any], list[int]]
    bytes_per_vector: float | None
    build_seconds: float | None

    @property
    def label(self) -> str:
        return self.name if self.effort is None else f"{self.name} {self.effort[0]} {self.effort[1]}"


@click.command(
    "benchmark",
    help="""Brute force against HNSW at several ef, or with --index against inverted lists at several nprobe: time, recall, memory.

    The vectors are those of --file, else of the database (--db) where there is one, else made up in clusters, which is said. Queries
    are held out: none of them is in the collection. One query a call, one thread; the best of several passes in turns.
    """,
)
@global_options
@db_option
@click.option(
    "--file", type=click.Path(path_type=Path), metavar="FILE", help="Your own vectors: .jsonl, .npy, .parquet."
)
@click.option("--synthetic", is_flag=True, help="Made-up vectors although there is a database.")
@click.option("--vectors", type=click.IntRange(_FEWEST), default=100_000, show_default=True, help="At most so many.")
@click.option("--queries", type=click.IntRange(1), default=1000, show_default=True, help="At most so many, held out.")
@click.option("--dimensions", type=click.IntRange(1), default=384, show_default=True, help="Of made-up vectors.")
@click.option("-k", "--top-k", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option(
    "--ef", "efs", type=click.IntRange(1), multiple=True, help=f"May be repeated; {', '.join(map(str, _EF))} without."
)
@click.option(
    "--passes", type=click.IntRange(1), default=3, show_default=True, help="Over all queries; the best counts."
)
@click.option("--peers", "with_peers", is_flag=True, help="Also hnswlib, faiss and usearch, where installed.")
@shape_options
@click.pass_context
def benchmark(
    context: click.Context, db: Path, file: Path | None, synthetic: bool, vectors: int, queries: int, dimensions: int,
    top_k: int, efs: tuple[int, ...], passes: int, with_peers: bool, **shape: Any,
) -> None:  # fmt: skip
    options: Globals = context.ensure_object(Globals)
    source, pool = _pool(context, db, file, synthetic, vectors + queries, dimensions, shape)
    if len(pool) < _FEWEST:
        raise UsageError("Too few vectors to measure", f"{source}: {len(pool)}", f"at least {_FEWEST}, or --synthetic")
    # Of a small collection a tenth is asked, or nothing would be left to search.
    collection, asked = measure.hold_out(pool, min(queries, len(pool) // 10), shape["seed"])
    collection = collection[:vectors]
    if not len(collection):
        raise UsageError("All vectors are the same", source, "there is nothing to tell apart; try --synthetic")
    status = StatusLine()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _one_thread() as limited:
        status.show(f"exact neighbours of {len(asked):,} queries among {len(collection):,} vectors")
        truth = measure.exact_neighbours(collection, asked, top_k, shape["metric"])
        # What leaves the vectors on the disk is measured so.
        path = Path(folder) / "db" if shape["index"] == "ivf-pq" or shape["profile"] == "compact" else None
        contenders = list(_contenders(collection, path, shape, top_k, efs or _EF, with_peers, status))

        def show(name: str) -> None:
            if status.due():
                status.show(f"measuring {name}")

        measured = measure.in_turns({one.label: one.search for one in contenders}, asked, passes, show)
    status.clear()
    rows = []
    for one in contenders:
        answers, timing = measured[one.label]
        found = [one.rows(answer) for answer in answers]
        rows.append(_row(one, measure.recall(found, truth, collection, asked, shape["metric"]), timing, top_k))
    report = {
        "data": source,
        "synthetic": file is None and (synthetic or not is_database(db)),
        "vectors": len(collection),
        "queries": len(asked),
        "dimensions": int(collection.shape[1]),
        "top_k": top_k,
        "passes": passes,
        "numpy_threads_limited": limited,
        **shape,
        "engines": rows,
    }
    if options.as_json:
        emit_json(report)
    else:
        _print(report)


def _pool(
    context: click.Context,
    db: Path,
    file: Path | None,
    synthetic: bool,
    most: int,
    dimensions: int,
    shape: dict[str, Any],
) -> tuple[str, FloatArray]:
    """What is measured, in words, and float32 (n, d). A database is measured with its own metric and parameters, unless the command
    line names others."""
    if file is not None and synthetic:
        raise UsageError("--file or --synthetic", "the vectors are yours or made up", "leave one of them out")
    if file is not None:
        parts, held = [], 0
        for batch in read_embeddings(file.expanduser()):
            if len(batch.vectors):
                parts.append(batch.vectors)
            held += len(batch.vectors)
            if held >= most:
                break
        found = np.concatenate(parts)[:most] if parts else np.empty((0, 1), np.float32)
        return f"vectors of {file}", found
    if not synthetic and is_database(db):
        with open_database(db) as database:
            stats = database.get_stats()
            told = {
                name for name in SHAPE if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
            }
            same = "index" not in told or shape["index"] == stats["index"]
            by_size = ("lists", "nprobe")  # of another number of vectors, maybe
            for name in SHAPE if same else ("metric", "seed"):
                if name not in told and name in stats and name not in by_size:
                    shape[name] = stats[name]
            ids = list(database.ids())
            if len(ids) > most:
                chosen = np.random.default_rng(shape["seed"]).choice(len(ids), size=most, replace=False)
                ids = [ids[i] for i in np.sort(chosen)]
            rows = np.empty((len(ids), stats["dimensions"]), np.float32)
            for i, doc_id in enumerate(ids):
                rows[i] = database.get(doc_id).vector
        return f"vectors of the database {db}", rows
    return "made-up vectors in clusters, not real embeddings: yours will differ (--file)", measure.clustered_vectors(
        most, dimensions, shape["seed"]
    )


def _contenders(
    vectors: FloatArray,
    path: Path | None,
    shape: dict[str, Any],
    k: int,
    efs: tuple[int, ...],
    with_peers: bool,
    status: StatusLine,
) -> Iterator[Contender]:
    brute = measure.brute_force(vectors, shape["metric"], k)
    yield Contender("numpy brute force", None, brute, _numbers, float(vectors.itemsize * vectors.shape[1]), None)

    status.show(f"building VectorDB on {len(vectors):,} vectors")
    started = time.perf_counter()
    database = new_database(vectors.shape[1], path, **shape)
    database.insert_batch([str(row) for row in range(len(vectors))], vectors)
    database.wait_ready()
    ready = time.perf_counter() - started
    database.link()
    seconds = time.perf_counter() - started
    warn(f"VectorDB built in {seconds:.1f} s ({ready:.1f} s of it before the graph: copying, compiled code)")
    stats = database.get_stats()
    each = stats["memory_bytes"] / len(vectors)
    if (scan := exact_search(database, k)) is not None:
        yield Contender("VectorDB exact", None, scan, _ids, each, seconds)
    else:
        warn("VectorDB here takes no exact=True: its own exact scan is left out")
    by = stats["answers"]
    if by == "exact":
        warn("at this size VectorDB answers by an exact scan: ef and nprobe change nothing, so it is measured once")
        yield Contender("VectorDB search", None, lambda query: database.search(query, top_k=k), _ids, each, seconds)
    for ef in efs if by == "hnsw" else ():

        def walk(query: FloatArray, ef: int = ef) -> Any:
            return database.search(query, top_k=k, ef_search=ef)

        yield Contender(f"VectorDB {by}", ("ef", ef), walk, _ids, each, seconds)
    for nprobe in () if by in ("hnsw", "exact") else _probes(shape["nprobe"], stats):

        def look(query: FloatArray, nprobe: int = nprobe) -> Any:
            return database.search(query, top_k=k, nprobe=nprobe)

        yield Contender(f"VectorDB {by}", ("nprobe", nprobe), look, _ids, each, seconds)
    if not with_peers:
        return
    here = peers.installed()
    for name, package in peers.PEERS.items():
        if name not in here:
            warn(f"{name} is not installed (pip install {package})")
            continue
        status.show(f"building {name} on {len(vectors):,} vectors")
        peer = peers.build(name, vectors, shape["metric"], shape["m"], shape["ef_construction"])
        warn(f"{peer.name} built in {peer.seconds:.1f} s, one thread")
        grown = peer.grown / len(vectors) if peer.grown is not None else None
        for ef in efs:

            def ask(query: FloatArray, ef: int = ef, peer: peers.Peer = peer) -> Any:
                return peer.search(query, k, ef)

            yield Contender(peer.name, ("ef", ef), ask, _numbers, grown, peer.seconds)


def _probes(given: int | None, stats: Mapping[str, Any]) -> list[int]:
    """The one that was asked for, or some around the default."""
    if given is not None:
        return [given]
    return sorted(
        {max(1, min(stats["lists"], int(stats["nprobe"] * part))) for part in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2)}
    )


def exact_search(database: VectorDB, k: int) -> Callable[[FloatArray], Any] | None:
    """The database's own exact scan, whatever its size; None where it cannot be asked for."""
    if "exact" not in inspect.signature(database.search).parameters:
        return None
    return lambda query: database.search(query, top_k=k, exact=True)


def _numbers(answer: Any) -> list[int]:
    # -1 fills up what faiss does not find.
    return [int(row) for row in answer if int(row) >= 0]


def _ids(answer: Any) -> list[int]:
    return [int(doc_id) for doc_id, _ in answer]


@contextlib.contextmanager
def _one_thread() -> Iterator[bool]:
    """Holds numpy to one thread, as all others are; False where nothing here can do that."""
    try:
        limits = importlib.import_module("threadpoolctl").threadpool_limits(1)
    except ImportError:
        yield False
        return
    with limits:
        yield True


def _row(one: Contender, recall: float, timing: measure.Timing, k: int) -> dict[str, Any]:
    return {
        "engine": one.name,
        "ef": one.effort[1] if one.effort and one.effort[0] == "ef" else None,
        "nprobe": one.effort[1] if one.effort and one.effort[0] == "nprobe" else None,
        f"recall@{k}": round(recall, 4),
        "mean_us": round(timing.mean, 2),
        "p50_us": round(timing.p50, 2),
        "p99_us": round(timing.p99, 2),
        "thread_us": round(timing.thread, 2),
        "queries_per_second": round(timing.per_second, 1),
        "bytes_per_vector": round(one.bytes_per_vector) if one.bytes_per_vector is not None else None,
        "build_seconds": round(one.build_seconds, 2) if one.build_seconds is not None else None,
    }


def _print(report: dict[str, Any]) -> None:
    k = report["top_k"]
    say(f"{report['data']}")
    say(
        f"{report['vectors']:,} vectors, {report['dimensions']} dimensions, {report['metric']}, {report['queries']:,} held-out"
        f" queries, top {k}; {in_words(_own(report))}"
    )
    say(f"one query a call, one thread, best of {report['passes']} passes in turns; times in µs\n")
    say(
        f"{'engine':<18} {'ef/nprobe':>9} {f'recall@{k}':>10} {'mean':>9} {'p50':>9} {'p99':>9} {'thread':>9} {'queries/s':>10}"
        f" {'B/vector':>9}"
    )
    for row in report["engines"]:
        each = f"{row['bytes_per_vector']:,}" if row["bytes_per_vector"] is not None else "?"
        say(
            f"{row['engine']:<18} {row['ef'] or row['nprobe'] or '-':>9} {row[f'recall@{k}']:>10.4f} {row['mean_us']:>9,.1f}"
            f" {row['p50_us']:>9,.1f} {row['p99_us']:>9,.1f} {row['thread_us']:>9,.1f} {row['queries_per_second']:>10,.0f}"
            f" {each:>9}"
        )
    if not report["numpy_threads_limited"]:
        say("\nnumpy may have used several threads here: its line's mean is wall time (pip install threadpoolctl)")


def _own(report: Mapping[str, Any]) -> dict[str, Any]:
    """Without the parameters of other indexes."""
    others = ("lists", "nprobe", "code_bytes") if report["index"] == "hnsw" else ("profile", "m", "ef_construction")
    return {name: value for name, value in report.items() if name not in others}
