"""The public `VectorDB`: what its docstrings promise, two databases on one folder, and threads."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import threading

import numpy as np
import pytest
from support.vector_model import FILTERS, Model
from support.vector_truth import METRICS, true_scores

from ragterm import VectorDB
from ragterm.engine.types.errors import NotFoundError, StoreError, UsageError
from ragterm.engine.vectors import database as database_module
from ragterm.engine.vectors import execution, searching, upkeep
from ragterm.engine.vectors import index as indexing

KEYS = {
    "total_vectors", "deleted", "dimensions", "metric", "m", "ef_construction", "seed", "index", "answers", "searches",
    "avg_search_ms", "memory_bytes", "disk_bytes", "layers", "edges", "linked", "ready", "note", "profile",
}  # fmt: skip


def sample(n, d=8, seed=0):
    return np.random.default_rng([seed, n, d]).standard_normal((n, d)).astype(np.float32)


@pytest.fixture(params=["memory", "folder"])
def new(request, tmp_path):
    """Makes databases, closed at the end."""
    made, numbers = [], itertools.count()

    def make(*arguments, **options):
        path = tmp_path / f"db {next(numbers)}" if request.param == "folder" else None
        made.append(VectorDB(*arguments, path=path, **options))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def linking(monkeypatch):
    """Small databases have a graph, by interpreted kernels."""
    monkeypatch.setattr(execution, "is_warm", lambda *_: True)
    monkeypatch.setattr(searching, "EXACT_LIMIT", 30)
    monkeypatch.setattr(searching, "SCAN_LIMIT", 10)
    monkeypatch.setattr(upkeep, "WAITING_ROWS", 10)


# -- the calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_what_the_documentation_shows(metric, new):
    db = new(dimensions=8, metric=metric)
    vectors = 3 * sample(50)
    db.insert("doc_0", vectors[0], {"year": 2024})
    db.insert_batch([(f"doc_{i}", vectors[i]) for i in range(1, 20)])
    db.insert_batch([(f"doc_{i}", vectors[i].tolist(), {"year": 2000 + i}) for i in range(20, 30)])
    db.insert_batch([f"doc_{i}" for i in range(30, 50)], vectors[30:].astype(np.float64))
    query = sample(1, seed=4)[0]
    truth = true_scores(metric, vectors, query)
    found = [(doc_id, score) for doc_id, score in db.search(query, top_k=7)]
    assert [doc_id for doc_id, _ in found] == [f"doc_{i}" for i in np.argsort(-truth)[:7]]
    assert [score for _, score in found] == pytest.approx(np.sort(truth)[::-1][:7].tolist(), abs=1e-5)
    assert len(db.search(query)) == 10
    assert db.search_batch(np.array([query, vectors[3]]), top_k=7)[0] == found == db.search_exact(query, 7)
    assert [doc_id for doc_id, _ in db.search(query, 50, filter={"year": {"$gte": 2020}})] == [
        f"doc_{i}" for i in np.argsort(-truth) if i == 0 or 20 <= i < 30
    ]
    assert (len(db), db.dimensions, db.metric, db.ids()) == (50, 8, metric, [f"doc_{i}" for i in range(50)])


def test_replacing_updating_deleting(new):
    db = new(2, "dot")
    db.insert("a", [1, 2], {"n": 1})
    db.insert("b", [3, 4])
    db.insert("a", [5, 6])
    assert (db.ids(), len(db)) == (["b", "a"], 2)
    assert (db.get("a").vector.tolist(), db.get("a").metadata) == ([5, 6], {})
    db.update("a", metadata={"n": 2})
    db.update("a", [7, 8])
    assert (db.get("a").vector.tolist(), db.get("a").metadata) == ([7, 8], {"n": 2})
    db.update("b", [0, 1], {"n": 3})
    db.update("b")
    assert (db.get("b").vector.tolist(), db.get("b").metadata) == ([0, 1], {"n": 3})
    db.delete("a")
    assert ("a" in db, "b" in db, 5 in db, len(db)) == (False, True, False, 1)
    assert db.search([1, 1]) == [("b", 1.0)]
    for call in (db.get, db.delete, db.update):
        with pytest.raises(NotFoundError, match="'a'"):
            call("a")
    db.insert("a", [1, 1])
    assert db.get("a").metadata == {}
    assert db.get_stats()["deleted"] == 4


def test_what_get_gives_is_a_copy(new):
    db = new(2, "dot")
    facts = {"tags": ["x"]}
    vector = np.array([1, 2], dtype=np.float32)
    db.insert("a", vector, facts)
    facts["tags"].append("y")
    vector[:] = 9
    item = db.get("a")
    item.vector[:] = 5
    item.metadata["tags"].append("z")
    assert (db.get("a").vector.tolist(), db.get("a").metadata) == ([1, 2], {"tags": ["x"]})


def test_cosine_keeps_directions(new):
    db = new(2)
    db.insert_batch([("far", [30, 40]), ("zero", [0, 0]), ("back", [-3, -4])])
    assert db.get("far").vector.tolist() == pytest.approx([0.6, 0.8])
    assert db.search([3, 4], 3) == [("far", pytest.approx(1.0)), ("zero", 0.0), ("back", pytest.approx(-1.0))]
    assert [score for _, score in db.search([0, 0])] == [0, 0, 0]


def test_the_last_of_an_id_stays(new):
    db = new(2, "dot")
    db.insert_batch(["a", "b", "a"], np.array([[1, 0], [0, 1], [2, 0]]), [{"n": 1}, None, {"n": 3}])
    assert {doc_id: db.get(doc_id).vector.tolist() for doc_id in "ab"} == {"a": [2, 0], "b": [0, 1]}
    assert (db.get("a").metadata, db.ids()) == ({"n": 3}, ["b", "a"])
    assert sorted(db.search([1, 1])) == [("a", 2.0), ("b", 1.0)]
    db.insert_batch([])
    db.insert_batch([], np.empty((0, 2)))
    assert len(db) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda db: db.insert("a", [1, 2, 3]), "3 dimensions, the index 2"),
        (lambda db: db.insert("a", [[1, 2], [3, 4]]), "1 ids for 2 vectors"),
        (lambda db: db.update("good", [[1, 2], [3, 4]]), "1 ids for 2 vectors"),
        (lambda db: db.insert("a", [1, np.nan]), "nan"),
        (lambda db: db.insert("a", [np.inf, 1]), "inf"),
        (lambda db: db.insert("a", [1e39, 1]), "inf"),
        (lambda db: db.insert("a", "x"), "Not a vector"),
        (lambda db: db.insert(7, [1, 2]), "An id is a string"),
        (lambda db: db.insert("a", [1, 2], {"x": {1, 2}}), "set is no JSON"),
        (lambda db: db.insert("a", [1, 2], "x"), "str, not a mapping"),
        (lambda db: db.insert_batch([("b", [1, 2]), ("a", [1])]), "vector of 'a' has 1 dimensions, the index 2"),
        (lambda db: db.insert_batch([("b", [1, 2]), ("a",)]), "A batch of tuples"),
        (lambda db: db.insert_batch([("b", [1, 2])], metadata=[{}]), "A batch of tuples"),
        (lambda db: db.insert_batch(["a"], np.ones((2, 2))), "1 ids for 2 vectors"),
        (lambda db: db.insert_batch(["a"], np.ones((1, 2)), [{}, {}]), "1 ids and 2 metadata"),
        (lambda db: db.search([1, 2, 3]), "3 dimensions, the index 2"),
        (lambda db: db.search([[1, 2], [3, 4]]), "2 queries"),
        (lambda db: db.search([np.nan, 1]), "nan"),
        (lambda db: db.search([1, 2], top_k="many"), "top_k is 'many'"),
        (lambda db: db.search([1, 2], filter={"$where": 1}), r"\$where"),
        (lambda db: db.search_batch([[1, 2], [1, np.inf]]), "inf"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_makes_no_sense_is_refused_whole(call, words, new):
    db = new(2)
    db.insert("good", [1, 2], {"n": 1})
    with pytest.raises(UsageError, match=words):
        call(db)
    assert (db.ids(), db.get("good").metadata, db.get_stats()["deleted"]) == (["good"], {"n": 1}, 0)
    assert [doc_id for doc_id, _ in db.search([1, 2])] == ["good"]


def test_a_wrong_start_is_refused(tmp_path):
    for options, words in (
        ({"metric": "manhattan"}, "manhattan"),
        ({"dimensions": 0}, "0 dimensions"),
        ({"m": 1}, "M = 1"),
    ):
        with pytest.raises(UsageError, match=words):
            VectorDB(**{"dimensions": 2, "path": tmp_path / "x", **options})
    assert not (tmp_path / "x").exists()
    with pytest.raises(StoreError, match="no vector database"):
        VectorDB.open(tmp_path / "x")
    VectorDB(2, path=tmp_path / "x").close()
    with pytest.raises(StoreError, match="a database already"):
        VectorDB(2, path=tmp_path / "x")


def test_fewer_than_asked_for_and_an_empty_database(new):
    db = new(3)
    assert db.search([1, 2, 3]) == db.search([1, 2, 3], filter={"a": 1}) == db.search_exact([1, 2, 3]) == []
    assert db.search_batch(np.empty((0, 3))) == []
    db.insert("a", [1, 0, 0])
    assert len(db.search([1, 2, 3], top_k=10**9, ef_search=1)) == 1
    assert db.search([1, 2, 3], top_k=0) == []
    db.delete("a")
    assert db.search([1, 2, 3]) == db.ids() == []


@pytest.mark.parametrize("metric", METRICS)
def test_filters(metric, new):
    db, model = new(4, metric), Model(metric)
    rng = np.random.default_rng(0)
    for i in range(60):
        facts = {"year": int(rng.integers(2018, 2025)), "tag": "abc"[i % 3]} if i % 4 else None
        vector = rng.standard_normal(4).astype(np.float32)
        db.insert(f"{i % 50}", vector, facts)
        model.put(f"{i % 50}", vector, facts)
        if i % 10 == 0:
            model.check(db, sample(1, 4, seed=i))
    db.update("7", metadata={"year": 1999})
    model.items["7"] = model.items["7"][0], {"year": 1999}
    db.delete("11")
    del model.items["11"]
    model.check(db, sample(3, 4))
    for given, test in FILTERS:
        assert {doc_id for doc_id, _ in db.search(sample(1, 4)[0], 100, given)} == {
            doc_id for doc_id, (_, facts) in model.items.items() if test(facts)
        }


def test_it_says_what_there_is(new, linking):
    db = new(8, "euclidean", m=4, ef_construction=20, seed=5)
    stats = db.get_stats()
    assert set(stats) == KEYS
    assert (stats["total_vectors"], stats["answers"], stats["layers"], stats["edges"], stats["note"]) == (
        0,
        "exact",
        [],
        0,
        "",
    )
    db.insert_batch([f"{i}" for i in range(60)], sample(60))
    db.link()
    db.delete("3")
    for _ in range(3):
        db.search(sample(1)[0])
    stats = db.get_stats()
    expected = {
        "total_vectors": 59, "deleted": 1, "dimensions": 8, "metric": "euclidean", "m": 4, "ef_construction": 20,
        "seed": 5, "index": "hnsw", "answers": "hnsw", "searches": 3, "linked": 60, "ready": True, "note": "",
    }  # fmt: skip
    assert {key: stats[key] for key in expected} == expected
    assert stats["avg_search_ms"] > 0 and stats["memory_bytes"] > 60 * 8 * 4
    ground = stats["layers"][0]
    assert (ground["level"], ground["nodes"]) == (0, 60)
    assert sum(degree * count for degree, count in ground["degree_histogram"].items()) == ground["edges"]
    assert ground["max_degree"] == max(ground["degree_histogram"]) <= 8
    assert stats["edges"] == sum(layer["edges"] for layer in stats["layers"])
    assert db.ready and db.wait_ready(0)


def test_leaving_the_context_closes_and_keeps(tmp_path):
    with VectorDB(3, "dot", path=tmp_path / "db", seed=9) as db:
        db.insert("a", [1, 2, 3], {"n": 1})
    db.close()
    for call in (lambda: db.insert("b", [1, 2, 3]), lambda: db.delete("a"), lambda: db.get("a")):
        with pytest.raises(StoreError, match="closed"):
            call()
    with pytest.raises(ZeroDivisionError), VectorDB.open(tmp_path / "db") as again:
        assert again.search([1, 1, 1]) == [("a", 6.0)]
        assert (again.get_stats()["seed"], again.metric, again.dimensions) == (9, "dot", 3)
        assert 1 / 0
    assert VectorDB.open(tmp_path / "db").get("a").metadata == {"n": 1}


def test_strange_ids_and_many_deletions_survive(tmp_path):
    ids = [f"ключ {i} \n\ud800" for i in range(300)]
    with VectorDB(2, "dot", path=tmp_path / "x") as db:
        db.insert_batch(ids, np.column_stack([np.arange(300), np.ones(300)]))
        for doc_id in ids[:20]:
            db.delete(doc_id)
    with VectorDB.open(tmp_path / "x") as again:
        assert [doc_id for doc_id, _ in again.search([1, 0], 1000)] == ids[:19:-1]
        again.save(tmp_path / "y")
    with VectorDB.open(tmp_path / "y") as copied:
        assert (copied.ids(), copied.get_stats()["deleted"]) == (ids[20:], 0)


def test_it_is_exported_and_small():
    code = """
