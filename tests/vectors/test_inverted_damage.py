"""Inverted lists on disk: reopened, damaged, cut, foreign, older, or inconsistent in themselves: never a wrong answer."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from support.damaged_databases import DIMENSIONS, QUERIES, add, damages_of, each_is_recognised
from support.vector_model import Model

from ragterm import VectorDB
from ragterm.engine.types.errors import StoreError
from ragterm.engine.vectors import execution, index_snapshot, inverted_lists, inverted_search, upkeep
from ragterm.engine.vectors.inverted_lists import check_lists
from ragterm.engine.vectors.snapshot import read_snapshot, write_snapshot

SHAPES = {
    "flat": ("cosine", {"index": "ivf-flat", "lists": 6, "nprobe": 6}),
    "codes": ("cosine", {"index": "ivf-pq", "lists": 6, "nprobe": 6, "code_bytes": 2}),
    "biases": ("euclidean", {"index": "ivf-pq", "lists": 6, "nprobe": 6, "code_bytes": 4}),
}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Small databases have lists, by interpreted kernels, made when a test says so. All are looked into, all candidates scored."""
    monkeypatch.setattr(execution, "is_warm", lambda *_: True)
    monkeypatch.setattr(inverted_search, "EXACT_LIMIT", 20)
    monkeypatch.setattr(inverted_search, "FEWEST_A_LIST", 1)
    monkeypatch.setattr(upkeep.Upkeep, "look", lambda self: None)


def filled(path, shape="codes", rows=60, seed=0):
    metric, options = SHAPES[shape]
    db, model = VectorDB(DIMENSIONS, metric, path=path, **options), Model(metric)
    add(db, model, rows, seed)
    db.link()
    return db, model


def opened(path, model, linked):
    """Open, ask everything, close; `linked`: whether the lists come from the file."""
    with VectorDB.open(path) as db:
        assert db.get_stats()["linked"] == linked
        assert db.search_explained(QUERIES[0])[1] == (db.get_stats()["index"] if linked else "exact")
        model.check(db, QUERIES)
        if linked:
            assert check_lists(db._index.state.lists.lists, db._index.rows) == []


@pytest.mark.parametrize("shape", SHAPES)
def test_it_finds_the_same_when_it_is_opened_again(shape, tmp_path):
    db, model = filled(tmp_path / "db", shape)
    gone = next(iter(model.items))
    db.delete(gone)
    del model.items[gone]
    before = [db.search(query, 9, nprobe=2) for query in QUERIES]
    stats = db.get_stats()
    db.close()
    file = tmp_path / "db" / "index.snapshot"
    written = file.stat().st_ino
    with VectorDB.open(tmp_path / "db") as again:
        assert [again.search(query, 9, nprobe=2) for query in QUERIES] == before
        found = again.get_stats()
        for name in ("index", "lists", "nprobe", "list_sizes", "linked", "deleted", "answers"):
            assert found[name] == stats[name]
        assert not again._index.needs_rebuild
    assert file.stat().st_ino == written  # nothing new, nothing written
    opened(tmp_path / "db", model, 60)


