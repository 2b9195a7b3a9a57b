"""One query over inverted lists: which lists to look into, what is near in them, and the scores that are reported.

Everything between the query's arrival and the k rows is one compiled function. Inside it a score is a product, or for Euclidean
-|x - q|^2 / 2, so that higher is better and PQ's sums are the same for both:

    x.q             =  a c.q           +  r.q              x: a row, c: the centroid of its list, r = x - a c: what PQ codes
    -|x - q|^2 / 2  =  -|c - q|^2 / 2  +  r.q  -  bias     bias = |r|^2 / 2 + c.r, known when the row is added; a = 1

a is the anchor: 1, but for cosine, where c has length 1 and a c is the mean of the list.

Behind a filter, or among tombstones, rows that are not allowed are passed over where they lie; pages without any that is are not
looked at. How many rows there were and how many passed is counted: whoever asks can tell whether the filter follows the vectors.

The table of r.q serves all lists: the bias, 4 bytes a row, stands for the table for each list that equation 13 would need.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragterm.engine.vectors.execution import Box, entry_kernel, inlined_kernel, interpreted_as, kernel, summing_kernel
from ragterm.engine.vectors.inverted_lists import Lists
from ragterm.engine.vectors.kernels import (
    FURTHEST,
    dot_doubles,
    dot_floats,
    entry_distance,
    entry_node,
    insert_sorted,
    pack,
    prefetch,
    whole_blocks,
)
from ragterm.engine.vectors.pq import (
    PAGE_ROWS,
    TABLE_LIMIT,
    largest_in,
    products,
    sum_page,
    sum_page_of_halves,
    whole_table,
)
from ragterm.engine.vectors.search import COSINE, EUCLIDEAN, Result, insert_result, length_of, new_result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MARGIN = 6
"""How many rows more than k IVF-Flat scores in float64: float32 may confuse the order of equals."""
DISTANCE_LIMIT = float(1 << 30)
"""What the largest distance becomes at most, in whole numbers."""


class Prepared(NamedTuple):
    """All that a search needs beside the query, one for each thread."""

    lists: Lists
    centroids: Floats  # (1, d, lists): of the lists, the values of one component side by side
    anchors: Floats  # (lists,)
    parts: Floats  # (m, d / m, centroids) of PQ
    originals: Floats  # (n, d) float32 rows to score again, or (0, d)
    allowed: NDArray[np.bool_]  # (n,) the rows that may be found, or (0,) for all
    seen: NDArray[np.int64]  # (2,) rows in the lists looked into, and those of them that are allowed
    largest_bias: float
    nearness: Floats  # (1, lists) how near the query is to each centroid
    probed: Result  # (nprobe,) the lists looked into
    sums: Floats  # (m, centroids) products of the query
    peaks: Floats  # (centroids,)
    table: NDArray[np.int16]  # the same in whole numbers
    totals: NDArray[np.int32]  # (32,) of a page
    entries: NDArray[np.int64]  # (kept,) the nearest slots by codes
    nearest: Result  # (kept,) the nearest slots of IVF-Flat
    result: Result  # (k,)


def prepared_for(
    lists: Lists,
    centroids: Floats,
    anchors: Floats,
    parts: Floats,
    originals: Floats,
    allowed: NDArray[np.bool_],
    largest_bias: float,
    nprobe: int,
    kept: int,
    k: int,
) -> Prepared:
    """With room for so much. `kept`: candidates by code."""
    return Prepared(
        lists=lists,
        centroids=centroids,
        anchors=anchors,
        parts=parts,
        originals=originals,
        allowed=allowed,
        seen=np.zeros(2, dtype=np.int64),
        largest_bias=largest_bias,
        nearness=np.empty((1, centroids.shape[2]), dtype=np.float32),
        probed=new_result(nprobe),
        sums=np.empty((parts.shape[0], parts.shape[2]), dtype=np.float32),
        peaks=np.empty(parts.shape[2], dtype=np.float32),
        table=np.empty((parts.shape[0], parts.shape[2]), dtype=np.int16),
        totals=np.empty(PAGE_ROWS, dtype=np.int32),
        entries=np.empty(whole_blocks(kept), dtype=np.int64),
        nearest=new_result(k + MARGIN),
        result=new_result(k),
    )


def _squares_numpy(centroids: Floats, query: Floats, nearness: Floats) -> None:
    nearness.fill(0)
    for j in range(centroids.shape[1]):
        gap = query[j] - centroids[0, j]
        nearness[0] -= gap * gap
    nearness *= np.float32(0.5)


@interpreted_as(_squares_numpy)
def squares(centroids: Floats, query: Floats, nearness: Floats) -> None:
    """nearness[0, l] = -|c_l - q|^2 / 2: centroids (1, d, lists). In the order of the components, as `products`."""
    for c in range(centroids.shape[2]):
        nearness[0, c] = 0
    for j in range(centroids.shape[1]):
        component = query[j]
        for c in range(centroids.shape[2]):
            gap = component - centroids[0, j, c]
            nearness[0, c] -= gap * gap
    for c in range(centroids.shape[2]):
        nearness[0, c] *= np.float32(0.5)


@kernel
def choose_lists(prepared: Prepared, query: Floats, nprobe: int, metric: int) -> int:
    """Section IV-C, step 1: the `nprobe` lists whose centroids are nearest to the query (d,), in prepared.probed, nearest first; how
    many. All lists come in their own order."""
    if metric == EUCLIDEAN:
        squares(prepared.centroids, query, prepared.nearness)
    else:
        products(prepared.centroids, query, prepared.nearness)
    size = 0
    probed = prepared.probed
    every = nprobe >= prepared.nearness.shape[1]  # their order costs more than it saves
    for number in range(prepared.nearness.shape[1]):
        near = np.float64(prepared.nearness[0, number])
        if every:
            probed.rows[number] = number
            probed.scores[number] = near
            size += 1
        elif size < nprobe or near > probed.scores[size - 1]:
            size = insert_result(probed, size, nprobe, number, near)
    return size


def _half_square_numpy(vectors: Floats, row: int, query: Floats) -> float:
    gap = vectors[row] - query
    return -float(np.dot(gap, gap)) / 2


@interpreted_as(_half_square_numpy, reassociate=True)
def half_square(vectors: Floats, row: int, query: Floats) -> float:
    """-|x - q|^2 / 2 of a row, in float32."""
    total = np.float32(0.0)
    for i in range(vectors.shape[1]):
        gap = vectors[row, i] - query[i]
        total += gap * gap
    return -float(total) / 2.0


@summing_kernel
def distance_of(vectors: Floats, row: int, query: Floats) -> float:
    """|x - q|, summed in float64."""
    total = 0.0
    for i in range(vectors.shape[1]):
        gap = np.float64(vectors[row, i]) - np.float64(query[i])
        total += gap * gap
    return math.sqrt(total)


@inlined_kernel
def full_score(vectors: Floats, row: int, query: Floats, length: float, metric: int) -> float:
    """What is reported of a float32 row, in float64. `length` is the query's."""
    if metric == EUCLIDEAN:
        return -distance_of(vectors, row, query)
    score = dot_doubles(vectors, row, query)
    if metric == COSINE:
        lengths = length * length_of(vectors[row])
        score = score / lengths if lengths > 0.0 else 0.0
    return score


