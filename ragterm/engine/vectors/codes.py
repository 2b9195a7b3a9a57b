"""Scalar quantisation: float32 components become 4 or 8 bits, on one scale for all vectors.

    8 bits: code = round(127 x / limit) + 128     stands for (code - 128) limit / 127
    4 bits: code = floor(8 x / limit) + 8         stands for (code - 7.5) limit / 8       both cut off at the ends

The scale being the same for every vector, the order of the products of codes is the order of the products of what the codes
stand for: nothing but integers is needed to compare two rows. Half a step's error in each component is small against the
product of hundreds: on real embeddings of 384 dimensions the true ten nearest are among the twenty nearest by 4 bits.

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
WORD = 32767
UP = 1 + 1e-6
"""Rounds a float32 length up by more than its arithmetic can be off."""
SAMPLE_ROWS = 20_000
"""The deviation of more than this many rows is taken from evenly spaced ones."""
ZERO = {4: 7.5, 8: 128.0}
"""The code that zero would have."""
_CHUNK_ROWS = 4096
_SMALLEST, _LARGEST = 1e-30, 1e30


def code_limit(vectors: Floats, bits: int) -> float:
    """The magnitude at which components of float32 vectors (n, d) are cut off; within what float32 can divide by and multiply with.
    1.0 for no vectors, or only zeros."""
    step = max(1, -(-len(vectors) // SAMPLE_ROWS))
    sample = vectors[::step].astype(np.float64)
    deviation = float(np.sqrt(np.mean(sample * sample))) if sample.size else 0.0
    return min(max(deviation * DEVIATIONS[bits], _SMALLEST), _LARGEST) if deviation > 0 else 1.0


def words_of(vectors: Floats) -> NDArray[np.int16]:
    """Components within [-1, 1] as 16 bits, round(32767 x): a product with a unit vector (384,) is off by 1e-5, at most 3e-4."""
    words: NDArray[np.int16] = np.rint(vectors * np.float32(WORD)).astype(np.int16)
    return words


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
    """How rows are coded. A nibble h stands for (h - zero) step; `wide` is the limit of codes of 8 bits."""

    step: float
    zero: float
    wide: float


def scale_for(vectors: Floats, two_planes: bool) -> Scale:
    """The scale for float32 vectors (n, d): best for 4 bits alone, or for 8 bits of which the upper 4 are walked on."""
    limit = code_limit(vectors, 4)
    wide = limit * DEVIATIONS[8] / DEVIATIONS[4]
    # The middle of the 16 bytes that share a nibble lies at 7.5 above the first of them; zero is byte 128.
    return Scale(16 * wide / 127, (128 - 7.5) / 16, wide) if two_planes else Scale(limit / 8, ZERO[4], wide)


def planes_of(vectors: Floats, scale: Scale, two_planes: bool) -> tuple[Codes, Codes]:
    """Codes of 4 bits, uint8 (n, row_width), and with `two_planes` the lower 4 bits of codes of 8, packed alike, else none."""
    width = row_width(vectors.shape[1], 4)
    upper = aligned((len(vectors), width), np.uint8)
    lower = aligned((len(vectors) if two_planes else 0, width), np.uint8)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        if two_planes:
            values = levels_of(vectors[part], scale.wide, 8, 2 * width)
            upper[part], lower[part] = nibbles(values >> np.uint8(4)), nibbles(values & np.uint8(15))
        else:
            upper[part] = nibbles(levels_of(vectors[part], 8 * scale.step, 4, 2 * width))
    return upper, lower


def lost(vectors: Floats, upper: Codes, scale: Scale) -> Floats:
    """|x - x'| for each row, rounded up, where x' is what its codes of 4 bits stand for; float32 (n,)."""
    errors = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        values = from_nibbles(upper[part])[:, : vectors.shape[1]].astype(np.float32)
        gap = vectors[part] - (values - np.float32(scale.zero)) * np.float32(scale.step)
        with np.errstate(over="ignore"):  # infinite where it does not fit
            errors[part] = np.sqrt(np.einsum("ij,ij->i", gap, gap, dtype=np.float64)) * UP
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
