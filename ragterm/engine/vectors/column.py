"""One place's metadata as arrays: the kind of every entry, its number as float64, its string as the code of a dictionary.

Numbers compare exactly. An integer that float64 cannot hold keeps the rest in a second array: value = number + rest, and since
rounding is monotone, (number, rest) orders as the values do. Strings compare by code point, through the rank of their code.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic

import numpy as np

from ragterm.engine.vectors.growing import Growing, T
from ragterm.engine.vectors.metadata import NoValue, Scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bitmap = NDArray[np.bool_]
    FloatArray = NDArray[np.float64]

_OTHER, _NULL, _FALSE, _TRUE, _NUMBER, _STRING = range(6)
_EXACT = float(1 << 53)


class Column:
    """What stands at one place. A row has no entry (missing), one, or several (a list)."""

    def __init__(self) -> None:
        self._kinds = Growing(np.empty(0, dtype=np.uint8))
        self._numbers = _Part(np.float64(np.nan))  # NaN: every comparison with what is no number is false
        self._rests = _Part(np.float64(0))
        self._codes = _Part(np.int32(-1))
        self._rows: Growing[np.int32] | None = None  # None while entry i is row i
        self._strings = _Codes()
        self._order: list[str] = []
        self._ranks = np.empty(0, dtype=np.int64)

    @property
    def memory_bytes(self) -> int:
        parts = (self._kinds, self._numbers, self._rests, self._codes, self._rows, self._ranks)
        return sum(part.nbytes for part in parts if part is not None)

    def extend(self, rows: list[int], values: list[Scalar | NoValue]) -> None:
        """More entries; `rows` ascending, behind those before."""
        used = len(self._kinds)
        if self._rows is None and rows != list(range(used, used + len(rows))):
            self._rows = Growing(np.arange(used, dtype=np.int32))
        if self._rows is not None:
            self._rows.append(np.array(rows, dtype=np.int32))
        kinds, numbers, rests, codes = self._arrays(values)
        self._numbers.extend(numbers, used, len(values))
        self._rests.extend(rests, used, len(values))
        self._codes.extend(codes, used, len(values))
        self._kinds.append(kinds)

    def replace(self, row: int, values: list[Scalar | NoValue]) -> None:
        """Other values for one row, whether it has some or not."""
        if self._rows is None:
            entries = np.arange(row, row + 1 if row < len(self._kinds) else row)
        else:
            entries = np.flatnonzero(self._rows.view == row)
        if len(entries) == len(values) == 1:
            self._overwrite(int(entries[0]), values)
            return
        if len(entries):
            self._drop(entries)
        if values:
            self.extend([row] * len(values), values)

    def exists(self, rows: int) -> Bitmap:
        return self._at_rows(np.ones(len(self._kinds), dtype=np.bool_), rows)

    def equals(self, values: Sequence[Scalar], rows: int) -> Bitmap:
        """(rows,): one of the entries is one of the values. A missing place is the caller's."""
        match = np.zeros(len(self._kinds), dtype=np.bool_)
        for value, kind in ((None, _NULL), (False, _FALSE), (True, _TRUE)):
            if any(value is given for given in values):
                match |= self._kinds.view == kind
        strings = [value for value in values if isinstance(value, str)]
        if strings and self._codes.values is not None:
            match |= self._one_of_the_strings(strings, self._codes.values.view)
        numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        if numbers and self._numbers.values is not None:
            match |= self._one_of_the_numbers(numbers, self._numbers.values.view)
        return self._at_rows(match, rows)

    def compares(self, operator: str, bound: str | int | float, rows: int) -> Bitmap:
        """(rows,): one of the entries is on that side of the bound."""
        match: Bitmap | None = None
        if isinstance(bound, str):
            if self._codes.values is not None:
                match = self._beside_string(operator, bound, self._codes.values.view)
        elif self._numbers.values is not None:
            match = self._beside_number(operator, bound, self._numbers.values.view)
        return np.zeros(rows, dtype=np.bool_) if match is None else self._at_rows(match, rows)

    def _one_of_the_strings(self, strings: list[str], codes: NDArray[np.int32]) -> Bitmap:
        wanted = [self._strings[value] for value in strings if value in self._strings]
        if len(wanted) == 1:
            same: Bitmap = codes == wanted[0]
            return same
        # One place more than there are strings: code -1, no string, finds the last one, which stays False.
        table = np.zeros(len(self._strings) + 1, dtype=np.bool_)
        table[wanted] = True
        return table[codes]

    def _one_of_the_numbers(self, wanted: list[int | float], numbers: FloatArray) -> Bitmap:
        if len(wanted) == 1 and self._rests.values is None and abs(wanted[0]) <= _EXACT:
            same: Bitmap = numbers == wanted[0]
            return same
        heads = np.array(wanted, dtype=np.float64)
        match = np.isin(numbers, heads)
        if self._rests.values is None and (np.abs(heads) < _EXACT).all():
            return match
        # Equal as float64 is not equal as integers: the few that are get the rest compared as well.
        pairs = {_split(value) for value in wanted}
        entries = np.flatnonzero(match)
        rests = np.zeros(len(entries)) if self._rests.values is None else self._rests.values.view[entries]
        found = zip(numbers[entries].tolist(), rests.tolist(), strict=True)
        match[entries] = np.fromiter((pair in pairs for pair in found), dtype=np.bool_, count=len(entries))
        return match

    def _beside_number(self, operator: str, bound: int | float, numbers: FloatArray) -> Bitmap:
        head, rest = _split(bound)
        rests = self._rests.values
        if rests is None and rest == 0:
            return _compare(operator, numbers, head)
        strictly = _compare("$gt" if operator.startswith("$gt") else "$lt", numbers, head)
        level: Bitmap = numbers == head
        return strictly | (level & _compare(operator, np.zeros(1) if rests is None else rests.view, rest))

    def _beside_string(self, operator: str, bound: str, codes: NDArray[np.int32]) -> Bitmap:
        self._sort()
        cut = (bisect_left if operator in ("$gte", "$lt") else bisect_right)(self._order, bound)
        table = np.zeros(len(self._strings) + 1, dtype=np.bool_)
        table[:-1] = self._ranks >= cut if operator.startswith("$gt") else self._ranks < cut
        return table[codes]

    def _sort(self) -> None:
        """Bring `_order` and `_ranks` up to the dictionary. The old order is a sorted run, which Python's sort takes as it is."""
        if len(self._order) == len(self._strings):
            return
        self._order.extend(list(self._strings)[len(self._order) :])
        self._order.sort()
        codes = np.fromiter(map(self._strings.__getitem__, self._order), dtype=np.int64, count=len(self._order))
        self._ranks = np.empty(len(codes), dtype=np.int64)
        self._ranks[codes] = np.arange(len(codes))

    def _at_rows(self, match: Bitmap, rows: int) -> Bitmap:
        """From entries to rows."""
        if self._rows is None and len(match) == rows:
            return match
        bitmap = np.zeros(rows, dtype=np.bool_)
        if self._rows is None:
            bitmap[: len(match)] = match
        else:
            bitmap[self._rows.view[np.flatnonzero(match)]] = True  # three times faster than by the bitmap itself
        return bitmap

    def _overwrite(self, entry: int, values: list[Scalar | NoValue]) -> None:
        kinds, numbers, rests, codes = self._arrays(values)
        used = len(self._kinds)
        self._kinds.view[entry] = kinds[0]
        self._numbers.overwrite(entry, numbers, used)
        self._rests.overwrite(entry, rests, used)
        self._codes.overwrite(entry, codes, used)

    def _drop(self, entries: NDArray[np.int64]) -> None:
        rows = np.arange(len(self._kinds), dtype=np.int32) if self._rows is None else self._rows.view
        self._rows = Growing(np.delete(rows, entries))
        self._kinds = Growing(np.delete(self._kinds.view, entries))
        for part in (self._numbers, self._rests):
            part.drop(entries)
        self._codes.drop(entries)

    def _arrays(
        self, values: list[Scalar | NoValue]
    ) -> tuple[NDArray[np.uint8], FloatArray | None, FloatArray | None, NDArray[np.int32] | None]:
        """Kinds, numbers, rests and codes of values, each (len(values),); None for an array of nothing but its default."""
        types = set(map(type, values))
        if types == {str}:
            codes = np.array([self._strings[value] for value in values], dtype=np.int32)  # type: ignore[index]
            return np.full(len(values), _STRING, dtype=np.uint8), None, None, codes
        if types <= {int, float}:
            return np.full(len(values), _NUMBER, dtype=np.uint8), *_numbers_of(values), None  # type: ignore[arg-type]
        kinds = np.array([_kind_of(value) for value in values], dtype=np.uint8)
        at_numbers, at_strings = np.flatnonzero(kinds == _NUMBER), np.flatnonzero(kinds == _STRING)
        numbers = rests = codes_or_none = None
        if len(at_numbers):
            heads, tails = _numbers_of([values[i] for i in at_numbers])  # type: ignore[misc]
            numbers = np.full(len(values), np.nan)
            numbers[at_numbers] = heads
            if tails is not None:
                rests = np.zeros(len(values))
                rests[at_numbers] = tails
        if len(at_strings):
            codes_or_none = np.full(len(values), -1, dtype=np.int32)
            codes_or_none[at_strings] = [self._strings[values[i]] for i in at_strings]  # type: ignore[index]
        return kinds, numbers, rests, codes_or_none


