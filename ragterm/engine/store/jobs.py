"""The queue of an ingest: which files wait, in whose name, and what became of each.

A request is one call of ingest in one process; its jobs are the files that this process found changed. Any indexer works
on every open request, so a process that waits for another gets its files done by it, and the files of a process that was
killed are taken over. A cancelled request is stopped: only a resume opens it again.

A job that is taken becomes "working" and its tries go up in one transaction; once its text is cut into chunks, which is
when it can no longer do harm, they go back to none. When the process dies, the count is the evidence of which files were
being read. Twice may be chance (several are read at once); from then on the file is worked on last and alone, and after
three deaths alone it is given up.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ragterm.engine.store.connection import Database
from ragterm.engine.store.documents import FileRecord
from ragterm.engine.store.leases import Owner
from ragterm.engine.store.serialise import outcome_from_json, to_json
from ragterm.engine.store.values import now, path_in, path_out
from ragterm.engine.types.ingesting import DocumentOutcome

TRIES_IN_COMPANY = 2
TRIES_AT_ALL = 5

Operation = Literal["ingest", "remove"]


@dataclass(frozen=True, slots=True)
class NewJob:
    """`size` in bytes, for the estimate of the remaining time; `force`: even when the file has not changed."""

    operation: Operation
    document_id: str
    path: str
    size: int = 0
    force: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """`tries` counts the times it was taken and not finished, this one included."""

    id: int
    request: int
    operation: Operation
    document_id: str
    path: str
    size: int
    force: bool
    tries: int


_JOB = "id, request, operation, document_id, path, size, force, tries"


class JobQueue:
    def __init__(self, database: Database) -> None:
        self._database = database

    def open_request(self, owner: Owner, jobs: Sequence[NewJob]) -> int:
        """Queue the jobs of a new request. The same files in stopped requests, or in those of dead owners, are dropped: this one
        stands for them (and inherits their tries)."""
        with self._database.atomic() as connection:
            old = [*self._requests(connection, "stopped"), *self._dead(connection)]
            request = connection.execute(
                "INSERT INTO requests (created, state, pid, process_start, heartbeat) VALUES (?, 'open', ?, ?, ?)",
                (now(), owner.pid, owner.start, time.time()),
            ).lastrowid
            assert request is not None
            connection.executemany(
                "INSERT OR IGNORE INTO jobs (request, operation, document_id, path, size, force, tries, state) "
                "VALUES (?, ?, ?, ?, ?, ?, 0, 'waiting')",
                [(request, j.operation, j.document_id, path_in(j.path), j.size, j.force) for j in jobs],
            )
            for number in old:
                connection.execute(
                    "UPDATE jobs SET tries = o.tries FROM jobs o WHERE jobs.request = ? AND o.request = ? "
                    "AND o.document_id = jobs.document_id AND o.size = jobs.size AND o.state != 'done'",
                    (request, number),
                )
                connection.execute(
                    "DELETE FROM jobs WHERE request = ? AND state != 'done' "
                    "AND document_id IN (SELECT document_id FROM jobs WHERE request = ?)",
                    (number, request),
                )
        return request

    def add(self, request: int, jobs: Iterable[NewJob]) -> None:
        """More jobs of the same request; a file that it already holds is done once more, its outcome then replaces the first."""
        with self._database.atomic() as connection:
            connection.executemany(
                "INSERT INTO jobs (request, operation, document_id, path, size, force, tries, state) "
                "VALUES (?, ?, ?, ?, ?, ?, 0, 'waiting') ON CONFLICT (request, document_id) "
                "DO UPDATE SET operation = excluded.operation, state = 'waiting', tries = 0, outcome = ''",
                [(request, j.operation, j.document_id, path_in(j.path), j.size, j.force) for j in jobs],
            )

    def add_done(self, request: int, settled: Iterable[tuple[FileRecord, DocumentOutcome]]) -> None:
        """Files of a request that need no work, with what became of them."""
        with self._database.atomic() as connection:
            connection.executemany(
                "INSERT INTO jobs (request, operation, document_id, path, size, force, tries, state, outcome) "
                "VALUES (?, 'ingest', ?, ?, ?, 0, 0, 'done', ?) ON CONFLICT (request, document_id) "
                "DO UPDATE SET operation = excluded.operation, state = 'done', outcome = excluded.outcome",
                [(request, r.document_id, path_in(r.path), r.size, to_json(outcome)) for r, outcome in settled],
            )

    def overrule(self, request: int, jobs: Iterable[NewJob]) -> None:
        """What other requests still had in mind for these documents, and is the opposite, is out of date."""
        with self._database.atomic() as connection:
            connection.executemany(
                "DELETE FROM jobs WHERE document_id = ? AND request != ? AND operation != ? AND state = 'waiting'",
                [(j.document_id, request, j.operation) for j in jobs],
            )

    def forget(self, paths: Iterable[str]) -> None:
        """Drop the waiting ingest jobs of these files, whichever open request they are of."""
        with self._database.atomic() as connection:
            connection.executemany(
                "DELETE FROM jobs WHERE path = ? AND operation = 'ingest' AND state = 'waiting' "
                "AND request IN (SELECT id FROM requests WHERE state = 'open')",
                [(path_in(path),) for path in paths],
            )

    def left_over(self) -> list[NewJob]:
        """Ingest jobs that wait for someone to resume them: of stopped requests and of dead owners."""
        with self._database.reading() as connection:
            requests = {*self._requests(connection, "stopped"), *self._dead(connection)}
            marks = ", ".join("?" * len(requests))
            rows = connection.execute(
                "SELECT operation, document_id, path, size, force FROM jobs WHERE state != 'done' AND operation = 'ingest' "
                f"AND request IN ({marks})",
                tuple(requests),
            ).fetchall()
        return [NewJob(operation, id_, path_out(path), size, bool(force)) for operation, id_, path, size, force in rows]

    def adopt(self, owner: Owner) -> list[int]:
        """Open every stopped request, and those of dead owners, in this owner's name; their ids."""
        with self._database.atomic() as connection:
            requests = sorted({*self._requests(connection, "stopped"), *self._dead(connection)})
            connection.executemany(
                "UPDATE requests SET state = 'open', pid = ?, process_start = ?, heartbeat = ? WHERE id = ?",
                [(owner.pid, owner.start, time.time(), request) for request in requests],
            )
            connection.executemany("DELETE FROM jobs WHERE request = ? AND state = 'done'", [(r,) for r in requests])
        return requests

    def take(self, limit: int, first: Sequence[int] = ()) -> list[Job]:
        """Take waiting jobs of open requests, those of the requests `first` before others, removals after ingests. Only for the
        holder of the indexer lock. Jobs that were often in work when a process died are not among them: see `take_alone`."""
        return self._take(f"j.tries < {TRIES_IN_COMPANY}", limit, first)

    def take_alone(self) -> Job | None:
        """Take one of the jobs that must be worked on alone."""
        jobs = self._take(f"j.tries >= {TRIES_IN_COMPANY}", 1, ())
        return jobs[0] if jobs else None

    def _take(self, which: str, limit: int, first: Sequence[int]) -> list[Job]:
        mine = ", ".join(str(int(number)) for number in first) or "0"
        with self._database.atomic() as connection:
            rows = connection.execute(
                f"UPDATE jobs SET state = 'working', tries = tries + 1 WHERE id IN (SELECT j.id FROM jobs j "
                f"JOIN requests r ON r.id = j.request WHERE j.state = 'waiting' AND r.state = 'open' AND {which} "
                # Members of containers first: their bytes take up room on the disk until then.
                f"ORDER BY j.tries, j.request NOT IN ({mine}), j.operation, instr(j.path, '!/') = 0, j.id LIMIT ?) "
                f"RETURNING {_JOB}",
                (limit,),
            ).fetchall()
        return sorted((_job(row) for row in rows), key=lambda job: (job.operation, job.id))

    def take_back(self, jobs: Iterable[Job]) -> None:
        """Jobs that were taken and not begun, or stopped in good order, wait again; it is not held against them."""
        with self._database.atomic() as connection:
            connection.executemany(
                "UPDATE jobs SET state = 'waiting', tries = max(tries - 1, 0) WHERE id = ? AND state = 'working'",
                [(job.id,) for job in jobs],
            )

    def harmless(self, jobs: Iterable[Job]) -> None:
        """These jobs are past the point where a file can bring the process down."""
        with self._database.atomic() as connection:
            connection.executemany("UPDATE jobs SET tries = 0 WHERE id = ?", [(job.id,) for job in jobs])

    def recover(self) -> None:
        """By a new holder of the indexer lock: what a dead one had in work waits again, its tries as they are. Requests of the
        dead with nothing left to do are cleared away."""
        with self._database.atomic() as connection:
            connection.execute("UPDATE jobs SET state = 'waiting' WHERE state = 'working'")
            connection.executemany(
                "DELETE FROM requests WHERE id = ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE request = requests.id "
                "AND state != 'done')",
                [(request,) for request in self._dead(connection)],
            )

    def done(self, job_id: int, outcome: DocumentOutcome) -> None:
        """Record what became of a job; joins the transaction that makes it so."""
        with self._database.atomic() as connection:
            connection.execute("UPDATE jobs SET state = 'done', outcome = ? WHERE id = ?", (to_json(outcome), job_id))

    def stop(self, request: int) -> None:
        with self._database.atomic() as connection:
            connection.execute("UPDATE requests SET state = 'stopped' WHERE id = ?", (request,))

    def finish(self, requests: Iterable[int]) -> None:
        """Clear requests away."""
        with self._database.atomic() as connection:
            connection.executemany("DELETE FROM requests WHERE id = ?", [(request,) for request in requests])

    def outcomes(self, requests: Sequence[int]) -> list[DocumentOutcome]:
        """What became of the finished jobs of these requests, in the order they were queued."""
        marks = ", ".join("?" * len(requests))
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT outcome FROM jobs WHERE state = 'done' AND request IN ({marks}) ORDER BY id", tuple(requests)
            ).fetchall()
        return [outcome_from_json(text) for (text,) in rows]

    def waiting_files(self) -> list[tuple[str, int]]:
        """(path, bytes) of every job of an open request that is not done."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT path, size FROM jobs WHERE state != 'done' AND request IN (SELECT id FROM requests WHERE state = 'open')"
            ).fetchall()
        return [(path_out(path), size) for path, size in rows]

    def left(self, requests: Sequence[int] | None = None) -> tuple[int, int]:
        """(jobs, bytes) that are not done, of these requests or of all open ones."""
        values = tuple(requests or ())
        which = "state = 'open'" if requests is None else f"id IN ({', '.join('?' * len(values))})"
        with self._database.reading() as connection:
            count, size = connection.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM jobs WHERE state != 'done' "
                f"AND request IN (SELECT id FROM requests WHERE {which})",
                values,
            ).fetchone()
        return int(count), int(size)

    def unfinished(self) -> int:
        """Jobs that wait for someone to resume them: of stopped requests and of dead owners."""
        with self._database.reading() as connection:
            requests = {*self._requests(connection, "stopped"), *self._dead(connection)}
            marks = ", ".join("?" * len(requests))
            (count,) = connection.execute(
                f"SELECT count(*) FROM jobs WHERE state != 'done' AND request IN ({marks})", tuple(requests)
            ).fetchone()
        return int(count)

    def beat(self, requests: Sequence[int], indexer: Owner | None = None) -> None:
        """Signs of life: of the owner of these requests, and of the indexer when it is this process."""
        with self._database.atomic() as connection:
            moment = time.time()
            connection.executemany("UPDATE requests SET heartbeat = ? WHERE id = ?", [(moment, r) for r in requests])
            if indexer is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO indexer VALUES (1, ?, ?, ?)", (indexer.pid, indexer.start, moment)
                )

    def indexer(self) -> tuple[Owner, float] | None:
        """Who indexes, or did last, and its last sign of life (seconds since 1970)."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT pid, process_start, heartbeat FROM indexer").fetchone()
        return (Owner(row[0], row[1]), row[2]) if row else None

    @staticmethod
    def _requests(connection: sqlite3.Connection, state: str) -> list[int]:
        return [number for (number,) in connection.execute("SELECT id FROM requests WHERE state = ?", (state,))]

    @staticmethod
    def _dead(connection: sqlite3.Connection) -> list[int]:
        rows = connection.execute(
            "SELECT id, pid, process_start, heartbeat FROM requests WHERE state = 'open'"
        ).fetchall()
        return [number for number, pid, start, heartbeat in rows if not Owner(pid, start).alive(heartbeat)]


def _job(row: Sequence[Any]) -> Job:
    id_, request, operation, document_id, path, size, force, tries = row
    return Job(id_, request, operation, document_id, path_out(path), size, bool(force), tries)