@entry_kernel
def search_flat(box: Box, query: Floats, k: int, nprobe: int, metric: int) -> int:
    """IVF-Flat: the `k` rows nearest to `query` (d,) in the `nprobe` nearest lists, in prepared.result; how many, -1 for a query
    that is not finite."""
    prepared = box.value
    lists, nearest, result = prepared.lists, prepared.nearest, prepared.result
    length = length_of(query)
    if not length < np.inf:
        return -1
    kept = size = looked = passed = 0
    filtered = prepared.allowed.shape[0] > 0
    for i in range(choose_lists(prepared, query, nprobe, metric)):
        number = prepared.probed.rows[i]
        page = lists.firsts[number]
        left = lists.counts[number]
        while left > 0:
            for slot in range(page * PAGE_ROWS, page * PAGE_ROWS + min(left, PAGE_ROWS)):
                if lists.rows[slot] < 0:
                    continue
                looked += 1
                if filtered and not prepared.allowed[lists.rows[slot]]:
                    continue
                passed += 1
                if metric == EUCLIDEAN:
                    score = np.float64(half_square(lists.vectors, slot, query))
                else:
                    score = np.float64(dot_floats(lists.vectors, slot, query))
                if kept < k + MARGIN or score > nearest.scores[kept - 1]:
                    kept = insert_result(nearest, kept, k + MARGIN, slot, score)
            left -= PAGE_ROWS
            page = lists.nexts[page]
    for i in range(kept):
        slot = nearest.rows[i]
        exact = full_score(lists.vectors, slot, query, length, metric)
        size = insert_result(result, size, k, lists.rows[slot], exact)
    prepared.seen[0] = looked
    prepared.seen[1] = passed
    return size


@entry_kernel
def scan_rows(box: Box, query: Floats, rows: NDArray[np.int64], k: int, metric: int) -> int:
    """Without lists: the `k` of `rows`, ascending, whose original vectors are nearest to `query` (d,), in prepared.result; how many, -1
    for a query that is not finite."""
    prepared = box.value
    result = prepared.result
    length = length_of(query)
    if not length < np.inf:
        return -1
    size = 0
    for i in range(rows.shape[0]):
        score = full_score(prepared.originals, rows[i], query, length, metric)
        if size < k or score > result.scores[size - 1]:
            size = insert_result(result, size, k, rows[i], score)
    return size


