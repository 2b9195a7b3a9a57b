"""One query from float32 to result: quantise it, walk the graph, score the best of what was found in full precision.

The graph is walked on codes of 4 bits, the upper plane of codes of 8. The `rescored` nearest by those are scored again by both planes,
and of that order the first few with the float32 vectors: the best k are the result. A walk ends early where it brings nothing more
among those that would be scored again. Everything between the query's arrival and the k rows is one compiled function, because each
crossing from Python costs as much as fifty distances.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragterm.engine.vectors.codes import UPPER_ZERO
from ragterm.engine.vectors.execution import Box, entry_kernel, fast_kernel, inlined_kernel, summing_kernel
from ragterm.engine.vectors.hnsw import Graph, Scratch, knn_search
from ragterm.engine.vectors.kernels import (
    dot_floats,
    dot_nibbles,
    entry_node,
    prefetch,
    prefetch_object,
    squared_distance,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

COSINE = 0
DOT = 1
EUCLIDEAN = 2
NOT_FINITE = -1
OUT_OF_RANGE = -2
SMALLEST, LARGEST = 1e-15, 1e15
"""The lengths of a query between which products with it, in float32, neither overflow nor vanish."""


class Result(NamedTuple):
    """Room for what a search returns, best first."""

    rows: NDArray[np.int64]  # (k,)
    scores: NDArray[np.float64]  # (k,)
    passed: NDArray[np.int64]  # (1,) how many of the nodes that a walk found are alive


@entry_kernel
def widened(k: int) -> int:
    """How many of the best by codes of 8 bits are scored in full where `k` are wanted: by those, rows change places with their
    neighbours only."""
    return k + 2 + k // 8


def new_result(k: int) -> Result:
    room = widened(k)
    return Result(np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float64), np.zeros(1, dtype=np.int64))


@fast_kernel
def largest_of(query: Floats) -> float:
    """The largest magnitude of a component."""
    largest = np.float32(0.0)
    for i in range(query.shape[0]):
        largest = max(largest, abs(query[i]))
    return float(largest)


@fast_kernel
def quantise_query(query: Floats, scratch: Scratch, zero: float, unit: float) -> float:
    """Put the signed codes of `query` (finite) into the scratch and return what one unit of them stands for: `unit`, or where that is
    0 the largest component over 127. `zero` is that of the codes it will be multiplied with."""
    largest = unit * 127.0 if unit > 0.0 else largest_of(query)
    if largest == 0.0:
        largest = 1.0
    factor = np.float32(127.0 / largest)
    total = np.int32(0)
    for i in range(query.shape[0]):
        code = np.int8(min(max(np.rint(query[i] * factor), np.float32(-127.0)), np.float32(127.0)))
        scratch.query[i] = code
        total += np.int32(code)
    scratch.constant[0] = np.int64(zero * total)
    return largest / 127.0


@inlined_kernel
def insert_result(result: Result, size: int, k: int, row: int, score: float) -> int:
    """Put a row into the best `size` so far, at most `k`, best first, ties by row; how many there are now."""
    place = size
    while place > 0 and (
        result.scores[place - 1] < score or (result.scores[place - 1] == score and result.rows[place - 1] > row)
    ):
        if place < k:
            result.scores[place] = result.scores[place - 1]
            result.rows[place] = result.rows[place - 1]
        place -= 1
    if place < k:
        result.scores[place] = score
        result.rows[place] = row
    return min(size + 1, k)


class Prepared(NamedTuple):
    """All that a search needs beside the query. Rows and nodes are the same."""

    graph: Graph
    scratch: Scratch
    vectors: NDArray[np.float32]  # (n, d) in full precision
    lower: NDArray[np.uint8]  # (n, width) the lower plane of the codes, whose upper is the graph's
    norms: NDArray[np.float64]  # (n,) half the squared length for Euclidean, else empty
    alive: NDArray[np.bool_]  # (n,) False for a tombstone
    names: NDArray[np.int64]  # (n,) references to what the rows are called, as numbers, or fewer
    errors: NDArray[np.float32]  # (n, 2) the length that the upper plane lost, |x - x'|, and that both lost
    bounds: NDArray[np.float32]  # (n,) room for a scan
    result: Result


@summing_kernel
def sum_of(codes: NDArray[np.int8]) -> int:
    total = np.int32(0)
    for i in range(codes.shape[0]):
        total += np.int32(codes[i])
    return int(total)


@summing_kernel
def length_of(query: Floats) -> float:
    total = 0.0
    for i in range(query.shape[0]):
        total += np.float64(query[i]) * np.float64(query[i])
    return math.sqrt(total)


@inlined_kernel
def refused(length: float) -> int:
    """NOT_FINITE or OUT_OF_RANGE for a query of this length, else 0."""
    if not length < np.inf:
        return NOT_FINITE
    return 0 if length == 0.0 or SMALLEST < length < LARGEST else OUT_OF_RANGE


@inlined_kernel
def finish(result: Result, size: int, metric: int, length: float) -> None:
    """From what orders rows (the product, the negative squared distance) to what is reported: `length` is that of the query."""
    for i in range(size):
        if metric == COSINE and length > 0:  # rows have length 1 but for the last bits of float32
            result.scores[i] = min(max(result.scores[i] / length, -1.0), 1.0)
        elif metric == EUCLIDEAN:
            result.scores[i] = -math.sqrt(-result.scores[i])


@inlined_kernel
def score_by_bytes(prepared: Prepared, row: int, of_bytes: int, unit: float, metric: int) -> float:
    """The product of a row and the query, both as codes of 8 bits; for Euclidean less than that by half the row's squared length. A
    byte is 16 upper + lower; `of_bytes`: 128 times the sum of the query's codes, `unit`: what one unit of the product stands for."""
    product = 16 * dot_nibbles(prepared.graph.codes, row, prepared.scratch.query)
    product += dot_nibbles(prepared.lower, row, prepared.scratch.query) - of_bytes
    score = np.float64(product) * unit
    return score - prepared.norms[row] if metric == EUCLIDEAN else score


