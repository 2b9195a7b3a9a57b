"""A scan that looks at one cache line a row: for filters that leave thousands of rows.

The codes of one bit of `signs.py` give each row an estimate of its score and a bound on its error that holds with a known probability.
From there it goes as in `scan.py`, with that bound in place of Cauchy's and Schwarz's:

- Of the rows with the highest bounds, some `k`, the scores in full say what score T at least k rows reach.
- A row whose bound lies below T is passed over: as often as the bound fails, wrongly. That is section 3.3 of the paper of RaBitQ:
  how many rows are scored again is not a parameter, it follows from the bound.
- The others are scored by their codes of 4 bits, which are off by a twentieth as much, and those that may still reach T in full.

So the rows that it returns have the right scores, and the recall is what the bounds' confidence makes it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ragterm.engine.vectors.execution import Box, entry_kernel, inlined_kernel
from ragterm.engine.vectors.kernels import ROWS_AT_ONCE, bound_rows, dot_nibbles, prefetch, prefetch_object
from ragterm.engine.vectors.scan import full_score
from ragterm.engine.vectors.search import (
    EUCLIDEAN,
    Prepared,
    Result,
    finish,
    insert_result,
    length_of,
    quantise_query,
    refused,
)
from ragterm.engine.vectors.signs import grouped, quantise_rotated, rotate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]

CONFIDENCE = 2.3
"""How many standard deviations an estimate is allowed to lie too low: of the nearest rows that are right at T, one in a hundred lies
lower (the paper's epsilon_0 is 1.9, on both sides). A bound on the error of 4 bits is taken at `CONFIDENCE_4`."""
CONFIDENCE_4 = 3.0
MOST_WANTED = 100
"""The rows with the highest bounds are kept in order, one by one: for a larger k the exact scan is as quick."""
AHEAD = 32
"""How many rows before its turn a row is fetched; AHEAD_4, where it takes several lines."""
AHEAD_4 = 16


@entry_kernel
def first_ones(k: int) -> int:
    """How many of the rows with the highest bounds are scored for T: of so many, the k best are about the k best of all."""
    return k + k // 2 + 5


class Estimating(NamedTuple):
    """All that a scan by estimates needs beside the query."""

    prepared: Prepared
    signs: NDArray[np.uint8]  # (n, width) of signs.py
    values: Floats  # the same bytes
    flips: Floats  # the rotation
    rotated: Floats  # (padded,) room for the query
    room: Floats  # and as much again
    query: NDArray[np.int8]  # (whole groups,) and for its codes
    bounds: Floats  # (n + 16,)
    highest: Floats  # of each sixteen bounds
    chosen: Rows  # (n,)
    last: Rows  # (16,) the rows of the last, incomplete sixteen
    first: Result  # those with the highest bounds


def made_estimating(prepared: Prepared, signs: NDArray[np.uint8], flips: Floats, k: int) -> Estimating:
    """Room for scans of `prepared`, of up to `k` results."""
    room = first_ones(k)
    return Estimating(
        prepared=prepared,
        signs=signs,
        values=signs.view(np.float32),
        flips=flips,
        rotated=np.empty(flips.shape[1], dtype=np.float32),
        room=np.empty(flips.shape[1], dtype=np.float32),
        query=np.zeros(grouped(flips.shape[1]), dtype=np.int8),
        bounds=np.empty(len(signs) + ROWS_AT_ONCE, dtype=np.float32),
        highest=np.empty(len(signs) // ROWS_AT_ONCE + 1, dtype=np.float32),
        chosen=np.empty(len(signs), dtype=np.int64),
        last=np.zeros(ROWS_AT_ONCE, dtype=np.int64),
        first=Result(np.empty(room, dtype=np.int64), np.empty(room), np.zeros(1, dtype=np.int64)),
    )


@inlined_kernel
def bound_all(at: Estimating, among: Rows, scale: Any, constant: Any, width: Any, wanted: int) -> int:
    """Put the bounds of the rows `among` (m,) into at.bounds, and the `wanted` live ones with the highest into at.first; how many
    those are."""
    count, size = among.shape[0], 0
    lowest = np.float32(-np.inf)
    whole = count - count % ROWS_AT_ONCE
    for start in range(0, whole, ROWS_AT_ONCE):
        after = min(start + AHEAD, whole - ROWS_AT_ONCE)
        highest = bound_rows(at.signs, at.values, among, start, after, at.query, scale, constant, width, at.bounds)
        at.highest[start // ROWS_AT_ONCE] = highest
        if highest > lowest:
            size = _keep_highest(at, among, start, start + ROWS_AT_ONCE, size, wanted)
            lowest = np.float32(at.first.scores[size - 1]) if size == wanted else lowest
    if whole < count:
        for i in range(ROWS_AT_ONCE):
            at.last[i] = among[min(whole + i, count - 1)]
        highest = bound_rows(
            at.signs, at.values, at.last, 0, 0, at.query, scale, constant, width, at.bounds[whole:]
        )
        at.highest[whole // ROWS_AT_ONCE] = highest
        size = _keep_highest(at, among, whole, count, size, wanted)
    return size


@inlined_kernel
def _keep_highest(at: Estimating, among: Rows, start: int, end: int, size: int, wanted: int) -> int:
    for i in range(start, end):
        bound = at.bounds[i]
        if (size < wanted or bound > at.first.scores[size - 1]) and at.prepared.alive[among[i]]:
            size = insert_result(at.first, size, wanted, among[i], np.float64(bound))
    return size


@entry_kernel
def scan_estimates(box: Box, query: Floats, among: Rows, k: int, metric: int, step: float) -> int:
    """The `k` best of the live rows `among` (m,), distinct, as far as the bounds hold, in the result; how many there are, or NOT_FINITE or
    OUT_OF_RANGE. `step`: what one unit of a row's code of 4 bits stands for."""
    at = box.value
    prepared, chosen = at.prepared, at.chosen
    scratch, result, first = prepared.scratch, prepared.result, at.first
    length = length_of(query)
    if refused(length) < 0:
        return refused(length)
    rotate(query, at.flips, at.rotated, at.room)
    unit, total = quantise_rotated(at.rotated, at.query)
    size = at.rotated.shape[0]
    # s.q' is twice the sum where the bit is set less the sum of all; rounding q adds errors of a deviation of unit / sqrt(12) each.
    rounding = CONFIDENCE * unit * math.sqrt(size / 12.0)
    scale, constant = np.float32(2.0 * unit), np.float32(unit * total - rounding)
    width = np.float32(CONFIDENCE * length)
    count = among.shape[0]

    unit, nibble_width = step * quantise_query(query, scratch, prepared.zero, 0.0), CONFIDENCE_4 * length / math.sqrt(size)
    count = bound_all(at, among, scale, constant, width, first_ones(k))
    size = 0
    for i in range(count):
        prefetch(prepared.graph.codes, first.rows[i])
    for i in range(count):
        size = insert_result(result, size, k, first.rows[i], nibble_score(prepared, first.rows[i], metric, unit))
    if size == 0:
        return 0
    threshold = least_score(prepared, query, size, metric, length) if size == k else -np.inf

    count = reached(at, among, threshold)
    count = reached_by_nibbles(prepared, chosen, count, metric, unit, nibble_width, threshold)
    size = 0
    for i in range(count):
        row = chosen[i]
        size = insert_result(result, size, k, row, full_score(prepared, metric, row, query))
    for i in range(size):
        if result.rows[i] < prepared.names.shape[0]:
            prefetch_object(prepared.names, result.rows[i])
    finish(result, size, metric, length)
    return size


@inlined_kernel
def nibble_score(prepared: Prepared, row: int, metric: int, unit: float) -> float:
    """What orders the rows, by codes of 4 bits: x.q, for Euclidean x.q - |x|^2 / 2. `unit`: what one unit of a product stands for."""
    score = unit * np.float64(dot_nibbles(prepared.graph.codes, row, prepared.scratch.query) - prepared.scratch.constant[0])
    return score - prepared.norms[row] if metric == EUCLIDEAN else score


@inlined_kernel
def least_score(prepared: Prepared, query: Floats, size: int, metric: int, length: float) -> float:
    """The lowest of the scores in full of the rows in the result, on the scale of `nibble_score`."""
    least = np.inf
    for i in range(size):
        prefetch(prepared.vectors, prepared.result.rows[i])
    for i in range(size):
        least = min(least, full_score(prepared, metric, prepared.result.rows[i], query))
    return (least + length * length) / 2 if metric == EUCLIDEAN else least


@inlined_kernel
def reached(at: Estimating, among: Rows, least: float) -> int:
    """Put those rows of `among` into at.chosen whose bounds are not below `least`; how many those are."""
    threshold = np.float32(least)
    count = 0
    for start in range(0, among.shape[0], ROWS_AT_ONCE):
        if at.highest[start // ROWS_AT_ONCE] >= threshold:
            for i in range(start, min(start + ROWS_AT_ONCE, among.shape[0])):
                if at.bounds[i] >= threshold:
                    at.chosen[count] = among[i]
                    count += 1
    return count


@inlined_kernel
def reached_by_nibbles(
    prepared: Prepared, chosen: Rows, count: int, metric: int, unit: float, width: float, least: float
) -> int:
    """Leave of chosen[:count] the live rows whose score in full may be `least` by their codes of 4 bits; how many those are."""
    ahead = min(count, AHEAD_4)
    for i in range(ahead):
        prefetch(prepared.graph.codes, chosen[i])
        prefetch(prepared.errors, chosen[i])
    kept = 0
    for i in range(count):
        row = chosen[i]
        if i + ahead < count:
            prefetch(prepared.graph.codes, chosen[i + ahead])
            prefetch(prepared.errors, chosen[i + ahead])
        if not prepared.alive[row]:
            continue
        if nibble_score(prepared, row, metric, unit) + width * np.float64(prepared.errors[row]) >= least:
            prefetch(prepared.vectors, row)
            chosen[kept] = row
            kept += 1
    return kept
