"""Another chunking beside the live one: cut over, rolled back, stopped, raced by changes; the audit clean after each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.cheap_embedder import CheapEmbedder
from support.containers import put, zip_of
from support.ingesting import SETTINGS, ThreadParsers, write

from ragterm.engine.collections import OpenCollection
from ragterm.engine.ingest import audit, ingest, remove_documents
from ragterm.engine.rebuilding import builds_of, rechunk, roll_back
from ragterm.engine.store import IndexerLock
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import BusyError, Cancelled, NotFoundError
from ragterm.engine.types.settings import ChunkingSettings

SHORT = ChunkingSettings(max_tokens=24)
SHORTER = ChunkingSettings(max_tokens=18, overlap=0.0)


class Models:
    """What a collection asks of the resident models."""

    def __init__(self, embedder):
        self._embedder = embedder
        self.settings = SETTINGS

    def embedder(self, progress=None):
        return self._embedder


@pytest.fixture
def embedder():
    return CheapEmbedder()


@pytest.fixture
def opened(tmp_path, embedder):
    write(
        tmp_path / "docs",
        clay="# Clay\n\n" + " ".join(f"Clay number {n} is fired at {900 + n} degrees." for n in range(20)),
        wood="# Wood\n\n" + " ".join(f"Plank {n} dries for {n} weeks in the shed." for n in range(20)),
        note="A short note about glass.",
    )
    collection = OpenCollection(tmp_path / "collection", Models(embedder), create=True)
    read(collection, tmp_path)
    yield collection
    collection.close()


def read(collection, tmp_path):
    rooms = replace(collection.ingest_rooms(), parsers=lambda settings: ThreadParsers())
    ingest([tmp_path / "docs"], rooms, SETTINGS)
    collection.save_indexes(build_graph=False)


def spans(collection):
    rows = collection.store.documents.rows()
    return {row.path: [(c.start, c.end) for c in collection.store.chunks.of_document(row.id)] for row in rows}


def whole(collection):
    """Nothing is wrong, and both indexes find the chunks of the live build and no other."""
    dense, keyword, _ = collection.fresh()
    assert audit(collection.store, dense, keyword) == []
    live = set(collection.store.chunks.keys().tolist())
    vector = collection.models.embedder().embed_query("plank dries in the shed")
    assert set(dense.search(vector, 1000)[0].tolist()) == live
    assert {key for key, _ in keyword.search("clay plank glass fired dries note", 1000)} <= live
    return True


def test_a_shadow_build_takes_over_whole_and_the_way_back_costs_nothing(opened, embedder):
    before, first = spans(opened), opened.store.builds.live()
    made = rechunk(opened, SHORT)
    after = spans(opened)
    assert opened.store.builds.live().chunking == SHORT
    assert made.chunks == sum(map(len, after.values())) > sum(map(len, before.values()))
    assert {row.path: row.chunks for row in opened.store.documents.rows()} == {p: len(s) for p, s in after.items()}
    assert whole(opened)
    asked = embedder.texts
    back = roll_back(opened)
    assert (back.build_id, back.documents, back.embedded) == (first.id, 0, 0)
    assert embedder.texts == asked
    assert spans(opened) == before
    assert whole(opened)
    assert roll_back(opened).build_id == made.build_id
    assert spans(opened) == after


def test_an_archive_has_no_chunks_in_any_build(opened, embedder, tmp_path):
    put(tmp_path / "docs" / "a.zip", zip_of({"x.md": "# X\n\nSloes ripen late."}))
    read(opened, tmp_path)
    rechunk(opened, SHORT)
    whole(opened)
    assert spans(opened)[f"{tmp_path}/docs/a.zip"] == [] and spans(opened)[f"{tmp_path}/docs/a.zip!/x.md"] != []


def test_texts_that_come_out_as_before_keep_their_vectors(opened, embedder):
    known = {c.embedding_text for row in opened.store.documents.rows() for c in opened.store.chunks.of_document(row.id)}
    asked = embedder.texts
    made = rechunk(opened, SHORT)
    now = [c.embedding_text for row in opened.store.documents.rows() for c in opened.store.chunks.of_document(row.id)]
    assert made.embedded == embedder.texts - asked == sum(text not in known for text in now) < len(now)


def test_only_documents_that_changed_are_cut_again_on_the_way_back(opened, tmp_path):
    rechunk(opened, SHORT)
    write(tmp_path / "docs", wood="# Wood\n\nOak only.", stone="# Stone\n\nGranite is hard.")
    (tmp_path / "docs" / "note.md").unlink()
    read(opened, tmp_path)
    assert whole(opened)
    back = roll_back(opened)
    assert back.documents == 2
    assert sorted(path.rpartition("/")[2] for path in spans(opened)) == ["clay.md", "stone.md", "wood.md"]
    assert whole(opened)


def test_a_stopped_rebuild_changes_nothing_and_goes_on_where_it_stood(opened, embedder):
    before, live = spans(opened), opened.store.builds.live()
    control, total = Control(), len(before)
    stop_after = iter([False, True])
    original = opened.store.documents.document

    def document(id_):
        if next(stop_after, True):
            control.cancel()
        return original(id_)

    opened.store.documents.document = document
    with pytest.raises(Cancelled):
        rechunk(opened, SHORT, control=control)
    opened.store.documents.document = original
    assert opened.store.builds.live() == live
    assert spans(opened) == before
    assert whole(opened)
    made = rechunk(opened, SHORT)
    assert made.documents <= total
    assert whole(opened)


def test_while_documents_are_indexed_nothing_is_cut_over(opened):
    live = opened.store.builds.live()
    with IndexerLock(opened.folder), pytest.raises(BusyError):
        rechunk(opened, SHORT)
    assert opened.store.builds.live() == live
    made = rechunk(opened, SHORT)
    assert (made.documents, made.embedded) == (0, 0)  # the long part was done


def test_two_builds_are_kept(opened):
    first = opened.store.builds.live().id
    second = rechunk(opened, SHORT).build_id
    third = rechunk(opened, SHORTER).build_id
    assert [(one.id, one.live, one.previous) for one in builds_of(opened)] == [
        (second, False, True),
        (third, True, False),
    ]
    assert first not in {one.id for one in builds_of(opened)}
    assert whole(opened)
    assert roll_back(opened).build_id == second


def test_another_process_follows_at_its_next_question(opened, tmp_path):
    other = OpenCollection(opened.folder, Models(CheapEmbedder()))
    try:
        assert whole(other)
        rechunk(opened, SHORT)
        assert whole(other)
        roll_back(opened)
        assert whole(other)
    finally:
        other.close()


def test_removed_documents_leave_every_build(opened):
    rechunk(opened, SHORT)
    gone = next(row.id for row in opened.store.documents.rows() if row.path.endswith("clay.md"))
    remove_documents([gone], opened.ingest_rooms(), SETTINGS)
    with opened.store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM chunks WHERE document_id = ?", (gone,)).fetchone()[0] == 0
    assert roll_back(opened).documents == 0
    assert whole(opened)


def test_there_is_nothing_to_go_back_to_at_first(opened, tmp_path):
    with pytest.raises(NotFoundError, match="no build to go back to"):
        roll_back(opened)
    empty = OpenCollection(tmp_path / "empty", Models(CheapEmbedder()), create=True)
    with pytest.raises(NotFoundError, match="empty"):
        rechunk(empty, SHORT)
    empty.close()
