"""What the rows of a database are called, as a search asks for it: `names[rows]`, rows int64 (n,), gives (n,) strings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


class HasIds(Protocol):
    def ids_of(self, rows: Iterable[int]) -> list[str]: ...


class Names(Protocol):
    def __getitem__(self, rows: Rows, /) -> NDArray[np.object_]: ...


class NamesOf:
    """Made when they are asked for, from what the items keep: a Python string for each row would take more memory than its codes."""

    def __init__(self, items: HasIds) -> None:
        self._items = items

    def __getitem__(self, rows: Rows) -> NDArray[np.object_]:
        return np.array(self._items.ids_of(rows.tolist()), dtype=object)


def with_names(names: NDArray[np.object_], rows: range, items: HasIds) -> NDArray[np.object_]:
    """`names` with those of new rows, for an index that reads them ahead of time. They are read without a lock: they are replaced, or
    written only behind what any row number reaches yet."""
    if rows.stop > len(names):
        longer = np.empty(rows.stop + rows.stop // 2, dtype=object)
        longer[: rows.start] = names[: rows.start]
        names = longer
    names[rows.start : rows.stop] = items.ids_of(rows)
    return names
