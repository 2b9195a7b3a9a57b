"""Metadata by column, so that a filter is a few passes over arrays instead of a loop over rows.

A `Column` holds what stands at one place as entries (row, value). Most columns have exactly one entry per row, entry i being
row i, and then the answer is the comparison itself; else (keys that few rows have, lists) the entries that match are scattered
to their rows. So a key that one row in a thousand has costs a thousandth.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors.column import Column
from ragterm.engine.vectors.filters import Compares, Condition, Equals, Every, Exists, Fails, Filter, Some, parse_filter
from ragterm.engine.vectors.growing import Growing, T
from ragterm.engine.vectors.kernels import unlocked
from ragterm.engine.vectors.metadata import Json, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bitmap = NDArray[np.bool_]

_CACHED = 16


@dataclass(frozen=True)
class Selection:
    """The live rows that a filter matches: `bitmap` bool (n,), read-only, and how many they are."""

    bitmap: Bitmap
    count: int

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Ascending, int64 (count,), read-only."""
        return _fixed(np.flatnonzero(self.bitmap).astype(np.int64, copy=False))

    @cached_property
    def listed(self) -> NDArray[np.int64]:
        """`rows`, as kernels take them."""
        return unlocked(self.rows)


class MetadataColumns:
    """The metadata of rows 0..n-1. Any method from any thread. `version` grows with every change."""

    def __init__(self) -> None:
        self.version = 0
        self._columns: dict[str, Column] = {}
        self._alive = Growing(np.empty(0, dtype=np.bool_))
        self._cache: OrderedDict[str, Selection] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._alive)

    def append(self, metadata: Sequence[Mapping[str, Json]]) -> None:
        """The next rows. What `metadata.checked` returned, {} for a row without."""
        with self._lock:
            first = len(self)
            self._alive.append(np.ones(len(metadata), dtype=np.bool_))
            for place, (rows, values) in places(range(first, first + len(metadata)), metadata).items():
                self._column(place).extend(rows, values)
            self._changed()

    def replace(self, row: int, metadata: Mapping[str, Json]) -> None:
        """Other metadata for a row that is there."""
        with self._lock:
            found = places([row], [metadata])
            for place, column in self._columns.items():
                column.replace(row, found.pop(place, ([], []))[1])
            for place, (rows, values) in found.items():
                self._column(place).extend(rows, values)
            self._changed()

    def remove(self, rows: NDArray[np.int64] | Sequence[int]) -> None:
        """No filter matches these rows from now on, not even the empty one."""
        with self._lock:
            self._alive.view[np.asarray(rows, dtype=np.int64)] = False
            self._changed()

    def select(self, given: Filter | Mapping[str, object]) -> Selection:
        """The live rows that match. The same filter again, with nothing changed between, is a look-up. Raises UsageError
        for a filter that is none."""
        wanted = given if isinstance(given, Filter) else parse_filter(given)
        with self._lock:
            known = self._cache.get(wanted.text)
            if known is not None:
                self._cache.move_to_end(wanted.text)
                return known
            bitmap = self._evaluate(wanted.condition) & self._alive.view
            selection = Selection(_fixed(bitmap), int(np.count_nonzero(bitmap)))
            self._cache[wanted.text] = selection
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
            return selection

    @property
    def memory_bytes(self) -> int:
        """Of the arrays; the strings of the dictionaries not counted."""
        return self._alive.nbytes + sum(column.memory_bytes for column in self._columns.values())

    def _column(self, place: str) -> Column:
        if place not in self._columns:
            self._columns[place] = Column()
        return self._columns[place]

    def _changed(self) -> None:
        self.version += 1
        self._cache.clear()

    def _evaluate(self, condition: Condition) -> Bitmap:
        rows = len(self)
        match condition:
            case Every(parts):
                all_of = np.ones(rows, dtype=np.bool_)
                for part in parts:
                    all_of &= self._evaluate(part)
                return all_of
            case Some(parts):
                any_of = np.zeros(rows, dtype=np.bool_)
                for part in parts:
                    any_of |= self._evaluate(part)
                return any_of
            case Fails(part):
                return ~self._evaluate(part)
            case Exists(place):
                return self._column_or_none(place).exists(rows)
            case Compares(place, operator, bound):
                return self._column_or_none(place).compares(operator, bound, rows)
            case Equals(place, values):
                column = self._column_or_none(place)
                found = column.equals(values, rows)
                return found | ~column.exists(rows) if None in values else found

    def _column_or_none(self, place: str) -> Column:
        return self._columns.get(place) or Column()


def _fixed(array: NDArray[T]) -> NDArray[T]:
    array.flags.writeable = False
    return array
