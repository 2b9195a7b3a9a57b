"""Chunks and their vectors: look-ups in bulk for retrieval, and the writing of them for ingest."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragterm.engine.store.builds import live_number
from ragterm.engine.store.changes import log_added
from ragterm.engine.store.connection import Database
from ragterm.engine.store.values import json_list, path_out, strings, text_hash
from ragterm.engine.types.documents import Chunk

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray, KeyArray

_CHUNK = (
    'c.id, c.document_id, b.id, c.ordinal, c.start, c."end", c.text, c.context, c.page, c.section, c.tokens, c.parent_id, c.key, '
    "c.parent_start, c.parent_end"
)
_CHUNK_COLUMNS = 15
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk with what a candidate shows of its document."""

    chunk: Chunk
    title: str
    path: str
    content_hash: str
    kind: str


class ChunkTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of_document(self, document_id: str) -> list[Chunk]:
        """The document's chunks in the live build, in reading order."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_CHUNK} FROM chunks c JOIN builds b ON b.number = c.build "
                "WHERE c.document_id = ? AND b.live = 1 ORDER BY c.ordinal",
                (document_id,),
            )
            return [_chunk(row) for row in rows]

    def by_keys(self, keys: Iterable[int]) -> dict[int, StoredChunk]:
        """Chunks with their documents, in one statement; unknown keys are left out."""
        found = self._stored("c.key IN (SELECT value FROM json_each(?))", [int(key) for key in keys])
        return {one.chunk.key: one for one in found}

    def by_ids(self, ids: Iterable[str]) -> dict[str, StoredChunk]:
        """The same by chunk id."""
        found = self._stored("c.id IN (SELECT value FROM json_each(?))", list(ids))
        return {one.chunk.id: one for one in found}

    def count(self) -> int:
        """Chunks in the live build."""
        with self._database.reading() as connection:
            build = live_number(connection)
            return int(connection.execute("SELECT count(*) FROM chunks WHERE build = ?", (build,)).fetchone()[0])

    def keys(self, documents: Sequence[str] | None = None) -> KeyArray:
        """int64, ascending: the keys of the live build, of these documents only when given."""
        import numpy as np

        with self._database.reading() as connection:
            build = live_number(connection)
            if documents is None:
                rows = connection.execute("SELECT key FROM chunks WHERE build = ? ORDER BY key", (build,))
            else:
                rows = connection.execute(
                    "SELECT key FROM chunks WHERE build = ? AND document_id IN (SELECT value FROM json_each(?)) ORDER BY key",
                    (build, json.dumps(list(documents))),
                )
            return np.fromiter((key for (key,) in rows), dtype=np.int64)

    def vectors(self, keys: Sequence[int] | KeyArray) -> FloatArray:
        """float32 (n, dimensions), in the order of `keys`. Raises KeyError for a key without a vector."""
        import numpy as np

        wanted = [int(key) for key in keys]
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT key, vector FROM vectors WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(wanted),)
            )
            blobs: dict[int, bytes] = dict(rows)
            if not wanted:
                return np.zeros((0, _dimensions(connection)), dtype=np.float32)
        return np.frombuffer(b"".join(blobs[key] for key in wanted), dtype="<f4").reshape(len(wanted), -1)

    def all_vectors(self) -> tuple[KeyArray, FloatArray]:
        """Keys int64 (n,), ascending, and vectors float32 (n, dimensions) of the live build."""
        import numpy as np

        with self._database.reading() as connection:
            build, dimensions = live_number(connection), _dimensions(connection)
            (count,) = connection.execute("SELECT count(*) FROM chunks WHERE build = ?", (build,)).fetchone()
            keys = np.empty(count, dtype=np.int64)
            matrix = np.empty((count, dimensions), dtype=np.float32)
            rows = connection.execute(
                "SELECT c.key, v.vector FROM chunks c JOIN vectors v ON v.key = c.key WHERE c.build = ? ORDER BY c.key",
                (build,),
            )
            at = 0
            while block := rows.fetchmany(_ROWS_AT_ONCE):
                upto = at + len(block)
                keys[at:upto] = [key for key, _ in block]
                matrix[at:upto] = np.frombuffer(b"".join(blob for _, blob in block), dtype="<f4").reshape(
                    len(block), -1
                )
                at = upto
        return keys[:at], matrix[:at]

    def vectors_of_texts(self, texts: Sequence[str], model_id: str) -> dict[str, FloatArray]:
        """Vectors that this model already made of exactly these embedding texts, for those that have one."""
        import numpy as np

        known: dict[str, FloatArray] = {}
        with self._database.reading() as connection:
            for at in range(0, len(texts), _ROWS_AT_ONCE):
                wanted = {text_hash(text): text for text in texts[at : at + _ROWS_AT_ONCE]}
                rows = connection.execute(
                    "SELECT c.text_hash, c.context, c.text, v.vector FROM chunks c JOIN vectors v ON v.key = c.key "
                    "JOIN models m ON m.number = v.model "
                    "WHERE c.text_hash IN (SELECT value FROM json_each(?)) AND m.model_id = ?",
                    (json.dumps(list(wanted)), model_id),
                )
                for hashed, context, text, blob in rows:
                    whole = f"{context}\n{text}" if context else text
                    if wanted[hashed] == whole and whole not in known:
                        known[whole] = np.frombuffer(blob, dtype="<f4")
        return known

    def _stored(self, where: str, wanted: Sequence[int] | Sequence[str]) -> Iterator[StoredChunk]:
        if not wanted:
            return
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_CHUNK}, d.title, d.path, d.content_hash, d.kind FROM chunks c JOIN builds b ON b.number = c.build "
                f"JOIN documents d ON d.id = c.document_id WHERE {where}",
                (json.dumps(wanted),),
            ).fetchall()
        for row in rows:
            title, path, content_hash, kind = row[_CHUNK_COLUMNS:]
            yield StoredChunk(_chunk(row[:_CHUNK_COLUMNS]), title, path_out(path), content_hash, kind)


def _chunk(row: Sequence[Any]) -> Chunk:
    id_, document_id, build_id, ordinal, start, end, text, context, page, section, tokens, *rest = row
    parent_id, key, parent_start, parent_end = rest
    parent = None if parent_start is None else (parent_start, parent_end)
    return Chunk(
        id_,
        document_id,
        build_id,
        ordinal,
        start,
        end,
        text,
        context,
        page,
        strings(section),
        tokens,
        parent_id,
        key,
        parent,
    )


def _dimensions(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT dimensions FROM builds WHERE live = 1").fetchone()
    return int(row[0]) if row else 0


def insert_chunks(
    connection: sqlite3.Connection,
    chunks: Sequence[Chunk],
    vectors: FloatArray,
    hashes: Mapping[str, int],
    *,
    build: int,
    model_id: str,
    generation: int,
) -> None:
    """Write chunks, vectors (float32 (n, dimensions)) and their log rows; inside `atomic()`. `hashes` maps an embedding text
    to its `text_hash`."""
    (model,) = connection.execute("SELECT number FROM models WHERE model_id = ?", (model_id,)).fetchone()
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    first = (row[0] if row else 0) + 1
    for at in range(0, len(chunks), _ROWS_AT_ONCE):
        block = chunks[at : at + _ROWS_AT_ONCE]
        keys = range(first + at, first + at + len(block))
        connection.executemany(
            "INSERT INTO chunks (key, id, document_id, build, generation, ordinal, start, \"end\", text, context, page, section, "
            "tokens, parent_id, text_hash, parent_start, parent_end) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    key, c.id, c.document_id, build, generation, c.ordinal, c.start, c.end, c.text, c.context, c.page,
                    json_list(c.section), c.tokens, c.parent_id, hashes[c.embedding_text],
                    *(c.parent or (None, None)),
                )
                for key, c in zip(keys, block, strict=True)
            ],
        )  # fmt: skip
        data = vectors[at : at + len(block)].astype("<f4", copy=False)
        connection.executemany(
            "INSERT INTO vectors (key, model, vector) VALUES (?, ?, ?)",
            [(key, model, vector.tobytes()) for key, vector in zip(keys, data, strict=True)],
        )
        log_added(connection, generation, build, keys)
