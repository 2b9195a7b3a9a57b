"""The leaves of every search: the distance between two vectors, and a heap of (distance, node) entries.

Vectors are int8 codes (see `codes.py`), so every distance is an integer: it does not depend on the order of a sum, on the
width of a machine's registers, or on whether the code runs interpreted or compiled. The same graph comes out everywhere.

An entry is one int64, the distance in its upper half and the node in its lower: comparing two entries compares their
distances and settles ties by the smaller node. Heaps are min-heaps of entries; a max-heap holds negated entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors.execution import interpreted_as, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int8]
    Entries = NDArray[np.int64]

INNER_PRODUCT = 0
"""Metric: minus the dot product. The order of cosine distance for vectors of unit length."""
EUCLIDEAN = 1
"""Metric: the squared Euclidean distance."""

NODE_BITS = 32
NODE_MASK = 0xFFFFFFFF


def _dot_numpy(a: Codes, b: Codes) -> int:
    return int(np.dot(a.astype(np.int32), b.astype(np.int32)))


@interpreted_as(_dot_numpy)
def dot(a: Codes, b: Codes) -> int:
    """The dot product of two int8 vectors (d,), exact."""
    total = np.int32(0)
    for i in range(a.shape[0]):
        # The casts keep the accumulator at 32 bits, four times as many lanes as numba's default of 64.
        total = np.int32(total + np.int32(np.int32(a[i]) * np.int32(b[i])))
    return int(total)


def _squared_euclidean_numpy(a: Codes, b: Codes) -> int:
    difference = a.astype(np.int32) - b.astype(np.int32)
    return int(np.dot(difference, difference))


@interpreted_as(_squared_euclidean_numpy)
def squared_euclidean(a: Codes, b: Codes) -> int:
    """The squared Euclidean distance of two int8 vectors (d,), exact."""
    total = np.int32(0)
    for i in range(a.shape[0]):
        difference = np.int32(np.int32(a[i]) - np.int32(b[i]))
        total = np.int32(total + np.int32(difference * difference))
    return int(total)


@kernel
def distance(metric: int, a: Codes, b: Codes) -> int:
    """The distance of two int8 vectors (d,): smaller is nearer, negative for an inner product above zero."""
    if metric == INNER_PRODUCT:
        return -dot(a, b)
    return squared_euclidean(a, b)


@kernel
def pack(gap: int, node: int) -> int:
    """The entry of `node` at distance `gap` (within 32 bits)."""
    return (int(gap) << NODE_BITS) | int(node)


@kernel
def entry_distance(entry: int) -> int:
    return int(entry) >> NODE_BITS


@kernel
def entry_node(entry: int) -> int:
    return int(entry) & NODE_MASK


@kernel
def heap_push(heap: Entries, size: int, entry: int) -> int:
    """Add `entry` to the min-heap `heap[:size]` and return its new size."""
    hole = size
    while hole > 0:
        parent = (hole - 1) >> 1
        if heap[parent] <= entry:
            break
        heap[hole] = heap[parent]
        hole = parent
    heap[hole] = entry
    return size + 1


@kernel
def heap_pop(heap: Entries, size: int) -> int:
    """Remove the smallest entry, `heap[0]`, and return the new size."""
    size -= 1
    entry = heap[size]
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= entry:
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = entry
    return size
