"""The SQLite file of a database folder: its format, connections to it, and what its errors mean for a person.

`items_live` is a partial index (sqlite.org/partialindex.html): an id is unique among the live rows, and finding one reads no
tombstones.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ragterm.engine.types.errors import StoreError
from ragterm.engine.vectors.metadata import Json

BUSY_SECONDS = 30.0
VERSION = 1
_APPLICATION = 0x52544956  # "RTIV": says whose file it is, also to file(1)
_SCHEMA = f"""
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, rows INTEGER NOT NULL);
INSERT INTO state VALUES (1, 0, 0);
CREATE TABLE parameters (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- id: UTF-8 as a blob, since a lone surrogate is no TEXT. removed, edited: the generation that did it.
CREATE TABLE items (row INTEGER PRIMARY KEY, id BLOB NOT NULL, metadata TEXT, removed INTEGER, edited INTEGER);
CREATE UNIQUE INDEX items_live ON items (id) WHERE removed IS NULL;
CREATE INDEX items_removed ON items (removed) WHERE removed IS NOT NULL;
CREATE INDEX items_edited ON items (edited) WHERE edited IS NOT NULL;
-- One row per block of vectors.f32: how many rows of it are committed, and their CRC-32.
CREATE TABLE blocks (block INTEGER PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
"""


def connect(path: Path, busy_seconds: float, create: bool = False) -> sqlite3.Connection:
    """Without `create` the file must be there. Raises StoreError."""
    if not create and not path.is_file():
        raise StoreError("There is no vector database", f"{path.parent} has no {path.name}", "ragterm vec init")
    with explained(path):
        # check_same_thread: a lock sees to it that one thread at a time uses it, not always the one that opened it.
        connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            # FULL, not NORMAL: what an insert promised must survive a power cut, and a generation taken back by one would
            # be given out twice.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            _use_wal(connection, busy_seconds)
        except BaseException:
            connection.close()
            raise
    return connection


def create(connection: sqlite3.Connection, path: Path, parameters: Mapping[str, Json]) -> None:
    """The tables, in one transaction: a file without them is one whose maker was killed, and may be made again. Raises StoreError
    when there is a database already."""
    with explained(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                raise StoreError("There is a database already", str(path), "open it, or choose another folder")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            write_parameters(connection, parameters)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError for another program's file and for another version's."""
    with explained(path):
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise StoreError("This is no vector database", str(path), "choose another folder")
    if version != VERSION:
        why = f"{path}: its format is version {version}, this program reads {VERSION}"
        raise StoreError("The database is from another version", why, "open it with the ragterm that wrote it")


def write_parameters(connection: sqlite3.Connection, parameters: Mapping[str, Json]) -> None:
    values = ((name, json.dumps(value)) for name, value in parameters.items())
    connection.executemany("INSERT OR REPLACE INTO parameters VALUES (?, ?)", values)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's errors as StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error


def damaged(path: Path, why: str) -> StoreError:
    return StoreError("The database is damaged", f"{path}: {why}", f"restore {path.parent} from a copy")


def _explain(error: sqlite3.Error, path: Path) -> StoreError:
    text = str(error)
    low, where = text.lower(), f"{path}: {text}"
    if "locked" in low or "busy" in low:
        return StoreError("The database is busy", where, "another process is writing to it; try again when it is done")
    if "full" in low or "disk i/o" in low:
        return StoreError("The disk is full or cannot be written", where, "free some space: what was committed is safe")
    if "readonly" in low or "read-only" in low or "unable to open" in low:
        return StoreError("The database cannot be written", where, f"check the permissions of {path.parent}")
    if "malformed" in low or "not a database" in low or "corrupt" in low:
        return damaged(path, text)
    return StoreError("The database cannot be used", where, "ragterm doctor")


def _use_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Switching a new file to WAL fails at once, whatever the timeout, while another process does the same."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
