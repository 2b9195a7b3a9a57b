"""An array that grows at its end without moving each time: appending one row costs the same whether there are ten or ten million."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from ragterm.engine.vectors.kernels import aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
_FIRST_CAPACITY = 64


class Growing(Generic[T]):
    """`view` is what is used, shape (used, ...); it begins with `values`. A view that was taken keeps its values while rows are
    appended: they go behind it or into a new array."""

    def __init__(self, values: NDArray[T]) -> None:
        self.view: NDArray[T] = values
        self._room: NDArray[T] = values

    @classmethod
    def rows(cls, row_shape: tuple[int, ...], dtype: type[T]) -> Growing[T]:
        """None yet, of one shape."""
        return cls(aligned((0, *row_shape), dtype))

    def __len__(self) -> int:
        return len(self.view)

    @property
    def nbytes(self) -> int:
        """With the room that is still free."""
        return int(self._room.nbytes)

    def append(self, values: NDArray[T]) -> NDArray[T]:
        """All rows so far, with these."""
        used, wanted = len(self.view), len(self.view) + len(values)
        if wanted > len(self._room):
            shape = (max(_FIRST_CAPACITY, wanted + wanted // 2), *self._room.shape[1:])
            room = aligned(shape, self._room.dtype.type)
            room[:used] = self.view
            self._room = room
        self._room[used:wanted] = values
        self.view = self._room[:wanted]
        return self.view

    def begin_with(self, values: NDArray[T]) -> NDArray[T]:
        """These in place of what was there."""
        if len(values):
            self.view = self._room = np.ascontiguousarray(values)
        else:
            self.view = self._room = aligned((0, *self._room.shape[1:]), self._room.dtype.type)
        return self.view
