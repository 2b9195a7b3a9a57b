"""Exact search by a scan of codes: every row is looked at, few are read in full, and the result is that of float64.

A row x and what its codes stand for, x', differ by a known length |x - x'|; a query and its codes likewise. By Cauchy and Schwarz

    |x.q - x'.q'|  <=  |x - x'| |q| + |x'| |q - q'|

so the product of codes gives each row an upper bound on its score. The k best by codes are scored in full: the worst of them, T, is a
score that k rows reach. A row whose upper bound lies below T cannot be among the k best. Every row is asked by its upper plane, those
that this leaves by both planes, whose bound is a tenth as wide, and those that are left then are scored in full. No assumption about
the vectors enters, only time: rows that all lie within the bound of T would all be read. (But that float32 holds products of the
lengths that occur, see `search.SMALLEST`.)

Euclidean: x.q - |x|^2 / 2 = (|q|^2 - |x - q|^2) / 2 orders as the distance does, and is bounded with x.q. What is scored in full is
-|x - q|^2 itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors.codes import UPPER_ZERO
from ragterm.engine.vectors.execution import Box, entry_kernel, inlined_kernel, summing_kernel
from ragterm.engine.vectors.kernels import dot_doubles, dot_nibbles, prefetch, squared_distance
from ragterm.engine.vectors.search import (
    EUCLIDEAN,
    Prepared,
    finish,
    insert_result,
    length_of,
    quantise_query,
    refused,
    score_by_bytes,
    sum_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]

ROUNDING = 1e-6
"""Relative: more than the float32 arithmetic of a bound can be off."""
AHEAD = 16
"""How many rows before its turn a row is fetched: processors foresee that by themselves, but not across pages."""


@inlined_kernel
def full_score(prepared: Prepared, metric: int, row: int, query: Floats) -> float:
    """What orders the rows, summed in float64: the product, for Euclidean the negative squared distance."""
    if metric == EUCLIDEAN:
        return -np.float64(squared_distance(prepared.vectors, row, query))
    return np.float64(dot_doubles(prepared.vectors, row, query))


@inlined_kernel
def threshold_of(score: float, metric: int, length: float) -> float:
    """What a row's product with the query, for Euclidean less half its squared length, must reach for this `full_score`."""
    if metric == EUCLIDEAN:
        return (score + length * length) / 2 - ROUNDING * ROUNDING * (length * length - score)
    return score


@summing_kernel
def length_lost(query: Floats, codes: NDArray[np.int8], unit: float) -> float:
    """|q - q'|: `unit` is what one unit of a code stands for."""
    total = 0.0
    for i in range(query.shape[0]):
        gap = np.float64(query[i]) - unit * np.float64(codes[i])
        total += gap * gap
    return math.sqrt(total)


@entry_kernel
def scan(
    box: Box, query: Floats, among: Rows, everything: bool, k: int, metric: int, step: float, longest: float
) -> int:
    """The `k` live rows with the best scores, exactly, ties by row, in prepared.result; how many there are, or NOT_FINITE or
    OUT_OF_RANGE.

    `among` (m,) are the rows to look at, distinct, unless `everything`. `step`: what one unit of a row's byte stands for. `longest`:
    the length of the longest x'.
    """
    prepared = box.value
    graph, scratch, result, bounds = prepared.graph, prepared.scratch, prepared.result, prepared.bounds
    length = length_of(query)
    if refused(length) < 0:
        return refused(length)
    query_unit = quantise_query(query, scratch, UPPER_ZERO, 0.0)
    unit = np.float32(16 * step * query_unit)
    # One unit more: the constant is a whole number. And x' is known to the last bits of float32 only.
    slack = longest * (length_lost(query, scratch.query, query_unit) + ROUNDING * length) + unit
    count = graph.codes.shape[0] if everything else among.shape[0]

    size = 0
    for i in range(count):
        row = i if everything else among[i]
        if i + AHEAD < count:
            prefetch(graph.codes, i + AHEAD if everything else among[i + AHEAD])
        if not prepared.alive[row]:
            bounds[i] = -np.inf
            continue
        score = unit * np.float32(dot_nibbles(graph.codes, row, scratch.query) - scratch.constant[0])
        if metric == EUCLIDEAN:
            score -= np.float32(prepared.norms[row])
        allowance = prepared.errors[row, 0] * length + slack
        bounds[i] = score + allowance + ROUNDING * (abs(score) + allowance)
        if size < k or score > result.scores[size - 1]:
            size = insert_result(result, size, k, row, float(score))
    if size == 0:
        return 0

    threshold = np.inf
    for i in range(size):
        threshold = min(threshold, full_score(prepared, metric, result.rows[i], query))
    threshold = threshold_of(threshold, metric, length)
    of_bytes = 128 * sum_of(scratch.query)
    size = 0
    for i in range(count):
        if not bounds[i] >= threshold:
            continue
        row = i if everything else among[i]
        finer = score_by_bytes(prepared, row, of_bytes, query_unit * step, metric)
        allowance = prepared.errors[row, 1] * length + slack
        if finer + allowance + ROUNDING * (abs(finer) + allowance) < threshold:
            continue
        size = insert_result(result, size, k, row, full_score(prepared, metric, row, query))
        if size == k:
            threshold = max(threshold, threshold_of(result.scores[k - 1], metric, length))
    finish(result, size, metric, length)
    return size
