"""`VectorDB` with inverted lists: recall against brute force, filters, tombstones, second trainings, and what is refused."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from support.vector_model import FILTERS, Model
from support.vector_truth import DATA, METRICS, made, recall, true_scores

from ragterm import VectorDB
from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import execution, indexes, inverted_index, inverted_search, measure, upkeep
from ragterm.engine.vectors.inverted_index import InvertedIndex
from ragterm.engine.vectors.inverted_lists import check_lists

KINDS = {"ivf-flat": None, "ivf-pq": 4}
ROWS, DIMENSIONS = 800, 16


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Small databases have lists, by interpreted kernels, made when a test says so."""
    monkeypatch.setattr(execution, "is_warm", lambda *_: True)
    monkeypatch.setattr(inverted_search, "EXACT_LIMIT", 100)
    monkeypatch.setattr(inverted_search, "SCAN_LIMIT", 20)
    monkeypatch.setattr(inverted_index, "SMALLEST_SAMPLE", 256)
    monkeypatch.setattr(upkeep.Upkeep, "look", lambda self: None)


def sample(rows=ROWS, queries=6, seed=1):
    points = measure.clustered_vectors(rows + queries, DIMENSIONS, seed)
    return points[:rows], points[rows:]


def filled(vectors, metric="cosine", kind="ivf-pq", **options):
    index = InvertedIndex(vectors.shape[1], metric, code_bytes=KINDS[kind], **options)
    index.add(index.checked(vectors))
    index.link()
    return index


def found(index, query, k=10, effort=None, allowed=None):
    return index.answered(index.state, query, k, effort, allowed)


def mean_recall(index, queries, metric="cosine", allowed=None, by=None, k=10, effort=None):
    live = index.alive if allowed is None else index.alive & allowed
    shares = []
    for query in queries:
        rows, scores, answered = found(index, query, k, effort, allowed)
        assert answered == by or by is None
        assert scores == pytest.approx(true_scores(metric, index.vectors, query)[rows], rel=1e-5, abs=1e-6)
        shares.append(recall(metric, index.vectors, live, query, rows, k))
    assert min(shares) >= 0  # none twice, none dead
    return sum(shares) / len(shares)


def sound(index):
    state = index.state
    assert check_lists(state.lists.lists, len(state.vectors)) == []
    held = state.lists.lists.rows[: state.lists.lists.taken * 32]
    assert set(np.flatnonzero(state.alive)) <= set(held[held >= 0].tolist())


# -- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_recall_and_exact_scores(kind, metric):
    vectors, queries = sample()
    index = filled(vectors, metric, kind)
    assert index.described["lists"] == 57
    assert mean_recall(index, queries, metric, by=kind) >= 0.95
    assert mean_recall(index, queries, metric, by=kind, effort=57) >= 0.99
    assert mean_recall(index, queries, metric, by=kind, effort=1) < 0.9  # or the lists divide nothing
    for query in queries:
        exact = index.exactly(index.state, query, 10, None)
        assert recall(metric, index.vectors, index.alive, query, exact[0], 10) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_are_found_as_are_asked_for(kind):
    """Though the nearest lists do not hold so many."""
    vectors, queries = sample()
    index = filled(vectors, kind=kind)
    for k in (1, 300, 1001):
        rows, _, _ = found(index, queries[0], k, effort=1)
        assert len(set(rows.tolist())) == min(k, ROWS)
    allowed = np.arange(ROWS) % 40 == 0
    assert sorted(found(index, queries[0], 100, 1, allowed)[0].tolist()) == np.flatnonzero(allowed).tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("way", ["random", "near", "far"])
def test_filters(kind, share, way):
    vectors, queries = sample()
    index = filled(vectors, kind=kind)
    index.remove(np.arange(0, ROWS, 11))
    shares = []
    for i, query in enumerate(queries):
        order = np.random.default_rng(i).permutation(ROWS)
        if way != "random":
            order = np.argsort((vectors @ query) * (-1 if way == "near" else 1))
        allowed = np.zeros(ROWS, dtype=bool)
        allowed[order[: max(1, int(ROWS * share))]] = True
        shares.append(mean_recall(index, [query], allowed=allowed, by="exact" if share < 0.1 else None))
    assert np.mean(shares) >= (1 if share < 0.1 else 0.95)


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_is_answered_by_the_lists_where_it_leaves_many(kind):
    vectors, queries = sample()
    index = filled(vectors, kind=kind)
    allowed = np.arange(ROWS) % 2 == 0
    assert mean_recall(index, queries, allowed=allowed, by=kind) >= 0.95
    # A mask that knows of fewer rows than there are by now.
    index.add(index.checked(queries))
    assert mean_recall(index, queries, allowed=np.append(allowed, [False] * 6), by=kind) >= 0.95
    assert (found(index, queries[0], allowed=allowed)[0] < ROWS).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", DATA)
