"""Connections to a collection's SQLite file: many readers, one writer, one `atomic()` for every write.

The file is in WAL mode, so a reader sees the state of the last commit and never waits for the writer. Within the process
one lock lets writers queue in Python instead of spinning in SQLite's busy handler; between processes `BEGIN IMMEDIATE`
and the busy timeout do the same. Source: sqlite.org/wal.html, sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ragterm.engine.types.errors import BusyError, StoreError

BUSY_SECONDS = 20.0
_IDLE_READERS = 8


class Database:
    """One SQLite file. Every method may be called from any thread.

    `tracer` is called with every SQL statement as it runs (for debugging and for tests that count statements).
    """

    def __init__(self, path: Path, tracer: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._tracer = tracer
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._writing_thread: int | None = None
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection with one snapshot for all statements inside. Inside `atomic()` of the same thread it is the writer's
        own, which sees what was written so far. Raises StoreError."""
        if self._writing_thread == threading.get_ident() and self._writer is not None:
            yield self._writer
            return
        with self._explained():
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def atomic(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing. A nested one joins the outer. Raises StoreError, BusyError when another
        process holds the file for longer than the busy timeout."""
        with self._write_lock:
            if self._writing_thread == threading.get_ident() and self._writer is not None:
                yield self._writer
                return
            with self._explained():
                if self._closed:
                    raise _closed(self.path)
                if self._writer is None:
                    self._writer = self._connect()
                writer = self._writer
                writer.execute("BEGIN IMMEDIATE")
                self._writing_thread = threading.get_ident()
                try:
                    yield writer
                    writer.execute("COMMIT")
                except BaseException:
                    # A failed COMMIT (full disk) may have rolled back by itself.
                    if writer.in_transaction:
                        writer.execute("ROLLBACK")
                    raise
                finally:
                    self._writing_thread = None

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        with self._write_lock, self._idle_lock:
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _borrow(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._closed:
                raise _closed(self.path)
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._idle_lock:
            if not self._closed and len(self._idle) < _IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        # check_same_thread: a connection is used by one thread at a time, but not always by the one that opened it.
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -16000")
            connection.execute("PRAGMA temp_store = MEMORY")
            # FULL, not NORMAL: a commit that a power cut takes back would give its generation and keys out a second time,
            # and an index that had already seen the first ones would be silently wrong.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            _use_wal(connection)
        except BaseException:
            connection.close()
            raise
        if self._tracer is not None:
            connection.set_trace_callback(self._tracer)
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switching a new file to WAL fails at once, whatever the timeout, while another process does the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _closed(path: Path) -> StoreError:
    return StoreError("The collection is closed", str(path), "open it again")


def explain(error: sqlite3.Error, path: Path) -> StoreError | BusyError:
    """What a database error means for a person, and what to do about it."""
    text = str(error)
    low = text.lower()
    where = f"{path}: {text}"
    if "full" in low or "disk i/o" in low:
        return StoreError(
            "The disk is full or cannot be written",
            where,
            "free some space and start again: what was committed is safe, and the ingest resumes",
        )
    if "locked" in low or "busy" in low:
        return BusyError("The collection is busy", where, "another ragterm is writing to it; try again in a moment")
    if "readonly" in low or "read-only" in low or "unable to open" in low:
        return StoreError("The collection cannot be written", where, f"check the permissions of {path.parent}")
    if "malformed" in low or "not a database" in low or "corrupt" in low:
        return StoreError(
            "The collection is damaged",
            where,
            f"restore {path} from a backup, or delete {path.parent} and ingest again",
        )
    return StoreError("The collection cannot be used", where, "ragterm doctor")
