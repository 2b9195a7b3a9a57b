"""Product quantisation: a vector in as many bytes as it has parts (Jégou, Douze and Schmid 2011, "Product quantization for nearest
neighbor search").

A vector of d dimensions is cut into m parts of d / m, and each part is replaced by the number of the nearest of 256 centroids
(8 bits) or 16 (4 bits) that k-means found for that part. All of them together stand for 256^m different vectors, yet only m x 256
short centroids are kept. A vector of 384 float32 components, 1,536 bytes, becomes 48 bytes at m = 48 and 8 bits; the centroids take
1 KB for each dimension, once.

A query is not quantised (asymmetric distance, section III-A): the product of the query with a coded vector is the sum over the parts
of products that a table of m x 256 numbers holds, made once a query. A scan of codes is m look-ups a row.

The table holds whole numbers of 14 bits on one scale: what they round off, 1 / 16382 of the largest, is nothing beside what codes
lose. Sums of integers are the same in any order, so the plain loop, its numpy stand-in and the compiled form give the same bits;
and a table of 256 numbers of 16 bits fits the registers of AVX-512, which then look up 32 rows at once (`intrinsics.py`).

Codes lie in pages of 32 rows, part by part: page (m, 32), the bytes of one part side by side. At 4 bits a byte
has an even part in its lower half and the next part in its upper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.execution import interpreted_as
from ragterm.engine.vectors.kmeans import POINTS_PER_CENTROID, k_means, nearest_centroids, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Codes = NDArray[np.uint8]
    Table = NDArray[np.int16]
    Totals = NDArray[np.int32]

PAGE_ROWS = 32
"""Rows of a page: as many numbers of 16 bits as a register holds."""
TABLE_LIMIT = 8191
"""The largest number in a table: four of them add up within 16 bits."""


@dataclass(frozen=True)
class PqParameters:
    """`subspaces`: the parts m of a vector; `bits` of the code of each, 8 or 4. A row has subspaces x bits / 8 bytes."""

    subspaces: int = 48
    bits: int = 8

    def check(self, dimensions: int) -> None:
        """Raises UsageError for what cannot be."""
        if self.bits not in (4, 8):
            raise UsageError(f"Codes of {self.bits} bits", "", "choose 4 or 8")
        if self.subspaces < 1 or dimensions % self.subspaces:
            raise UsageError(
                f"{dimensions} dimensions cannot be cut into {self.subspaces} equal parts",
                "",
                f"choose a number of subspaces that divides {dimensions}",
            )
        if self.bits == 4 and self.subspaces % 2:
            raise UsageError(f"{self.subspaces} subspaces of 4 bits do not fill bytes", "", "choose an even number")

    @property
    def row_bytes(self) -> int:
        return self.subspaces * self.bits // 8


@dataclass(frozen=True)
class ProductQuantiser:
    """`parts` float32 (m, d / m, centroids): for each part the components of its centroids, those of one component side by side."""

    parts: Floats
    bits: int

    @property
    def subspaces(self) -> int:
        return int(self.parts.shape[0])

    @property
    def dimensions(self) -> int:
        return int(self.parts.shape[0] * self.parts.shape[1])

    def encode(self, vectors: Floats) -> Codes:
        """The number of the nearest centroid of each part (section II-B), uint8 (n, m), one to a byte, of vectors float32 (n, d)."""
        codes = np.empty((len(vectors), self.subspaces), dtype=np.uint8)
        for s, part in enumerate(np.split(vectors, self.subspaces, axis=1)):
            codes[:, s] = nearest_centroids(np.ascontiguousarray(part), self.parts[s].T)[0]
        return codes

    def decode(self, codes: Codes) -> Floats:
        """What codes uint8 (n, m) of `encode` stand for, float32 (n, d)."""
        meant = [self.parts[s].T[codes[:, s]] for s in range(self.subspaces)]
        return np.concatenate(meant, axis=1)


def train_quantiser(
    vectors: Floats, parameters: PqParameters, seed: int, each: Callable[[], None] | None = None
) -> ProductQuantiser:
    """k-means for every part (section II-B) of vectors float32 (n, d), n at least 1, on a sample of 256 for each centroid. Fewer
    vectors than centroids are coded without loss. `each` is called again and again, and may raise to stop. Raises UsageError."""
    parameters.check(vectors.shape[1])
    centroids = 1 << parameters.bits
    vectors = sample(vectors, centroids * POINTS_PER_CENTROID, np.random.default_rng(seed))
    parts = [
        k_means(np.ascontiguousarray(part), centroids, seed + s, each=each).T
        for s, part in enumerate(np.split(vectors, parameters.subspaces, axis=1))
    ]
    return ProductQuantiser(np.ascontiguousarray(parts), parameters.bits)


def as_kept(codes: Codes, bits: int) -> Codes:
    """Codes (n, m), one to a byte, as a page keeps them: at 4 bits two to a byte, uint8 (n, m / 2)."""
    if bits == 8:
        return codes
    halves: Codes = codes[:, ::2] | (codes[:, 1::2] << np.uint8(4))
    return halves


def as_coded(kept: Codes, bits: int) -> Codes:
    """The inverse of `as_kept`."""
    if bits == 8:
        return kept
    codes = np.empty((len(kept), 2 * kept.shape[1]), dtype=np.uint8)
    codes[:, ::2], codes[:, 1::2] = kept & 15, kept >> 4
    return codes


# -- kernels ----------------------------------------------------------------------------------------------------------


def _products_numpy(parts: Floats, query: Floats, sums: Floats) -> None:
    sums.fill(0)
    for j in range(parts.shape[1]):
        sums += query[j :: parts.shape[1], np.newaxis] * parts[:, j]


@interpreted_as(_products_numpy)
def products(parts: Floats, query: Floats, sums: Floats) -> None:
    """sums[s, c] = the dot product of part s of the query (d,) and its centroid c: parts (m, d / m, centroids). The components
    are added in their order, so every execution gives the same bits."""
    width = parts.shape[1]
    for s in range(parts.shape[0]):
        for c in range(parts.shape[2]):
            sums[s, c] = 0
        for j in range(width):
            component = query[s * width + j]
            for c in range(parts.shape[2]):
                sums[s, c] += component * parts[s, j, c]


def _largest_in_numpy(sums: Floats, peaks: Floats) -> float:
    return float(np.abs(sums).max())


@interpreted_as(_largest_in_numpy)
def largest_in(sums: Floats, peaks: Floats) -> float:
    """The largest magnitude in sums (m, centroids), finite. `peaks` (centroids,) is room: a maximum of columns is taken for several at
    once, one of all numbers only one by one."""
    for c in range(sums.shape[1]):
        peaks[c] = 0
    for s in range(sums.shape[0]):
        for c in range(sums.shape[1]):
            magnitude = abs(sums[s, c])
            peaks[c] = magnitude if magnitude > peaks[c] else peaks[c]
    largest = np.float32(0)
    for c in range(sums.shape[1]):
        largest = max(largest, peaks[c])
    return float(largest)


def _whole_table_numpy(sums: Floats, unit: float, table: Table) -> None:
    table[:] = np.rint(sums * np.float32(1.0 / unit))


@interpreted_as(_whole_table_numpy)
def whole_table(sums: Floats, unit: float, table: Table) -> None:
    """`sums` in whole numbers of `unit`."""
    scale = np.float32(1.0 / unit)
    for s in range(sums.shape[0]):
        for c in range(sums.shape[1]):
            table[s, c] = np.int16(np.rint(sums[s, c] * scale))


def _sum_page_numpy(codes: Codes, page: int, table: Table, totals: Totals) -> int:
    totals[:] = table[np.arange(len(table))[:, np.newaxis], codes[page]].sum(axis=0)
    return int(totals.max())


@interpreted_as(_sum_page_numpy)
def sum_page(codes: Codes, page: int, table: Table, totals: Totals) -> int:
    """Equation 13: totals[r] = the sum over the parts of table[s, code of row r], for the 32 rows of a page, and the largest of them:
    codes of 8 bits (pages, m, 32), table (m, 256)."""
    largest = -0x80000000
    for row in range(codes.shape[2]):
        total = np.int32(0)
        for s in range(codes.shape[1]):
            total = np.int32(total + table[s, codes[page, s, row]])
        totals[row] = total
        largest = max(largest, int(total))
    return largest


def _sum_page_of_halves_numpy(codes: Codes, page: int, table: Table, totals: Totals) -> int:
    even = np.arange(0, len(table), 2)[:, np.newaxis]
    totals[:] = (table[even, codes[page] & 15] + table[even + 1, codes[page] >> 4]).sum(axis=0)
    return int(totals.max())


@interpreted_as(_sum_page_of_halves_numpy)
def sum_page_of_halves(codes: Codes, page: int, table: Table, totals: Totals) -> int:
    """The same of codes of 4 bits, (pages, m / 2, 32), table (m, 16)."""
    largest = -0x80000000
    for row in range(codes.shape[2]):
        total = np.int32(0)
        for s in range(codes.shape[1]):
            code = codes[page, s, row]
            total = np.int32(total + table[2 * s, code & 15])
            total = np.int32(total + table[2 * s + 1, code >> 4])
        totals[row] = total
        largest = max(largest, int(total))
    return largest
