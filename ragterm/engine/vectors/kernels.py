"""The leaves of every search: products of codes, and the order in which a search keeps what it has met.

Each is written here as a plain loop, which is its definition. Where the processor has instructions for it, the form of the same name
in `intrinsics.py`, `sign_intrinsics.py` (AVX-512 VNNI), `avx2_intrinsics.py` or `instructions.py` (any) stands in once it is compiled.
Products of codes are integers, so all forms give the same bits, and with them the same graph and the same walk through it.

Codes (`codes.py`) are unsigned: a byte for each dimension, or a nibble, in blocks of 64 bytes that hold 128 dimensions: byte i
of a block has dimension i in its lower half and dimension 64 + i in its upper. Queries are signed bytes in plain order. Rows
and queries are padded to whole blocks, queries with zeros.

An entry is one int64: the distance in its upper 32 bits, then the node, and in the lowest bit whether the node was
expanded. Comparing two entries compares distances and settles ties by the smaller node.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors.execution import entry_kernel, inlined_kernel, interpreted_as, leaf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.uint8]
    Query = NDArray[np.int8]
    Floats = NDArray[np.float32]
    Entries = NDArray[np.int64]

BLOCK = 64
"""Bytes of codes that are read at once: a cache line, and a register of 512 bits."""
FURTHEST = 0x7FFFFFFFFFFFFFFF
"""Sorts behind every entry."""
ENTRIES_AT_ONCE = 8
"""Sorted arrays of entries have a length divisible by this."""
FACTOR, SPREAD, HALF_SQUARE = 0, 1, 2
"""The places of the numbers (float32) at the head of a row of codes of one bit (`signs.py`), and
SIGNS_FROM, the byte where its bits begin."""
SIGNS_FROM = 16
GROUP = 384
"""Components of a query that are added up together before their sums are widened."""
ROWS_AT_ONCE = 16


def _dot_bytes_numpy(codes: Codes, row: int, query: Query) -> int:
    return int(np.dot(codes[row].astype(np.int64), query[: codes.shape[1]].astype(np.int64)))


@interpreted_as(_dot_bytes_numpy)
def dot_bytes(codes: Codes, row: int, query: Query) -> int:
    """The sum of codes[row, i] query[i]: byte codes (n, width), a query (width,)."""
    total = np.int32(0)
    for i in range(codes.shape[1]):
        # The casts keep the accumulator at 32 bits, twice as many lanes as numba's default of 64.
        total = np.int32(total + np.int32(np.int32(codes[row, i]) * np.int32(query[i])))
    return int(total)


def _dot_rows_numpy(codes: Codes, a: int, b: int) -> int:
    return int(np.dot(codes[a].astype(np.int64), codes[b].astype(np.int64) - 128))


@interpreted_as(_dot_rows_numpy)
def dot_rows(codes: Codes, a: int, b: int) -> int:
    """The sum of codes[a, i] (codes[b, i] - 128): two rows of byte codes, the second as signed values."""
    total = np.int32(0)
    for i in range(codes.shape[1]):
        total = np.int32(total + np.int32(np.int32(codes[a, i]) * np.int32(np.int32(codes[b, i]) - np.int32(128))))
    return int(total)


def _dot_nibbles_numpy(codes: Codes, row: int, query: Query) -> int:
    blocks = codes[row].astype(np.int64).reshape(-1, 1, BLOCK)
    values = np.concatenate([blocks & 15, blocks >> 4], axis=1)
    return int(np.dot(values.reshape(-1), query[: 2 * codes.shape[1]].astype(np.int64)))


@interpreted_as(_dot_nibbles_numpy)
def dot_nibbles(codes: Codes, row: int, query: Query) -> int:
    """The sum over the dimensions of nibble times query: nibble codes (n, width), a query (2 width,)."""
    total = np.int32(0)
    for block in range(0, codes.shape[1], BLOCK):
        # Views that begin where the loop does: with a sum for an index it would run thirty times slower, one number at a time.
        part, low, high = codes[row, block : block + BLOCK], query[2 * block :], query[2 * block + BLOCK :]
        for i in range(BLOCK):
            code = np.int32(part[i])
            by_low = np.int32((code & np.int32(15)) * np.int32(low[i]))
            by_high = np.int32((code >> np.int32(4)) * np.int32(high[i]))
            total = np.int32(total + np.int32(by_low + by_high))
    return int(total)


def _dot_floats_numpy(vectors: Floats, row: int, query: Floats) -> float:
    return float(np.dot(vectors[row], query))


@interpreted_as(_dot_floats_numpy, reassociate=True)
def dot_floats(vectors: Floats, row: int, query: Floats) -> float:
    """The dot product of vectors[row] and the query, float32 throughout: its last bits depend on the order of summation."""
    total = np.float32(0.0)
    for i in range(vectors.shape[1]):
        total += vectors[row, i] * query[i]
    return float(total)


def _dot_doubles_numpy(vectors: Floats, row: int, query: Floats) -> float:
    return float(np.dot(vectors[row].astype(np.float64), query.astype(np.float64)))


@interpreted_as(_dot_doubles_numpy, reassociate=True)
def dot_doubles(vectors: Floats, row: int, query: Floats) -> float:
    """The same, summed in float64."""
    total = 0.0
    for i in range(vectors.shape[1]):
        total += np.float64(vectors[row, i]) * np.float64(query[i])
    return total


def _squared_distance_numpy(vectors: Floats, row: int, query: Floats) -> float:
    gap = vectors[row].astype(np.float64) - query.astype(np.float64)
    return float(np.dot(gap, gap))


@interpreted_as(_squared_distance_numpy, reassociate=True)
def squared_distance(vectors: Floats, row: int, query: Floats) -> float:
    """|vectors[row] - query|^2 in float64. From the differences: |x|^2 - 2 x.q + |q|^2 would lose what is far smaller than |x|^2."""
    total = 0.0
    for i in range(vectors.shape[1]):
        gap = np.float64(vectors[row, i]) - np.float64(query[i])
        total += gap * gap
    return total


def _sum_where_set_numpy(signs: Codes, row: int, query: Query) -> int:
    bits = np.unpackbits(signs[row, SIGNS_FROM : SIGNS_FROM + len(query) // 8], bitorder="little")
    return int(bits.astype(np.int64) @ query.astype(np.int64))


@interpreted_as(_sum_where_set_numpy)
def sum_where_set(signs: Codes, row: int, query: Query) -> int:
    """The sum of the components of `query` (whole groups,) whose bit is set in row `row` of codes of one bit."""
    total = np.int32(0)
    for i in range(query.shape[0]):
        bit = np.int32(signs[row, SIGNS_FROM + i // 8] >> np.uint8(i % 8)) & np.int32(1)
        total = np.int32(total + np.int32(bit * np.int32(query[i])))
    return int(total)


def _bound_rows_numpy(
    signs: Codes,
    values: Floats,
    among: Entries,
    start: int,
    after: int,
    query: Query,
    scale: np.float32,
    constant: np.float32,
    width: np.float32,
    bounds: Floats,
    place: int,
) -> np.float32:
    rows = among[start : start + ROWS_AT_ONCE]
    bits = np.unpackbits(signs[rows, SIGNS_FROM : SIGNS_FROM + len(query) // 8], axis=1, bitorder="little")
    totals = (bits.astype(np.int64) @ query.astype(np.int64)).astype(np.float32)
    estimates = values[rows, FACTOR] * (scale * totals - constant)
    bounds[place : place + ROWS_AT_ONCE] = estimates + width * values[rows, SPREAD] - values[rows, HALF_SQUARE]
    return np.float32(bounds[place : place + ROWS_AT_ONCE].max())


@interpreted_as(_bound_rows_numpy)
def bound_rows(
    signs: Codes,
    values: Floats,
    among: Entries,
    start: int,
    after: int,
    query: Query,
    scale: np.float32,
    constant: np.float32,
    width: np.float32,
    bounds: Floats,
    place: int,
) -> np.float32:
    """For the sixteen rows among[start], ... and each one's total, the sum of the query's components where its bit is set:

        bounds[place + i] = FACTOR (scale total - constant) + width SPREAD - HALF_SQUARE

    and the largest of them. The sixteen rows among[after], ... are fetched meanwhile. `values` are the bytes of `signs` (n, width) as
    float32; the components of `query` (whole groups,) are at most 127 / 6 in magnitude."""
    highest = np.float32(-np.inf)
    for other in range(ROWS_AT_ONCE):
        prefetch(signs, among[after + other])
        row = among[start + other]
        total = sum_where_set(signs, row, query)
        estimate = values[row, FACTOR] * (scale * np.float32(total) - constant)
        bounds[place + other] = estimate + width * values[row, SPREAD] - values[row, HALF_SQUARE]
        highest = max(highest, bounds[place + other])
    return highest


@leaf
def prefetch(rows: NDArray[Any], row: int) -> None:
    """Ask the processor to fetch a row of a matrix into its cache. A hint: no result depends on it."""


@leaf
def prefetch_object(slots: Entries, row: int) -> None:
    """The same for the object that row `row` of an array of objects refers to; `slots` are the references as numbers."""


@leaf
def insert_sorted(entries: Entries, length: int, entry: int) -> int:
    """Put `entry` into the ascending entries[:length] (a multiple of 8), where the last drops out; its place is returned."""
    place = length - 1
    while place > 0 and entries[place - 1] > entry:
        entries[place] = entries[place - 1]
        place -= 1
    if entries[place] > entry:
        entries[place] = entry
        return place
    return length


@inlined_kernel
def insert_from_end(entries: Entries, count: int, entry: int) -> None:
    """Put `entry` into the ascending entries[:count], which it makes longer by one: quick where it belongs near the end."""
    place = count
    while place > 0 and entries[place - 1] > entry:
        entries[place] = entries[place - 1]
        place -= 1
    entries[place] = entry


@inlined_kernel
def pack(distance: int, node: int) -> int:
    """The entry of `node` at `distance` (within 32 bits, signed), not expanded."""
    return (int(distance) << 32) | (int(node) << 1)


@inlined_kernel
def entry_distance(entry: int) -> int:
    return int(entry) >> 32


@inlined_kernel
def entry_node(entry: int) -> int:
    return (int(entry) >> 1) & 0x7FFFFFFF


@inlined_kernel
def is_expanded(entry: int) -> bool:
    return (int(entry) & 1) != 0


@entry_kernel
def whole_blocks(count: int) -> int:
    """`count` rounded up to what `insert_sorted` works on."""
    return (count + ENTRIES_AT_ONCE - 1) // ENTRIES_AT_ONCE * ENTRIES_AT_ONCE


def unlocked(array: NDArray[Any]) -> NDArray[Any]:
    """`array` (contiguous), where it is read-only the same memory as an array that is not: numba would compile every kernel anew for
    arrays of which it knows that. No kernel writes to what it is handed this way. The caller keeps `array` alive."""
    if array.flags.writeable or not array.size:
        return array if array.flags.writeable else array.copy()
    raw = (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
    alias: NDArray[Any] = np.ctypeslib.as_array(raw).view(array.dtype).reshape(array.shape)
    return alias


def aligned(shape: tuple[int, ...] | int, dtype: type[Any], fill: int | None = None) -> NDArray[Any]:
    """A C-contiguous array whose first byte lies at a multiple of 64, so that a block of codes never straddles two cache lines."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + BLOCK, dtype=np.uint8)
    start = -raw.ctypes.data % BLOCK
    array: NDArray[Any] = raw[start : start + size].view(dtype).reshape(shape)
    if fill is not None:
        array.fill(fill)
    return array