def test_data_that_is_hard_for_an_index(metric, name):
    """Every list is looked into, and every candidate scored in full: nothing may be missed, whatever the numbers' size."""
    vectors, queries = made(name, 150, 12, 4)
    index = filled(vectors, metric)
    for query in queries:
        rows, _, _ = found(index, query, 12, effort=1000)
        kept = index.vectors if metric == "cosine" else vectors
        assert recall(metric, kept, index.alive, query, rows, 12) == (1 if index.state.in_range else pytest.approx(1))
        assert recall(metric, kept, index.alive, query, index.exactly(index.state, query, 12, None)[0], 12) == 1


def test_numbers_that_float32_cannot_square_are_scanned():
    vectors, queries = sample(200)
    for size in (1e-30, 1e30):
        index = filled(vectors * np.float32(size), "euclidean")
        assert index.linked == 0
        assert mean_recall(index, queries * np.float32(size), "euclidean", by="exact") == 1
    index = filled(vectors, "dot")
    assert found(index, queries[0])[2] == "ivf-pq"
    rows, _, by = found(index, queries[0] * np.float32(1e30))
    assert (by, rows.tolist()) == ("exact", index.exactly(index.state, queries[0], 10, None)[0].tolist())


# -- changes ----------------------------------------------------------------------------------------------------------


def test_a_scan_answers_until_there_are_lists():
    vectors, queries = sample()
    index = InvertedIndex(DIMENSIONS, code_bytes=4)
    index.link()
    assert (index.linked, found(index, queries[0])[0].tolist()) == (0, [])
    index.add(index.checked(vectors[:90]))
    assert index.exact_limit == 100
    index.add(index.checked(vectors[90:]))
    assert mean_recall(index, queries, by="exact") == 1
    index.link()
    assert (index.linked, index.needs_rebuild) == (ROWS, False)
    assert mean_recall(index, queries, by="ivf-pq") >= 0.95
    assert InvertedIndex(DIMENSIONS, lists=64).exact_limit == 64 * 16


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_come_later_go_into_their_lists(kind):
    vectors, queries = sample()
    index = filled(vectors[:500], kind=kind)
    made_of = index.made
    for first, last in ((500, 501), (501, 600), (600, 800)):
        index.add(index.checked(vectors[first:last]))
        sound(index)
        near = index.checked(vectors[last - 1])[0]
        assert found(index, near, 1, effort=2)[0].tolist() == [last - 1]
    assert not index.needs_rebuild
    assert index.made is made_of
    assert mean_recall(index, queries, by=kind) >= 0.95


def test_it_is_trained_anew_when_it_has_doubled(monkeypatch):
    monkeypatch.setattr(inverted_index, "DRIFT", 10)  # lists of ten rows fit no others
    vectors, queries = sample()
    index = filled(vectors[:300])
    assert index.described["lists"] == 35
    index.add(index.checked(vectors[300:600]))
    assert not index.needs_rebuild
    index.add(index.checked(vectors[600:]))
    assert index.needs_rebuild
    index.link()
    assert (index.described["lists"], index.needs_rebuild, index.linked) == (57, False, ROWS)
    sound(index)
    assert mean_recall(index, queries, by="ivf-pq") >= 0.95


@pytest.mark.parametrize("metric", METRICS)
def test_it_is_trained_anew_when_the_vectors_have_drifted(metric):
    vectors, _ = sample()
    others, queries = sample(seed=2)  # other clusters
    index = filled(vectors, metric)
    centroids = index.state.index.centroids
    index.add(index.checked(vectors[:300] + np.float32(1e-3)))
    assert not index.needs_rebuild
    index.add(index.checked(others[:600]))
    assert index.needs_rebuild
    index.link()
    assert not index.needs_rebuild
    assert index.state.index.centroids.shape != centroids.shape
    assert mean_recall(index, queries, metric) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_tombstones_are_passed_over_and_taken_out(kind):
    vectors, queries = sample()
    index = filled(vectors, kind=kind, lists=8)
    full = index.state.lists.lists.taken
    for start in range(0, 120, 40):
        index.remove(np.arange(start, start + 40))
        assert mean_recall(index, queries[:2], by=kind) >= 0.9
    assert not index.needs_rebuild
    index.remove(np.arange(120, 400))
    assert index.needs_rebuild
    assert mean_recall(index, queries, by=kind) >= 0.95
    before = [found(index, query)[0].tolist() for query in queries]
    index.link()
    assert not index.needs_rebuild
    assert index.state.lists.lists.taken <= 0.6 * full
    sound(index)
    assert [found(index, query)[0].tolist() for query in queries] == before
    index.remove(np.arange(ROWS))
    assert (len(index), found(index, queries[0])[0].tolist()) == (0, [])
    index.link()
    index.add(index.checked(vectors[:3]))
    assert found(index, vectors[1], 1)[0].tolist() == [ROWS + 1]