import sys
from ragterm import VectorDB
VectorDB(2).insert("a", [1, 2])
print([name for name in ("numba", "torch", "textual") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- the graph, in the background -------------------------------------------------------------------------------------


def test_it_is_brought_up_to_date_in_the_background(new, linking):
    db = new(8)
    db.insert_batch([f"{i}" for i in range(20)], sample(20))
    assert db.ready and db.get_stats()["linked"] == 0  # a scan is as quick
    db.insert_batch([f"{i}" for i in range(20, 80)], sample(60))
    assert db.wait_ready()
    assert db.get_stats()["linked"] == 80
    for i in range(30):
        db.delete(f"{i}")
    assert db.wait_ready()
    assert db._index.needs_rebuild is False
    assert db.get_stats()["layers"][0]["nodes"] <= 70
    db.insert("x", sample(1, seed=9)[0])
    assert db.ready  # one that waits is scanned
    assert db.search(sample(1, seed=9)[0], 1)[0][0] == "x"


def settle(db):
    with db._upkeep._state:
        thread = db._upkeep._thread
    if thread is not None:
        thread.join()


def test_rows_that_come_at_the_last_moment_are_linked_too(new, linking, monkeypatch):
    """The thread once looked, found nothing, and was still there for whoever came then."""
    db = new(8)
    due, added = db._upkeep._due, []

    def due_and_then_more():
        answer = due()
        if not answer and not added and threading.current_thread().name == "vector-upkeep":
            added.append(threading.Thread(target=lambda: db.insert_batch([f"b{i}" for i in range(40)], sample(40))))
            added[0].start()
            added[0].join(0.2)  # it may wait for this thread to end
        return answer

    monkeypatch.setattr(db._upkeep, "_due", due_and_then_more)
    db.insert_batch([f"a{i}" for i in range(60)], sample(60))
    settle(db)
    added[0].join()
    settle(db)
    assert db.get_stats()["linked"] == 100


def test_a_link_that_fails_is_logged_noted_and_not_tried_again_at_once(new, linking, monkeypatch, caplog):
    db, calls = new(8), []

    def link(self, threads=1, progress=None):
        calls.append(threads)
        raise MemoryError("no room for it")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(indexing.VectorIndex, "link", link)
        db.insert_batch([f"{i}" for i in range(60)], sample(60))
        assert db.wait_ready() is False
        assert not db.ready
        assert db.get_stats()["note"] == "the index is not up to date: MemoryError: no room for it"
        assert "no room for it" in caplog.text
        db.insert("one more", sample(1)[0])
        assert db.wait_ready() is False
        assert len(calls) == 1
        assert db.search(sample(1)[0], 1)[0][0] == "one more"  # exact, all the same
        with pytest.raises(MemoryError):
            db.link()
    db.insert_batch([f"b{i}" for i in range(20)], sample(20))
    assert db.wait_ready()
    assert (db.get_stats()["note"], db.get_stats()["linked"]) == ("", 81)


def test_where_nothing_compiles_waiting_ends(new, monkeypatch):
    monkeypatch.setattr(upkeep.warm, "warm", lambda _: None)
    db = new(4)
    db.insert("a", [1, 2, 3, 4])
    assert db.wait_ready() is False
    assert "numpy" in db.get_stats()["note"]
    assert db.search([1, 2, 3, 4]) == [("a", pytest.approx(1))]


def test_closing_breaks_a_link_off(new, linking, monkeypatch):
    db, begun = new(8), threading.Event()
    go_on = db._upkeep._go_on

    def slowly(done, total):
        begun.set()
        db._upkeep._closed = True
        go_on(done, total)

    monkeypatch.setattr(db._upkeep, "_go_on", slowly)
    db.insert_batch([f"{i}" for i in range(60)], sample(60))
    assert begun.wait(30)
    db.close()
    assert (db._index.linked, db._upkeep._thread, db.get_stats()["note"]) == (0, None, "")


def test_a_program_that_ends_without_closing_says_nothing():
    code = """
import numpy as np
from ragterm import VectorDB
from ragterm.engine.vectors import execution, searching
execution.is_warm, searching.EXACT_LIMIT = lambda *_: True, 30
db = VectorDB(8)
db.insert_batch([f"{i}" for i in range(4000)], np.random.default_rng(0).standard_normal((4000, 8)))
print(db._upkeep._thread is not None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_full_disk_costs_the_index_only(tmp_path, monkeypatch):
    from ragterm.engine.vectors import index_snapshot

    db = VectorDB(4, path=tmp_path / "db")
    db.insert("a", [1, 2, 3, 4])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(index_snapshot, "write_snapshot", full)
        with pytest.raises(StoreError, match="No space left"):
            db.save()
        with pytest.raises(StoreError, match="No space left"):
            db.close()
    with pytest.raises(StoreError, match="closed"):
        db.insert("b", [1, 2, 3, 4])
    with VectorDB.open(tmp_path / "db") as again:
        assert again.ids() == ["a"]


# -- two on one folder ------------------------------------------------------------------------------------------------


def test_one_writes_the_other_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(database_module, "LOOK_SECONDS", 0)
    model = Model("cosine")
    with VectorDB(4, path=tmp_path / "db") as one, VectorDB.open(tmp_path / "db") as other:
        for i, vector in enumerate(sample(40, 4)):
            writer, reader = (one, other) if i % 3 else (other, one)
            writer.insert(f"{i % 25}", vector, {"year": 2000 + i})
            model.put(f"{i % 25}", vector, {"year": 2000 + i})
            model.check_hits(reader.search(vector, 5), vector, 5)
            model.check_hits(
                reader.search(vector, 50, {"year": {"$gte": 2020}}), vector, 50, lambda m: m["year"] >= 2020
            )
        one.update("3", metadata={"tag": "a"})
        model.items["3"] = model.items["3"][0], {"tag": "a"}
        other.delete("4")
        del model.items["4"]
        one.search(vector)
        model.check(other, sample(2, 4))
        model.check(one, sample(2, 4))


def test_what_another_has_just_written_can_be_got_at_once(tmp_path):
    with VectorDB(4, "dot", path=tmp_path / "db") as one, VectorDB.open(tmp_path / "db") as other:
        one.insert("a", [1, 2, 3, 4], {"n": 1})
        assert "a" in other
        assert (other.get("a").vector.tolist(), other.get("a").metadata) == ([1, 2, 3, 4], {"n": 1})
        one.insert("b", [1, 1, 1, 1])
        other.update("b", metadata={"n": 2})
        one.insert("c", [1, 1, 1, 1])
        other.update("c", [2, 2, 2, 2])
        one.insert("d", [1, 1, 1, 1])
        other.delete("d")
        one.insert("e", [1, 1, 1, 1])
        assert [doc_id for doc_id, _ in other.search_exact([0, 0, 0, 1], filter={})] == ["a", "c", "b", "e"]
        one.insert("f", [0, 0, 0, 9])
        other.save(tmp_path / "copy")
        with VectorDB.open(tmp_path / "copy") as copied:
            assert copied.ids() == ["a", "b", "c", "e", "f"]
        assert one.ids() == other.ids() == ["a", "b", "c", "e", "f"]


def test_a_reader_does_not_put_its_poorer_index_in_place_of_a_better_one(tmp_path, linking, monkeypatch):
    monkeypatch.setattr(upkeep.Upkeep, "look", lambda self: None)
    with VectorDB(8, path=tmp_path / "db", m=4, ef_construction=10) as one:
        one.insert_batch([f"{i}" for i in range(40)], sample(40))
        with VectorDB.open(tmp_path / "db") as other:
            one.link()
            other.insert("x", sample(1)[0])
            other.save()
        with VectorDB.open(tmp_path / "db") as third:
            assert (third.get_stats()["linked"], len(third)) == (40, 41)


def test_a_graph_that_was_started_over_is_saved(tmp_path, linking, monkeypatch):
    monkeypatch.setattr(upkeep.Upkeep, "look", lambda self: None)
    with VectorDB(8, path=tmp_path / "db", m=4, ef_construction=10) as db:
        db.insert_batch([f"{i}" for i in range(80)], sample(80))
        db.link()
        for i in range(40):
            db.delete(f"{i}")
        db.link()
        assert db.get_stats()["layers"][0]["nodes"] == 40
    with VectorDB.open(tmp_path / "db") as again:
        assert again.get_stats()["layers"][0]["nodes"] == 40
        assert not again._index.needs_rebuild


# -- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linked", [False, True])
def test_readers_while_a_writer_replaces_everything(new, linked, linking, monkeypatch):
    """Every id has one of two vectors at any moment: no search may miss it, find it twice, or find neither vector's score."""
    if not linked:
        monkeypatch.setattr(searching, "EXACT_LIMIT", 10**6)
    monkeypatch.setattr(database_module, "LOOK_SECONDS", 0)
    db, count = new(4, "dot", m=4, ef_construction=10), 24
    vectors = {f"{i}": [np.array([i + 1, 0, 0, turn], dtype=np.float32) for turn in (0, 100)] for i in range(count)}
    db.insert_batch([(doc_id, both[0], {"turn": "old", "all": 1}) for doc_id, both in vectors.items()])
    stop, wrongs, searches = threading.Event(), [], itertools.count()

    def look(given):
        try:
            while not stop.is_set():
                hits = db.search([1, 0, 0, 1], 1000, given)
                assert len(hits) == len({doc_id for doc_id, _ in hits}) >= count, hits
                for doc_id, score in hits:
                    assert score in [float(v[0] + v[3]) for v in vectors.get(doc_id, [np.ones(4)])], (doc_id, score)
                item = db.get("3")
                assert item.vector.tolist() in [v.tolist() for v in vectors["3"]]
                next(searches)
        except BaseException as error:
            wrongs.append(error)

    readers = [threading.Thread(target=look, args=(given,)) for given in (None, {"all": 1}, {})]
    for reader in readers:
        reader.start()
    for turn in (1, 0):
        for doc_id, both in list(vectors.items())[:15]:
            db.insert(doc_id, both[turn], {"turn": turn, "all": 1})
        db.insert_batch([(doc_id, both[turn], {"all": 1}) for doc_id, both in vectors.items()])
        db.insert_batch([(f"more {turn} {i}", [0.5, 0, 0, 1.5], {"all": 1}) for i in range(50)])
        for i in range(0, 50, 9):
            db.delete(f"more {turn} {i}")
    stop.set()
    for reader in readers:
        reader.join()
    assert wrongs == []
    assert next(searches) > 3
    assert db.wait_ready()


def test_names_are_there_before_the_index_knows_a_row(new, monkeypatch):
    db = new(2, "dot")
    db.insert("a", [1, 1])
    add = indexing.VectorIndex.add

    def and_look(self, *arguments, **options):
        first = add(self, *arguments, **options)
        assert all(isinstance(doc_id, str) for doc_id, _ in db.search([1, 1], 10_000))
        assert all(isinstance(doc_id, str) for doc_id, _ in db.search([1, 1], 10_000, {}))
        return first

    monkeypatch.setattr(indexing.VectorIndex, "add", and_look)
    for size in (1, 300, 1, 1):
        db.insert_batch([(f"{size} {i}", [1, 2]) for i in range(size)])
