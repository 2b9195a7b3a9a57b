"""Builds: one chunking and one embedding model over a collection. One of them is live; cut-over is one row's update."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any

from ragterm.engine.store.connection import Database
from ragterm.engine.store.values import now
from ragterm.engine.types.settings import ChunkingSettings


@dataclass(frozen=True, slots=True)
class Build:
    """`model_id` tags every vector of the build; `dimensions` is their length. `number` is the row's own."""

    id: str
    model_id: str
    dimensions: int
    chunking: ChunkingSettings
    live: bool
    created: str
    number: int


_MEANING = 2
"""Goes up when the same parameters come to mean other chunks, so that a build of today is never taken for one of before."""
_COLUMNS = "id, model_id, dimensions, chunking, live, created, number"


class BuildTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def live(self) -> Build | None:
        with self._database.reading() as connection:
            return _build(connection.execute(f"SELECT {_COLUMNS} FROM builds WHERE live = 1").fetchone())

    def get(self, id_: str) -> Build | None:
        with self._database.reading() as connection:
            return _build(connection.execute(f"SELECT {_COLUMNS} FROM builds WHERE id = ?", (id_,)).fetchone())

    def all(self) -> list[Build]:
        """In the order in which they were made."""
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM builds ORDER BY number").fetchall()
        return [build for row in rows if (build := _build(row)) is not None]

    def create(self, model_id: str, dimensions: int, chunking: ChunkingSettings) -> Build:
        """The build of this model and chunking, made when there is none: a shadow until the store cuts over to it."""
        parameters = json.dumps(asdict(chunking), sort_keys=True)
        id_ = sha256(f"{model_id}\n{parameters}\n{_MEANING}".encode()).hexdigest()[:12]
        with self._database.atomic() as connection:
            connection.execute(
                "INSERT INTO builds (id, model_id, dimensions, chunking, created, live) VALUES (?, ?, ?, ?, ?, 0) "
                "ON CONFLICT (id) DO NOTHING",
                (id_, model_id, dimensions, parameters, now()),
            )
            connection.execute("INSERT OR IGNORE INTO models (model_id) VALUES (?)", (model_id,))
        build = self.get(id_)
        assert build is not None
        return build

    def create_live(self, model_id: str, dimensions: int, chunking: ChunkingSettings) -> Build:
        """Make the build of this model and chunking the live one of a collection without chunks."""
        with self._database.atomic() as connection:
            build = self.create(model_id, dimensions, chunking)
            connection.execute("UPDATE builds SET live = 0")
            connection.execute("UPDATE builds SET live = 1 WHERE number = ?", (build.number,))
        return replace(build, live=True)


def live_number(connection: sqlite3.Connection) -> int:
    """The live build's number, 0 when there is none yet."""
    row = connection.execute("SELECT number FROM builds WHERE live = 1").fetchone()
    return int(row[0]) if row else 0


def _build(row: tuple[str, str, int, str, int, str, int] | None) -> Build | None:
    if row is None:
        return None
    id_, model_id, dimensions, chunking, live, created, number = row
    return Build(id_, model_id, dimensions, _chunking(json.loads(chunking)), bool(live), created, number)


def _chunking(stored: dict[str, Any]) -> ChunkingSettings:
    """Settings that a later version wrote and this one does not know are left out. A build from before there was a choice of
    strategy was cut recursively, whatever the document."""
    known = {f.name for f in fields(ChunkingSettings)}
    return ChunkingSettings(**{"strategy": "recursive"} | {k: v for k, v in stored.items() if k in known})
