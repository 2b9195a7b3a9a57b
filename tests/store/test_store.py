"""The store keeps what it was given, changes it in whole transactions, and tells indexes exactly what changed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.cheap_embedder import vector_of
from support.collections_on_disk import cheap_build, chunks_of, document_of, put, trace_about

from ragterm.engine.store import CollectionStore, FileRecord, NewDocument, pack_version
from ragterm.engine.store import schema as schema_module
from ragterm.engine.store.connection import Database, explain
from ragterm.engine.store.schema import migrate
from ragterm.engine.types.errors import BusyError, NotFoundError, StoreError
from ragterm.engine.types.settings import ChunkingSettings


@pytest.fixture
def store(tmp_path: Path):
    with CollectionStore(tmp_path / "notes") as store:
        yield store


def test_a_document_comes_back_as_it_was_put(store):
    document = put(store, "alpha", "one two\nthree four\nfünf 😀")
    assert store.documents.document("id-alpha") == document
    chunks = store.chunks.of_document("id-alpha")
    assert [chunk.text for chunk in chunks] == ["one two", "three four", "fünf 😀"]
    assert all(chunk.text == document.text[chunk.start : chunk.end] for chunk in chunks)
    assert [chunk.key for chunk in chunks] == [1, 2, 3]
    assert chunks[1].section == ("One", "Two") and chunks[1].page == 2 and chunks[1].context == "Alpha"
    assert np.array_equal(store.chunks.vectors([3, 1]), np.stack([vector_of(chunks[i].embedding_text) for i in (2, 0)]))
    row = store.documents.row("id-alpha")
    assert (row.state, row.chunks, row.title, row.warnings, row.path) == (
        "indexed",
        3,
        "Alpha",
        ("odd",),
        "/docs/alpha.md",
    )


def test_it_is_all_there_after_it_was_closed(tmp_path):
    with CollectionStore(tmp_path / "c") as store:
        document, identity = put(store, "alpha", "one\ntwo"), store.identity
        store.settings.set("hidden", True)
    with CollectionStore(tmp_path / "c", create=False) as store:
        assert store.documents.document(document.id) == document
        assert store.identity == identity
        info = store.info()
        assert (info.name, info.documents, info.chunks, info.hidden, info.generation) == ("c", 1, 2, True, 1)
        assert info.model == "cheap-words-1" and info.bytes_on_disk > 0
    with pytest.raises(StoreError, match="closed"):
        store.documents.rows()


def test_a_store_that_is_not_there_is_not_made_by_looking(tmp_path):
    with pytest.raises(NotFoundError):
        CollectionStore(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_looking_up_chunks_in_bulk(store):
    put(store, "alpha", "one\ntwo")
    put(store, "beta", "three")
    found = store.chunks.by_keys(np.array([3, 1, 99]))
    assert {key: (one.chunk.text, one.title, one.path) for key, one in found.items()} == {
        1: ("one", "Alpha", "/docs/alpha.md"),
        3: ("three", "Beta", "/docs/beta.md"),
    }
    assert store.chunks.by_keys([]) == {}
    chunk = store.chunks.of_document("id-beta")[0]
    assert store.chunks.by_ids([chunk.id, "no such"]) == {chunk.id: found[3]}
    assert store.chunks.keys().tolist() == [1, 2, 3]
    assert store.chunks.keys(["id-beta"]).tolist() == [3]
    keys, matrix = store.chunks.all_vectors()
    assert keys.tolist() == [1, 2, 3] and matrix.shape == (3, 32) and matrix.dtype == np.float32
    with pytest.raises(KeyError):
        store.chunks.vectors([1, 99])


def test_a_new_version_replaces_the_old_one_whole(store):
    put(store, "alpha", "one\ntwo", "v1")
    put(store, "alpha", "uno", "v2")
    assert [c.text for c in store.chunks.of_document("id-alpha")] == ["uno"]
    assert store.documents.version("id-alpha", "v1") is None
    assert store.documents.content_hash("id-alpha") == "v2"
    assert len(store.documents.rows()) == 1
    with store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (1,)


def test_a_failing_transaction_leaves_nothing(store):
    put(store, "alpha", "one\ntwo", "v1")
    before, generation = store.documents.rows(), store.generation
    build = cheap_build(store)
    document = document_of("alpha", "three\nfour", "v2")
    chunks = chunks_of(document, build.id)
    twice = [chunks[0], chunks[0]]
    vectors = np.stack([vector_of("x")] * 2)
    with pytest.raises(StoreError):
        store.put_document(NewDocument(document, twice, vectors, pack_version(document), 1, 1), build)
    assert store.documents.rows() == before and store.generation == generation
    assert [c.text for c in store.chunks.of_document("id-alpha")] == ["one", "two"]
    assert store.documents.version("id-alpha", "v2") is None


def test_several_writes_are_one_transaction(store):
    with pytest.raises(ZeroDivisionError), store.atomic():
        put(store, "alpha", "one")
        assert store.documents.row("id-alpha") is not None  # its own writes are seen inside
        raise ZeroDivisionError
    assert store.documents.rows() == [] and store.generation == 0


def test_readers_see_the_last_commit_and_do_not_wait(store):
    put(store, "alpha", "one")
    inside, checked = threading.Event(), threading.Event()

    def write():
        with store.atomic():
            put(store, "beta", "two")
            inside.set()
            checked.wait(10)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(10)
    assert [row.id for row in store.documents.rows()] == ["id-alpha"]
    checked.set()
    writer.join()
    assert len(store.documents.rows()) == 2


def test_many_threads_at_once(store):
    build = cheap_build(store)
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                put(store, f"d{number}", f"text {turn}\nmore", f"v{turn}", build)
                document = store.documents.document(f"id-d{number}")
                assert document.text == f"text {turn}\nmore"
                assert len(store.chunks.of_document(f"id-d{number}")) == 2
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.generation == 60 and store.chunks.count() == 12


def test_removing_documents(store):
    put(store, "alpha", "one\ntwo")
    put(store, "beta", "three")
    assert store.remove_documents(["id-alpha", "no such"]) == 1
    assert [row.id for row in store.documents.rows()] == ["id-beta"]
    assert store.chunks.by_keys([1, 2]) == {}
    with pytest.raises(NotFoundError):
        store.documents.document("id-alpha")


def test_duplicates_lose_their_original_when_it_goes_or_changes(store):
    def duplicate(name: str, of: str, content_hash: str) -> None:
        record = FileRecord(f"id-{name}", f"/docs/{name}.md", "duplicate", content_hash, 3, 1, duplicate_of=of)
        store.put_unindexed(record, title=name)

    put(store, "alpha", "one", "v1")
    duplicate("copy", "id-alpha", "v1")
    assert store.documents.widowed() == []
    put(store, "alpha", "one!", "v1")  # the same bytes again
    assert store.documents.widowed() == []
    put(store, "alpha", "two", "v2")
    assert [one.path for one in store.documents.widowed()] == ["/docs/copy.md"]
    duplicate("copy", "id-alpha", "v2")
    store.remove_documents(["id-alpha"])
    assert [one.document_id for one in store.documents.widowed()] == ["id-copy"]


def test_a_failure_takes_the_old_chunks_with_it(store):
    put(store, "alpha", "one\ntwo", "v1")
    record = FileRecord(
        "id-alpha", "/docs/alpha.md", "failed", "v2", 9, 9, stage="parse", error="broken", hint="mend it", tries=1
    )
    store.put_unindexed(record, title="Alpha", kind="markdown")
    row = store.documents.row("id-alpha")
    assert (row.state, row.stage, row.error, row.hint, row.chunks) == ("failed", "parse", "broken", "mend it", 0)
    assert store.chunks.of_document("id-alpha") == []
    assert store.documents.record("id-alpha").tries == 1


def test_a_name_that_is_not_utf8(store):
    path = os.fsdecode(b"/docs/caf\xe9.md")
    store.put_unindexed(FileRecord("x", path, "failed", "", 0, 0), title="caf?")
    assert store.documents.row("x").path == path
    assert store.documents.record("x").path == path


# The change log


def replay(store: CollectionStore, held: dict[int, str], generation: int, limit: int) -> int:
    """What an index does with the log."""
    for changes in store.changes.blocks(generation, limit=limit):
        for key in changes.removed:
            held.pop(key, None)
        for entry in changes.added:
            held[entry.key] = entry.text
            assert np.allclose(entry.vector, vector_of(f"{entry.context}\n{entry.text}"))
        assert changes.generation > generation
        generation = changes.generation
    return generation


def truth(store: CollectionStore) -> dict[int, str]:
    return {key: one.chunk.text for key, one in store.chunks.by_keys(store.chunks.keys()).items()}


@pytest.mark.parametrize("limit", [1, 3, 4096])
@pytest.mark.parametrize("seed", range(6))
def test_replaying_the_log_from_anywhere_gives_the_truth(store, seed, limit):
    rng = np.random.default_rng(seed)
    build = cheap_build(store)
    followers: list[tuple[dict[int, str], int]] = [({}, 0)]
    for turn in range(25):
        name = f"d{rng.integers(5)}"
        if rng.random() < 0.25:
            store.remove_documents([f"id-{name}"])
        else:
            put(store, name, "\n".join(f"{turn} line {i}" for i in range(rng.integers(1, 5))), f"v{turn}", build)
        if rng.random() < 0.4:
            held, generation = followers[int(rng.integers(len(followers)))]
            held = dict(held)
            followers.append((held, replay(store, held, generation, limit)))
            assert held == truth(store)
    for held, generation in followers:
        assert replay(store, held, generation, limit) == store.generation
        assert held == truth(store)


def test_the_net_of_the_log_names_nothing_twice(store):
    build = cheap_build(store)
    put(store, "alpha", "one\ntwo", "v1", build)
    put(store, "alpha", "three", "v2", build)
    put(store, "beta", "four", "v1", build)
    store.remove_documents(["id-beta"])
    changes = store.changes.since(0)
    assert ([e.text for e in changes.added], list(changes.removed), changes.generation) == (["three"], [], 4)
    changes = store.changes.since(1)
    assert ([e.text for e in changes.added], sorted(changes.removed), changes.generation) == (["three"], [1, 2], 4)
    assert store.changes.since(4).added == [] and store.changes.since(4).removed == []
    assert list(store.changes.blocks(4)) == []
    assert store.changes.since(0, vectors=False).added[0].vector is None


def test_keys_are_never_used_twice(store):
    put(store, "alpha", "one\ntwo")
    store.remove_documents(["id-alpha"])
    put(store, "beta", "three")
    assert store.chunks.keys().tolist() == [3]


# Versions and traces


def test_a_version_stays_readable_while_a_trace_refers_to_it(store):
    old = put(store, "alpha", "one\ntwo", "v1")
    store.traces.save(trace_about(store, "id-alpha"))
    put(store, "alpha", "three", "v2")
    assert store.documents.version("id-alpha", "v1") == old
    store.remove_documents(["id-alpha"])
    assert store.documents.version("id-alpha", "v1") == old
    assert store.documents.version("id-alpha", "v2") is None
    assert store.traces.delete(["t1"]) == 1
    assert store.documents.version("id-alpha", "v1") is None


def test_traces_newest_first_and_pruned_by_age(store):
    put(store, "alpha", "one")
    for number, created in enumerate(["2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00", "2021-01-01T00:00:00"]):
        store.traces.save(trace_about(store, "id-alpha", f"t{number}", created))
    assert [trace.id for trace in store.traces.recent()] == ["t1", "t2", "t0"]
    assert [trace.id for trace in store.traces.recent(limit=1)] == ["t1"]
    assert store.traces.get("t2") == trace_about(store, "id-alpha", "t2", "2021-01-01T00:00:00")
    assert store.traces.prune(90) == 2
    with pytest.raises(NotFoundError):
        store.traces.get("t0")
    assert store.traces.delete() == 1 and store.traces.count() == 0


def test_saving_a_trace_again_replaces_it(store):
    put(store, "alpha", "one")
    store.traces.save(trace_about(store, "id-alpha"))
    store.traces.save(trace_about(store, "id-alpha", created="2026-02-02T00:00:00+00:00"))
    assert [trace.created for trace in store.traces.recent()] == ["2026-02-02T00:00:00+00:00"]


# The file itself


def test_vectors_that_are_already_known(store):
    put(store, "alpha", "one\ntwo")
    known = store.chunks.vectors_of_texts(["Alpha\ntwo", "two", "Alpha\nthree"], "cheap-words-1")
    assert list(known) == ["Alpha\ntwo"] and np.array_equal(known["Alpha\ntwo"], vector_of("Alpha\ntwo"))
    assert store.chunks.vectors_of_texts(["Alpha\ntwo"], "another model") == {}


def test_what_the_file_is_when_it_is_no_database(tmp_path):
    (tmp_path / "store.sqlite3").write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreError, match="damaged"):
        CollectionStore(tmp_path)


def test_a_file_of_a_newer_ragterm_is_refused(tmp_path):
    with CollectionStore(tmp_path) as store, store._database.atomic() as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'the future', '')")
    with pytest.raises(StoreError, match="newer") as caught:
        CollectionStore(tmp_path)
    assert "upgrade" in caught.value.hint


def test_a_migration_and_its_record_are_one_transaction(tmp_path, monkeypatch):
    CollectionStore(tmp_path).close()
    steps = (*schema_module.MIGRATIONS, ("broken", ("CREATE TABLE extra (x)", "CREATE TABLE extra (x)")))
    monkeypatch.setattr(schema_module, "MIGRATIONS", steps)
    with pytest.raises(StoreError):
        CollectionStore(tmp_path)
    plain = sqlite3.connect(tmp_path / "store.sqlite3")
    assert plain.execute("SELECT count(*) FROM sqlite_master WHERE name = 'extra'").fetchone() == (0,)
    assert plain.execute("SELECT max(version) FROM migrations").fetchone() == (len(steps) - 1,)
    plain.close()
    monkeypatch.setattr(schema_module, "MIGRATIONS", (*steps[:-1], ("mended", ("CREATE TABLE extra (x)",))))
    CollectionStore(tmp_path).close()


def test_two_processes_may_open_a_new_collection_at_once(tmp_path):
    code = "import sys; from pathlib import Path; from ragterm.engine.store import CollectionStore\n"
    code += "print(CollectionStore(Path(sys.argv[1])).identity)"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "c")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    identities = {process.communicate(timeout=60)[0] for process in running}
    assert len(identities) == 1 and all(process.returncode == 0 for process in running)


def test_a_full_disk_says_so_and_loses_nothing_that_was_committed(tmp_path):
    with CollectionStore(tmp_path) as store:
        put(store, "alpha", "one")
        build = cheap_build(store)
        with store._database.atomic() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="full") as caught:
            put(store, "beta", "\n".join(f"line {i} {'x' * 200}" for i in range(500)), build=build)
        assert "free some space" in caught.value.hint
        assert [row.id for row in store.documents.rows()] == ["id-alpha"]
        with store._database.atomic() as connection:
            connection.execute("PRAGMA max_page_count = 1073741823")
        put(store, "beta", "two", build=build)
        assert store.chunks.count() == 2


def test_errors_of_the_database_are_explained():
    path = Path("/x/store.sqlite3")
    assert isinstance(explain(sqlite3.OperationalError("database is locked"), path), BusyError)
    assert "permissions" in explain(sqlite3.OperationalError("attempt to write a readonly database"), path).hint
    assert "backup" in explain(sqlite3.DatabaseError("database disk image is malformed"), path).hint


def test_the_tracer_sees_every_statement(tmp_path):
    seen: list[str] = []
    with CollectionStore(tmp_path, tracer=seen.append) as store:
        put(store, "alpha", "one\ntwo")
        seen.clear()
        store.chunks.by_keys(range(1000))
    assert len([s for s in seen if s.startswith("SELECT")]) == 1


def test_a_store_from_before_parents_and_strategies_opens_as_it_was_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(schema_module, "MIGRATIONS", schema_module.MIGRATIONS[:1])
    database = Database(tmp_path / "store.sqlite3")
    migrate(database)
    parameters = '{"context_tokens": 64, "max_tokens": 0, "overlap": 0.1}'
    with database.atomic() as connection:
        connection.execute("INSERT INTO builds VALUES (1, 'b', 'm', 32, ?, '', 1)", (parameters,))
        connection.execute(
            "INSERT INTO documents VALUES ('d', '/d', 'D', 'text', 'h', 1, 1, NULL, 1, '', '[]', 'indexed', "
            "'', '', '', '', '', 0, 0, '')"
        )
        connection.execute("INSERT INTO chunks VALUES (1, 'c', 'd', 1, 1, 0, 0, 3, 'one', '', NULL, '[]', 3, NULL, 0)")
    database.close()
    monkeypatch.undo()
    with CollectionStore(tmp_path) as store:
        live = store.builds.live()
        assert live.chunking == ChunkingSettings(max_tokens=8192, strategy="recursive")  # the window, as 0 was
        again = store.builds.create(live.model_id, live.dimensions, ChunkingSettings(strategy="recursive"))
        assert again.id != live.id and again.chunking.max_tokens == 0
        (chunk,) = store.chunks.of_document("d")
        assert chunk.text == "one" and chunk.parent is None and chunk.parent_id is None


def test_parents_and_the_strategy_come_back(store):
    chosen = ChunkingSettings(strategy="hierarchical", patterns={"*.py": "code", "a/**": "legal"})
    build = store.builds.create_live("cheap-words-1", 32, chosen)
    assert store.builds.live().chunking == chosen
    document = document_of("alpha", "one\ntwo")
    chunks = [replace(c, parent=(0, 7), parent_id="p") for c in chunks_of(document, build.id)[:1]] + chunks_of(
        document, build.id
    )[1:]
    vectors = np.stack([vector_of(c.embedding_text) for c in chunks])
    store.put_document(NewDocument(document, chunks, vectors, pack_version(document), 7, 1), build)
    assert [(c.parent, c.parent_id) for c in store.chunks.of_document("id-alpha")] == [((0, 7), "p"), (None, None)]
    assert store.chunks.by_ids([chunks[0].id])[chunks[0].id].chunk.parent == (0, 7)


def test_migrating_twice_changes_nothing(tmp_path):
    database = Database(tmp_path / "x.sqlite3")
    migrate(database)
    with database.reading() as connection:
        before = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    migrate(database)
    with database.reading() as connection:
        assert connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    database.close()
