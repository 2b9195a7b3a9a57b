import numpy as np
import pytest

from ragterm import VectorDB
from ragterm.engine.types.errors import NotFoundError, StoreError, UsageError


def reference(metric, vectors, query):
    wide, query = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "dot":
        return wide @ query
    if metric == "euclidean":
        return -np.linalg.norm(wide - query, axis=1)
    return wide @ query / (np.linalg.norm(wide, axis=1) * np.linalg.norm(query))


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_search_agrees_with_arithmetic(metric, tmp_path):
    rng = np.random.default_rng(0)
    vectors = (3 * rng.standard_normal((80, 5))).astype(np.float32)
    db = VectorDB(dimensions=5, metric=metric)
    db.insert_batch([(f"doc_{i}", vector) for i, vector in enumerate(vectors)])
    db.save(tmp_path / "x.db")
    for database in (db, VectorDB.open(tmp_path / "x.db")):
        assert len(database) == 80
        for query in rng.standard_normal((5, 5)).astype(np.float32):
            scores = reference(metric, vectors, query)
            found = database.search(query, top_k=7)
            assert [doc_id for doc_id, _ in found] == [f"doc_{i}" for i in np.argsort(-scores)[:7]]
            assert [score for _, score in found] == pytest.approx(sorted(scores, reverse=True)[:7], abs=1e-5)


def test_insert_replaces_get_returns_delete_removes():
    db = VectorDB(dimensions=2, metric="dot")
    db.insert("a", [1, 2])
    db.insert("b", [3, 4])
    db.insert("a", [5, 6])
    assert len(db) == 2
    assert db.get("a").tolist() == [5, 6]
    db.delete("a")
    assert ("a" in db, "b" in db, len(db)) == (False, True, 1)
    assert db.search([1, 1]) == [("b", 7.0)]
    for call in (db.get, db.delete):
        with pytest.raises(NotFoundError, match="'a'"):
            call("a")


def test_cosine_keeps_directions():
    db = VectorDB(dimensions=2)
    db.insert("far", [30, 40])
    db.insert("zero", [0, 0])
    assert db.get("far").tolist() == pytest.approx([0.6, 0.8])
    assert db.search([3, 4], 2) == [("far", pytest.approx(1.0)), ("zero", 0.0)]


def test_two_arrays_are_a_batch_and_the_last_of_an_id_stays():
    db = VectorDB(dimensions=2, metric="dot")
    db.insert_batch(["a", "b", "a"], np.array([[1, 0], [0, 1], [2, 0]]))
    assert {doc_id: db.get(doc_id).tolist() for doc_id in "ab"} == {"a": [2, 0], "b": [0, 1]}
    with pytest.raises(UsageError, match="1 ids for 2 vectors"):
        db.insert_batch(["a"], np.ones((2, 2)))
    db.insert_batch([])
    assert len(db) == 2


@pytest.mark.parametrize(
    ("vector", "words"),
    [([1, 2, 3], "3 dimensions, the index 2"), ([1, np.nan], "nan"), ([np.inf, 1], "inf"), ("x", "Not a vector")],
)
def test_what_is_no_vector_is_refused_whole(vector, words):
    db = VectorDB(dimensions=2)
    with pytest.raises(UsageError, match=words):
        db.insert_batch([("good", [1, 2]), ("bad", vector)])
    with pytest.raises(UsageError, match=words):
        db.search(vector)
    assert len(db) == 0


def test_a_wrong_start_is_refused():
    with pytest.raises(UsageError, match="manhattan"):
        VectorDB(dimensions=2, metric="manhattan")
    with pytest.raises(UsageError, match="0 dimensions"):
        VectorDB(dimensions=0)


def test_fewer_than_asked_for_and_an_empty_database(tmp_path):
    db = VectorDB(dimensions=3)
    assert db.search([1, 2, 3]) == []
    db.save(tmp_path / "empty")
    assert len(VectorDB.open(tmp_path / "empty")) == 0
    db.insert("a", [1, 0, 0])
    assert len(db.search([1, 2, 3], top_k=10)) == 1
    assert db.search([1, 2, 3], top_k=0) == []


def test_many_deletions_and_strange_ids_survive_a_file(tmp_path):
    db = VectorDB(dimensions=2, metric="dot")
    ids = [f"ключ {i} \n\ud800" for i in range(300)]
    db.insert_batch(ids, np.column_stack([np.arange(300), np.ones(300)]))
    for doc_id in ids[:250]:
        db.delete(doc_id)
    db.save(tmp_path / "x")
    again = VectorDB.open(tmp_path / "x")
    assert [doc_id for doc_id, _ in again.search([1, 0], 100)] == ids[:249:-1]
    with pytest.raises(StoreError, match="cannot be opened"):
        VectorDB.open(tmp_path / "y")
