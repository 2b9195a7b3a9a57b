"""Codes of one bit a dimension, and how far an estimate from them can be off: RaBitQ.

Gao & Long 2024, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest Neighbor
Search" (SIGMOD, arXiv 2405.12497), section 3. A vector x is rotated by a random rotation P and of each component the sign s is
kept. With |y|_1 the sum of the magnitudes of y = P x in D dimensions,

    x.q  is estimated by  |x|^2 / |y|_1  times  s.(P q)                                                 (equation 12)

which on average over the rotations is x.q itself. The estimate scatters about it with a standard deviation of at most

    |x| |q| sqrt((1 - a^2) / a^2 / (D - 1))     where a = |y|_1 / (|x| sqrt(D)), about 0.8              (theorem 3.2)

whatever the vectors are: the rotation alone is random. (The paper's centroid is the origin here, its O(D^2) matrix a product of
changes of sign and Hadamard transforms, which takes D log D additions.)

A row is 64 bytes for up to 384 dimensions, one cache line: three numbers in float32 that belong to the row, then its bits. The
query is rotated and rounded to whole numbers of at most `LEVELS` in magnitude; what that adds to the error is a tenth of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors.execution import entry_kernel, fast_kernel, interpreted_as, summing_kernel
from ragterm.engine.vectors.kernels import BLOCK, FACTOR, GROUP, HALF_SQUARE, SIGNS_FROM, SPREAD, aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Codes = NDArray[np.uint8]

ROUNDS = 4
LEVELS = 127 // (GROUP // 64)
"""So that one component of each 64 of a group add up within a signed byte."""


def padded(dimensions: int) -> int:
    """Dimensions that are rotated, zeros behind those that are there: whole words of 64 bits."""
    return -(-dimensions // 64) * 64


def grouped(dimensions: int) -> int:
    """Components of a query's codes, zeros behind those that are there: whole groups."""
    return -(-dimensions // GROUP) * GROUP


def sign_width(dimensions: int) -> int:
    """Bytes of a row: whole cache lines, from which whole groups of bits can be read."""
    return -(-(SIGNS_FROM + grouped(dimensions) // 8) // BLOCK) * BLOCK


def rotation(dimensions: int, seed: int) -> Floats:
    """What `rotate` multiplies with, float32 (ROUNDS, padded): random signs, and in the part that a round transforms the factor that
    keeps its length."""
    size = padded(dimensions)
    part = _largest_power(size)
    flips = np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.float32), (ROUNDS, size))
    for turn in range(ROUNDS):
        first = _first_of(turn, size, part)
        flips[turn, first : first + part] /= np.float32(math.sqrt(part))
    return flips


@entry_kernel
def _largest_power(size: int) -> int:
    """The largest power of two up to `size`."""
    power = 1
    while 2 * power <= size:
        power *= 2
    return power


@entry_kernel
def _first_of(turn: int, size: int, part: int) -> int:
    """Where the part that a round transforms begins: at the front and at the back by turns."""
    return 0 if turn % 2 == 0 else size - part


def _rotate_numpy(vector: Floats, flips: Floats, rotated: Floats, room: Floats) -> None:
    size = flips.shape[1]
    part = _largest_power(size)
    half = part // 2
    rotated[:] = 0
    rotated[: len(vector)] = vector
    for turn in range(len(flips)):
        rotated *= flips[turn]
        first = _first_of(turn, size, part)
        values = rotated[first : first + part]
        stage = 1
        while stage < part:
            even, odd = values[0::2], values[1::2]
            room[:half], room[half:part] = even + odd, even - odd
            values[:] = room[:part]
            stage *= 2


@interpreted_as(_rotate_numpy)
def rotate(vector: Floats, flips: Floats, rotated: Floats, room: Floats) -> None:
    """A rotation of `vector` (d,), in `rotated` (padded,): in each round changes of sign and a Hadamard transform of the largest power
    of two of the components, at the front and at the back by turns, so that each reaches all. `room`: another (padded,).

    The transform is Pease's (1968, "An adaptation of the fast Fourier transform for parallel processing"): in each of its stages
    neighbours are added to the front half and subtracted to the back half."""
    size = flips.shape[1]
    part = _largest_power(size)
    half = part // 2
    for i in range(size):
        rotated[i] = vector[i] if i < vector.shape[0] else np.float32(0.0)
    for turn in range(flips.shape[0]):
        first = _first_of(turn, size, part)
        for i in range(size):
            rotated[i] *= flips[turn, i]
        values, other = rotated[first : first + part], room[:part]
        stages = 0
        while 1 << stages < part:
            for i in range(half):
                other[i] = values[2 * i] + values[2 * i + 1]
                other[half + i] = values[2 * i] - values[2 * i + 1]
            values, other = other, values
            stages += 1
        if stages % 2 == 1:
            for i in range(part):
                other[i] = values[i]


@summing_kernel
def _magnitudes(rotated: Floats) -> float:
    total = 0.0
    for i in range(rotated.shape[0]):
        total += abs(np.float64(rotated[i]))
    return total


@summing_kernel
def _square(vectors: Floats, row: int) -> float:
    total = 0.0
    for i in range(vectors.shape[1]):
        total += np.float64(vectors[row, i]) * np.float64(vectors[row, i])
    return total


@entry_kernel
def encode(
    vectors: Floats, flips: Floats, rotated: Floats, room: Floats, euclidean: bool, signs: Codes, values: Floats
) -> None:
    """Fill `signs` (n, width), of which `values` are the same bytes as float32, from `vectors` (n, d). `rotated` and
    `room`: (padded,) each."""
    size = flips.shape[1]
    for row in range(vectors.shape[0]):
        rotate(vectors[row], flips, rotated, room)
        square, magnitudes = _square(vectors, row), _magnitudes(rotated)
        if magnitudes > 0.0:
            values[row, FACTOR] = square / magnitudes
            # |x|^2 (1 - a^2) / a^2 with a^2 = |y|_1^2 / (|x|^2 D)
            scatter = max(0.0, square * (square * size / (magnitudes * magnitudes) - 1.0))
            values[row, SPREAD] = math.sqrt(scatter / (size - 1))
        else:
            values[row, FACTOR] = values[row, SPREAD] = 0.0
        values[row, HALF_SQUARE] = square / 2 if euclidean else 0.0
        for i in range(0, size, 8):
            byte = 0
            for bit in range(8):
                if rotated[i + bit] > 0.0:
                    byte |= 1 << bit
            signs[row, SIGNS_FROM + i // 8] = byte


def signs_of(vectors: Floats, flips: Floats, euclidean: bool) -> Codes:
    """Codes of float32 vectors (n, d), uint8 (n, sign_width). `flips`: of `rotation`."""
    signs = aligned((len(vectors), sign_width(vectors.shape[1])), np.uint8, 0)
    if len(vectors):
        rotated, room = np.empty((2, flips.shape[1]), dtype=np.float32)
        encode(vectors, flips, rotated, room, euclidean, signs, signs.view(np.float32))
    return signs


@fast_kernel
def quantise_rotated(rotated: Floats, codes: NDArray[np.int8]) -> tuple[float, int]:
    """Put whole numbers of at most LEVELS in magnitude into `codes`; what one unit of them stands for, and their sum."""
    largest = np.float32(0.0)
    for i in range(rotated.shape[0]):
        largest = max(largest, abs(rotated[i]))
    if largest == np.float32(0.0):
        largest = np.float32(1.0)
    factor = np.float32(LEVELS / largest)
    total = np.int32(0)
    for i in range(rotated.shape[0]):
        code = np.int8(min(max(np.rint(rotated[i] * factor), np.float32(-LEVELS)), np.float32(LEVELS)))
        codes[i] = code
        total += np.int32(code)
    return float(largest) / LEVELS, int(total)