@inlined_kernel
def less_biases(totals: NDArray[np.int32], biases: Floats, first: int, unit: float) -> int:
    """Take the biases of the slots from `first` on away from the totals of a page; the largest of what is left."""
    scale = np.float32(1.0 / unit)
    largest = np.int32(-0x80000000)
    for place in range(PAGE_ROWS):
        totals[place] -= np.int32(np.rint(biases[first + place] * scale))
        largest = max(largest, totals[place])
    return int(largest)


@inlined_kernel
def allowed_in(rows: NDArray[np.int32], allowed: NDArray[np.bool_], first: int, count: int) -> int:
    """How many of the `count` slots from `first` on hold a row that is allowed."""
    passed = 0
    for slot in range(first, first + count):
        if rows[slot] >= 0 and allowed[rows[slot]]:
            passed += 1
    return passed


@kernel
def scan_codes(prepared: Prepared, query: Floats, nprobe: int, length: int, metric: int) -> float:
    """Section IV-C, steps 2 to 4: put the nearest slots by codes into prepared.entries[:length], a multiple of 8; what one unit of
    their distances stands for."""
    lists, entries = prepared.lists, prepared.entries
    looked_into = choose_lists(prepared, query, nprobe, metric)
    products(prepared.parts, query, prepared.sums)
    largest = largest_in(prepared.sums, prepared.peaks)
    far = prepared.parts.shape[0] * largest + prepared.largest_bias
    for i in range(looked_into):
        far = max(far, abs(prepared.probed.scores[i]))
    unit: float = max(largest / TABLE_LIMIT, 2 * far / DISTANCE_LIMIT)
    if unit == 0.0:
        unit = 1.0
    whole_table(prepared.sums, unit, prepared.table)

    for i in range(length):
        entries[i] = FURTHEST
    furthest = entry_distance(FURTHEST)
    halves = prepared.table.shape[1] == 16
    biased = lists.biases.shape[0] > 0
    filtered = prepared.allowed.shape[0] > 0
    looked = passed = 0
    for i in range(looked_into):
        number = prepared.probed.rows[i]
        start = -int(np.rint(prepared.anchors[number] * prepared.probed.scores[i] / unit))
        page = lists.firsts[number]
        left = lists.counts[number]
        while left > 0:
            held = min(left, PAGE_ROWS)
            left -= PAGE_ROWS
            looked += held
            first = page * PAGE_ROWS
            here = page
            page = lists.nexts[page]
            allowed_here = allowed_in(lists.rows, prepared.allowed, first, held) if filtered else held
            passed += allowed_here
            if allowed_here == 0:
                continue
            if halves:
                largest_total = sum_page_of_halves(lists.codes, here, prepared.table, prepared.totals)
            else:
                largest_total = sum_page(lists.codes, here, prepared.table, prepared.totals)
            if biased:
                largest_total = less_biases(prepared.totals, lists.biases, first, unit)
            if start - largest_total < furthest:  # most pages hold nothing near
                for place in range(held):
                    distance = start - int(prepared.totals[place])
                    if distance < furthest:
                        slot = first + place
                        row = lists.rows[slot]
                        if row >= 0 and (not filtered or prepared.allowed[row]):
                            insert_sorted(entries, length, pack(distance, slot))
                            furthest = entry_distance(entries[length - 1])
    prepared.seen[0] = looked
    prepared.seen[1] = passed
    return unit


@entry_kernel
def search_codes(box: Box, query: Floats, k: int, nprobe: int, rescored: int, metric: int) -> int:
    """IVF-PQ: the `k` rows nearest to `query` (d,) by codes in the `nprobe` nearest lists, or the `k` nearest by their original vectors
    among the `rescored` nearest by codes; in prepared.result; how many, -1 for a query that is not finite."""
    prepared = box.value
    lists, entries, result = prepared.lists, prepared.entries, prepared.result
    length = length_of(query)
    if not length < np.inf:
        return -1
    kept = max(k, rescored)
    unit = scan_codes(prepared, query, nprobe, whole_blocks(kept), metric)
    size = 0
    if rescored > 0:
        for i in range(kept):
            if entries[i] != FURTHEST:
                prefetch(prepared.originals, lists.rows[entry_node(entries[i])])
    for i in range(kept):
        if entries[i] == FURTHEST:
            break
        row = lists.rows[entry_node(entries[i])]
        if rescored > 0:
            score = full_score(prepared.originals, row, query, length, metric)
        else:
            score = -entry_distance(entries[i]) * unit
            if metric == EUCLIDEAN:
                score = -math.sqrt(max(0.0, -2.0 * score))
            elif metric == COSINE and length > 0.0:
                score /= length
        size = insert_result(result, size, k, row, score)
    return size