def test_every_vector_replaced():
    vectors, _ = sample()
    others, queries = sample(seed=2)
    index = filled(vectors)
    for start in range(0, ROWS, 400):
        index.add(index.checked(others[start : start + 400]), removed=np.arange(start, start + 400))
        index.link()
        sound(index)
    assert (len(index), index.rows) == (ROWS, 2 * ROWS)
    assert mean_recall(index, queries, by="ivf-pq") >= 0.95


def test_changes_while_it_is_trained(monkeypatch):
    """Rows that come and go meanwhile are in the lists, or are not, like all others."""
    vectors, queries = sample()
    index = InvertedIndex(DIMENSIONS, code_bytes=4)
    index.add(index.checked(vectors[:500]))
    steps = []

    def meanwhile(done, total):
        if len(steps) == 3:
            index.add(index.checked(vectors[500:]), removed=np.array([5, 501]))
            index.remove(np.array([7, 600]))
        steps.append((done, total))

    index.link(progress=meanwhile)
    assert len(index) == ROWS - 4
    assert index.linked == ROWS
    assert steps[-1] == (500, 500)
    sound(index)
    assert not {5, 7, 501, 600} & set(found(index, queries[0], 2000)[0].tolist())
    assert mean_recall(index, queries, by="ivf-pq") >= 0.95


def test_a_training_that_is_broken_off_changes_nothing():
    vectors, _ = sample(300)
    index = InvertedIndex(DIMENSIONS, code_bytes=4)
    index.add(index.checked(vectors))

    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    before = index.state
    with pytest.raises(KeyboardInterrupt):
        index.link(progress=stop)
    assert index.state is before


def test_searches_go_on_while_rows_are_replaced():
    vectors, queries = sample(400)
    index = filled(vectors, "dot", "ivf-flat")
    scores = true_scores("dot", vectors, queries[0])
    wrong, done = [], threading.Event()

    def look():
        while not done.is_set():
            rows, given, _ = found(index, queries[0], 500, effort=1000)
            if len(set((rows % 400).tolist())) != 400 or np.abs(scores[rows % 400] - given).max() > 1e-4:
                wrong.append(rows)

    thread = threading.Thread(target=look)
    thread.start()
    for turn in range(5):
        index.add(index.checked(vectors), removed=np.arange(turn * 400, turn * 400 + 400))
        index.link()
    done.set()
    thread.join()
    assert wrong == []


# -- the database -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_database_with_lists(kind, on_disk, tmp_path):
    vectors, queries = sample(300, 3)
    db = VectorDB(DIMENSIONS, index=kind, path=tmp_path / "db" if on_disk else None)
    model = Model("cosine")
    facts = [{"year": 2018 + i % 7, "tag": "abc"[i % 3]} for i in range(300)]
    db.insert_batch([f"{i}" for i in range(300)], vectors, facts)
    for i in range(300):
        model.put(f"{i}", vectors[i], facts[i])
    assert db.search_explained(queries[0])[1] == db.get_stats()["answers"] == "exact"
    db.link()
    assert db.search_explained(queries[0])[1] == db.get_stats()["answers"] == kind
    db.delete("3")
    del model.items["3"]
    db.insert("4", vectors[9], {"tag": "c"})
    model.put("4", vectors[9], {"tag": "c"})
    db.update("5", metadata={"year": 2024})
    model.items["5"] = model.items["5"][0], {"year": 2024}
    for query in queries:
        # Looking into every list of so few rows leaves nothing to chance but PQ's order, which 64 candidates make up for.
        model.check_hits(db.search(query, 5, nprobe=1000), query, 5)
        model.check_hits(db.search_batch(query[None], 5, nprobe=1000)[0], query, 5)
        model.check_hits(db.search_exact(query, 5), query, 5)
        for given, test in FILTERS:
            model.check_hits(db.search(query, 5, given, nprobe=1000), query, 5, test)
            model.check_hits(db.search_exact(query, 5, given), query, 5, test)
    stats = db.get_stats()
    expected = {"index": kind, "lists": 35, "nprobe": 8, "linked": 301, "layers": [], "edges": 0, "ready": True}
    assert {name: stats[name] for name in expected} == expected
    assert stats["list_sizes"]["mean"] == pytest.approx(301 / 35)
    assert stats.get("code_bytes") == (2 if kind == "ivf-pq" else None)
    assert {"profile", "m"}.isdisjoint(stats)
    assert db.layer_map(0).keys == ()
    db.close()


