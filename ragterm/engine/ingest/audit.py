"""Is a collection whole? The store against itself, its texts, and both indexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragterm.engine.store import CollectionStore
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.protocols import DenseIndex, KeywordIndex

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
    problems = [*_in_the_store(store), *_in_the_texts(store)]
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


def _in_the_vectors(store: CollectionStore, dense: DenseIndex) -> Iterator[str]:
    import numpy as np

    keys, vectors = store.chunks.all_vectors()
    wrong: list[object] = []
    for key, vector in zip(keys, vectors, strict=True):
        norm = float(vector @ vector)
        if not np.isfinite(norm) or abs(norm - 1.0) > 1e-3:
            wrong.append(int(key))
    if wrong:
        yield _line(len(wrong), "vectors in the store are not of length 1", wrong[:_NAMED])
    missing: list[object] = [
        int(key)
        for key, vector in zip(keys, vectors, strict=True)
        if dense.scores(vector, np.array([key], dtype=np.int64))[0] < 0.999
    ]
    if missing:
        yield _line(
            len(missing), "chunks missing from the vector index, or there with another vector", missing[:_NAMED]
        )
    dead = _removed_keys(store)
    if dead and len(keys):
        scores = dense.scores(vectors[0], np.array(dead, dtype=np.int64))
        left: list[object] = [key for key, score in zip(dead, scores, strict=True) if score != -1.0]
        if left:
            yield _line(len(left), "removed chunks still in the vector index", left[:_NAMED])


def _in_the_keywords(store: CollectionStore, keyword: KeywordIndex) -> Iterator[str]:
    missing: list[object] = []
    live = store.chunks.keys().tolist()
    unknown: set[int] = set()
    known = set(live)
    for at in range(0, len(live), _BLOCK):
        for key, stored in store.chunks.by_keys(live[at : at + _BLOCK]).items():
            terms = keyword.terms(stored.chunk.text)
            if not terms:
                continue
            if keyword.scores(terms[0], [key])[0] <= 0.0 and keyword.scores(stored.chunk.text, [key])[0] <= 0.0:
                missing.append(key)
            if at == 0:
                unknown |= {found for found, _ in keyword.search(terms[0], 1000) if found not in known}
    if missing:
        yield _line(len(missing), "chunks missing from the keyword index", missing[:_NAMED])
    if unknown:
        yield _line(len(unknown), "keys in the keyword index that the store does not have", sorted(unknown)[:_NAMED])


def _removed_keys(store: CollectionStore) -> list[int]:
    with store.reading() as connection:
        return [key for (key,) in connection.execute("SELECT key FROM changes WHERE operation = -1")]
