"""Removed documents, kept aside: what it takes to put them back exactly as they were, vectors included.

Nothing of a removed document stays where a search looks. Its rows of every table are packed into one row here, column by column by
name, and unpacked under new chunk keys (a key is never used twice). What the removal of an earlier process left is purged at the next
start: when an ingest or the app begins.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ragterm.engine.store.changes import log_added, next_generation
from ragterm.engine.store.connection import Database
from ragterm.engine.store.leases import Owner
from ragterm.engine.store.near import record_signature
from ragterm.engine.store.values import now, path_out

_TABLES = {
    "documents": "SELECT * FROM documents WHERE id = ?",
    "versions": (
        "SELECT v.* FROM versions v JOIN documents d ON d.id = v.document_id AND d.content_hash = v.content_hash WHERE d.id = ?"
    ),
    "chunks": "SELECT * FROM chunks WHERE document_id = ? ORDER BY key",
    "vectors": "SELECT v.* FROM vectors v JOIN chunks c ON c.key = v.key WHERE c.document_id = ? ORDER BY v.key",
    "builds": "SELECT DISTINCT b.number, b.id FROM builds b JOIN chunks c ON c.build = b.number WHERE c.document_id = ?",
    "signatures": "SELECT * FROM signatures WHERE document_id = ?",
}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeptAside:
    """A removed document that can be put back. `removed_at` is ISO 8601 in UTC."""

    document_id: str
    path: str
    title: str
    chunks: int
    removed_at: str


class AsideTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> list[KeptAside]:
        """The last removed first."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT document_id, path, title, chunks, removed_at FROM aside ORDER BY removal DESC, path"
            ).fetchall()
        return [KeptAside(id_, path_out(path), *rest) for id_, path, *rest in found]

    def last(self) -> list[str]:
        """The ids of the last removal."""
        with self._database.reading() as connection:
            return [
                id_
                for (id_,) in connection.execute(
                    "SELECT document_id FROM aside WHERE removal = (SELECT max(removal) FROM aside) ORDER BY path"
                )
            ]

    def put_back(self, ids: Sequence[str]) -> list[str]:
        """Make these documents what they were; the ids of those that are back. One that the collection has again, or that was cut
        or embedded for a build that is gone, stays aside."""
        back = []
        with self._database.atomic() as connection:
            for id_ in ids:
                if _put_back(connection, id_):
                    connection.execute("DELETE FROM aside WHERE document_id = ?", (id_,))
                    back.append(id_)
            for id_ in back:
                # A copy of something that is not there (any more) waits to take its place.
                connection.execute(
                    "UPDATE documents SET duplicate_of = '' WHERE id = ? AND state = 'duplicate' AND NOT EXISTS "
                    "(SELECT 1 FROM documents o WHERE o.id = documents.duplicate_of AND o.state = 'indexed')",
                    (id_,),
                )
        return back

    def purge(self, all_of_them: bool = False) -> int:
        """Delete for good what processes removed that have ended (or everything); how many documents."""
        with self._database.reading() as connection:
            removals = connection.execute("SELECT DISTINCT removal, pid, process_start, moment FROM aside").fetchall()
        me = Owner.this_process()
        gone = [
            (removal,)
            for removal, pid, start, moment in removals
            if all_of_them or not (Owner(pid, start) == me or (pid != me.pid and Owner(pid, start).alive(moment)))
        ]
        if not gone:
            return 0
        with self._database.atomic() as connection:
            return sum(connection.execute("DELETE FROM aside WHERE removal = ?", one).rowcount for one in gone)


# For use inside `atomic()`.


def next_removal(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(removal), 0) + 1 FROM aside").fetchone()[0])


def set_aside(connection: sqlite3.Connection, document_id: str, removal: int, owner: Owner) -> None:
    """Pack a document before it is removed."""
    packed = {name: _rows(connection, query, document_id) for name, query in _TABLES.items()}
    if not packed["documents"]:
        return
    row = packed["documents"][0]
    data = zlib.compress(json.dumps(packed, default=_encoded).encode(), 1)
    connection.execute(
        "INSERT OR REPLACE INTO aside (document_id, removal, path, title, chunks, removed_at, pid, process_start, moment, packed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document_id,
            removal,
            row["path"],
            row["title"],
            row["chunks"],
            now(),
            owner.pid,
            owner.start,
            time.time(),
            data,
        ),
    )


def _put_back(connection: sqlite3.Connection, document_id: str) -> bool:
    there = connection.execute("SELECT 1 FROM documents WHERE id = ?", (document_id,)).fetchone()
    row = connection.execute("SELECT packed FROM aside WHERE document_id = ?", (document_id,)).fetchone()
    if there is not None or row is None:
        return False
    packed: dict[str, list[Row]] = json.loads(zlib.decompress(row[0]), object_hook=_decoded)
    (document,) = packed["documents"]
    if document["state"] != "indexed":
        _insert(connection, "documents", document)
        return True
    twin = connection.execute(
        "SELECT id FROM documents WHERE content_hash = ? AND state = 'indexed'", (document["content_hash"],)
    ).fetchone()
    if twin is not None:  # a copy took its place: now it is the copy
        _insert(connection, "documents", {**document, "state": "duplicate", "duplicate_of": twin[0], "chunks": 0})
        return True
    # A build's number may be given out again: its id says whether it is the same one.
    then = {one["number"]: one["id"] for one in packed["builds"]}
    present = connection.execute("SELECT number, id, live FROM builds").fetchall()
    builds = {number: live for number, id_, live in present if then.get(number) == id_}
    if not any(builds.get(chunk["build"]) for chunk in packed["chunks"]):
        return False
    _insert(connection, "documents", document)
    for version in packed["versions"]:
        _insert(connection, "versions", version, "OR IGNORE ")
    _insert_chunks(connection, [one for one in packed["chunks"] if one["build"] in builds], packed["vectors"])
    connection.execute(
        "UPDATE documents SET chunks = (SELECT count(*) FROM chunks c JOIN builds b ON b.number = c.build "
        "WHERE c.document_id = documents.id AND b.live = 1) WHERE id = ?",
        (document_id,),
    )
    for one in packed["signatures"]:
        record_signature(connection, document_id, one["shingles"], one["minima"])
    return True


def _insert_chunks(connection: sqlite3.Connection, chunks: Sequence[Row], vectors: Sequence[Row]) -> None:
    generation = next_generation(connection)
    by_key = {one["key"]: one for one in vectors}
    keys: dict[int, list[int]] = {}
    for chunk in chunks:
        old = chunk.pop("key")
        key = _insert(connection, "chunks", {**chunk, "generation": generation})
        _insert(connection, "vectors", {**by_key[old], "key": key})
        keys.setdefault(chunk["build"], []).append(key)
    for build, added in keys.items():
        log_added(connection, generation, build, added)


def _insert(connection: sqlite3.Connection, table: str, row: Row, how: str = "") -> int:
    """`table` and the columns are the store's own names, never foreign text."""
    columns = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    done = connection.execute(f"INSERT {how}INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
    return int(done.lastrowid or 0)


def _rows(connection: sqlite3.Connection, query: str, document_id: str) -> list[Row]:
    cursor = connection.execute(query, (document_id,))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _encoded(value: bytes) -> dict[str, str]:
    return {"bytes": base64.b85encode(value).decode()}


def _decoded(value: dict[str, Any]) -> Any:
    return base64.b85decode(value["bytes"]) if value.keys() == {"bytes"} else value