@pytest.mark.parametrize("shape", SHAPES)
def test_damaged_lists_are_recognised_and_made_anew(shape, tmp_path):
    db, model = filled(tmp_path / "db", shape)
    db.close()
    file = tmp_path / "db" / "index.snapshot"
    sound = file.read_bytes()
    each_is_recognised(tmp_path / "db", model, damages_of(sound, shape, flips=25, cuts=8))
    opened(tmp_path / "db", model, 0)
    with VectorDB.open(tmp_path / "db") as again:
        again.link()
    opened(tmp_path / "db", model, 60)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_whole_file_that_makes_no_sense_is_not_used(shape, tmp_path):
    """As of another version, or of a program that went wrong: its checksums are right."""
    db, model = filled(tmp_path / "db", shape)
    db.close()
    file = tmp_path / "db" / "index.snapshot"
    values, arrays = read_snapshot(file, index_snapshot.KIND)

    def bent(name, change):
        copy = {key: array.copy() for key, array in arrays.items()}
        change(copy[name].reshape(-1))
        return values, copy

    def to(at, value):
        return lambda array: array.__setitem__(at, value)

    first = int(np.flatnonzero(arrays["counts"])[0])
    used = int(np.flatnonzero(arrays["rows"] >= 0)[0])
    twice = int(np.flatnonzero(arrays["rows"] >= 0)[1])
    cases = [
        bent("firsts", to(first, -1)),
        bent("firsts", to(first, 10**6)),
        bent("lasts", to(first, 0 if arrays["lasts"][first] else 1)),
        bent("counts", to(first, 33)),
        bent("counts", to(first, -1)),
        bent("rows", to(used, 60)),
        bent("rows", to(used, -5)),
        bent("rows", to(used, int(arrays["rows"][twice]))),
        (values, {**arrays, "rows": arrays["rows"][:-1]}),
        (values, {**arrays, "centroids": arrays["centroids"][:-1]}),
        (values, {name: array for name, array in arrays.items() if name != "anchors"}),
        ({name: value for name, value in values.items() if name != "taken"}, arrays),
        ({**values, "bits": 4}, arrays),
        ({**values, "fingerprint": "60-00000000"}, arrays),
        ({**values, "parameters": {**values["parameters"], "seed": 2}}, arrays),
        ({**values, "rows": 61}, arrays),
    ]
    if "parts" in arrays:
        cases.append((values, {**arrays, "parts": arrays["parts"][:, :, :-1]}))
        cases.append((values, {**arrays, "codes": arrays["codes"][:-1]}))
    write_snapshot(file, index_snapshot.KIND, values, arrays)
    opened(tmp_path / "db", model, 60)
    for case in cases:
        write_snapshot(file, index_snapshot.KIND, *case)
        with VectorDB.open(tmp_path / "db") as again:
            assert again.get_stats()["linked"] == 0
            model.check_hits(again.search(QUERIES[0], 5), QUERIES[0], 5)
            again._rows._closed = True


def test_the_index_of_another_database(tmp_path):
    models = {}
    for name in ("flat", "codes", "biases"):
        db, models[name] = filled(tmp_path / name, name)
        db.close()
    other, models["other"] = filled(tmp_path / "other", "codes", seed=1)
    graph = VectorDB(DIMENSIONS, m=4, ef_construction=12, path=tmp_path / "graph")
    models["graph"] = Model("cosine")
    add(graph, models["graph"], 60, 0)  # the same vectors
    graph.link()
    for db in (other, graph):
        db.close()
    snapshots = {name: (tmp_path / name / "index.snapshot").read_bytes() for name in models}
    for name, model in models.items():
        for foreign in models:
            if foreign != name:
                (tmp_path / name / "index.snapshot").write_bytes(snapshots[foreign])
                with VectorDB.open(tmp_path / name) as db:
                    assert db.get_stats()["linked"] == 0
                    model.check(db, QUERIES)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_older_index_of_the_same_database(shape, tmp_path):
    """It is true of the first rows; those that came later go into its lists."""
    db, model = filled(tmp_path / "db", shape)
    older = (tmp_path / "db" / "index.snapshot").read_bytes()
    for turn, rows in enumerate((1, 30)):
        add(db, model, rows, 10 + turn)
        for doc_id in list(model.items)[:3]:
            db.delete(doc_id)
            del model.items[doc_id]
        db.close()
        (tmp_path / "db" / "index.snapshot").write_bytes(older)
        with VectorDB.open(tmp_path / "db") as again:
            assert again.get_stats()["linked"] == again._index.rows > 60
            model.check(again, QUERIES)
            again.link()
            model.check(again, QUERIES)
            assert check_lists(again._index.state.lists.lists, again._index.rows) == []
        db = VectorDB.open(tmp_path / "db")
        model.check(db, QUERIES)
    db.close()


