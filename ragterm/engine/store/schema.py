"""The tables of a collection and how they came to be: numbered migrations, each in one transaction with its own record.

- `documents` is the ledger: one row for every file the collection knows, whatever became of it.
- `versions` holds canonical texts and blocks by (document, content hash): the current one of each indexed document, and
  older ones for as long as a trace refers to them.
- `chunks.key` is the integer that both indexes use. AUTOINCREMENT: a key is never given out twice, so an index that is
  behind can never take one chunk for another.
- `changes` is the log that indexes are brought up to date from: operation 1 adds a key, -1 removes it. `added_in` of a
  removal tells whether an index at some generation can hold the key at all.
"""

from __future__ import annotations

import sqlite3
import uuid

from ragterm.engine.store.connection import Database
from ragterm.engine.types.errors import StoreError

_FIRST = (
    """CREATE TABLE collection (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        identity TEXT NOT NULL,
        generation INTEGER NOT NULL)""",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE builds (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        model_id TEXT NOT NULL,
        dimensions INTEGER NOT NULL,
        chunking TEXT NOT NULL,
        created TEXT NOT NULL,
        live INTEGER NOT NULL)""",
    "CREATE UNIQUE INDEX one_live_build ON builds (live) WHERE live = 1",
    """CREATE TABLE documents (
        id TEXT PRIMARY KEY,
        path NOT NULL,
        title TEXT NOT NULL,
        kind TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        pages INTEGER,
        chunks INTEGER NOT NULL,
        parser TEXT NOT NULL,
        warnings TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('indexed', 'failed', 'duplicate', 'skipped')),
        stage TEXT NOT NULL,
        error TEXT NOT NULL,
        hint TEXT NOT NULL,
        duplicate_of TEXT NOT NULL,
        ingested_at TEXT NOT NULL,
        seconds REAL NOT NULL,
        tries INTEGER NOT NULL,
        tried_by TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX documents_by_hash ON documents (content_hash, state)",
    "CREATE INDEX duplicates ON documents (duplicate_of) WHERE state = 'duplicate'",
    """CREATE TABLE versions (
        document_id TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        path NOT NULL,
        title TEXT NOT NULL,
        kind TEXT NOT NULL,
        pages INTEGER,
        parser TEXT NOT NULL,
        metadata TEXT NOT NULL,
        warnings TEXT NOT NULL,
        text BLOB NOT NULL,
        blocks BLOB NOT NULL,
        UNIQUE (document_id, content_hash))""",
    """CREATE TABLE chunks (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        document_id TEXT NOT NULL REFERENCES documents (id),
        build INTEGER NOT NULL REFERENCES builds (number),
        generation INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        text TEXT NOT NULL,
        context TEXT NOT NULL,
        page INTEGER,
        section TEXT NOT NULL,
        tokens INTEGER NOT NULL,
        parent_id TEXT,
        text_hash INTEGER NOT NULL)""",
    "CREATE INDEX chunks_of_document ON chunks (document_id, build, ordinal)",
    "CREATE INDEX chunks_by_text ON chunks (text_hash)",
    "CREATE INDEX chunks_of_build ON chunks (build)",
    "CREATE TABLE models (number INTEGER PRIMARY KEY, model_id TEXT NOT NULL UNIQUE)",
    """CREATE TABLE vectors (
        key INTEGER PRIMARY KEY REFERENCES chunks (key) ON DELETE CASCADE,
        model INTEGER NOT NULL REFERENCES models (number),
        vector BLOB NOT NULL)""",
    """CREATE TABLE changes (
        generation INTEGER NOT NULL,
        key INTEGER NOT NULL,
        build INTEGER NOT NULL,
        operation INTEGER NOT NULL CHECK (operation IN (1, -1)),
        added_in INTEGER NOT NULL,
        PRIMARY KEY (generation, key)) WITHOUT ROWID""",
    """CREATE TABLE traces (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        created_at REAL NOT NULL,
        json BLOB NOT NULL)""",
    "CREATE INDEX traces_by_age ON traces (created_at)",
    """CREATE TABLE trace_versions (
        trace INTEGER NOT NULL REFERENCES traces (number) ON DELETE CASCADE,
        document_id TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        PRIMARY KEY (trace, document_id, content_hash)) WITHOUT ROWID""",
    "CREATE INDEX traces_of_version ON trace_versions (document_id, content_hash)",
    """CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'stopped')),
        pid INTEGER NOT NULL,
        process_start TEXT NOT NULL,
        heartbeat REAL NOT NULL)""",
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request INTEGER NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
        operation TEXT NOT NULL CHECK (operation IN ('ingest', 'remove')),
        document_id TEXT NOT NULL,
        path NOT NULL,
        size INTEGER NOT NULL,
        force INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'done')),
        outcome TEXT NOT NULL DEFAULT '',
        UNIQUE (request, document_id))""",
    "CREATE INDEX jobs_waiting ON jobs (state, tries, id)",
    "CREATE TABLE indexer (one INTEGER PRIMARY KEY CHECK (one = 1), pid INTEGER, process_start TEXT, heartbeat REAL)",
)

_IN_STEP = (
    # The files and folders a collection follows, and the documents of theirs that a person took out.
    "CREATE TABLE roots (path PRIMARY KEY NOT NULL, added TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE left_out (document_id TEXT PRIMARY KEY) WITHOUT ROWID",
    # Removed documents until the next start (`aside.py`).
    """CREATE TABLE aside (
        document_id TEXT PRIMARY KEY,
        removal INTEGER NOT NULL,
        path NOT NULL,
        title TEXT NOT NULL,
        chunks INTEGER NOT NULL,
        removed_at TEXT NOT NULL,
        pid INTEGER NOT NULL,
        process_start TEXT NOT NULL,
        moment REAL NOT NULL,
        packed BLOB NOT NULL)""",
    # Which documents are nearly the same (`near.py`).
    "CREATE TABLE signatures (document_id TEXT PRIMARY KEY, shingles INTEGER NOT NULL, minima BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE bands (band INTEGER NOT NULL, document_id TEXT NOT NULL, PRIMARY KEY (band, document_id)) WITHOUT ROWID",
    "CREATE TABLE near (document_id TEXT PRIMARY KEY, other TEXT NOT NULL, share REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX near_by_other ON near (other)",
)

# Offsets into the document's canonical text, NULL for a chunk that is handed on as it is.
_PARENTS = (
    "ALTER TABLE chunks ADD COLUMN parent_start INTEGER",
    "ALTER TABLE chunks ADD COLUMN parent_end INTEGER",
)

# 0 tokens meant the model's window, for every strategy; now it means what suits the strategy. 8,192 is the most that can be set, so
# the window still decides, and the chunks of a changed document go on to be cut as those beside it were.
_SIZES = (
    "UPDATE builds SET chunking = json_set(chunking, '$.max_tokens', 8192) WHERE json_extract(chunking, '$.max_tokens') = 0",
)

MIGRATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the first schema", _FIRST),
    ("roots, removals that can be undone, near-duplicates", _IN_STEP),
    ("parents of chunks", _PARENTS),
    ("sizes of chunks by strategy", _SIZES),
)


def migrate(database: Database) -> None:
    """Bring the file to the newest schema. Safe when two processes open a new file at once. Raises StoreError when the file
    was written by a newer ragterm."""
    with database.reading() as connection:
        if _version(connection, database) == len(MIGRATIONS):
            return
    with database.atomic() as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL)"
        )
    for number, (name, statements) in enumerate(MIGRATIONS, start=1):
        with database.atomic() as connection:
            if _version(connection, database) >= number:
                continue
            for statement in statements:
                connection.execute(statement)
            if number == 1:
                connection.execute("INSERT INTO collection VALUES (1, ?, 0)", (uuid.uuid4().hex,))
            connection.execute("INSERT INTO migrations VALUES (?, ?, datetime('now'))", (number, name))


def _version(connection: sqlite3.Connection, database: Database) -> int:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'").fetchone()
    if there is None:
        return 0
    (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            "The collection was written by a newer ragterm",
            f"{database.path}: schema {version}, this ragterm knows {len(MIGRATIONS)}",
            "pip install --upgrade ragterm",
        )
    return int(version)
