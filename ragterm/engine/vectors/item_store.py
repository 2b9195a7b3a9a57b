"""The items of a database folder: ids, metadata, tombstones and parameters in one small SQLite file.

Every removed or edited row carries the generation of its change, so a process that knows one generation reads what
happened since: that is how it follows another one that writes. The vector of a row lies at its number in `vectors.f32`, is
written first, and counts once the row is committed here.

WAL mode: readers see the last commit and wait for nobody. A commit is on the disk when the call returns. Source:
sqlite.org/wal.html, sqlite.org/pragma.html#pragma_data_version.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import NotFoundError, StoreError
from ragterm.engine.vectors import item_file
from ragterm.engine.vectors.item_rows import Changes, ItemRows, Mark, encode_id
from ragterm.engine.vectors.items import Block, prepare
from ragterm.engine.vectors.metadata import Json, Metadata, checked, decoded, encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    RowArray = NDArray[np.int64]


class ItemStore:
    """The items of a database folder. Raises StoreError when the file cannot be used, and when another process has been
    writing for longer than `busy_seconds`."""

    def __init__(
        self, path: Path, parameters: Mapping[str, Json] | None = None, busy_seconds: float = item_file.BUSY_SECONDS
    ) -> None:
        """Open the file, or with `parameters` make a new one: StoreError when it is there already."""
        self.path = path
        self._write_lock, self._read_lock = threading.RLock(), threading.RLock()
        self._rows = ItemRows()
        self._mark = Mark(0, 0)
        self._seen = -1
        self._open: _Transaction | None = None
        self._writing_thread: int | None = None
        self._closed = False
        self._parameters: Mapping[str, Json] = {}
        # Two connections: a reader does not wait for a writer, in the same process either.
        self._writer = item_file.connect(path, busy_seconds, create=parameters is not None)
        try:
            if parameters is not None:
                item_file.create(self._writer, path, parameters)
            item_file.check_format(self._writer, path)
            self._reader = item_file.connect(path, busy_seconds)
        except BaseException:
            self._writer.close()
            raise
        self.refresh()

    @property
    def parameters(self) -> Mapping[str, Json]:
        return self._parameters

    @property
    def mark(self) -> Mark:
        """The state that this process knows: after `refresh`, and after its own writing, that of the last commit."""
        return self._mark

    @property
    def generation(self) -> int:
        return self._mark.generation

    @property
    def memory_bytes(self) -> int:
        return self._rows.memory_bytes

    def __len__(self) -> int:
        return self._rows.live

    @contextmanager
    def writing(self) -> Iterator[Mark]:
        """A transaction that no other process can write beside (BEGIN IMMEDIATE): what is inside becomes one commit, or nothing.
        Joins one that this thread has open. Raises StoreError when another writer does not finish."""
        with self._write_lock:
            if self._open is not None:
                yield Mark(self._open.generation - 1, self._open.rows)
                return
            with item_file.explained(self.path):
                self._refuse_if_closed()
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    generation, rows = self._writer.execute("SELECT generation, rows FROM state").fetchone()
                    self._open, self._writing_thread = _Transaction(generation + 1, rows), threading.get_ident()
                    yield Mark(generation, rows)
                    self._finish(self._open)
                except BaseException:
                    # A failed COMMIT (full disk) may have rolled back by itself.
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
                finally:
                    self._open = self._writing_thread = None
            self.refresh(self._mark)

    def append(
        self, ids: Sequence[str], metadata: Sequence[Metadata | None] | None = None, blocks: Iterable[Block] = ()
    ) -> int:
        """`Items.append`; `blocks` are the checksums of the vectors, committed together with the rows."""
        names, texts = prepare(ids, metadata)
        if not names:
            return self.mark.rows
        with self._changing() as transaction:
            first, generation = transaction.rows, transaction.generation
            replaced = "UPDATE items SET removed = ? WHERE id = ? AND removed IS NULL"
            self._writer.executemany(replaced, ((generation, name) for name in names if first))
            last = {name: i for i, name in enumerate(names)}
            self._writer.executemany(
                "INSERT INTO items (row, id, metadata, removed) VALUES (?, ?, ?, ?)",
                (
                    (first + i, name, text, None if last[name] == i else generation)
                    for i, (name, text) in enumerate(zip(names, texts, strict=True))
                ),
            )
            self._writer.executemany(
                "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", ((b.number, b.rows, b.crc) for b in blocks)
            )
            transaction.rows += len(names)
        return first

    def remove(self, ids: Iterable[str]) -> RowArray:
        wanted = dict.fromkeys(ids)
        if not wanted:
            return np.empty(0, dtype=np.int64)
        with self._changing() as transaction:
            rows = [self._live_row(doc_id) for doc_id in wanted]
            self._writer.executemany(
                "UPDATE items SET removed = ? WHERE row = ?", ((transaction.generation, row) for row in rows)
            )
        return _ascending(rows)

    def set_metadata(self, doc_id: str, metadata: Metadata | None) -> int:
        text = encoded(checked(metadata, doc_id))
        with self._changing() as transaction:
            row = self._live_row(doc_id)
            self._writer.execute(
                "UPDATE items SET metadata = ?, edited = ? WHERE row = ?", (text, transaction.generation, row)
            )
        return row

    def set_parameters(self, values: Mapping[str, Json]) -> None:
        with self._changing():
            item_file.write_parameters(self._writer, values)

    def row_of(self, doc_id: str) -> int | None:
        return self._find(encode_id(doc_id))

    def rows_of(self, ids: Sequence[str]) -> RowArray:
        names = list(map(encode_id, ids))
        with self._snapshot():  # all of them at one moment
            found = [self._find(name) for name in names]
        return np.array([-1 if row is None else row for row in found], dtype=np.int64)

    def ids_of(self, rows: Iterable[int]) -> list[str]:
        return self._rows.ids_of(rows)

    def all_ids(self) -> list[str]:
        return self._rows.all_ids()

    def metadata_of(self, row: int) -> dict[str, Json]:
        return self.metadata_between(row, row + 1)[0]

    def metadata_between(self, first: int, stop: int) -> list[dict[str, Json]]:
        first, stop = int(first), int(stop)  # for sqlite3 a numpy integer is a blob, which matches no row
        with self._reading() as connection:
            found = connection.execute(
                "SELECT metadata FROM items WHERE row >= ? AND row < ? ORDER BY row", (first, stop)
            )
            texts = [text for (text,) in found]
        if len(texts) != stop - first:
            raise NotFoundError(
                "There is no such row", f"{stop - first} rows from {first} wanted, {len(texts)} there", ""
            )
        return list(map(decoded, texts))

    def alive(self) -> NDArray[np.bool_]:
        return self._rows.alive

    def checksums(self) -> tuple[int, list[Block]]:
        """How many rows are committed, and the checksums of their vectors, by number."""
        with self._snapshot() as connection:
            (rows,) = connection.execute("SELECT rows FROM state").fetchone()
            found = connection.execute("SELECT block, rows, crc FROM blocks ORDER BY block")
            return rows, [Block(*values) for values in found]

    def block(self, number: int) -> Block | None:
        with self._reading() as connection:
            found = connection.execute("SELECT block, rows, crc FROM blocks WHERE block = ?", (number,)).fetchone()
        return None if found is None else Block(*found)

    def changed_elsewhere(self) -> bool:
        with self._read_lock, item_file.explained(self.path):
            self._refuse_if_closed()
            # Every commit but this connection's own makes it another number, so the writer beside it does too.
            version = self._data_version()
            if version == self._seen:
                return False
            (generation,) = self._reader.execute("SELECT generation FROM state").fetchone()
            if generation == self.generation:
                self._seen = version
            return bool(generation != self.generation)

    def refresh(self, since: Mark | None = None) -> Changes:
        since = since or Mark(0, 0)
        with self._read_lock:
            with item_file.explained(self.path):
                self._refuse_if_closed()
                version = self._data_version()  # before the snapshot: a commit between the two is found the next time
            with self._snapshot() as connection:
                mark = Mark(*connection.execute("SELECT generation, rows FROM state").fetchone())
                names = [
                    n
                    for (n,) in connection.execute(
                        "SELECT id FROM items WHERE row >= ? ORDER BY row", (len(self._rows),)
                    )
                ]
                # INDEXED BY: the planner would rather walk all rows in order than read a few and sort them.
                removals = "SELECT removed, row FROM items INDEXED BY items_removed WHERE removed > ?"
                gone = connection.execute(removals, (min(since.generation, self.generation),)).fetchall()
                edits = "SELECT row FROM items INDEXED BY items_edited WHERE edited > ?"
                edited = [row for (row,) in connection.execute(edits, (since.generation,))]
                if mark.generation != self.generation or not self._parameters:
                    stored = connection.execute("SELECT name, value FROM parameters")
                    self._parameters = {name: json.loads(value) for name, value in stored}
            if len(self._rows) + len(names) != mark.rows:
                raise item_file.damaged(self.path, f"{len(self._rows) + len(names)} rows where {mark.rows} are counted")
            before = self.generation
            if names:
                self._rows.append(names)
            fresh = [row for generation, row in gone if generation > before]
            if fresh:
                self._rows.remove(np.array(fresh, dtype=np.int64))
            self._mark, self._seen = mark, version
        removed = [row for generation, row in gone if generation > since.generation]
        return Changes(since.rows, _ascending(removed), _ascending(edited), mark)

    def close(self) -> None:
        """The last connection to the file folds the write-ahead log into it."""
        with self._write_lock, self._read_lock:
            self._closed = True
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _changing(self) -> Iterator[_Transaction]:
        with self.writing():
            assert self._open is not None
            self._open.changed = True
            yield self._open

    def _finish(self, transaction: _Transaction) -> None:
        if not transaction.changed:
            self._writer.execute("ROLLBACK")
            return
        self._writer.execute("UPDATE state SET generation = ?, rows = ?", (transaction.generation, transaction.rows))
        self._writer.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Inside `writing` of the same thread it is the writer, which sees what was written so far."""
        if self._writing_thread == threading.get_ident():
            yield self._writer
            return
        with self._read_lock, item_file.explained(self.path):
            self._refuse_if_closed()
            yield self._reader

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for all statements inside."""
        with self._reading() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _find(self, name: bytes) -> int | None:
        with self._reading() as connection:
            found = connection.execute("SELECT row FROM items WHERE id = ? AND removed IS NULL", (name,)).fetchone()
        return None if found is None else int(found[0])

    def _live_row(self, doc_id: str) -> int:
        row = self._find(encode_id(doc_id))
        if row is None:
            raise NotFoundError(f"No vector has the id {doc_id!r}", "", "")
        return row

    def _data_version(self) -> int:
        (version,) = self._reader.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreError("The database is closed", str(self.path), "open it again")


@dataclass
class _Transaction:
    """The generation that its commit will have, and the rows with those appended so far."""

    generation: int
    rows: int
    changed: bool = False


def _ascending(rows: list[int]) -> RowArray:
    return np.array(sorted(rows), dtype=np.int64)
