"""The items of a database that has no folder: the interface of `ItemStore`, in memory.

Metadata is kept as its JSON text, so what a caller later does to his dict, or to what he was given, changes nothing here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.vectors.growing import Growing
from ragterm.engine.vectors.item_rows import Changes, IdTable, ItemRows, Mark, encode_id
from ragterm.engine.vectors.items import prepare
from ragterm.engine.vectors.metadata import Json, Metadata, checked, decoded, encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    RowArray = NDArray[np.int64]


class MemoryItems:
    """`Items` in memory. There is no other process, and `writing` is a lock only: it takes nothing back."""

    def __init__(self, parameters: Mapping[str, Json] | None = None) -> None:
        self._parameters = dict(parameters or {})
        self._lock = threading.RLock()
        self._rows = ItemRows()
        self._table = IdTable(self._rows)
        self._metadata: list[str | None] = []
        self._removed, self._edited = _Log(), _Log()
        self._mark = Mark(0, 0)

    @property
    def parameters(self) -> Mapping[str, Json]:
        return self._parameters

    @property
    def mark(self) -> Mark:
        return self._mark

    @property
    def generation(self) -> int:
        return self._mark.generation

    @property
    def memory_bytes(self) -> int:
        """Metadata not counted."""
        return self._rows.memory_bytes + self._table.memory_bytes + 8 * len(self._metadata)

    def __len__(self) -> int:
        return self._rows.live

    @contextmanager
    def writing(self) -> Iterator[Mark]:
        with self._lock:
            yield self._mark

    def append(self, ids: Sequence[str], metadata: Sequence[Metadata | None] | None = None) -> int:
        names, texts = prepare(ids, metadata)
        with self._lock:
            first = len(self._rows)
            if not names:
                return first
            self._rows.append(names)
            self._metadata += texts
            replaced = [self._table.put(name, first + i) for i, name in enumerate(names)]
            self._remove([row for row in replaced if row is not None])
            self._commit()
        return first

    def remove(self, ids: Iterable[str]) -> RowArray:
        with self._lock:
            rows = {doc_id: self._live_row(doc_id) for doc_id in ids}
            if not rows:
                return np.empty(0, dtype=np.int64)
            for doc_id in rows:
                self._table.drop(encode_id(doc_id))
            self._remove(list(rows.values()))
            self._commit()
        return np.array(sorted(rows.values()), dtype=np.int64)

    def set_metadata(self, doc_id: str, metadata: Metadata | None) -> int:
        text = encoded(checked(metadata, doc_id))
        with self._lock:
            row = self._live_row(doc_id)
            self._metadata[row] = text
            self._edited.add(self.generation + 1, [row])
            self._commit()
        return row

    def set_parameters(self, values: Mapping[str, Json]) -> None:
        with self._lock:
            self._parameters = {**self._parameters, **values}
            self._commit()

    def row_of(self, doc_id: str) -> int | None:
        name = encode_id(doc_id)
        with self._lock:
            return self._table.find(name)

    def rows_of(self, ids: Sequence[str]) -> RowArray:
        with self._lock:
            found = [self._table.find(encode_id(doc_id)) for doc_id in ids]
        return np.array([-1 if row is None else row for row in found], dtype=np.int64)

    def ids_of(self, rows: Iterable[int]) -> list[str]:
        return self._rows.ids_of(rows)

    def all_ids(self) -> list[str]:
        return self._rows.all_ids()

    def metadata_of(self, row: int) -> dict[str, Json]:
        return self.metadata_between(row, row + 1)[0]

    def metadata_between(self, first: int, stop: int) -> list[dict[str, Json]]:
        texts = self._metadata[first:stop]
        if first < 0 or len(texts) != stop - first:
            raise NotFoundError(
                "There is no such row", f"{stop - first} rows from {first} wanted, {len(texts)} there", ""
            )
        return list(map(decoded, texts))

    def alive(self) -> NDArray[np.bool_]:
        return self._rows.alive

    def changed_elsewhere(self) -> bool:
        return False

    def refresh(self, since: Mark | None = None) -> Changes:
        since = since or Mark(0, 0)
        with self._lock:
            removed, edited = self._removed.after(since.generation), self._edited.after(since.generation)
            return Changes(since.rows, removed, edited, self._mark)

    def close(self) -> None:
        """Nothing to do."""

    def _live_row(self, doc_id: str) -> int:
        row = self._table.find(encode_id(doc_id))
        if row is None:
            raise NotFoundError(f"No vector has the id {doc_id!r}", "", "")
        return row

    def _remove(self, rows: list[int]) -> None:
        if rows:
            self._rows.remove(np.array(rows, dtype=np.int64))
            self._removed.add(self.generation + 1, rows)

    def _commit(self) -> None:
        self._mark = Mark(self.generation + 1, len(self._rows))


class _Log:
    """Rows with the generation of what happened to them."""

    def __init__(self) -> None:
        self._generations = Growing(np.empty(0, dtype=np.int64))
        self._rows = Growing(np.empty(0, dtype=np.int64))

    def add(self, generation: int, rows: list[int]) -> None:
        self._generations.append(np.full(len(rows), generation, dtype=np.int64))
        self._rows.append(np.array(rows, dtype=np.int64))

    def after(self, generation: int) -> RowArray:
        """Ascending, each once."""
        start = int(np.searchsorted(self._generations.view, generation, side="right"))
        return np.unique(self._rows.view[start:])
