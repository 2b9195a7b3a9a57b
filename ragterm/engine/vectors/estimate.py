"""A scan that looks at one cache line a row: for filters that leave thousands of rows.

The codes of one bit of `signs.py` give each row an estimate of its score and a bound on its error that holds with a known probability.
From there it goes as in `scan.py`, with that bound in place of Cauchy's and Schwarz's:

- Of the rows with the highest bounds, some `k`, the scores in full say what score T at least k rows reach.
- A row whose bound lies below T is passed over: as often as the bound fails, wrongly. That is section 3.3 of the paper of RaBitQ:
  how many rows are scored again is not a parameter, it follows from the bound.
- The others are scored by their codes of 4 bits, which are off by a seventh as much, and in full if they may be better than the worst
  of those k. These two scores are compared with one another, not with T: what the errors of 4 bits have in common, as where all vectors
  lie to one side of the origin, cancels, and what remains is taken to have no direction, as after a rotation.

So the rows that it returns have the right scores, and the recall is what the bounds' confidence makes it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ragterm.engine.vectors.codes import UPPER_ZERO
from ragterm.engine.vectors.execution import Box, entry_kernel, inlined_kernel
from ragterm.engine.vectors.kernels import ROWS_AT_ONCE, bound_rows, dot_nibbles, prefetch, prefetch_object
from ragterm.engine.vectors.scan import full_score
from ragterm.engine.vectors.search import (
    EUCLIDEAN,
    Prepared,
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

CONFIDENCE = 2.0
"""How many standard deviations an estimate is allowed to lie too low: of rows with a score of exactly T one in fifty lies lower, and
most of the nearest lie above T (the paper's epsilon_0 is 1.9). The difference
of two scores by codes of 4 bits is allowed to be `CONFIDENCE_4` times the deviation of one."""
CONFIDENCE_4 = 3.0
MOST_WANTED = 100
"""The rows with the highest bounds are kept in order, one by one: for a larger k the exact scan is as quick."""
AHEAD = 32
"""How many rows before its turn a row is fetched; AHEAD_4, where it takes several lines."""
AHEAD_4 = 16


def first_ones(k: int, rows: int, live: int) -> int:
    """How many of the rows with the highest bounds are scored for T, so that about as many as are needed live: of so many, the k best
    are about the k best of all."""
    return -(-(k + k // 2 + 5) * rows // max(1, live))


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
    top: Floats  # room for the highest of those


def made_estimating(prepared: Prepared, signs: NDArray[np.uint8], flips: Floats, room: int) -> Estimating:
    """What scans of `prepared` need that look at up to `room` rows first."""
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
        top=np.empty(room, dtype=np.float32),
    )


@inlined_kernel
def bound_all(at: Estimating, among: Rows, scale: Any, constant: Any, width: Any) -> None:
    """Put the bounds of the rows `among` (m,) into at.bounds, and the highest of each sixteen into at.highest."""
    count = among.shape[0]
    whole = count - count % ROWS_AT_ONCE
    if whole < count:
        for i in range(ROWS_AT_ONCE):
            at.last[i] = among[min(whole + i, count - 1)]
    for part in range(2):
        rows, first, end = (among, 0, whole) if part == 0 else (at.last, whole, count)
        for place in range(first, end, ROWS_AT_ONCE):
            after = max(0, min(place - first + AHEAD, end - first - ROWS_AT_ONCE))
            at.highest[place // ROWS_AT_ONCE] = bound_rows(
                at.signs, at.values, rows, place - first, after, at.query, scale, constant, width, at.bounds, place
            )


@inlined_kernel
def reached_by_some(at: Estimating, count: int, wanted: int) -> float:
    """A bound that at least `wanted` of `count` rows reach, where there are so many sixteens, and few more do: the lowest of the
    `wanted` highest of those that are the highest of a sixteen."""
    size = 0
    for i in range(-(-count // ROWS_AT_ONCE)):
        value = at.highest[i]
        if size == wanted and not value > at.top[size - 1]:
            continue
        size = min(size + 1, wanted)
        place = size - 1
        while place > 0 and at.top[place - 1] < value:
            at.top[place] = at.top[place - 1]
            place -= 1
        at.top[place] = value
    return float(at.top[size - 1])


@inlined_kernel
def reached(at: Estimating, among: Rows, least: float) -> int:
    """Put those rows of `among` into at.chosen whose bounds are not below `least`; how many those are."""
    threshold = np.float32(least)
    count = 0
    for start in range(0, among.shape[0], ROWS_AT_ONCE):
        if at.highest[start // ROWS_AT_ONCE] >= threshold:
            for i in range(start, min(start + ROWS_AT_ONCE, among.shape[0])):
                at.chosen[count] = among[i]
                count += 1 if at.bounds[i] >= threshold else 0
    return count


@entry_kernel
def scan_estimates(box: Box, query: Floats, among: Rows, k: int, wanted: int, metric: int, step: float) -> int:
    """The `k` best of the live rows `among` (m,), distinct, as far as the bounds hold, in the result; how many there are, or NOT_FINITE
    or OUT_OF_RANGE. `wanted`: how many of those with the highest bounds are scored first. `step`: what one unit of a row's upper
    plane stands for."""
    at = box.value
    prepared, chosen, scratch, result = at.prepared, at.chosen, at.prepared.scratch, at.prepared.result
    length = length_of(query)
    if refused(length) < 0:
        return refused(length)
    rotate(query, at.flips, at.rotated, at.room)
    unit, total = quantise_rotated(at.rotated, at.query)
    size = at.rotated.shape[0]
    # s.q' is twice the sum where the bit is set less the sum of all; rounding q adds errors of a deviation of unit / sqrt(12) each.
    rounding = CONFIDENCE * unit * math.sqrt(size / 12.0)
    scale, constant = np.float32(2.0 * unit), np.float32(unit * total - rounding)
    bound_all(at, among, scale, constant, np.float32(CONFIDENCE * length))

    unit = step * quantise_query(query, scratch, UPPER_ZERO, 0.0)
    lowest = reached_by_some(at, among.shape[0], wanted)
    count = reached(at, among, lowest)
    least, least_by_nibbles = scores_of_some(prepared, query, chosen, count, k, metric, unit, length)
    count = reached(at, among, min(least, lowest))
    width = CONFIDENCE_4 * length / math.sqrt(query.shape[0])
    count = reached_by_nibbles(prepared, chosen, count, metric, unit, width, least_by_nibbles)
    size = 0
    for i in range(count):
        size = insert_result(result, size, k, chosen[i], full_score(prepared, metric, chosen[i], query))
    for i in range(size):
        if result.rows[i] < prepared.names.shape[0]:
            prefetch_object(prepared.names, result.rows[i])
    finish(result, size, metric, length)
    return size


@inlined_kernel
def nibble_score(prepared: Prepared, row: int, metric: int, unit: float) -> float:
    """What orders the rows, by codes of 4 bits: x.q, for Euclidean x.q - |x|^2 / 2. `unit`: what one unit of a product stands for."""
    score = unit * np.float64(
        dot_nibbles(prepared.graph.codes, row, prepared.scratch.query) - prepared.scratch.constant[0]
    )
    return score - prepared.norms[row] if metric == EUCLIDEAN else score


@inlined_kernel
def scores_of_some(
    prepared: Prepared, query: Floats, chosen: Rows, count: int, k: int, metric: int, unit: float, length: float
) -> tuple[float, float]:
    """A score that `k` live rows reach, and one by codes of 4 bits that the same rows reach: of the `k` best of chosen[:count] by those
    codes the lowest in full, on the scale of `nibble_score`, and the lowest. -inf where fewer live."""
    result = prepared.result
    for i in range(count):
        prefetch(prepared.graph.codes, chosen[i])
    size = 0
    for i in range(count):
        if prepared.alive[chosen[i]]:
            size = insert_result(result, size, k, chosen[i], nibble_score(prepared, chosen[i], metric, unit))
    if size < k:
        return -np.inf, -np.inf
    least = np.inf
    for i in range(k):
        prefetch(prepared.vectors, result.rows[i])
    for i in range(k):
        least = min(least, full_score(prepared, metric, result.rows[i], query))
    return (least + length * length) / 2 if metric == EUCLIDEAN else least, result.scores[k - 1]


@inlined_kernel
def reached_by_nibbles(
    prepared: Prepared, chosen: Rows, count: int, metric: int, unit: float, width: float, least: float
) -> int:
    """Leave of chosen[:count] the live rows that may be better than one with the score `least` by codes of 4 bits; how many those
    are."""
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
        if nibble_score(prepared, row, metric, unit) + width * np.float64(prepared.errors[row, 0]) >= least:
            prefetch(prepared.vectors, row)
            chosen[kept] = row
            kept += 1
    return kept
