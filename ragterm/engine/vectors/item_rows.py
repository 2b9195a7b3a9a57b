"""What a search needs of the items, in memory and small: the id of every row, and which rows are alive.

The ids lie one behind the other in one block of bytes, 8 bytes of offset and 1 byte of life beside them: about 20 bytes for a row
whose id has ten letters, where a Python string and its place in a list take 70.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.growing import Growing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    RowArray = NDArray[np.int64]

_FREE, _LEFT = -1, -2


class Mark(NamedTuple):
    """A moment: the number of the last commit, and how many rows there were."""

    generation: int
    rows: int


@dataclass(frozen=True)
class Changes:
    """What happened after one mark and up to `mark`. Rows `first` <= row < `mark.rows` are new; `removed` (tombstones) and `edited`
    (other metadata) are int64, ascending, and may name new rows too."""

    first: int
    removed: RowArray
    edited: RowArray
    mark: Mark

    @property
    def new(self) -> range:
        return range(self.first, self.mark.rows)


def encode_id(doc_id: object) -> bytes:
    """UTF-8; lone surrogates (names of files that are no UTF-8) survive. Raises UsageError for what is not a string."""
    if not isinstance(doc_id, str):
        raise UsageError(
            "An id is a string", f"this is {type(doc_id).__name__} {doc_id!r:.60}", f"write {str(doc_id)!r:.60}"
        )
    return doc_id.encode("utf-8", "surrogatepass")


class ItemRows:
    """Rows 0..n-1. One thread changes it at a time; any may read meanwhile."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._ends = Growing(np.zeros(1, dtype=np.int64))
        self._alive = Growing(np.empty(0, dtype=np.bool_))
        self.live = 0

    def __len__(self) -> int:
        return len(self._alive)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """bool (n,), read-only: the state at this moment, which later changes leave as it is."""
        alive = self._alive.view.view()
        alive.flags.writeable = False
        return alive

    @property
    def memory_bytes(self) -> int:
        return len(self._ids) + self._ends.nbytes + self._alive.nbytes

    def append(self, ids: Sequence[bytes]) -> None:
        ends = np.cumsum(np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))) + len(self._ids)
        self._ids += b"".join(ids)
        self._ends.append(ends)
        self._alive.append(np.ones(len(ids), dtype=np.bool_))
        self.live += len(ids)

    def remove(self, rows: RowArray) -> None:
        """Those that are not alive any more may be among them."""
        alive = self._alive.view.copy()
        alive[rows] = False
        self._alive = Growing(alive)
        self.live = int(np.count_nonzero(alive))

    def id_at(self, row: int) -> bytearray:
        ends = self._ends.view
        return self._ids[int(ends[row]) : int(ends[row + 1])]

    def ids_of(self, rows: Iterable[int]) -> list[str]:
        ends, ids = self._ends.view, self._ids
        return [ids[int(ends[row]) : int(ends[row + 1])].decode("utf-8", "surrogatepass") for row in rows]

    def all_ids(self) -> list[str]:
        """Of the live rows, in their order."""
        return self.ids_of(np.flatnonzero(self._alive.view).tolist())


class IdTable:
    """From an id to its live row: a hash table with open addressing whose slots hold row numbers, 8 to 16 bytes a row. The ids
    themselves are looked up in the rows."""

    def __init__(self, rows: ItemRows) -> None:
        self._rows = rows
        self._slots = array("i", [_FREE]) * 64
        self._filled = 0

    @property
    def memory_bytes(self) -> int:
        return len(self._slots) * self._slots.itemsize

    def find(self, doc_id: bytes) -> int | None:
        row = self._slots[self._slot(doc_id)]
        return row if row >= 0 else None

    def put(self, doc_id: bytes, row: int) -> int | None:
        """This row is the live one from now on. Returns the one that was. The rows must hold it already."""
        slot = self._slot(doc_id)
        before = self._slots[slot]
        self._slots[slot] = row
        if before >= 0:
            return before
        self._filled += before == _FREE
        if 2 * self._filled > len(self._slots):
            self._grow()
        return None

    def drop(self, doc_id: bytes) -> int | None:
        slot = self._slot(doc_id)
        row = self._slots[slot]
        if row < 0:
            return None
        self._slots[slot] = _LEFT  # not free: others may have gone past it
        return row

    def _slot(self, doc_id: bytes) -> int:
        """Where the id is, or where it would go."""
        slots, last = self._slots, len(self._slots) - 1
        slot, reusable = hash(doc_id) & last, -1
        while (row := slots[slot]) != _FREE:
            if row == _LEFT:
                reusable = slot if reusable < 0 else reusable
            elif self._rows.id_at(row) == doc_id:
                return slot
            slot = (slot + 1) & last
        return slot if reusable < 0 else reusable

    def _grow(self) -> None:
        live = [row for row in self._slots if row >= 0]
        size = len(self._slots)
        while size < 3 * len(live):
            size *= 2
        self._slots = array("i", [_FREE]) * size
        self._filled = len(live)
        last = size - 1
        for row in live:
            slot = hash(bytes(self._rows.id_at(row))) & last
            while self._slots[slot] != _FREE:
                slot = (slot + 1) & last
            self._slots[slot] = row
