"""The audit finds every way in which store, vectors and keyword index can disagree."""

from __future__ import annotations

import sqlite3

import pytest
from support.ingesting import SETTINGS, Library, write

from ragterm.engine.ingest import audit, audit_indexes, audit_store, ingest, remove
from ragterm.engine.types.protocols import IndexChanges, IndexEntry


@pytest.fixture
def filled(library, docs) -> Library:
    words = " ".join(f"word{i}" for i in range(60))
    write(docs, a=f"# A\n\nApples. {words}", b=f"# B\n\nPears. {words}", c="# C\n\nPlums.", d="# C\n\nPlums.")
    ingest([docs], library.rooms(), SETTINGS)
    assert audit(library.store, library.dense, library.keyword) == []
    return library


# Each damage is one statement by another program, foreign keys off; and what the audit must say.
DAMAGES = [
    ("DELETE FROM vectors WHERE key = 1", "chunks without a vector: 1"),
    ("INSERT INTO vectors VALUES (999, 1, zeroblob(128))", "vectors without a chunk: 999"),
    ("UPDATE vectors SET vector = zeroblob(64) WHERE key = 1", "vectors of another length"),
    ("UPDATE vectors SET vector = zeroblob(128) WHERE key = 1", "not of length 1: 1"),
    ("UPDATE vectors SET model = 2 WHERE key = 1", "vectors of another model"),
    ("UPDATE chunks SET text = 'other' WHERE key = 1", "not the span of its text: 1"),
    ("UPDATE chunks SET start = start + 1 WHERE key = 1", "not the span of its text: 1"),
    ("UPDATE chunks SET ordinal = 7 WHERE key = 1", "not numbered in order"),
    ("DELETE FROM chunks WHERE key = 1", "number of chunks is wrong"),
    ("DELETE FROM documents WHERE title = 'A'", "chunks without a document"),
    ("UPDATE documents SET state = 'failed' WHERE title = 'A'", "not indexed"),
    ("DELETE FROM versions WHERE title = 'A'", "without their text"),
    ("UPDATE versions SET content_hash = 'x' WHERE title = 'A'", "texts that nothing refers to"),
    ("UPDATE documents SET duplicate_of = 'x' WHERE state = 'duplicate'", "duplicates of a document that is not indexed"),
    ("DELETE FROM changes WHERE key = 1", "the change log does not add"),
    ("DELETE FROM signatures", "bands without a signature"),
    ("INSERT INTO signatures VALUES ('x', 1, x'00')", "signatures of a document that is not indexed: x"),
    ("INSERT INTO near VALUES ('x', 'y', 1.0)", "near-duplicates of a document that is not there: x"),
    ("INSERT INTO trace_versions VALUES (1, 'x', 'y')", "traces that refer to a text that is gone: x"),
    ("INSERT INTO jobs VALUES (1, 99, 'ingest', 'x', '/x', 1, 0, 0, 'waiting', '')", "jobs without a request: 1"),
    ("UPDATE documents SET path = (SELECT path FROM documents WHERE title = 'A')", "paths that stand in the ledger twice"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "said"), DAMAGES, ids=[one[1] for one in DAMAGES])
def test_a_damaged_store_is_noticed(filled, statement, said):
    with sqlite3.connect(filled.store.folder / "store.sqlite3") as connection:
        connection.execute("INSERT OR IGNORE INTO models VALUES (2, 'another')")
        connection.execute(statement)
    connection.close()
    problems = audit_store(filled.store)
    assert any(said in problem for problem in problems), problems


def entry(library: Library, key: int) -> IndexEntry:
    stored = library.store.chunks.by_keys([key])[key]
    vector = library.store.chunks.vectors([key])[0]
    return IndexEntry(
        key + 1000, stored.chunk.document_id, stored.title, stored.chunk.context, stored.chunk.text, vector
    )


@pytest.mark.parametrize("name", ["dense", "keyword"])
def test_an_index_that_lacks_or_adds_a_chunk_is_noticed(filled, name):
    index, shown = getattr(filled, name), {"dense": "vector", "keyword": "keyword"}[name]
    generation = filled.store.generation
    index.apply(IndexChanges([entry(filled, 1)], [2], generation))
    problems = audit_indexes(filled.store, filled.dense, filled.keyword)
    assert f"1 chunks missing from the {shown} index: 2" in problems
    assert f"1 keys in the {shown} index that the store does not have: 1001" in problems
    assert audit_store(filled.store) == []


def test_an_index_that_is_behind_is_noticed(filled, docs):
    filled.store.remove_documents([filled.store.documents.rows()[0].id])
    problems = audit_indexes(filled.store, filled.dense, filled.keyword)
    assert any(problem.startswith("the vector index is at generation") for problem in problems)
    assert any("that the store does not have" in problem for problem in problems)


def test_what_is_kept_aside_does_not_trouble_the_audit(filled):
    remove([row.id for row in filled.store.documents.rows()][:2], filled.rooms(), SETTINGS)
    assert audit(filled.store, filled.dense, filled.keyword) == []
