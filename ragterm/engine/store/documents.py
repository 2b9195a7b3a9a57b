"""The ledger of documents and the versions of their texts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragterm.engine.store.connection import Database
from ragterm.engine.store.near import near_warning
from ragterm.engine.store.values import (
    json_list,
    now,
    pack_blocks,
    pack_text,
    path_in,
    path_out,
    strings,
    text_hash,
    unpack_blocks,
    unpack_text,
)
from ragterm.engine.types.documents import Chunk, Document, DocumentRow, DocumentState, waits_for_ocr
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.members import SEPARATOR, is_member

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What the ledger says about the file behind a document. `tries` counts the attempts that failed at this size and time of
    change, `tried_by` is the version of ragterm that made the last one."""

    document_id: str
    path: str
    state: DocumentState
    content_hash: str
    size: int
    mtime_ns: int
    duplicate_of: str = ""
    stage: str = ""
    error: str = ""
    hint: str = ""
    tries: int = 0
    tried_by: str = ""


@dataclass(frozen=True, slots=True)
class PackedVersion:
    """A document's text and blocks, compressed: made outside the write transaction, where it may take its time."""

    text: bytes
    blocks: bytes


@dataclass(frozen=True, slots=True)
class NewDocument:
    """All that one transaction needs to make a document searchable. `vectors` is float32 (chunks, dimensions); `shingles` and
    `minima` are the text's MinHash signature, 0 and b"" for a text without one."""

    document: Document
    chunks: Sequence[Chunk]
    vectors: FloatArray
    packed: PackedVersion
    size: int
    mtime_ns: int
    seconds: float = 0.0
    hashes: Mapping[str, int] = field(default_factory=dict)
    shingles: int = 0
    minima: bytes = b""


def pack_version(document: Document) -> PackedVersion:
    """Raises UnicodeEncodeError when the text holds lone surrogates."""
    return PackedVersion(pack_text(document.text), pack_blocks(document.blocks))


def text_hashes(chunks: Iterable[Chunk]) -> dict[str, int]:
    return {text: text_hash(text) for text in {chunk.embedding_text for chunk in chunks}}


_ROW = "id, path, title, kind, pages, chunks, state, warnings, size, ingested_at, stage, error, hint, duplicate_of, seconds, parser"
_LISTED = (
    f"SELECT {', '.join('d.' + name for name in _ROW.split(', '))}, o.path, n.share FROM documents d "
    "LEFT JOIN near n ON n.document_id = d.id LEFT JOIN documents o ON o.id = n.other"
)
_RECORD = "id, path, state, content_hash, size, mtime_ns, duplicate_of, stage, error, hint, tries, tried_by"
_VERSION = (
    "document_id, v.path, v.title, v.kind, v.content_hash, v.text, v.blocks, v.pages, v.parser, v.metadata, v.warnings"
)


class DocumentTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> list[DocumentRow]:
        """Every document the collection knows, by path."""
        with self._database.reading() as connection:
            return [_row(row) for row in connection.execute(f"{_LISTED} ORDER BY d.path")]

    def row(self, document_id: str) -> DocumentRow | None:
        with self._database.reading() as connection:
            row = connection.execute(f"{_LISTED} WHERE d.id = ?", (document_id,)).fetchone()
        return _row(row) if row else None

    def document(self, document_id: str) -> Document:
        """The current version with its text and blocks. Raises NotFoundError when nothing is indexed under this id."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {_VERSION} FROM documents d JOIN versions v ON v.document_id = d.id AND v.content_hash = d.content_hash "
                "WHERE d.id = ? AND d.state = 'indexed'",
                (document_id,),
            ).fetchone()
        if row is None:
            raise NotFoundError("No such document", document_id, "ragterm documents list")
        return _document(row)

    def version(self, document_id: str, content_hash: str) -> Document | None:
        """One version, the current or one that a trace still refers to; None when it is no longer there."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {_VERSION} FROM versions v WHERE v.document_id = ? AND v.content_hash = ?",
                (document_id, content_hash),
            ).fetchone()
        return _document(row) if row else None

    def content_hash(self, document_id: str) -> str | None:
        """SHA-256 of the source as it is indexed now, None when it is not."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT content_hash FROM documents WHERE id = ? AND state = 'indexed'", (document_id,)
            ).fetchone()
        return str(row[0]) if row else None

    def record(self, document_id: str) -> FileRecord | None:
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {_RECORD} FROM documents WHERE id = ?", (document_id,)).fetchone()
        return _record(row) if row else None

    def records(self) -> dict[str, FileRecord]:
        """The ledger's file records by document id: what a new survey is compared with."""
        with self._database.reading() as connection:
            return {row[0]: _record(row) for row in connection.execute(f"SELECT {_RECORD} FROM documents")}

    def member_paths(self) -> list[str]:
        """The paths of the documents that lie in containers."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT path FROM documents WHERE instr(path, ?)", (SEPARATOR,)).fetchall()
        return [path for (value,) in rows if is_member(path := path_out(value))]

    def indexed_with_hash(self, content_hash: str) -> FileRecord | None:
        """The indexed document of this content."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {_RECORD} FROM documents WHERE content_hash = ? AND state = 'indexed' LIMIT 1", (content_hash,)
            ).fetchone()
        return _record(row) if row else None

    def widowed(self) -> list[FileRecord]:
        """Duplicates whose original is gone or has changed: each waits to be ingested in its place."""
        with self._database.reading() as connection:
            return [
                _record(row)
                for row in connection.execute(
                    f"SELECT {_RECORD} FROM documents WHERE state = 'duplicate' AND duplicate_of = '' ORDER BY path"
                )
            ]

    def waiting_for_ocr(self) -> set[str]:
        """Ids of documents with pages that wait for text recognition, by their warnings or their error."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, warnings, error FROM documents WHERE warnings LIKE '%OCR%' OR error LIKE '%OCR%'"
            ).fetchall()
        return {id_ for id_, warnings, error in rows if waits_for_ocr(*strings(warnings), error)}

    def touched(self, document_id: str, size: int, mtime_ns: int) -> None:
        """The file has a new time of change and the same bytes."""
        with self._database.atomic() as connection:
            connection.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE id = ?", (size, mtime_ns, document_id)
            )


def _row(row: Sequence[Any]) -> DocumentRow:
    id_, path, title, kind, pages, chunks, state, warnings, *rest, near, share = row
    said = strings(warnings)
    if near is not None:
        said = (*said, near_warning(path_out(path), near, share))
    return DocumentRow(id_, path_out(path), title, kind, pages, chunks, state, said, *rest)


def _record(row: Sequence[Any]) -> FileRecord:
    id_, path, *rest = row
    return FileRecord(id_, path_out(path), *rest)


def _document(row: Sequence[Any]) -> Document:
    id_, path, title, kind, content_hash, text, blocks, pages, parser, metadata, warnings = row
    return Document(
        id=id_,
        path=path_out(path),
        title=title,
        kind=kind,
        content_hash=content_hash,
        text=unpack_text(text),
        blocks=unpack_blocks(blocks),
        pages=pages,
        parser=parser,
        metadata=json.loads(metadata),
        warnings=strings(warnings),
    )


# For use inside `atomic()`.


def upsert_indexed(connection: sqlite3.Connection, new: NewDocument) -> None:
    document = new.document
    _upsert(
        connection,
        FileRecord(document.id, document.path, "indexed", document.content_hash, new.size, new.mtime_ns),
        title=document.title,
        kind=document.kind,
        pages=document.pages,
        chunks=len(new.chunks),
        parser=document.parser,
        warnings=document.warnings,
        seconds=new.seconds,
    )
    connection.execute(
        "INSERT OR REPLACE INTO versions (document_id, content_hash, path, title, kind, pages, parser, metadata, warnings, text, "
        "blocks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document.id, document.content_hash, path_in(document.path), document.title, document.kind, document.pages,
            document.parser, json.dumps(document.metadata), json_list(document.warnings), new.packed.text, new.packed.blocks,
        ),
    )  # fmt: skip


def upsert_unindexed(
    connection: sqlite3.Connection,
    record: FileRecord,
    *,
    title: str,
    kind: str,
    seconds: float,
    warnings: Sequence[str] = (),
) -> None:
    """The row of a document that is failed, skipped or a duplicate."""
    _upsert(
        connection, record, title=title, kind=kind, pages=None, chunks=0, parser="", warnings=warnings, seconds=seconds
    )


def _upsert(
    connection: sqlite3.Connection,
    record: FileRecord,
    *,
    title: str,
    kind: str,
    pages: int | None,
    chunks: int,
    parser: str,
    warnings: Sequence[str],
    seconds: float,
) -> None:
    values: dict[str, object] = {
        "id": record.document_id, "path": path_in(record.path), "title": title, "kind": kind,
        "content_hash": record.content_hash, "size": record.size, "mtime_ns": record.mtime_ns, "pages": pages,
        "chunks": chunks, "parser": parser, "warnings": json_list(warnings), "state": record.state, "stage": record.stage,
        "error": record.error, "hint": record.hint, "duplicate_of": record.duplicate_of, "ingested_at": now(),
        "seconds": seconds, "tries": record.tries, "tried_by": record.tried_by,
    }  # fmt: skip
    names = list(values)
    connection.execute(
        f"INSERT INTO documents ({', '.join(names)}) VALUES ({', '.join(':' + n for n in names)}) "
        f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names[1:])}",
        values,
    )


def widow_duplicates(connection: sqlite3.Connection, document_id: str, still: str = "") -> None:
    """Free the duplicates of a document that is going, or whose content is no longer theirs (`still` is its new hash)."""
    connection.execute(
        "UPDATE documents SET duplicate_of = '' WHERE state = 'duplicate' AND duplicate_of = ? AND content_hash != ?",
        (document_id, still),
    )


def collect_versions(connection: sqlite3.Connection, document_ids: Sequence[str] | None = None) -> int:
    """Delete the versions that are neither current nor named by a trace, of these documents or of all; how many."""
    some = "" if document_ids is None else "AND document_id IN (SELECT value FROM json_each(?))"
    return connection.execute(
        "DELETE FROM versions WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = versions.document_id "
        "AND d.content_hash = versions.content_hash AND d.state = 'indexed') "
        "AND NOT EXISTS (SELECT 1 FROM trace_versions t WHERE t.document_id = versions.document_id "
        f"AND t.content_hash = versions.content_hash) {some}",
        () if document_ids is None else (json.dumps(list(document_ids)),),
    ).rowcount
