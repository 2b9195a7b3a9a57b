"""Exact search: one pass over a contiguous float32 matrix.

`Rows` is a picture of the vectors at one moment. It is never changed: adding or removing makes a new picture, which shares
the matrix with the old one (new rows go behind those that the old one can see, a removed row is only marked). So a search may run
while another thread adds.

The pass itself is in float32. What comes close to the k-th place is scored once more in float64: the order of the result is
the true one, ties go to the smaller key, and `top_k` and `exact_scores` agree to the last bit. `np.vecdot` and not `@`: it takes the
same time (both wait for memory), and does not wake a second thread, for which a busy machine makes a 0.4 ms scan wait 10.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    KeyArray = NDArray[np.int64]
    RowArray = NDArray[np.int64]

PRODUCT_ERROR = 1e-5
"""More than a float32 product of unit vectors can be off (384 dimensions: about 1e-6)."""
UNKNOWN_SCORE = -1.0
_FIRST_CAPACITY = 256


@dataclass
class _Buffer:
    """The arrays behind several `Rows`; `used` rows belong to the newest of them."""

    keys: KeyArray
    vectors: FloatArray
    used: int


@dataclass(frozen=True)
class Rows:
    """`keys` int64 (n,), `vectors` float32 (n, d), `alive` bool (n,): False for a removed row. A key has at most one live row."""

    keys: KeyArray
    vectors: FloatArray
    alive: NDArray[np.bool_]
    _buffer: _Buffer = field(repr=False, compare=False)

    @staticmethod
    def of(keys: KeyArray, vectors: FloatArray, alive: NDArray[np.bool_] | None = None) -> Rows:
        alive = np.ones(len(keys), dtype=np.bool_) if alive is None else alive
        return Rows(keys, vectors, alive, _Buffer(keys, vectors, len(keys)))

    @staticmethod
    def none(dimensions: int) -> Rows:
        return Rows.of(np.empty(0, dtype=np.int64), np.empty((0, dimensions), dtype=np.float32))

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def live(self) -> int:
        """How many rows are not removed."""
        return int(np.count_nonzero(self.alive))

    @cached_property
    def _lookup(self) -> tuple[KeyArray, RowArray]:
        """The keys of the live rows in ascending order, and their rows."""
        rows = np.flatnonzero(self.alive).astype(np.int64)
        keys = self.keys[rows]
        if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
            order = np.argsort(keys, kind="stable")
            keys, rows = keys[order], rows[order]
        return keys, rows

    def find(self, keys: KeyArray) -> RowArray:
        """The live row of each key, -1 where there is none; int64, in the order of `keys`."""
        known, rows = self._lookup
        if not len(known):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(known[places] == keys, rows[places], -1)

    def with_changes(self, keys: KeyArray, vectors: FloatArray, removed: KeyArray) -> Rows:
        """`removed` keys taken out, then `keys` (distinct) with `vectors` put in. A key that is there with the same vector stays
        as it is; with another vector it is replaced."""
        alive = self.alive
        gone = self.find(removed)
        known = self.find(keys)
        known = np.where(np.isin(known, gone), -1, known)
        same = known >= 0
        same[same] = (self.vectors[known[same]] == vectors[same]).all(axis=1)
        gone = np.concatenate([gone[gone >= 0], known[(known >= 0) & ~same]])
        if len(gone):
            alive = alive.copy()
            alive[gone] = False
        keys, vectors = keys[~same], vectors[~same]
        if not len(keys):
            return Rows(self.keys, self.vectors, alive, self._buffer) if len(gone) else self
        buffer = self._room_for(len(keys))
        start, end = len(self), len(self) + len(keys)
        buffer.keys[start:end] = keys
        buffer.vectors[start:end] = vectors
        buffer.used = end
        alive = np.concatenate([alive, np.ones(len(keys), dtype=np.bool_)])
        return Rows(buffer.keys[:end], buffer.vectors[:end], alive, buffer)

    def _room_for(self, more: int) -> _Buffer:
        need = len(self) + more
        if self._buffer.used == len(self) and len(self._buffer.keys) >= need:
            return self._buffer
        capacity = max(_FIRST_CAPACITY, need + need // 2)
        keys = np.empty(capacity, dtype=np.int64)
        vectors = np.empty((capacity, self.vectors.shape[1]), dtype=np.float32)
        keys[: len(self)] = self.keys
        vectors[: len(self)] = self.vectors
        return _Buffer(keys, vectors, len(self))

    def compacted(self) -> Rows:
        """The live rows alone, in the same order."""
        return Rows.of(self.keys[self.alive], self.vectors[self.alive])


def exact_scores(rows: Rows, at: RowArray, query: FloatArray) -> FloatArray:
    """The dot product of each row with `query` (d,), summed in float64; float32 (len(at),)."""
    wide = rows.vectors[at].astype(np.float64)
    scores: FloatArray = np.einsum("ij,j->i", wide, query.astype(np.float64)).astype(np.float32)
    return scores


def top_k(rows: Rows, query: FloatArray, k: int, among: RowArray | None = None) -> tuple[RowArray, FloatArray]:
    """The live rows with the largest dot products with `query` (d,): rows int64 and scores float32, best first, ties by key, at
    most `k`. `among` (live rows, distinct) limits the search."""
    if among is None or len(among) > len(rows) // 4:
        scores = np.vecdot(rows.vectors, query)
        candidates = np.flatnonzero(rows.alive) if among is None else among
        if len(candidates) < len(rows):
            scores = scores[candidates]
    else:
        candidates = among
        scores = np.vecdot(rows.vectors[candidates], query)
    k = min(k, len(candidates))
    if k <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    if k < len(candidates):
        at_k = np.partition(scores, len(scores) - k)[len(scores) - k]
        slack = PRODUCT_ERROR * max(1.0, float(np.abs(at_k)))
        candidates = candidates[scores >= at_k - slack]
    return best_of(rows, candidates, query, k)


def best_of(rows: Rows, candidates: RowArray, query: FloatArray, k: int) -> tuple[RowArray, FloatArray]:
    """The best `k` of the rows `candidates`, scored exactly: rows and scores, best first, ties by key."""
    scores = exact_scores(rows, candidates, query)
    order = np.lexsort((rows.keys[candidates], -scores))[:k]
    return candidates[order].astype(np.int64), scores[order]


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The values in ascending order, each once. (`np.unique` of numpy 2.4 hashes, ten times slower here.)"""
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    once: NDArray[np.int64] = ordered[first]
    return once


def checked_vectors(vectors: object, dimensions: int, what: str = "vector") -> FloatArray:
    """float32 (n, dimensions), contiguous. Raises UsageError for another shape, and for NaN or infinity."""
    try:
        array = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"Not a {what}", str(error), f"pass {dimensions} numbers") from error
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2 or array.shape[1] != dimensions:
        given = array.shape[-1] if array.ndim <= 2 else array.shape
        raise UsageError(
            f"The {what} has {given} dimensions, the index {dimensions}",
            "vectors of different models never meet",
            f"pass vectors of {dimensions} dimensions",
        )
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        bad = array[row][~np.isfinite(array[row])][0]
        raise UsageError(f"The {what} holds {bad}", f"row {row}", "every component must be a finite number")
    return array


def unit(vector: FloatArray) -> FloatArray:
    """`vector` (d,) at length 1; a zero vector stays zero."""
    length = float(np.sqrt(np.dot(vector.astype(np.float64), vector.astype(np.float64))))
    return vector if length == 0 or abs(length - 1) < 1e-6 else (vector / length).astype(np.float32)
