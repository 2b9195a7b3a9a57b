"""Shadow builds: another chunking or model over the same documents, written beside the live build and then taken in its place.

A document that an ingest replaces loses its chunks in every build and gets new ones in the live one alone; so what a shadow
still lacks is always plain to see, and cut-over happens only when it lacks nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragterm.engine.store.builds import Build
from ragterm.engine.store.changes import next_generation
from ragterm.engine.store.chunks import insert_chunks
from ragterm.engine.store.connection import Database
from ragterm.engine.store.documents import text_hashes
from ragterm.engine.types.documents import Chunk

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray

_LACKING = (
    "SELECT d.id FROM documents d WHERE d.state = 'indexed' AND d.kind != 'archive' AND NOT EXISTS "
    "(SELECT 1 FROM chunks c WHERE c.document_id = d.id AND c.build = ?)"
)
_PREVIOUS = "previous_build"


class ShadowBuilds:
    """Filling, cutting over to, and dropping builds. One process does so at a time: the holder of the indexer lock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lacking(self, build: Build) -> list[str]:
        """The ids of the indexed documents that have no chunks in this build."""
        with self._database.reading() as connection:
            return [id_ for (id_,) in connection.execute(f"{_LACKING} ORDER BY d.id", (build.number,))]

    def put(
        self, build: Build, document_id: str, content_hash: str, chunks: Sequence[Chunk], vectors: FloatArray
    ) -> bool:
        """Write a document's chunks into a build. False, and nothing is written, when the document is another version by now.
        `vectors` float32 (chunks, dimensions)."""
        hashes = text_hashes(chunks)
        with self._database.atomic() as connection:
            there = connection.execute(
                "SELECT 1 FROM documents WHERE id = ? AND content_hash = ? AND state = 'indexed'",
                (document_id, content_hash),
            ).fetchone()
            if there is None or _has_chunks(connection, document_id, build):
                return False
            insert_chunks(
                connection,
                chunks,
                vectors,
                hashes,
                build=build.number,
                model_id=build.model_id,
                generation=next_generation(connection),
            )
        return True

    def cut_over(self, build: Build) -> bool:
        """Make a build that lacks nothing the live one; False when documents have changed meanwhile."""
        with self._database.atomic() as connection:
            if connection.execute(f"{_LACKING} LIMIT 1", (build.number,)).fetchone() is not None:
                return False
            before = connection.execute("SELECT id FROM builds WHERE live = 1").fetchone()
            connection.execute("UPDATE builds SET live = 0")
            connection.execute("UPDATE builds SET live = 1 WHERE number = ?", (build.number,))
            connection.execute(
                "UPDATE documents SET chunks = (SELECT count(*) FROM chunks c WHERE c.document_id = documents.id AND c.build = ?) "
                "WHERE state = 'indexed'",
                (build.number,),
            )
            if before is not None and before[0] != build.id:
                connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (_PREVIOUS, f'"{before[0]}"'))
        return True

    def previous(self) -> str:
        """The id of the build that was live before, "" for none."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT b.id FROM settings s JOIN builds b ON b.id = json_extract(s.value, '$') WHERE s.name = ? AND b.live = 0",
                (_PREVIOUS,),
            ).fetchone()
        return "" if row is None else str(row[0])

    def drop(self, build: Build) -> int:
        """Remove a build that is not live, with its chunks and vectors; how many chunks. Raises ValueError for the live one."""
        with self._database.atomic() as connection:
            live = connection.execute("SELECT live FROM builds WHERE number = ?", (build.number,)).fetchone()
            if live is not None and live[0]:
                raise ValueError("the live build cannot be dropped")
            gone = connection.execute("DELETE FROM chunks WHERE build = ?", (build.number,)).rowcount
            connection.execute("DELETE FROM changes WHERE build = ?", (build.number,))
            connection.execute("DELETE FROM builds WHERE number = ?", (build.number,))
        return gone


def _has_chunks(connection: sqlite3.Connection, document_id: str, build: Build) -> bool:
    found = connection.execute(
        "SELECT 1 FROM chunks WHERE document_id = ? AND build = ? LIMIT 1", (document_id, build.number)
    ).fetchone()
    return found is not None
