"""Saved traces, and which document versions they keep readable."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

from ragterm.engine.store.connection import Database
from ragterm.engine.store.documents import collect_versions
from ragterm.engine.store.serialise import trace_from_json, trace_to_json
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.tracing import Trace


class TraceTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, trace: Trace) -> None:
        """Keep a trace, replacing one of the same id. Every document version among its candidates stays readable with it."""
        blob = zlib.compress(trace_to_json(trace).encode(), 1)
        versions = {(c.chunk.document_id, c.content_hash) for c in trace.candidates}
        if trace.answer is not None:
            versions |= {(c.document_id, c.content_hash) for c in trace.answer.citations}
        with self._database.atomic() as connection:
            connection.execute("DELETE FROM traces WHERE id = ?", (trace.id,))
            number = connection.execute(
                "INSERT INTO traces (id, created_at, json) VALUES (?, ?, ?)",
                (trace.id, _instant(trace.created), blob),
            ).lastrowid
            connection.executemany(
                "INSERT INTO trace_versions (trace, document_id, content_hash) VALUES (?, ?, ?)",
                [(number, document_id, content_hash) for document_id, content_hash in sorted(versions)],
            )

    def get(self, trace_id: str) -> Trace:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT json FROM traces WHERE id = ?", (trace_id,)).fetchone()
        if row is None:
            raise NotFoundError(
                "No such trace", trace_id, "it may have been deleted, or be older than privacy.retention_days"
            )
        return trace_from_json(zlib.decompress(row[0]).decode())

    def recent(self, limit: int = 100) -> list[Trace]:
        """The newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT json FROM traces ORDER BY created_at DESC, number DESC LIMIT ?", (limit,)
            ).fetchall()
        return [trace_from_json(zlib.decompress(blob).decode()) for (blob,) in rows]

    def count(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM traces").fetchone()[0])

    def delete(self, ids: Sequence[str] | None = None) -> int:
        """Delete these traces, or all, and the document versions that only they kept; how many traces."""
        with self._database.atomic() as connection:
            if ids is None:
                deleted = connection.execute("DELETE FROM traces").rowcount
            else:
                deleted = connection.execute(
                    "DELETE FROM traces WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
                ).rowcount
            collect_versions(connection)
        return deleted

    def prune(self, days: int) -> int:
        """Delete the traces older than `days`; how many."""
        with self._database.atomic() as connection:
            deleted = connection.execute(
                "DELETE FROM traces WHERE created_at < ?", (time.time() - days * 86_400,)
            ).rowcount
            if deleted:
                collect_versions(connection)
        return deleted


def _instant(created: str) -> float:
    """Seconds since 1970 of an ISO 8601 instant (UTC when it names no zone); now when it cannot be read."""
    try:
        instant = datetime.fromisoformat(created)
    except ValueError:
        return time.time()
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
