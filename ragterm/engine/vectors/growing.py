"""An array that grows at its end without moving each time: what was handed out stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors.kernels import aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_CAPACITY = 256


class Growing:
    """Rows of one shape and dtype. `append` returns a view of all rows so far; earlier views never change."""

    def __init__(self, row_shape: tuple[int, ...], dtype: type[Any]) -> None:
        self._row_shape, self._dtype = row_shape, dtype
        self._room: NDArray[Any] = aligned((0, *row_shape), dtype)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """With the room that is still free."""
        return self._room.nbytes

    def append(self, rows: NDArray[Any]) -> NDArray[Any]:
        last = self._used + len(rows)
        if last > len(self._room):
            room = aligned((max(_FIRST_CAPACITY, last + last // 2), *self._row_shape), self._dtype)
            room[: self._used] = self._room[: self._used]
            self._room = room
        self._room[self._used : last] = rows
        self._used = last
        return self._room[:last]

    def begin_with(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Forget what was there."""
        self._room, self._used = aligned((0, *self._row_shape), self._dtype), 0
        if len(rows):
            self._room, self._used = np.ascontiguousarray(rows), len(rows)
        return self._room
