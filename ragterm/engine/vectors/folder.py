"""A database on disk: a folder with `items.sqlite` (ids, metadata, tombstones, parameters) and `vectors.f32` (rows).

A write is two steps in this order: the vectors are written and flushed, then one SQLite commit counts them. A process that is
killed between the two leaves bytes behind the last row that counts, and the next writer writes over them. Two processes
write in turns, by SQLite's lock, which is held from before the count is read until the commit.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import StoreError, UsageError
from ragterm.engine.vectors import item_file
from ragterm.engine.vectors.item_store import ItemStore
from ragterm.engine.vectors.metadata import Json, Metadata
from ragterm.engine.vectors.vectors_file import BLOCK_ROWS, VectorFile

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from ragterm.engine.vectors.item_rows import Mark

    FloatArray = NDArray[np.float32]

ITEMS = "items.sqlite"
VECTORS = "vectors.f32"


class DatabaseFolder:
    """`items` may be used directly for all but appending, which `insert` does together with the vectors."""

    def __init__(self, path: Path, items: ItemStore) -> None:
        self.path = path
        self.items = items
        dimensions = items.parameters.get("dimensions")
        if not isinstance(dimensions, int):
            raise item_file.damaged(items.path, "it does not say how many dimensions a vector has")
        self.dimensions = dimensions
        self._file = self._open_or_begin()
        try:
            self._file.rows(items.mark.rows)
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(
        cls, path: Path, dimensions: int, parameters: Mapping[str, Json], busy_seconds: float = item_file.BUSY_SECONDS
    ) -> DatabaseFolder:
        """A new database, in a new folder or one without a database. Raises StoreError when there is one."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError("The folder cannot be made", f"{path}: {error.strerror}", "choose another one") from error
        return cls._with(path, ItemStore(path / ITEMS, {**parameters, "dimensions": dimensions}, busy_seconds))

    @classmethod
    def open(cls, path: Path, busy_seconds: float = item_file.BUSY_SECONDS) -> DatabaseFolder:
        """Raises StoreError when there is none, or it is damaged."""
        return cls._with(path, ItemStore(path / ITEMS, busy_seconds=busy_seconds))

    @classmethod
    def _with(cls, path: Path, items: ItemStore) -> DatabaseFolder:
        try:
            return cls(path, items)
        except BaseException:
            items.close()
            raise

    def writing(self) -> AbstractContextManager[Mark]:
        """Several changes as one commit, beside which no other process writes. Yields the state they follow."""
        return self.items.writing()

    def insert(self, ids: Sequence[str], vectors: FloatArray, metadata: Sequence[Metadata | None] | None = None) -> int:
        """New rows, float32 (n, dimensions), under these ids; the first one's number. All of them or none, also when the process
        is killed; on the disk when this returns (inside `writing`: when that ends). Raises UsageError as `Items.append`
        does and for another shape, StoreError when the disk is full or another process does not stop writing."""
        if vectors.ndim != 2 or vectors.shape != (len(ids), self.dimensions):
            why = f"{len(ids)} ids need the shape ({len(ids)}, {self.dimensions}), these have {vectors.shape}"
            raise UsageError("The vectors do not fit", why, "pass one vector for each id")
        with self.items.writing() as state:
            blocks = self._file.append(vectors, state.rows, self.items.block(state.rows // BLOCK_ROWS))
            self._file.flush()
            return self.items.append(ids, metadata, blocks)

    def vectors(self, count: int | None = None) -> FloatArray:
        """The first `count` rows (all that `items.mark` counts), float32 (count, dimensions), read-only, a view of the file."""
        return self._file.rows(self.items.mark.rows if count is None else count)

    def vector(self, row: int) -> FloatArray:
        """A copy of one row, which may be younger than `items.mark`."""
        vector: FloatArray = self._file.rows(row + 1)[row].copy()
        return vector

    def verify(self) -> list[int]:
        """The numbers of the damaged blocks of 1,024 rows, none when all is well. Reads the whole file."""
        rows, blocks = self.items.checksums()
        return self._file.verify(blocks, rows)

    def fingerprint(self, rows: int) -> str:
        """Of the first `rows` committed vectors: the checksums of their blocks, taken together. Reads no more than one block."""
        _, blocks = self.items.checksums()
        whole = rows // BLOCK_ROWS
        parts = [block.crc for block in blocks[:whole]]
        parts.append(zlib.crc32(self.vectors(rows)[whole * BLOCK_ROWS :].tobytes()))
        return f"{rows}-{zlib.crc32(np.array(parts, dtype='<u4').tobytes()):08x}"

    @property
    def disk_bytes(self) -> int:
        """What the files in the folder take: room that `vectors.f32` has ahead takes none before it is written."""
        total = 0
        for file in self.path.iterdir():
            with suppress(FileNotFoundError):  # the write-ahead log comes and goes
                state = file.stat()
                total += state.st_blocks * 512 if hasattr(state, "st_blocks") else state.st_size
        return total

    def close(self) -> None:
        """Views of the vectors stay valid."""
        self._file.close()
        self.items.close()

    def _open_or_begin(self) -> VectorFile:
        path = self.path / VECTORS
        if self.items.mark.rows:
            return VectorFile(path, self.dimensions)
        # No row counts yet: whoever made the database may have died before the file was there.
        with self.items.writing() as mark:
            try:
                return VectorFile(path, self.dimensions)
            except StoreError:
                if mark.rows:
                    raise
                return VectorFile.create(path, self.dimensions)
