"""How fast a nearest-neighbour search is and how much it finds: exact neighbours, recall, percentiles, timed passes.

One query a call, one thread. A pass is timed twice over: by the wall, query by query, for the mean and the percentiles that a
caller feels; and by the thread's own processor time, as a whole, which a busy machine does not lengthen. Engines are
compared in turns, pass by pass, so that a change of the machine's clock meets all of them; the best pass of each counts.

Recall@k is the share of a query's k true neighbours that were found (Aumüller, Bernhardsson & Faithfull 2020, "ANN-Benchmarks",
section 2.2): what lies as near as the k-th true neighbour counts, so that ties cost nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ragterm.engine.types.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

Metric = Literal["cosine", "dot", "euclidean"]
Search = Callable[["FloatArray"], object]

_ROWS = 8192  # of the collection, scored at once in float64
_TIE = 1e-9  # relative: float64 sums in another order differ by less


@dataclass(frozen=True, slots=True)
class Truth:
    """The exact neighbours: `rows` int64 (q, k), best first, and their `scores` float64 (q, k): cosine, dot product, or the negative
    Euclidean distance. Where the collection is smaller than k there are as many columns as it has rows."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one pass over all queries, in microseconds a query. `mean`, `p50` and `p99` are wall time; `thread` is the mean processor
    time of the calling thread alone."""

    mean: float
    p50: float
    p99: float
    thread: float

    @property
    def per_second(self) -> float:
        """Queries a second, by the wall."""
        return 1e6 / self.mean if self.mean else math.inf


def exact_scores(vectors: FloatArray, query: FloatArray, metric: Metric) -> NDArray[np.float64]:
    """float64 (n,): the score of every row of `vectors` (n, d) for `query` (d,). A zero vector has the cosine 0 to everything."""
    rows, one = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        gaps = rows - one
        distances: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", gaps, gaps))
        return -distances
    if metric == "cosine":
        rows, one = _unit(rows), _unit(one[np.newaxis])[0]
    scores: NDArray[np.float64] = rows @ one
    return scores


def exact_neighbours(vectors: FloatArray, queries: FloatArray, k: int, metric: Metric) -> Truth:
    """The k best rows of `vectors` (n, d) for each of `queries` (q, d), by scores in float64. Which of several rows that share the k-th
    score are taken is not defined; `recall` counts any of them."""
    many = queries.astype(np.float64)
    if metric == "cosine":
        many = _unit(many)
    best_rows = np.empty((len(queries), 0), dtype=np.int64)
    best_order = np.empty((len(queries), 0), dtype=np.float64)
    for start in range(0, len(vectors), _ROWS):
        block = vectors[start : start + _ROWS].astype(np.float64)
        if metric == "cosine":
            block = _unit(block)
        orders = many @ block.T  # (q, rows)
        if metric == "euclidean":
            # -|a - b|^2 but for |b|^2, which is the same for all rows of a query.
            orders = 2.0 * orders - np.einsum("nd,nd->n", block, block)
        rows = np.broadcast_to(np.arange(start, start + len(block)), orders.shape)
        best_rows = np.concatenate([best_rows, rows], axis=1)
        best_order = np.concatenate([best_order, orders], axis=1)
        if best_rows.shape[1] > k:
            part = np.argpartition(-best_order, k - 1, axis=1)[:, :k]
            best_rows = np.take_along_axis(best_rows, part, axis=1)
            best_order = np.take_along_axis(best_order, part, axis=1)
    scores = np.empty(best_rows.shape, dtype=np.float64)
    for i, query in enumerate(queries):
        scores[i] = exact_scores(vectors[best_rows[i]], query, metric)
    order = np.lexsort((best_rows, -scores), axis=1)
    return Truth(np.take_along_axis(best_rows, order, axis=1), np.take_along_axis(scores, order, axis=1))


def recall(
    found: Sequence[Sequence[int]], truth: Truth, vectors: FloatArray, queries: FloatArray, metric: Metric
) -> float:
    """The mean recall in [0, 1] of `found`: row numbers for each query, of which the first k distinct ones count. 1.0 for no queries.
    Raises UsageError when answers and queries differ in number."""
    if len(found) != len(queries):
        raise UsageError(f"{len(found)} answers for {len(queries)} queries", "", "pass one answer for each query")
    k = truth.rows.shape[1]
    if not found or not k:
        return 1.0
    shares = []
    for rows, query, scores in zip(found, queries, truth.scores, strict=True):
        distinct = np.array(list(dict.fromkeys(rows))[:k], dtype=np.int64)
        if not len(distinct):
            shares.append(0.0)
            continue
        border = scores[-1] - _TIE * max(1.0, abs(scores[-1]))
        shares.append(float((exact_scores(vectors[distinct], query, metric) >= border).sum()) / k)
    return float(np.mean(shares))


def percentile(values: Sequence[float] | NDArray[np.float64], share: float) -> float:
    """The smallest value that at least `share` (0 to 1] of all values do not exceed (nearest rank): a value that was measured, never
    one between two. NaN for none."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        return math.nan
    return float(ordered[max(0, math.ceil(share * len(ordered)) - 1)])


