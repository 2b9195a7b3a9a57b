"""A damaged, cut, foreign or older index, damaged vectors, writers that are killed, a writer and a reader: never a wrong answer."""

from __future__ import annotations

import random
import shutil
import time

import numpy as np
import pytest
from support.damaged_databases import QUERIES, add, damages_of, each_is_recognised
from support.forked import Forked
from support.vector_db_process import DIMENSIONS, apply, vector_of
from support.vector_db_process import main as write
from support.vector_model import Model
from support.vector_truth import METRICS

from ragterm import VectorDB
from ragterm.engine.types.errors import StoreError
from ragterm.engine.vectors import database as database_module
from ragterm.engine.vectors import execution, searching, upkeep
from ragterm.engine.vectors.check import check_graph


@pytest.fixture(autouse=True)
def _linking(monkeypatch):
    """Small databases have a graph, by interpreted kernels, made when a test says so."""
    monkeypatch.setattr(execution, "is_warm", lambda *_: True)
    monkeypatch.setattr(searching, "EXACT_LIMIT", 20)
    monkeypatch.setattr(searching, "SCAN_LIMIT", 5)
    monkeypatch.setattr(upkeep.Upkeep, "look", lambda self: None)


def filled(path, metric="cosine", rows=45, seed=0):
    db, model = VectorDB(4, metric, m=4, ef_construction=12, path=path), Model(metric)
    add(db, model, rows, seed)
    db.link()
    return db, model


def opened(path, model, linked):
    """Open, ask everything, close; `linked`: whether the index comes from the file."""
    with VectorDB.open(path) as db:
        assert db.get_stats()["linked"] == linked
        model.check(db, QUERIES)
        if linked:
            assert check_graph(db._index.graph) == []


@pytest.mark.parametrize("metric", METRICS)
def test_a_damaged_index_is_recognised_and_made_anew(metric, tmp_path):
    db, model = filled(tmp_path / "db", metric)
    db.close()
    file = tmp_path / "db" / "index.snapshot"
    sound = file.read_bytes()
    opened(tmp_path / "db", model, 45)
    assert file.read_bytes() == sound  # nothing new, nothing written
    damages = damages_of(sound, metric, flips=40, cuts=15)
    each_is_recognised(tmp_path / "db", model, damages)
    file.write_bytes(damages[0])
    opened(tmp_path / "db", model, 0)
    with VectorDB.open(tmp_path / "db") as again:
        again.link()
    opened(tmp_path / "db", model, 45)


def test_the_index_of_another_database(tmp_path):
    one, model = filled(tmp_path / "one")
    other, other_model = filled(tmp_path / "other", seed=1)
    smaller, _ = filled(tmp_path / "smaller", rows=30)
    dot, dot_model = filled(tmp_path / "dot", "dot")
    for db in (one, other, smaller, dot):
        db.close()
    snapshots = {name: (tmp_path / name / "index.snapshot").read_bytes() for name in ("one", "other", "smaller", "dot")}
    for name, truth in (("one", model), ("other", other_model), ("dot", dot_model)):
        for foreign in snapshots:
            if foreign != name:
                (tmp_path / name / "index.snapshot").write_bytes(snapshots[foreign])
                opened(tmp_path / name, truth, 0)


@pytest.mark.parametrize("metric", METRICS)
def test_an_older_index_of_the_same_database(metric, tmp_path):
    """It is true of the first rows, and used for them."""
    db, model = filled(tmp_path / "db", metric)
    older = (tmp_path / "db" / "index.snapshot").read_bytes()
    for i, rows in enumerate((1, 30, 60)):
        add(db, model, rows, 10 + i)
        for doc_id in list(model.items)[:3]:
            db.delete(doc_id)
            del model.items[doc_id]
        db.close()
        (tmp_path / "db" / "index.snapshot").write_bytes(older)
        with VectorDB.open(tmp_path / "db") as again:
            assert again.get_stats()["linked"] == 45
            model.check(again, QUERIES)
            again.link()
            model.check(again, QUERIES)
            assert check_graph(again._index.graph) == []
        db = VectorDB.open(tmp_path / "db")
        model.check(db, QUERIES)
    db.close()


def test_a_copy_of_a_folder_that_went_another_way(tmp_path):
    """Or: restored from a copy, all but the index."""
    db, model = filled(tmp_path / "a")
    db.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    other = Model("cosine")
    other.items = dict(model.items)
    for name, truth, seed in (("a", model, 5), ("b", other, 6)):
        with VectorDB.open(tmp_path / name) as db:
            add(db, truth, 30, seed)
            db.link()
    opened(tmp_path / "b", other, 75)
    shutil.copy(tmp_path / "a" / "index.snapshot", tmp_path / "b" / "index.snapshot")
    opened(tmp_path / "b", other, 0)


