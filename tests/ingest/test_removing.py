"""A removal leaves nothing behind, says so by asking, and can be undone until the next start."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from support.ingesting import SETTINGS, Library, write

from ragterm.engine.ingest import audit, ingest, remove, restore
from ragterm.engine.store import IndexerLock
from ragterm.engine.store.leases import Owner
from ragterm.engine.types.ingesting import Removal


def sound(library: Library) -> None:
    assert audit(library.store, library.dense, library.keyword) == []


def filled(library: Library, docs) -> dict[str, str]:
    """Ids by name."""
    write(docs, a="# A\n\n" + "Apples are red. " * 40, b="# B\n\nPears are green.", c="# C\n\nPlums are blue.")
    report = ingest([docs], library.rooms(), SETTINGS)
    return {one.title: one.document_id for one in report.outcomes}


def test_nothing_is_left_and_that_is_counted(library, docs):
    ids = filled(library, docs)
    before = library.store.chunks.count()
    removal = remove([ids["A"], ids["C"], "unknown"], library.rooms(), SETTINGS)
    assert removal.documents == (ids["A"], ids["C"]) and removal.chunks == before - 1 > 2
    assert (removal.chunks_left, removal.vectors_left, removal.keyword_hits_left) == (0, 0, 0)
    assert removal.proven and not removal.waiting and removal.can_be_undone
    assert removal.proof == "0 chunks, 0 vectors and 0 keyword hits are left"
    assert library.keyword.search("apples plums", 10) == []
    assert library.keyword.chunks == len(library.dense) == library.store.chunks.count() == 1
    sound(library)


def test_a_proof_that_fails_says_so(library, docs):
    ids = filled(library, docs)
    library.keyword.apply = lambda changes: None  # an index that forgets nothing
    removal = remove([ids["B"]], library.rooms(), SETTINGS)
    assert removal.keyword_hits_left == 1 and not removal.proven and removal.waiting
    assert not Removal(vectors_left=2).proven and "2 vectors" in Removal(vectors_left=2).proof
    assert "ragterm doctor" in Removal(vectors_left=2).proof


def test_while_another_process_indexes_the_removal_waits(library, docs):
    ids = filled(library, docs)
    with IndexerLock(library.store.folder):
        removal = remove([ids["B"]], library.rooms(), SETTINGS)
    assert removal.waiting and removal.chunks_left == 0 and "another ragterm" in removal.proof
    ingest([docs / "a.md"], library.rooms(), SETTINGS)
    assert library.keyword.keys([ids["B"]]) == []


def test_a_removal_is_undone_without_reading_or_embedding(library, docs):
    ids = filled(library, docs)
    key = library.store.chunks.keys([ids["A"]])
    vectors = library.store.chunks.vectors(key).copy()
    chunks = [(c.id, c.start, c.end, c.text, c.context) for c in library.store.chunks.of_document(ids["A"])]
    document = library.store.documents.document(ids["A"])
    remove([ids["A"], ids["B"]], library.rooms(), SETTINGS)
    remove([ids["C"]], library.rooms(), SETTINGS)
    library.parsed.clear()
    embedded = library.embedder.texts
    assert restore(library.rooms()) == [ids["C"]]  # the last one first
    assert sorted(restore(library.rooms(), [ids["A"], ids["B"], "unknown"])) == sorted([ids["A"], ids["B"]])
    assert restore(library.rooms()) == []
    assert library.parsed == [] and library.embedder.texts == embedded
    assert [(c.id, c.start, c.end, c.text, c.context) for c in library.store.chunks.of_document(ids["A"])] == chunks
    assert library.store.documents.document(ids["A"]) == document
    now = library.store.chunks.keys([ids["A"]])
    assert np.array_equal(library.store.chunks.vectors(now), vectors) and not set(now) & set(key)
    assert library.keyword.keys([ids["A"]]) == now.tolist()
    sound(library)
    report = ingest([docs], library.rooms(), SETTINGS)
    assert report.counts["unchanged"] == 3


def test_a_copy_takes_the_place_and_the_original_comes_back_as_the_copy(library, docs):
    write(docs, a="# Same\n\nWords.", b="# Same\n\nWords.")
    report = ingest([docs], library.rooms(), SETTINGS)
    original = next(one for one in report.outcomes if one.outcome == "added")
    removal = remove([original.document_id], library.rooms(), SETTINGS)
    assert len(removal.in_their_place) == 1 and removal.proven
    assert restore(library.rooms()) == [original.document_id]
    states = {row.id: row.state for row in library.store.documents.rows()}
    assert states[original.document_id] == "duplicate" and sorted(states.values()) == ["duplicate", "indexed"]
    sound(library)


def test_a_copy_that_was_removed_with_its_original_comes_back(library, docs):
    write(docs, a="# Same\n\nWords.", b="# Same\n\nWords.")
    ids = [one.document_id for one in ingest([docs], library.rooms(), SETTINGS).outcomes]
    assert remove(ids, library.rooms(), SETTINGS).documents == tuple(ids)
    assert sorted(restore(library.rooms())) == sorted(ids)
    assert sorted(row.state for row in library.store.documents.rows()) == ["duplicate", "indexed"]
    sound(library)


def test_near_duplicates_are_flagged_again_after_an_undo(library, docs):
    words = [f"word{i * i % 997}" for i in range(300)]
    write(docs, a=" ".join(words), b=" ".join([*words, "end"]))
    report = ingest([docs], library.rooms(), SETTINGS)
    remove([one.document_id for one in report.outcomes], library.rooms(), SETTINGS)
    restore(library.rooms())
    assert sum(bool(row.warnings) for row in library.store.documents.rows()) == 1


def test_what_was_read_again_meanwhile_is_not_put_back(library, docs):
    ids = filled(library, docs)
    remove([ids["B"]], library.rooms(), SETTINGS)
    write(docs, b="# B\n\nPears are yellow by now.")
    ingest([docs], library.rooms(), SETTINGS)
    assert library.store.aside.rows() == [] and restore(library.rooms(), [ids["B"]]) == []
    assert "yellow" in library.store.documents.document(ids["B"]).text
    sound(library)


def test_the_next_start_purges_what_ended_processes_removed(library, docs):
    ids = filled(library, docs)
    remove([ids["A"]], library.rooms(), SETTINGS)
    assert library.store.aside.purge() == 0  # this process still runs
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    library.store.remove_documents([ids["B"]], aside=Owner(ended.pid, "long ago"))
    assert [row.document_id for row in library.store.aside.rows()] == [ids["B"], ids["A"]]
    assert library.store.aside.purge() == 1
    assert [row.document_id for row in library.store.aside.rows()] == [ids["A"]]
    assert library.store.aside.purge(all_of_them=True) == 1


def test_for_good_keeps_nothing(library, docs):
    ids = filled(library, docs)
    assert not remove([ids["A"]], library.rooms(), SETTINGS, keep=False).can_be_undone
    assert library.store.aside.rows() == []


def test_a_document_whose_build_is_gone_stays_aside(library, docs):
    ids = filled(library, docs)
    remove([ids["B"]], library.rooms(), SETTINGS)
    with library.store._database.atomic() as connection:
        connection.execute("UPDATE builds SET id = 'another'")  # the number was given out again
    assert restore(library.rooms()) == [] and len(library.store.aside.rows()) == 1