def timed_pass(search: Search, queries: FloatArray) -> tuple[list[object], Timing]:
    """What `search` answers to each of `queries` (q, d), and how long it took. Nothing but the calls is timed."""
    answers: list[object] = []
    nanoseconds = np.empty(len(queries), dtype=np.int64)
    clock = time.perf_counter_ns
    thread_before = time.thread_time_ns()
    for i, query in enumerate(queries):
        before = clock()
        answer = search(query)
        nanoseconds[i] = clock() - before
        answers.append(answer)
    thread = time.thread_time_ns() - thread_before
    microseconds = nanoseconds / 1000.0
    count = max(1, len(queries))
    return answers, Timing(
        mean=float(microseconds.sum()) / count,
        p50=percentile(microseconds, 0.5),
        p99=percentile(microseconds, 0.99),
        thread=thread / 1000.0 / count,
    )


def in_turns(
    searches: Mapping[str, Search],
    queries: FloatArray,
    passes: int,
    each: Callable[[str], None] | None = None,
) -> dict[str, tuple[list[object], Timing]]:
    """Every search over all queries, one after the other, `passes` times; of each its answers and its pass of least thread time. A few
    queries before the first pass warm caches and are not counted. `each` is told whose turn it is, and may raise to stop."""
    best: dict[str, tuple[list[object], Timing]] = {}
    for search in searches.values():
        for query in queries[:8]:
            search(query)
    for _ in range(passes):
        for name, search in searches.items():
            if each is not None:
                each(name)
            answers, timing = timed_pass(search, queries)
            if name not in best or timing.thread < best[name][1].thread:
                best[name] = (answers, timing)
    return best


def brute_force(vectors: FloatArray, metric: Metric, k: int) -> Callable[[FloatArray], NDArray[np.int64]]:
    """The plain search in numpy and float32, as most people write it: one product with the matrix, one partition, one small sort. What
    does not depend on the query is computed once."""
    stored = vectors
    if metric == "cosine":
        stored = _unit(vectors.astype(np.float64)).astype(np.float32)
    squares = np.einsum("nd,nd->n", vectors, vectors) if metric == "euclidean" else np.zeros(1, dtype=np.float32)
    kept = min(k, len(vectors))

    def search(query: FloatArray) -> NDArray[np.int64]:
        scores = stored @ query  # (n,); the length of the query changes no order
        if metric == "euclidean":
            scores = 2.0 * scores - squares
        part = np.argpartition(-scores, kept)[:kept] if kept < len(scores) else np.arange(len(scores))
        best: NDArray[np.int64] = part[np.argsort(-scores[part], kind="stable")]
        return best

    return search


def clustered_vectors(count: int, dimensions: int, seed: int) -> FloatArray:
    """float32 (count, dimensions) of unit length, in about sqrt(count) clusters of uneven size: made up, but with near and far
    neighbours as embeddings have them, which uniform noise lacks."""
    random = np.random.default_rng(seed)
    centres = _unit(random.standard_normal((max(1, math.isqrt(count)), dimensions)))
    weights = random.gamma(1.0, size=len(centres)) + 1e-3
    chosen = random.choice(len(centres), size=count, p=weights / weights.sum())
    spread = random.standard_normal((count, dimensions), dtype=np.float32) * np.float32(0.7 / math.sqrt(dimensions))
    return _unit(centres[chosen] + spread).astype(np.float32)


def hold_out(vectors: FloatArray, queries: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """(the rest, the held-out queries): `queries` rows by chance, and no row of the rest is equal to one of them."""
    random = np.random.default_rng(seed)
    asked = np.zeros(len(vectors), dtype=bool)
    asked[random.choice(len(vectors), size=min(queries, len(vectors)), replace=False)] = True
    held = vectors[asked]
    # A copy of a query in the collection would be found by any search: the question must not be among the answers.
    known = {row.tobytes() for row in held}
    rest = np.array([row.tobytes() not in known for row in vectors], dtype=bool)
    return vectors[rest], held


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: NDArray[np.float64] = rows / np.where(lengths == 0, 1.0, lengths)
    return result
