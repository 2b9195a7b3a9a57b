"""Scalar quantisation: float32 components become 4 or 8 bits, on one scale for all vectors.

    8 bits: code = round(127 x / limit) + 128     stands for (code - 128) limit / 127
    4 bits: code = floor(8 x / limit) + 8         stands for (code - 7.5) limit / 8       both cut off at the ends

The scale being the same for every vector, the order of the products of codes is the order of the products of what the codes
stand for: nothing but integers is needed to compare two rows. Half a step's error in each component is small against the
product of hundreds: on real embeddings of 384 dimensions the true ten nearest are among the twenty nearest by 4 bits.

A code of 8 bits can be kept as two planes of 4, the upper halves and the lower, each packed as codes of 4 bits are. The upper plane
alone is a code of 4 bits, a little coarser than the best; both together are the code of 8: 16 upper + lower.

`limit` weighs the error of the many within it against that of the few cut off: for components like a normal distribution's,
2.7 standard deviations are best for 4 bits (Max 1960, "Quantizing for minimum distortion", table II: 2.68), 4.2 for 8.

A query is quantised apart, to signed bytes on its own scale: it has 8 bits in either case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragterm.engine.vectors.kernels import BLOCK, aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Codes = NDArray[np.uint8]

DEVIATIONS = {4: 2.7, 8: 4.2}
UP = 1 + 1e-6
"""Rounds a float32 length up by more than its arithmetic can be off."""
SAMPLE_ROWS = 20_000
"""The deviation of more than this many rows is taken from evenly spaced ones."""
ZERO = {4: 7.5, 8: 128.0}
"""The code that zero would have."""
UPPER_ZERO = (128 - 7.5) / 16
"""The same for an upper plane: the middle of the 16 bytes that share an upper half lies 7.5 above the first of them."""
_CHUNK_ROWS = 4096
_SMALLEST, _LARGEST = 1e-30, 1e30


def code_limit(vectors: Floats, bits: int) -> float:
    """The magnitude at which components of float32 vectors (n, d) are cut off; within what float32 can divide by and multiply with.
    1.0 for no vectors, or only zeros."""
    step = max(1, -(-len(vectors) // SAMPLE_ROWS))
    sample = vectors[::step].astype(np.float64)
    deviation = float(np.sqrt(np.mean(sample * sample))) if sample.size else 0.0
    return min(max(deviation * DEVIATIONS[bits], _SMALLEST), _LARGEST) if deviation > 0 else 1.0


def row_width(dimensions: int, bits: int) -> int:
    """Bytes of a row of codes: whole blocks, of 64 dimensions a block at 8 bits, of 128 at 4."""
    return -(-dimensions * bits // (8 * BLOCK)) * BLOCK


def quantise(vectors: Floats, limit: float, bits: int) -> Codes:
    """Codes of float32 vectors (n, d), uint8 (n, row_width); what pads a row stands for zero, as far as a code can."""
    width = row_width(vectors.shape[1], bits)
    codes = aligned((len(vectors), width), np.uint8)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        values = levels_of(vectors[part], limit, bits, width * 8 // bits)
        codes[part] = values if bits == 8 else nibbles(values)
    return codes


def levels_of(vectors: Floats, limit: float, bits: int, padded: int) -> Codes:
    """The code of every component, one to a byte, uint8 (n, padded)."""
    half = 1 << (bits - 1)
    values = np.full((len(vectors), padded), half, dtype=np.uint8)
    with np.errstate(over="ignore"):  # what overflows is cut off anyway
        if bits == 8:
            scaled = np.rint(vectors * np.float32(127 / limit))
            np.clip(scaled, -127, 127, out=scaled)
        else:
            scaled = np.floor(vectors * np.float32(half / limit))
            np.clip(scaled, -half, half - 1, out=scaled)
    values[:, : vectors.shape[1]] = scaled + np.float32(half)
    return values


class Scale(NamedTuple):
    """How rows are coded: in bytes cut off at `wide`, kept as two planes."""

    wide: float

    @property
    def byte_step(self) -> float:
        """What one unit of a byte stands for."""
        return step_of(self.wide, 8)

    @property
    def step(self) -> float:
        """What one unit of the upper plane stands for: h for (h - UPPER_ZERO) step."""
        return 16 * self.byte_step


def planes_of(vectors: Floats, scale: Scale) -> tuple[Codes, Codes]:
    """The upper and the lower plane of codes of 8 bits, uint8 (n, row_width of 4 bits) each."""
    width = row_width(vectors.shape[1], 4)
    upper, lower = aligned((len(vectors), width), np.uint8), aligned((len(vectors), width), np.uint8)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        values = levels_of(vectors[part], scale.wide, 8, 2 * width)
        upper[part], lower[part] = nibbles(values >> np.uint8(4)), nibbles(values & np.uint8(15))
    return upper, lower


def lost(vectors: Floats, upper: Codes, lower: Codes, scale: Scale) -> Floats:
    """For each row |x - x'|, rounded up, where x' is what its upper plane stands for, and what both together do; float32 (n, 2)."""
    errors = np.empty((len(vectors), 2), dtype=np.float32)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        high, low = (from_nibbles(plane[part])[:, : vectors.shape[1]].astype(np.float32) for plane in (upper, lower))
        coarse = (high - np.float32(UPPER_ZERO)) * np.float32(scale.step)
        fine = (16 * high + low - np.float32(ZERO[8])) * np.float32(scale.byte_step)
        for column, restored_rows in enumerate((coarse, fine)):
            gap = vectors[part] - restored_rows
            with np.errstate(over="ignore"):  # infinite where it does not fit
                errors[part, column] = np.sqrt(np.einsum("ij,ij->i", gap, gap, dtype=np.float64)) * UP
    return errors


def nibbles(values: Codes) -> Codes:
    """Two values below 16 in a byte: of each 128, the first 64 in the lower halves of 64 bytes, the others in the upper."""
    blocks = values.reshape(len(values), -1, 2, BLOCK)
    packed = blocks[:, :, 0] | (blocks[:, :, 1] << np.uint8(4))
    return packed.reshape(len(values), -1).astype(np.uint8, copy=False)


def from_nibbles(codes: Codes) -> Codes:
    """The inverse of `nibbles`."""
    blocks = codes.reshape(len(codes), -1, 1, BLOCK)
    return np.concatenate([blocks & 15, blocks >> 4], axis=2).reshape(len(codes), -1)


def restored(codes: Codes, limit: float, bits: int, dimensions: int) -> Floats:
    """What codes stand for, float32 (n, d)."""
    values = (codes if bits == 8 else from_nibbles(codes))[:, :dimensions].astype(np.float32)
    middle: Floats = (values - np.float32(ZERO[bits])) * np.float32(step_of(limit, bits))
    return middle


def query_unit(query: Floats) -> float:
    """What one unit of the code of a query (d,) stands for: `search.quantise_query` gives its largest component 127."""
    return float(np.abs(query).max(initial=0.0)) / 127 or 1 / 127


def step_of(limit: float, bits: int) -> float:
    """What one unit of a code stands for."""
    return limit / 127 if bits == 8 else limit / 8