def test_codes_lists_and_ids_are_all_that_is_in_memory(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
    with VectorDB(64, index="ivf-pq", lists=16, path=tmp_path / "db") as db:
        db.insert_batch([f"doc {i}" for i in range(4000)], vectors)
        db.link()
        index = db._index
        code, number, life, names = 8, 4, 1, 8 + 8 + 1 + 12
        beside = 16 * 65 * 4 + 64 * 256 * 4
        each = (db.get_stats()["memory_bytes"] - beside) / 4000
        assert code + number + life < each < 1.2 * (code + number) + life + 2 * names
        assert index._vectors.nbytes == 0
        assert index.vectors.base is not None and not index.vectors.flags.writeable


def test_it_is_brought_up_to_date_in_the_background(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(execution, "is_warm", lambda *_: True)
    monkeypatch.setattr(inverted_search, "EXACT_LIMIT", 100)
    monkeypatch.setattr(upkeep, "WAITING_ROWS", 10)
    vectors, queries = sample(900)
    with VectorDB(DIMENSIONS, index="ivf-pq") as db:
        db.insert_batch([f"{i}" for i in range(90)], vectors[:90])
        assert db.ready and db.get_stats()["linked"] == 0
        db.insert_batch([f"{i}" for i in range(90, 300)], vectors[90:300])
        assert db.wait_ready()
        assert (db.get_stats()["linked"], db.get_stats()["lists"]) == (300, 35)
        db.insert_batch([f"{i}" for i in range(300, 900)], vectors[300:])
        assert db.wait_ready()
        assert db.get_stats()["lists"] == 60
        for i in range(400):
            db.delete(f"{i}")
        assert db.wait_ready()
        assert db._index.state.dead <= 0.25 * 900
        assert db.search(queries[0], 1, nprobe=1000) == db.search_exact(queries[0], 1)


def test_names_are_not_kept_for_lists():
    with VectorDB(2, "dot", index="ivf-flat") as db:
        db.insert_batch([("ключ\n\ud800", [1, 2]), ("", [2, 1])])
        assert db.search([1, 0]) == [("", 2.0), ("ключ\n\ud800", 1.0)]
        assert not isinstance(db._names, np.ndarray)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"index": "lsh"}, "Unknown index 'lsh'"),
        ({"index": "ivf-pq", "m": 8}, "ivf-pq has no m"),
        ({"index": "ivf-flat", "profile": "compact"}, "ivf-flat has no profile"),
        ({"index": "ivf-flat", "code_bytes": 4}, "ivf-flat has no code_bytes"),
        ({"nprobe": 4}, "hnsw has no nprobe"),
        ({"lists": 4}, "hnsw has no lists"),
        ({"index": "ivf-pq", "lists": 0}, "0 lists"),
        ({"index": "ivf-pq", "nprobe": 0}, "nprobe is 0"),
        ({"index": "ivf-pq", "code_bytes": 5}, "16 dimensions cannot be cut into 5"),
        ({"index": "ivf-pq", "metric": "manhattan"}, "manhattan"),
        ({"index": "ivf-pq", "dimensions": 0}, "0 dimensions"),
    ],
)
def test_what_cannot_be_is_refused(options, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        VectorDB(**{"dimensions": 16, "path": tmp_path / "x", **options})
    assert not (tmp_path / "x").exists()


def test_searches_are_asked_for_what_their_index_has():
    vectors, queries = sample(60)
    with VectorDB(DIMENSIONS, m=4, ef_construction=10) as graph, VectorDB(DIMENSIONS, index="ivf-flat") as lists:
        for db, options in ((graph, {"nprobe": 3}), (lists, {"ef_search": 3})):
            db.insert_batch([f"{i}" for i in range(60)], vectors)
            db.link()
            for call in (db.search, db.search_explained, lambda q, db=db, **o: db.search_batch(q[None], **o)):
                with pytest.raises(UsageError, match="has no"):
                    call(queries[0], **options)
        for bad in ({"nprobe": "many"}, {"top_k": "many"}):
            with pytest.raises(UsageError, match="'many'"):
                lists.search(queries[0], **bad)
        for query in ([1, 2], [np.nan] * 16, [queries[0], queries[1]]):
            with pytest.raises(UsageError):
                lists.search(query)


def test_defaults_by_size():
    assert [indexes.default_code_bytes(d) for d in (384, 768, 100, 97, 1, 64)] == [48, 96, 10, 97, 1, 8]
    assert [inverted_index.default_lists(n) for n in (1, 10_000, 1_000_000)] == [2, 200, 2000]
    assert [inverted_search.default_probes(n) for n in (3, 40, 632)] == [3, 8, 79]