class _Codes(dict[str, int]):
    """A new string gets the next number."""

    def __missing__(self, value: str) -> int:
        code = self[value] = len(self)
        return code


class _Part(Generic[T]):
    """An array along the entries that is not there before something else than its default stands in it."""

    def __init__(self, default: T) -> None:
        self._default = default
        self.values: Growing[T] | None = None

    @property
    def nbytes(self) -> int:
        return 0 if self.values is None else self.values.nbytes

    def extend(self, values: NDArray[T] | None, used: int, count: int) -> None:
        if values is None and self.values is None:
            return
        if self.values is None:
            self.values = Growing(self._defaults(used))
        self.values.append(self._defaults(count) if values is None else values)

    def overwrite(self, entry: int, values: NDArray[T] | None, used: int) -> None:
        if values is None and self.values is None:
            return
        if self.values is None:
            self.values = Growing(self._defaults(used))
        self.values.view[entry] = self._default if values is None else values[0]

    def drop(self, entries: NDArray[np.int64]) -> None:
        if self.values is not None:
            self.values = Growing(np.delete(self.values.view, entries))

    def _defaults(self, count: int) -> NDArray[T]:
        return np.full(count, self._default)


def _kind_of(value: Scalar | NoValue) -> int:
    if isinstance(value, NoValue):
        return _OTHER
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    return _STRING if isinstance(value, str) else _NUMBER


def _split(value: int | float) -> tuple[float, float]:
    """(number, rest) of at most 64 bits: both exact, number + rest == value."""
    head = float(value)
    return head, float(value - int(head)) if isinstance(value, int) else 0.0


def _numbers_of(values: list[int | float]) -> tuple[FloatArray, FloatArray | None]:
    numbers = np.array(values, dtype=np.float64)
    large = np.flatnonzero(np.abs(numbers) >= _EXACT)
    if not len(large):
        return numbers, None
    rests = np.zeros(len(values))
    rests[large] = [_split(values[i])[1] for i in large]
    return numbers, rests if rests.any() else None


def _compare(operator: str, left: FloatArray, right: float) -> Bitmap:
    if operator == "$gt":
        return np.greater(left, right)
    if operator == "$gte":
        return np.greater_equal(left, right)
    return np.less(left, right) if operator == "$lt" else np.less_equal(left, right)
