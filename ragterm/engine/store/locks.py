"""One indexer per collection: an advisory lock on a file, let go by the system when its holder dies."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from types import TracebackType

from ragterm.engine.types.errors import BusyError, StoreError


class IndexerLock:
    """`with IndexerLock(folder): ...` or `acquire()` and `release()`. Two locks on one folder exclude each other within a
    process as well. Raises BusyError naming the holder's process id."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "indexer.lock"
        self._file: int | None = None

    def acquire(self) -> None:
        # The descriptor is not inheritable: a worker that outlives its killed parent must not go on holding the lock.
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise StoreError("The collection cannot be written", str(error), f"check {self.path.parent}") from error
        try:
            _lock(file)
        except OSError as error:
            os.close(file)
            raise BusyError(
                "Another ragterm is indexing this collection",
                f"process {self.holder() or 'unknown'}",
                "wait for it to finish",
            ) from error
        with contextlib.suppress(OSError):  # a full disk must not keep anyone from the lock: the content is a courtesy
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps({"pid": os.getpid()}).encode(), 0)
        self._file = file

    def try_acquire(self) -> bool:
        try:
            self.acquire()
        except BusyError:
            return False
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)  # closing the only descriptor lets go of the lock
            self._file = None

    def holder(self) -> int | None:
        """The process id that the last holder wrote, None when nobody did."""
        try:
            return int(json.loads(self.path.read_text(encoding="utf-8"))["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __enter__(self) -> IndexerLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


if sys.platform == "win32":
    import msvcrt

    # Locking there is mandatory for the locked bytes, so a byte far behind the content is locked.
    def _lock(file: int) -> None:
        os.lseek(file, 1 << 20, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
