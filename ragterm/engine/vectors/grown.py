"""An array that grows at its end by doubling, so that appending one row costs the same whether there are ten or ten million."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
_FIRST_CAPACITY = 64


class Grown(Generic[T]):
    """`view` is what is used, shape (used,). A view that was taken keeps its values while rows are appended: they go behind it
    or into a new array."""

    def __init__(self, values: NDArray[T]) -> None:
        self.view: NDArray[T] = values
        self._array: NDArray[T] = values

    def __len__(self) -> int:
        return len(self.view)

    @property
    def nbytes(self) -> int:
        return int(self._array.nbytes)

    def extend(self, values: NDArray[T]) -> None:
        used, wanted = len(self.view), len(self.view) + len(values)
        if wanted > len(self._array):
            larger = np.empty(max(_FIRST_CAPACITY, 2 * len(self._array), wanted), dtype=self._array.dtype)
            larger[:used] = self.view
            self._array = larger
        self._array[used:wanted] = values
        self.view = self._array[:wanted]
