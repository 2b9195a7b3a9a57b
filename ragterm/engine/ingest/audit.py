"""Is a collection whole? The store against itself, its texts, and both indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragterm.engine.store import CollectionStore
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.protocols import DenseIndex, KeywordIndex

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray, KeyArray

_NAMED = 5
_BLOCK = 256

_ORPHANS = {
    "chunks without a document": "SELECT c.key FROM chunks c LEFT JOIN documents d ON d.id = c.document_id WHERE d.id IS NULL",
    "chunks of a document that is not indexed": (
        "SELECT c.key FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.state != 'indexed'"
    ),
    "chunks without a vector": "SELECT c.key FROM chunks c LEFT JOIN vectors v ON v.key = c.key WHERE v.key IS NULL",
    "vectors without a chunk": "SELECT v.key FROM vectors v LEFT JOIN chunks c ON c.key = v.key WHERE c.key IS NULL",
    "vectors of another model than their build's": (
        "SELECT v.key FROM vectors v JOIN chunks c ON c.key = v.key JOIN builds b ON b.number = c.build "
        "JOIN models m ON m.number = v.model WHERE m.model_id != b.model_id"
    ),
    "vectors of another length than their build's": (
        "SELECT v.key FROM vectors v JOIN chunks c ON c.key = v.key JOIN builds b ON b.number = c.build "
        "WHERE length(v.vector) != 4 * b.dimensions"
    ),
    "documents whose number of chunks is wrong": (
        "SELECT d.id FROM documents d WHERE d.chunks != (SELECT count(*) FROM chunks c JOIN builds b ON b.number = c.build "
        "WHERE c.document_id = d.id AND b.live = 1)"
    ),
    "indexed documents without chunks": "SELECT id FROM documents WHERE state = 'indexed' AND chunks = 0 AND kind != 'archive'",
    "indexed documents without their text": (
        "SELECT d.id FROM documents d LEFT JOIN versions v ON v.document_id = d.id AND v.content_hash = d.content_hash "
        "WHERE d.state = 'indexed' AND v.document_id IS NULL"
    ),
    "texts that nothing refers to": (
        "SELECT v.document_id FROM versions v WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = v.document_id "
        "AND d.content_hash = v.content_hash AND d.state = 'indexed') AND NOT EXISTS (SELECT 1 FROM trace_versions t "
        "WHERE t.document_id = v.document_id AND t.content_hash = v.content_hash)"
    ),
    "traces that refer to a text that is gone": (
        "SELECT t.document_id FROM trace_versions t LEFT JOIN versions v ON v.document_id = t.document_id "
        "AND v.content_hash = t.content_hash WHERE v.document_id IS NULL"
    ),
    "signatures of a document that is not indexed": (
        "SELECT s.document_id FROM signatures s LEFT JOIN documents d ON d.id = s.document_id "
        "WHERE d.id IS NULL OR d.state != 'indexed'"
    ),
    "bands without a signature": (
        "SELECT DISTINCT b.document_id FROM bands b LEFT JOIN signatures s ON s.document_id = b.document_id "
        "WHERE s.document_id IS NULL"
    ),
    "near-duplicates of a document that is not there": (
        "SELECT n.document_id FROM near n WHERE (SELECT count(*) FROM documents d WHERE d.state = 'indexed' "
        "AND d.id IN (n.document_id, n.other)) < 2"
    ),
    "documents that are kept aside and in the collection": "SELECT a.document_id FROM aside a JOIN documents d ON d.id = a.document_id",
    "jobs without a request": "SELECT j.id FROM jobs j LEFT JOIN requests r ON r.id = j.request WHERE r.id IS NULL",
    "paths that stand in the ledger twice": "SELECT path FROM documents GROUP BY path HAVING count(*) > 1",
    "duplicates of a document that is not indexed": (
        "SELECT d.id FROM documents d LEFT JOIN documents o ON o.id = d.duplicate_of "
        "WHERE d.state = 'duplicate' AND d.duplicate_of != '' AND (o.id IS NULL OR o.state != 'indexed')"
    ),
    "chunks that the change log does not add": (
        "SELECT c.key FROM chunks c LEFT JOIN changes g ON g.generation = c.generation AND g.key = c.key AND g.operation = 1 "
        "WHERE g.key IS NULL"
    ),
    "keys that the change log adds and does not remove, without a chunk": (
        "SELECT key FROM changes GROUP BY key HAVING sum(operation) = 1 AND key NOT IN (SELECT key FROM chunks)"
    ),
    "keys that the change log removes, with a chunk": (
        "SELECT key FROM changes WHERE operation = -1 AND key IN (SELECT key FROM chunks)"
    ),
}


def audit(store: CollectionStore, dense: DenseIndex | None = None, keyword: KeywordIndex | None = None) -> list[str]:
    """Every problem found, one line each; empty when the collection is sound. Reads every text and asks the indexes for every
    chunk: seconds for ten thousand chunks. An index that is None is passed over."""
    return [*audit_store(store), *audit_indexes(store, dense, keyword)]


def audit_store(store: CollectionStore) -> list[str]:
    """The same for the store alone: it is the truth, so what is wrong in it is not mended by building an index anew."""
    return [*_in_the_store(store), *_in_the_texts(store), *_in_the_stored_vectors(store)]


def audit_indexes(store: CollectionStore, dense: DenseIndex | None, keyword: KeywordIndex | None) -> list[str]:
    """The same for the indexes against the store: they are derived from it and can be deleted."""
    problems = []
    for name, index in (("vector", dense), ("keyword", keyword)):
        if index is not None and index.generation != store.generation:
            problems.append(f"the {name} index is at generation {index.generation}, the store at {store.generation}")
    if dense is not None:
        problems.extend(_in_the_vectors(store, dense))
    if keyword is not None:
        problems.extend(_in_the_keywords(store, keyword))
    return problems


def _line(count: int, what: str, examples: Sequence[object]) -> str:
    more = ", ..." if count > len(examples) else ""
    return f"{count} {what}: {', '.join(map(str, examples))}{more}"


def _in_the_store(store: CollectionStore) -> Iterator[str]:
    with store.reading() as connection:
        for (result,) in connection.execute("PRAGMA quick_check"):
            if result != "ok":
                yield f"the file is damaged: {result}"
        orphans = Counter(table for table, *_ in connection.execute("PRAGMA foreign_key_check"))
        yield from (f"{count} rows of {table} refer to a row that is gone" for table, count in sorted(orphans.items()))
        for what, query in _ORPHANS.items():
            rows = connection.execute(query).fetchall()
            if rows:
                yield _line(len(rows), what, [row[0] for row in rows[:_NAMED]])


def _in_the_texts(store: CollectionStore) -> Iterator[str]:
    for row in store.documents.rows():
        if row.state != "indexed":
            continue
        try:
            document = store.documents.document(row.id)
        except NotFoundError:
            yield f"{row.path} has no text"
            continue
        chunks = store.chunks.of_document(row.id)
        wrong: list[object] = [c.key for c in chunks if c.text != document.text[c.start : c.end] or not c.text]
        if wrong:
            yield _line(len(wrong), f"chunks of {row.path} that are not the span of its text", wrong[:_NAMED])
        if [chunk.ordinal for chunk in chunks] != list(range(len(chunks))):
            yield f"the chunks of {row.path} are not numbered in order"
        if any(b.start < 0 or b.end > len(document.text) or b.start > b.end for b in document.blocks):
            yield f"blocks of {row.path} reach beyond its text"


def _in_the_stored_vectors(store: CollectionStore) -> Iterator[str]:
    import numpy as np

    keys, vectors = _stored_vectors(store)
    norms = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    wrong = keys[~(np.abs(norms - 1.0) <= 1e-3)]  # a norm that is no number is wrong as well
    if len(wrong):
        yield _line(len(wrong), "vectors in the store are not of length 1", wrong[:_NAMED].tolist())


def _in_the_vectors(store: CollectionStore, dense: DenseIndex) -> Iterator[str]:
    import numpy as np

    there = dense.keys().tolist()
    yield from _in_both("vector", store, there)
    present = set(there)
    keys, vectors = _stored_vectors(store)
    other: list[object] = [
        int(key)
        for key, vector in zip(keys, vectors, strict=True)
        if vector.any()
        and np.isfinite(vector).all()
        and dense.scores(vector, np.array([key], dtype=np.int64))[0] < 0.999
    ]
    if other := [key for key in other if key in present]:
        yield _line(len(other), "chunks in the vector index with another vector", other[:_NAMED])


def _stored_vectors(store: CollectionStore) -> tuple[KeyArray, FloatArray]:
    """Those of the live build that have its length: keys int64 (n,) and float32 (n, dimensions)."""
    import numpy as np

    live = store.builds.live()
    size = 0 if live is None else 4 * live.dimensions
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT c.key, v.vector FROM chunks c JOIN vectors v ON v.key = c.key JOIN builds b ON b.number = c.build "
            "WHERE b.live = 1 AND length(v.vector) = ? ORDER BY c.key",
            (size,),
        ).fetchall()
    keys = np.array([key for key, _ in rows], dtype=np.int64)
    return keys, np.frombuffer(b"".join(blob for _, blob in rows), dtype="<f4").reshape(len(rows), size // 4)


def _in_the_keywords(store: CollectionStore, keyword: KeywordIndex) -> Iterator[str]:
    yield from _in_both("keyword", store, keyword.keys())
    missing: list[object] = []
    live = store.chunks.keys().tolist()
    for at in range(0, len(live), _BLOCK):
        for key, stored in store.chunks.by_keys(live[at : at + _BLOCK]).items():
            terms = keyword.terms(stored.chunk.text)
            if not terms:
                continue
            if keyword.scores(terms[0], [key])[0] <= 0.0 and keyword.scores(stored.chunk.text, [key])[0] <= 0.0:
                missing.append(key)
    if missing:
        yield _line(len(missing), "chunks that the keyword index does not find by their words", missing[:_NAMED])


def _in_both(name: str, store: CollectionStore, indexed: Sequence[int]) -> Iterator[str]:
    """Every chunk once in the index, and nothing else."""
    live = set(store.chunks.keys().tolist())
    there = set(indexed)
    if lacking := sorted(live - there):
        yield _line(len(lacking), f"chunks missing from the {name} index", lacking[:_NAMED])
    if unknown := sorted(there - live):
        yield _line(len(unknown), f"keys in the {name} index that the store does not have", unknown[:_NAMED])
    if len(there) != len(indexed):
        yield f"{len(indexed) - len(there)} keys stand more than once in the {name} index"
