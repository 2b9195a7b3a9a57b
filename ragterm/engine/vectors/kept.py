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

    from ragterm.engine.vectors.index import VectorIndex
    from ragterm.engine.vectors.metadata import Json, Metadata

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]

CHECKED_ROWS = 200_000
"""Up to this many rows are verified while a database is opened: 2 GB/s."""


class MemoryRows:
    """Rows that end with the process."""

    disk_bytes = 0

    def __init__(self, parameters: Mapping[str, Json]) -> None:
        self.items = MemoryItems(parameters)
        self._fresh: list[Floats] = []

    def begin(self, index: VectorIndex) -> Mark:
        return self.items.mark

    def append(self, ids: Sequence[str], vectors: Floats, metadata: Sequence[Metadata | None] | None) -> None:
        self.items.append(ids, metadata)
        self._fresh.append(vectors)

    def extend(self, index: VectorIndex, rows: int, removed: Rows) -> None:
        """Give `index` what was appended; `removed` rows go at the same moment."""
        fresh, self._fresh = self._fresh, []
        index.add(fresh[0] if len(fresh) == 1 else np.concatenate(fresh), removed=removed)

    def save(self, index: VectorIndex) -> None: ...

    def close(self) -> None: ...


class FolderRows:
    """Rows in a `DatabaseFolder`. `index.snapshot` is written for the next process; without it the index is made anew."""

    def __init__(self, folder: DatabaseFolder) -> None:
        self._folder = folder
        self.items = folder.items
        self.dimensions = folder.dimensions
        self._saved: tuple[int, object] | None = None
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

    def begin(self, index: VectorIndex) -> Mark:
        """Fill the empty `index` with the rows that there are. Raises StoreError when vectors are damaged."""
        mark = self.items.mark
        if mark.rows <= CHECKED_ROWS and (damaged := self._folder.verify()):
            where = f"{self._folder.path / VECTORS}, in blocks of {BLOCK_ROWS} rows: {damaged[:5]}"
            raise StoreError("Vectors are damaged", where, f"restore {self._folder.path} from a copy")
        stored, alive = self._folder.vectors(mark.rows), self.items.alive()
        try:
            kept = index_snapshot.read(
                self._folder.path, self._folder.fingerprint, self.dimensions, self._of(index), mark.rows
            )
        except (SnapshotError, KeyError):
            if mark.rows:
                index.add(stored, stored, np.flatnonzero(~alive))
        else:
            index.take(kept, stored, alive)
            self._saved = (len(kept.codes), kept.graph)
        return mark

    def append(self, ids: Sequence[str], vectors: Floats, metadata: Sequence[Metadata | None] | None) -> None:
        self._folder.insert(ids, vectors, metadata)

    def extend(self, index: VectorIndex, rows: int, removed: Rows) -> None:
        """Give `index` the rows that it does not have yet; `removed` ones go at the same moment."""
        stored = self._folder.vectors(rows)
        index.add(stored[index.rows :], stored, removed)

    def save(self, index: VectorIndex) -> None:
        """Write the snapshot, if there is something new to write, and nobody has written one with a graph of more rows. Raises
        StoreError."""
        with self._saving:
            kept = index.keep()
            state = (len(kept.codes), kept.graph)
            if self._closed or (self._saved is not None and self._saved[0] == state[0] and self._saved[1] is state[1]):
                return
            path, of = self._folder.path, self._of(index)
            if index_snapshot.linked_rows(path, self._folder.fingerprint, of, index.rows) > kept.linked:
                return
            try:
                index_snapshot.write(path, self._folder.fingerprint(len(kept.codes)), of, kept)
            except OSError as error:
                hint = "the vectors are safe, and the index is made anew without it"
                raise StoreError("The index cannot be written", f"{path}: {error.strerror}", hint) from error
            self._saved = state

    def close(self) -> None:
        self._closed = True
        self._folder.close()

    def _of(self, index: VectorIndex) -> dict[str, Json]:
        return {
            "metric": index.metric,
            "compact": index.compact,
            "m": index.m,
            "ef_construction": index.ef_construction,
            "seed": index.seed,
        }
