"""Where the rows of a `VectorDB` are kept: in memory, or in a folder with the index beside them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import StoreError
from ragterm.engine.vectors import index_snapshot
from ragterm.engine.vectors.folder import VECTORS, DatabaseFolder
from ragterm.engine.vectors.item_rows import Mark
from ragterm.engine.vectors.memory_items import MemoryItems
from ragterm.engine.vectors.snapshot import SnapshotError
from ragterm.engine.vectors.vectors_file import BLOCK_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragterm.engine.vectors.indexes import Index
    from ragterm.engine.vectors.items import Items
    from ragterm.engine.vectors.metadata import Json, Metadata

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]

_COPIED_AT_ONCE = 8192
CHECKED_ROWS = 200_000
"""Up to this many rows are verified while a database is opened: 2 GB/s."""


class MemoryRows:
    """Rows that end with the process."""

    disk_bytes = 0

    def __init__(self, parameters: Mapping[str, Json]) -> None:
        self.items = MemoryItems(parameters)
        self._fresh: list[Floats] = []

    def begin(self, index: Index) -> Mark:
        return self.items.mark

    def append(self, ids: Sequence[str], vectors: Floats, metadata: Sequence[Metadata | None] | None) -> None:
        self.items.append(ids, metadata)
        self._fresh.append(vectors)

    def extend(self, index: Index, rows: int, removed: Rows) -> None:
        """Give `index` what was appended; `removed` rows go at the same moment."""
        fresh, self._fresh = self._fresh, []
        index.add(fresh[0] if len(fresh) == 1 else np.concatenate(fresh), removed=removed)

    def save(self, index: Index) -> None: ...

    def close(self) -> None: ...


class FolderRows:
    """Rows in a `DatabaseFolder`. `index.snapshot` is written for the next process; without it the index is made anew."""

    def __init__(self, folder: DatabaseFolder) -> None:
        self._folder = folder
        self.items = folder.items
        self.dimensions = folder.dimensions
        self._saved: tuple[int, object] | None = None  # rows of what is in the file, and what was made of them
        self._saving = threading.Lock()
        self._closed = False

    @classmethod
    def create(cls, path: Path, dimensions: int, parameters: Mapping[str, Json]) -> FolderRows:
        return cls(DatabaseFolder.create(path, dimensions, parameters))

    @classmethod
    def open(cls, path: Path) -> FolderRows:
        return cls(DatabaseFolder.open(path))

    @property
    def disk_bytes(self) -> int:
        return self._folder.disk_bytes

    def begin(self, index: Index) -> Mark:
        """Fill the empty `index` with the rows that there are. Raises StoreError when vectors are damaged."""
        mark = self.items.mark
        if mark.rows <= CHECKED_ROWS and (damaged := self._folder.verify()):
            where = f"{self._folder.path / VECTORS}, in blocks of {BLOCK_ROWS} rows: {damaged[:5]}"
            raise StoreError("Vectors are damaged", where, f"restore {self._folder.path} from a copy")
        stored, alive = self._folder.vectors(mark.rows), self.items.alive()
        try:
            kept = index_snapshot.read(self._folder.path, self._folder.fingerprint, index.parameters, mark.rows)
            index.take(kept, stored, alive)
        except (SnapshotError, KeyError):
            if mark.rows:
                index.add(stored, stored, np.flatnonzero(~alive))
        else:
            self._saved = (kept.rows, index.made)
        return mark

    def append(self, ids: Sequence[str], vectors: Floats, metadata: Sequence[Metadata | None] | None) -> None:
        self._folder.insert(ids, vectors, metadata)

    def append_all(self, index: Index, items: Items) -> None:
        """What lives of another database."""
        rows = np.flatnonzero(index.alive)
        for start in range(0, len(rows), _COPIED_AT_ONCE):
            part = rows[start : start + _COPIED_AT_ONCE]
            metadata = [items.metadata_of(row) for row in part.tolist()]
            self.append(items.ids_of(part.tolist()), index.vectors[part], metadata)

    def extend(self, index: Index, rows: int, removed: Rows) -> None:
        """Give `index` the rows that it does not have yet; `removed` ones go at the same moment."""
        stored = self._folder.vectors(rows)
        index.add(stored[index.rows :], stored, removed)

    def save(self, index: Index) -> None:
        """Write the snapshot, if there is something new to write, and nobody has written one of more rows. Raises
        StoreError."""
        with self._saving:
            if self._closed or (self._saved and self._saved[0] == index.rows and self._saved[1] is index.made):
                return
            kept = index.keep()
            if kept is None:
                return
            path, of = self._folder.path, index.parameters
            if index_snapshot.linked_rows(path, self._folder.fingerprint, of, index.rows) > kept.linked:
                return
            try:
                index_snapshot.write(path, self._folder.fingerprint(kept.rows), of, kept)
            except OSError as error:
                hint = "the vectors are safe, and the index is made anew without it"
                raise StoreError("The index cannot be written", f"{path}: {error.strerror}", hint) from error
            self._saved = (kept.rows, kept.made)

    def close(self) -> None:
        self._closed = True
        self._folder.close()
