"""`vectors.f32`: the vectors of a database folder, float32 rows one behind the other, as the machine reads them.

    offset 0    magic b"RAGTERMF", format version, dimensions, CRC-32 of these (uint32 each); little endian; zeros
    offset 64   row 0, row 1, ...: 4 x dimensions bytes each, little endian

Rows are written once and never changed. How many of them count is not said here but in `items.sqlite`, whose commit
comes after the rows are on the disk: what lies behind the last committed row was left by a writer that died, or is room for
the next one, and is written over. The file is mapped into memory for reading, and grows ahead of what is needed so that a
map lasts for many appended rows.

`items.sqlite` also keeps a CRC-32 for every block of 1,024 rows, the last one as far as it is filled.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import StoreError, UsageError
from ragterm.engine.vectors.items import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

MAGIC = b"RAGTERMF"
VERSION = 1
HEADER_BYTES = 64
BLOCK_ROWS = 1024
_HEADER = struct.Struct("<8sII")
_CRC = struct.Struct("<I")
_LEAST_GROWTH = 1 << 16
_MOST_GROWTH = 1 << 28


class VectorFile:
    """Reading from any thread; one writer at a time, who holds the lock of `ItemStore.writing`. Raises StoreError."""

    def __init__(self, path: Path, dimensions: int) -> None:
        """Open the file. Raises StoreError when it is missing, damaged, another version's or of other dimensions."""
        self.path = path
        self.dimensions = dimensions
        self.row_bytes = 4 * dimensions
        self._lock = threading.Lock()
        self._writing: int | None = None
        self._closed = False
        with _explained(path):
            self._reading = os.open(path, os.O_RDONLY | _BINARY)
        try:
            self._check_header()
            self._mapped = self._map()
        except BaseException:
            os.close(self._reading)
            raise

    @classmethod
    def create(cls, path: Path, dimensions: int) -> VectorFile:
        """A file without rows, in place of what is there (which no commit counts)."""
        header = _HEADER.pack(MAGIC, VERSION, dimensions)
        header += _CRC.pack(zlib.crc32(header))
        with _explained(path), path.open("wb") as file:
            file.write(header.ljust(HEADER_BYTES, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        return cls(path, dimensions)

    @property
    def capacity(self) -> int:
        """How many rows there is room for before the file grows."""
        with _explained(self.path):
            return max(0, os.fstat(self._reading).st_size - HEADER_BYTES) // self.row_bytes

    def rows(self, count: int) -> FloatArray:
        """The first `count` rows, which are committed: float32 (count, dimensions), read-only, a view of the file. It stays
        valid whatever is appended, and after `close`. Raises StoreError when the file is shorter than that."""
        with self._lock:
            self._refuse_if_closed()
            if count > len(self._mapped):
                self._mapped = self._map()
            if count > len(self._mapped):
                where = f"{self.path} holds {len(self._mapped)} of {count} vectors"
                raise StoreError("The database is damaged", where, f"restore {self.path.parent} from a copy")
            return self._mapped[:count]

    def append(self, vectors: FloatArray, at: int, last: Block | None) -> list[Block]:
        """Write rows `at`, `at` + 1, ...; float32 (n, dimensions). `last` is the block that row `at` goes on with, None when it
        begins one. Returns the checksums to commit with the rows, which count only then. They are on the disk after `flush`."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise UsageError(f"Vectors have the shape (n, {self.dimensions})", f"these have {vectors.shape}", "")
        vectors = np.ascontiguousarray(vectors, dtype="<f4")
        if not len(vectors):
            return []
        blocks = self._checksums(vectors, at, last)
        with self._lock, _explained(self.path):
            self._refuse_if_closed()
            if self._writing is None:
                self._writing = os.open(self.path, os.O_RDWR | _BINARY)
            start = HEADER_BYTES + at * self.row_bytes
            end, size = start + vectors.nbytes, os.fstat(self._writing).st_size
            if end > size:
                os.ftruncate(self._writing, end + min(max(end // 8, _LEAST_GROWTH), _MOST_GROWTH))
            os.lseek(self._writing, start, os.SEEK_SET)
            rest = _bytes_of(vectors)
            while len(rest):
                rest = rest[os.write(self._writing, rest) :]
        return blocks

    def flush(self) -> None:
        """What was appended is on the disk when this returns."""
        with self._lock, _explained(self.path):
            if self._writing is not None:
                os.fsync(self._writing)

    def verify(self, blocks: Sequence[Block], count: int, threads: int = 2) -> list[int]:
        """The numbers of the blocks, among those of the first `count` rows, whose bytes are not those that were committed; block b
        is rows 1024 b to 1024 b + 1023. Reads every row."""
        known = {block.number: block for block in blocks}
        vectors = self.rows(min(count, self.capacity))  # a file cut short would kill the process that reads on

        def is_sound(number: int) -> bool:
            part = vectors[number * BLOCK_ROWS : (number + 1) * BLOCK_ROWS]
            block = known.get(number)
            return block is not None and zlib.crc32(_bytes_of(part)) == block.crc

        numbers = range(-(-count // BLOCK_ROWS))
        with ThreadPoolExecutor(threads) as pool:  # crc32 lets go of the interpreter's lock
            return [n for n, sound in zip(numbers, pool.map(is_sound, numbers), strict=True) if not sound]

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._mapped = self._mapped[:0].copy()  # views that are still in use keep the map
            os.close(self._reading)
            if self._writing is not None:
                os.close(self._writing)

    def _checksums(self, vectors: FloatArray, at: int, last: Block | None) -> list[Block]:
        filled = at % BLOCK_ROWS
        if filled and (last is None or (last.number, last.rows) != (at // BLOCK_ROWS, filled)):
            where = f"{self.path}: no checksum of the rows before {at}"
            raise StoreError("The database is damaged", where, f"restore {self.path.parent} from a copy")
        crc = last.crc if filled and last is not None else 0
        blocks, start = [], 0
        while start < len(vectors):
            number, filled = divmod(at + start, BLOCK_ROWS)
            stop = min(start + BLOCK_ROWS - filled, len(vectors))
            crc = zlib.crc32(_bytes_of(vectors[start:stop]), crc if filled else 0)
            blocks.append(Block(number, filled + stop - start, crc))
            start = stop
        return blocks

    def _map(self) -> FloatArray:
        with _explained(self.path):
            count = max(0, os.fstat(self._reading).st_size - HEADER_BYTES) // self.row_bytes
            if not count:
                return np.empty((0, self.dimensions), dtype="<f4")
            mapped = mmap.mmap(self._reading, HEADER_BYTES + count * self.row_bytes, access=mmap.ACCESS_READ)
        rows: FloatArray = np.frombuffer(mapped, dtype="<f4", offset=HEADER_BYTES).reshape(count, self.dimensions)
        return rows

    def _check_header(self) -> None:
        with _explained(self.path):
            header = os.read(self._reading, HEADER_BYTES)
        if len(header) < HEADER_BYTES or header[:8] != MAGIC:
            raise StoreError("The vectors cannot be read", f"{self.path} is no file of vectors", _restore(self.path))
        _, version, dimensions = _HEADER.unpack_from(header)
        (crc,) = _CRC.unpack_from(header, _HEADER.size)
        if zlib.crc32(header[: _HEADER.size]) != crc or any(header[_HEADER.size + _CRC.size :]):
            raise StoreError("The vectors cannot be read", f"the header of {self.path} is damaged", _restore(self.path))
        if version != VERSION:
            why = f"{self.path}: its format is version {version}, this program reads {VERSION}"
            raise StoreError("The database is from another version", why, "open it with the ragterm that wrote it")
        if dimensions != self.dimensions:
            why = f"{self.path} has {dimensions} dimensions, the database {self.dimensions}"
            raise StoreError("The vectors cannot be read", why, _restore(self.path))

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreError("The database is closed", str(self.path.parent), "open it again")


_BINARY = getattr(os, "O_BINARY", 0)


def _bytes_of(vectors: FloatArray) -> memoryview:
    return vectors.reshape(-1).view(np.uint8).data


def _restore(path: Path) -> str:
    return f"restore {path.parent} from a copy"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError("The vectors are not there", str(path), _restore(path)) from error
    except OSError as error:
        hint = "free some space, or check the permissions: what was committed is safe"
        raise StoreError("The vectors cannot be read or written", f"{path}: {error.strerror}", hint) from error
