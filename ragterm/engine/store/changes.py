"""The change log: how an index that is at one generation gets to another.

Every mutation of chunks appends (generation, operation, key) in its own transaction and has a generation of its own. Keys
are never used twice, so the net of a stretch of the log is simple: added is what was added in it and is still there,
removed is what was removed in it and had been there before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragterm.engine.store.builds import Build, live_number
from ragterm.engine.store.connection import Database
from ragterm.engine.types.protocols import IndexChanges, IndexEntry

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray


class ChangeLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def generation(self) -> int:
        with self._database.reading() as connection:
            return current_generation(connection)

    def since(
        self, generation: int, vectors: bool = True, limit: int = 4096, build: Build | None = None
    ) -> IndexChanges:
        """The net changes of a build (the live one) after `generation`: about `limit` entries at most, cut between two generations.

        When `.generation` of the result is still below the store's, call again with it. An entry of a chunk that was
        removed meanwhile is left out; its removal then comes in a later call (so removing an unknown key is normal).
        """
        with self._database.reading() as connection:
            number = live_number(connection) if build is None else build.number
            upto = _cut(connection, generation, number, limit)
            removed = connection.execute(
                "SELECT key FROM changes WHERE generation > ? AND generation <= ? AND build = ? "
                "AND operation = -1 AND added_in <= ?",
                (generation, upto, number, generation),
            ).fetchall()
            added = list(_entries(connection, generation, upto, number, vectors))
        return IndexChanges(added, [key for (key,) in removed], upto)

    def blocks(
        self, generation: int, vectors: bool = True, limit: int = 4096, build: Build | None = None
    ) -> Iterator[IndexChanges]:
        """Everything after `generation`, block by block; nothing when the index is up to date."""
        while generation < self.generation():
            changes = self.since(generation, vectors, limit, build)
            generation = changes.generation
            yield changes


def _cut(connection: sqlite3.Connection, generation: int, build: int, limit: int) -> int:
    """The last generation of a block: whole generations, at least one, about `limit` rows."""
    first = connection.execute(
        "SELECT min(generation) FROM changes WHERE generation > ? AND build = ?", (generation, build)
    ).fetchone()[0]
    beyond = connection.execute(
        "SELECT generation FROM changes WHERE generation > ? AND build = ? ORDER BY generation LIMIT 1 OFFSET ?",
        (generation, build, limit),
    ).fetchone()
    if beyond is None:
        return current_generation(connection)
    return int(beyond[0]) - 1 if beyond[0] > first else int(first)


def _entries(connection: sqlite3.Connection, after: int, upto: int, build: int, vectors: bool) -> Iterator[IndexEntry]:
    vector, join = ("v.vector", "JOIN vectors v ON v.key = c.key") if vectors else ("NULL", "")
    rows = connection.execute(
        f"SELECT c.key, c.document_id, d.title, c.context, c.text, {vector} FROM changes g "
        f"JOIN chunks c ON c.key = g.key JOIN documents d ON d.id = c.document_id {join} "
        "WHERE g.generation > ? AND g.generation <= ? AND g.build = ? AND g.operation = 1",
        (after, upto, build),
    )
    for key, document_id, title, context, text, blob in rows:
        yield IndexEntry(key, document_id, title, context, text, None if blob is None else _vector(blob))


def _vector(blob: bytes) -> FloatArray:
    import numpy as np

    return np.frombuffer(blob, dtype="<f4")


# For use inside `atomic()`, by whoever writes chunks.


def current_generation(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT generation FROM collection").fetchone()[0])


def next_generation(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE collection SET generation = generation + 1")
    return current_generation(connection)


def log_added(connection: sqlite3.Connection, generation: int, build: int, keys: Sequence[int]) -> None:
    connection.executemany(
        "INSERT INTO changes (generation, key, build, operation, added_in) VALUES (?, ?, ?, 1, ?)",
        [(generation, key, build, generation) for key in keys],
    )


def log_removed(connection: sqlite3.Connection, generation: int, document_id: str) -> int:
    """Log the removal of every chunk of a document, in whichever build; the number of them."""
    return connection.execute(
        "INSERT INTO changes (generation, key, build, operation, added_in) "
        "SELECT ?, key, build, -1, generation FROM chunks WHERE document_id = ?",
        (generation, document_id),
    ).rowcount