@inlined_kernel
def score_in_full(prepared: Prepared, query: Floats, size: int, metric: int) -> None:
    """Put the first `size` of prepared.result in order by the vectors themselves."""
    result = prepared.result
    for i in range(size):
        prefetch(prepared.vectors, result.rows[i])
    for i in range(size):
        row = result.rows[i]
        if metric == EUCLIDEAN:
            score = -np.float64(squared_distance(prepared.vectors, row, query))
        else:
            score = np.float64(dot_floats(prepared.vectors, row, query))
        insert_result(result, i, size, row, score)


@entry_kernel
def search_graph(
    box: Box, query: Floats, k: int, ef: int, best: int, rescored: int, metric: int, unit: float, step: float
) -> int:
    """The `k` live rows nearest to `query` (d,) among the `rescored` nearest live ones by upper planes of the `ef` that Algorithm 5
    finds with this `best`, in prepared.result; how many there are, or NOT_FINITE, OUT_OF_RANGE. Vectors of a cosine index have length
    1. `unit`: what one unit of the query's codes stands for, 0 for its own best; Euclidean distances need that of the graph's bias.
    `step`: what one unit of a row's byte stands for."""
    prepared = box.value
    scratch, result, pool = prepared.scratch, prepared.result, prepared.scratch.pool
    length = length_of(query)
    if refused(length) == NOT_FINITE or (metric != EUCLIDEAN and refused(length) < 0):
        return refused(length)
    query_unit = quantise_query(query, scratch, UPPER_ZERO, unit)
    count = knn_search(prepared.graph, ef, scratch, best)
    for i in range(min(count, rescored)):
        prefetch(prepared.lower, entry_node(pool[i]))
    of_bytes = 128 * sum_of(scratch.query)
    kept = widened(k)
    size = passed = 0
    for i in range(count):
        row = entry_node(pool[i])
        if not prepared.alive[row]:
            continue
        passed += 1
        if passed > rescored:
            continue
        score = score_by_bytes(prepared, row, of_bytes, query_unit * step, metric)
        size = insert_result(result, size, kept, row, score)
    result.passed[0] = passed
    score_in_full(prepared, query, size, metric)
    size = min(size, k)
    # The caller will look at the names: they are as far away in memory as the vectors, and come meanwhile.
    for i in range(size):
        if result.rows[i] < prepared.names.shape[0]:
            prefetch_object(prepared.names, result.rows[i])
    finish(result, size, metric, length)
    return size


@entry_kernel
def nearest_nodes(graph: Graph, query: Floats, ef: int, scratch: Scratch, found: NDArray[np.int64]) -> int:
    """Algorithm 5 without scoring anything again: the `ef` nodes nearest to `query` (d,) by codes, in `found`, nearest first; how
    many there are."""
    quantise_query(query, scratch, 128.0 if graph.bits == 8 else 7.5, 0.0)
    count = knn_search(graph, ef, scratch)
    for i in range(count):
        found[i] = entry_node(scratch.pool[i])
    return count