def test_damaged_vectors_are_named_and_never_searched(tmp_path):
    db, model = filled(tmp_path / "db", "dot")
    db.close()
    file = tmp_path / "db" / "vectors.f32"
    sound = file.read_bytes()
    rng = random.Random(2)
    for _ in range(25):
        at = rng.randrange(64 + 45 * 16)
        file.write_bytes(sound[:at] + bytes([sound[at] ^ (1 << rng.randrange(8))]) + sound[at + 1 :])
        with pytest.raises(StoreError, match=r"vectors\.f32"):
            VectorDB.open(tmp_path / "db")
    for length in (0, 10, 64, 64 + 44 * 16 + 7):
        file.write_bytes(sound[:length])
        with pytest.raises(StoreError, match=r"vectors\.f32"):
            VectorDB.open(tmp_path / "db")
    at = 64 + 45 * 16  # behind the last row: nobody's
    file.write_bytes(sound[:at] + b"\1" + sound[at + 1 :])
    opened(tmp_path / "db", model, 45)


# -- other processes --------------------------------------------------------------------------------------------------


def steps_of(lines):
    whole = [line.strip() for line in lines if line.endswith("\n")]
    promised = [int(line[:-1]) for line in whole if line.endswith("!")]
    begun = [int(line[:-1]) for line in whole if line.endswith("?")]
    return (promised[-1] if promised else -1), (begun[-1] if begun else -1)


def seen(db):
    """What the database says it holds: from id to the step that wrote it; every answer that it gives is checked against that."""
    model = {doc_id: db.get(doc_id).metadata["step"] for doc_id in db.ids()}
    truth = Model("cosine")
    for doc_id, step in model.items():
        truth.put(doc_id, vector_of(doc_id, step), {"step": step})
    query = np.random.default_rng(1).standard_normal(DIMENSIONS).astype(np.float32)
    truth.check_hits(db.search(query, 1000), query, 1000)
    truth.check_hits(db.search_exact(query, 5), query, 5)
    for doc_id, step in model.items():
        assert db.search_exact(vector_of(doc_id, step), 1)[0][1] == pytest.approx(1, abs=1e-6)
    return model


@pytest.mark.parametrize(
    ("shape", "deaths"),
    [({"m": 4, "ef_construction": 10}, 10), ({"index": "ivf-pq", "nprobe": 1000}, 4)],
    ids=["graph", "lists"],
)
def test_killed_at_random_moments(shape, deaths, tmp_path):
    VectorDB(DIMENSIONS, **shape, path=tmp_path / "db").close()
    rng, expected, first = random.Random(5), {}, 0
    for seed in range(deaths):
        process = Forked(write, tmp_path / "db", seed, first)
        lines = [process.stdout.readline() for _ in range(rng.randrange(1, 30))]
        time.sleep(rng.random() * 0.03)
        process.kill()
        lines += process.end()[0]
        promised, begun = steps_of(lines)
        for step in range(first, promised + 1):
            expected = apply(seed, step, expected)
        with VectorDB.open(tmp_path / "db") as db:
            model = seen(db)
            if model != expected:  # the step that it died in: done, though nobody was told
                assert begun == max(promised, first - 1) + 1
                expected = apply(seed, begun, expected)
                assert model == expected
            db.link()
            assert db._index.graph is None or check_graph(db._index.graph) == []
            assert db.get_stats()["linked"] > 0
            assert seen(db) == expected
        first = begun + 1
    assert first > 3 * deaths


def test_one_process_writes_another_searches(tmp_path, monkeypatch):
    monkeypatch.setattr(database_module, "LOOK_SECONDS", 0.01)
    VectorDB(DIMENSIONS, m=4, ef_construction=10, path=tmp_path / "db").close()
    reader = VectorDB.open(tmp_path / "db")
    process = Forked(write, tmp_path / "db", 3, 0, True)
    expected, query = {}, np.ones(DIMENSIONS, dtype=np.float32)
    for step in range(25):
        process.stdin.write("\n")
        process.stdin.flush()
        assert (process.stdout.readline(), process.stdout.readline()) == (f"{step}?\n", f"{step}!\n")
        expected = apply(3, step, expected)
        time.sleep(0.02)  # more than LOOK_SECONDS: from now on a search knows it
        truth = Model("cosine")
        for doc_id, at in expected.items():
            truth.put(doc_id, vector_of(doc_id, at), {})
        truth.check_hits(reader.search(query, 1000), query, 1000)
    assert process.end() == ([], 0)
    assert seen(reader) == expected
    reader.close()


def test_a_search_sees_what_was_written_a_second_before(tmp_path, monkeypatch):
    clock = [10**12]
    monkeypatch.setattr(database_module, "perf_counter_ns", lambda: clock[0])
    with VectorDB(4, path=tmp_path / "db") as one, VectorDB.open(tmp_path / "db") as other:
        one.insert("a", [1, 2, 3, 4])
        clock[0] += int(1.01e9)
        assert [doc_id for doc_id, _ in other.search([1, 2, 3, 4])] == ["a"]