def test_a_copy_of_a_folder_that_went_another_way(tmp_path):
    db, model = filled(tmp_path / "a")
    db.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    other = model.copy()
    for name, truth, seed in (("a", model, 5), ("b", other, 6)):
        with VectorDB.open(tmp_path / name) as db:
            add(db, truth, 30, seed)
            db.link()
    opened(tmp_path / "b", other, 90)
    shutil.copy(tmp_path / "a" / "index.snapshot", tmp_path / "b" / "index.snapshot")
    opened(tmp_path / "b", other, 0)


def test_what_was_made_anew_is_saved(tmp_path):
    """Lists from which tombstones were taken out, of the same rows; and lists that were trained once more."""
    db, model = filled(tmp_path / "db")
    file = tmp_path / "db" / "index.snapshot"
    db.save()
    first = file.read_bytes()
    for doc_id in list(model.items)[:12]:
        db.delete(doc_id)
        del model.items[doc_id]
    assert db._index.needs_rebuild
    db.link()
    second = file.read_bytes()
    assert len(second) <= len(first) and second != first
    opened(tmp_path / "db", model, 60)
    add(db, model, 100, 3)
    db.link()
    opened(tmp_path / "db", model, 160)
    db.close()


def test_no_file_is_written_before_there_are_lists(tmp_path):
    with VectorDB(DIMENSIONS, index="ivf-pq", path=tmp_path / "db") as db:
        db.insert("a", [1, 2, 3, 4])
        db.save()
    assert not (tmp_path / "db" / "index.snapshot").exists()
    with VectorDB.open(tmp_path / "db") as again:
        assert again.ids() == ["a"]


def test_damaged_vectors_are_named_and_never_scored_by(tmp_path):
    db, _ = filled(tmp_path / "db")
    db.close()
    file = tmp_path / "db" / "vectors.f32"
    sound = file.read_bytes()
    file.write_bytes(sound[:200] + bytes([sound[200] ^ 4]) + sound[201:])
    with pytest.raises(StoreError, match=r"vectors\.f32"):
        VectorDB.open(tmp_path / "db")


def test_a_snapshot_holds_while_rows_come(tmp_path, monkeypatch):
    """What is written are copies: a page that is not full changes with the next row, its checksum is of what was there before."""
    db, model = filled(tmp_path / "db")
    write = index_snapshot.write_snapshot

    def and_add(path, kind, values, sections):
        add(db, model, 40, 7)
        write(path, kind, values, sections)

    before = db._index.keep()
    assert before is not None
    kept = {name: array.tobytes() for name, array in before.sections.items()}
    add(db, model, 40, 8)
    assert {name: array.tobytes() for name, array in before.sections.items()} == kept
    with monkeypatch.context() as patch:
        patch.setattr(index_snapshot, "write_snapshot", and_add)
        db.save()
    db._rows._closed = True
    db.close()
    values, arrays = read_snapshot(tmp_path / "db" / "index.snapshot", index_snapshot.KIND)
    assert values["rows"] == 100
    assert sorted(arrays["rows"][arrays["rows"] >= 0].tolist())[-1] == 99


def test_check_lists_sees_a_circle():
    labels, rows = np.zeros(70, dtype=np.int64), np.arange(70)
    payload = inverted_lists.Payload(
        np.ones((70, 2), dtype=np.float32), np.empty((70, 0), np.uint8), np.empty(0, np.float32)
    )
    lists = inverted_lists.appended(inverted_lists.empty_lists(2, 2, 0), labels, rows, payload)
    assert check_lists(lists, 70) == []
    assert check_lists(lists, 69) == ["a row is none of 69"]
    around = lists.nexts.copy()
    around[1] = 0
    assert check_lists(lists._replace(nexts=around), 70) != []
    assert check_lists(lists._replace(taken=2), 70) != []
    assert check_lists(lists._replace(rows=lists.rows[:-1]), 70) != []
    assert check_lists(lists._replace(counts=lists.counts[:-1]), 70) != []
