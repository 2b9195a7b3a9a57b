"""A collection on disk: `<folder>/store.sqlite3` and the writes that keep its tables in step.

The look-ups live with their tables (`store.documents`, `store.chunks`, ...). What changes more than one table is here:
one transaction makes a document searchable, replaces it, or removes it, and leaves no trace of a half-done one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ragterm.engine.store.aside import AsideTable, next_removal, set_aside
from ragterm.engine.store.builds import Build, BuildTable, live_number
from ragterm.engine.store.changes import ChangeLog, current_generation, log_removed, next_generation
from ragterm.engine.store.chunks import ChunkTable, insert_chunks
from ragterm.engine.store.connection import Database
from ragterm.engine.store.documents import (
    DocumentTable,
    FileRecord,
    NewDocument,
    collect_versions,
    text_hashes,
    upsert_indexed,
    upsert_unindexed,
    widow_duplicates,
)
from ragterm.engine.store.jobs import JobQueue
from ragterm.engine.store.leases import Owner
from ragterm.engine.store.near import forget_signature, near_warning, record_signature
from ragterm.engine.store.roots import RootTable
from ragterm.engine.store.schema import migrate
from ragterm.engine.store.settings import SettingsTable
from ragterm.engine.store.shadows import ShadowBuilds
from ragterm.engine.store.traces import TraceTable
from ragterm.engine.types.documents import CollectionInfo
from ragterm.engine.types.errors import NotFoundError, StoreError

FILE_NAME = "store.sqlite3"


class CollectionStore:
    """Open a collection, or make a new one in `folder`. Safe from any thread; readers never wait for the writer.

    Raises NotFoundError when nothing is there and `create` is False, StoreError when the file cannot be used, BusyError when
    another process writes for longer than the busy timeout. `tracer` sees every SQL statement.
    """

    def __init__(self, folder: Path, create: bool = True, tracer: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        path = folder / FILE_NAME
        if not path.exists():
            if not create:
                raise NotFoundError("No such collection", folder.name, "ragterm ingest PATH -c " + folder.name)
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError("The collection cannot be made", str(error), f"check {folder.parent}") from error
        self._database = Database(path, tracer)
        self.documents = DocumentTable(self._database)
        self.chunks = ChunkTable(self._database)
        self.changes = ChangeLog(self._database)
        self.builds = BuildTable(self._database)
        self.shadows = ShadowBuilds(self._database)
        self.traces = TraceTable(self._database)
        self.jobs = JobQueue(self._database)
        self.settings = SettingsTable(self._database)
        self.roots = RootTable(self._database)
        self.aside = AsideTable(self._database)
        try:
            migrate(self._database)
            with self._database.reading() as connection:
                (self.identity,) = connection.execute("SELECT identity FROM collection").fetchone()
        except BaseException:
            self._database.close()
            raise

    @property
    def generation(self) -> int:
        """Counts the mutations of chunks; an index that is at this generation is up to date."""
        return self.changes.generation()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> CollectionStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A snapshot for a look-up of one's own (audit, doctor)."""
        with self._database.reading() as connection:
            yield connection

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Several writes in one transaction: all of them or none."""
        with self._database.atomic():
            yield

    def put_document(self, new: NewDocument, build: Build) -> str:
        """Make a document searchable, in place of its former version if there is one. Its duplicates by the former content are
        widowed (see `DocumentTable.widowed`). Says which document it is nearly the same as, "" when there is none."""
        id_, hashes = new.document.id, dict(new.hashes) or text_hashes(new.chunks)
        with self._database.atomic() as connection:
            generation = next_generation(connection)
            log_removed(connection, generation, id_)
            connection.execute("DELETE FROM chunks WHERE document_id = ?", (id_,))
            upsert_indexed(connection, new)
            insert_chunks(
                connection,
                new.chunks,
                new.vectors,
                hashes,
                build=build.number,
                model_id=build.model_id,
                generation=generation,
            )
            widow_duplicates(connection, id_, still=new.document.content_hash)
            collect_versions(connection, [id_])
            connection.execute("DELETE FROM aside WHERE document_id = ?", (id_,))
            forget_signature(connection, id_)
            near = record_signature(connection, id_, new.shingles, new.minima) if new.minima else None
            if near is None:
                return ""
            (path,) = connection.execute("SELECT path FROM documents WHERE id = ?", (near.other,)).fetchone()
        return near_warning(new.document.path, path, near.share)

    def put_unindexed(
        self, record: FileRecord, *, title: str = "", kind: str = "", seconds: float = 0.0, warnings: Sequence[str] = ()
    ) -> None:
        """Record a file that is failed, skipped or a duplicate. Chunks of a former version go: what cannot be read now must not
        answer as if it could."""
        if record.state == "indexed":
            raise ValueError("an indexed document comes with its text and chunks: put_document")
        with self._database.atomic() as connection:
            self._drop_chunks(connection, record.document_id)
            upsert_unindexed(connection, record, title=title, kind=kind, seconds=seconds, warnings=warnings)
            widow_duplicates(connection, record.document_id)
            collect_versions(connection, [record.document_id])

    def remove_documents(self, ids: Sequence[str], aside: Owner | None = None) -> int:
        """Remove documents from the ledger with their chunks; how many were there. Their duplicates are widowed. Versions that
        a trace refers to stay readable. With `aside` they are kept aside for as long as this process runs, and then until the
        next start."""
        removed = 0
        with self._database.atomic() as connection:
            removal = next_removal(connection)
            for id_ in ids:
                if aside is not None:
                    set_aside(connection, id_, removal, aside)
                self._drop_chunks(connection, id_)
                widow_duplicates(connection, id_)
                removed += connection.execute("DELETE FROM documents WHERE id = ?", (id_,)).rowcount
            collect_versions(connection, ids)
        return removed

    @staticmethod
    def _drop_chunks(connection: sqlite3.Connection, document_id: str) -> None:
        forget_signature(connection, document_id)
        there = connection.execute("SELECT 1 FROM chunks WHERE document_id = ? LIMIT 1", (document_id,)).fetchone()
        if there is not None:
            log_removed(connection, next_generation(connection), document_id)
            connection.execute("DELETE FROM chunks WHERE document_id = ?", (document_id,))

    def info(self) -> CollectionInfo:
        """The collection as lists show it."""
        live = self.builds.live()
        with self._database.reading() as connection:
            states: dict[str, int] = dict(
                connection.execute("SELECT state, count(*) FROM documents GROUP BY state").fetchall()
            )
            build = live_number(connection)
            (chunks,) = connection.execute("SELECT count(*) FROM chunks WHERE build = ?", (build,)).fetchone()
            generation = current_generation(connection)
            hidden = connection.execute("SELECT value FROM settings WHERE name = 'hidden'").fetchone()
        return CollectionInfo(
            name=self.folder.name,
            path=str(self.folder),
            documents=states.get("indexed", 0),
            failed=states.get("failed", 0),
            chunks=chunks,
            model=live.model_id if live else "",
            build_id=live.id if live else "",
            generation=generation,
            bytes_on_disk=sum(size_of(path) for path in self.folder.rglob("*")),
            hidden=bool(hidden and json.loads(hidden[0])),
        )


def size_of(path: Path) -> int:
    """Bytes of a file, 0 for a folder or a file that went away meanwhile."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
