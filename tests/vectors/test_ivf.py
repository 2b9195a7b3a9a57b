"""Inverted files against brute force in float64, and against sums done by hand."""

import math
import threading

import numpy as np
import pytest
from support.ivf_runs import KINDS, METRICS, data_set
from support.vector_indexes import ROOT, run_python

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import inverted_lists
from ragterm.engine.vectors.ivf import IvfIndex
from ragterm.engine.vectors.pq import PqParameters

RUNS = ROOT / "tests" / "support" / "ivf_runs.py"


def exact(vectors, query, metric):
    """Every score in float64."""
    wide, query = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        return -np.sqrt(((wide - query) ** 2).sum(axis=1))
    scores = wide @ query
    if metric == "cosine":
        lengths = np.linalg.norm(wide, axis=1) * np.linalg.norm(query)
        return np.divide(scores, lengths, out=np.zeros(len(scores)), where=lengths > 0)
    return scores


def best(scores, k, rows=None):
    rows = range(len(scores)) if rows is None else rows
    return sorted(rows, key=lambda r: (-round(scores[r], 12), r))[:k]


def filled(metric="cosine", pq=None, lists=9, vectors=None, seed=2):
    vectors = data_set()[0] if vectors is None else vectors
    index = IvfIndex(vectors.shape[1], metric, lists, pq, seed)
    index.train(vectors)
    index.add(vectors)
    return index


# -- IVF-Flat ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 10, 600])
def test_all_lists_of_ivf_flat_are_an_exact_search(metric, k):
    vectors, queries = data_set()
    index = filled(metric)
    for query in queries:
        rows, scores = index.search(query, k, nprobe=9)
        truth = exact(vectors, query, metric)
        assert rows.dtype == np.int64
        assert scores == pytest.approx(truth[rows], abs=1e-6)
        # Equal vectors have equal scores: the smaller row first.
        expected = best(truth if metric != "cosine" else np.round(truth, 7), k)
        assert rows.tolist() == expected


@pytest.mark.parametrize("metric", METRICS)
def test_the_lists_nearest_to_the_query_are_looked_into(metric):
    vectors, queries = data_set()
    index = filled(metric)
    centroids = index.centroids.astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if metric == "cosine":
        labels = (unit @ centroids.T).argmax(axis=1)
    else:
        labels = ((vectors[:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1)
    assert np.bincount(labels, minlength=9).tolist() == index.list_sizes.tolist()
    for query in queries:
        near = -((centroids - query) ** 2).sum(axis=1) if metric == "euclidean" else centroids @ query
        for nprobe in (1, 3, 8):
            chosen = np.argsort(-near)[:nprobe]
            rows, _ = index.search(query, 600, nprobe)
            assert sorted(rows.tolist()) == np.flatnonzero(np.isin(labels, chosen)).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_recall_grows_with_nprobe(kind):
    vectors, queries = np.split(np.random.default_rng(4).standard_normal((640, 16)).astype(np.float32), [600])
    index = filled("euclidean", KINDS[kind], vectors=vectors)
    index.rescore_from(vectors)

    def recall(nprobe):
        hits = [
            len(set(index.search(q, 10, nprobe, 100)[0]) & set(best(exact(vectors, q, "euclidean"), 10)))
            for q in queries
        ]
        return sum(hits) / (10 * len(queries))

    recalls = [recall(nprobe) for nprobe in (1, 2, 4, 9)]
    assert recalls == sorted(recalls)
    assert recalls[0] < recalls[-1]
    assert recalls[-1] >= (0.999 if kind == "flat" else 0.98)


def test_an_index_by_hand():
    vectors = np.array([[0, 0], [0, 1], [10, 10], [10, 12], [11, 10]], dtype=np.float32)
    index = IvfIndex(2, "euclidean", 2)
    index.train(vectors)
    assert sorted(index.centroids.tolist()) == [[0, 0.5], [pytest.approx(31 / 3), pytest.approx(32 / 3)]]
    assert index.add(vectors[:3]) == 0
    assert index.add(vectors[3]) == 3
    assert index.add(vectors[4:]) == 4
    rows, scores = index.search([10, 11], 10, nprobe=1)
    assert rows.tolist() == [2, 3, 4]
    assert scores.tolist() == [-1, -1, -math.sqrt(2)]
    assert index.search([10, 11], 10, nprobe=2)[0].tolist() == [2, 3, 4, 1, 0]
    assert index.search([0, 3], 1, nprobe=1)[0].tolist() == [1]


# -- IVF-PQ -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["bytes", "halves"])
def test_scores_of_ivf_pq_are_those_of_the_reconstructions(metric, kind):
    vectors, queries = data_set()
    index = filled(metric, KINDS[kind])
    kept = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if metric == "cosine" else vectors
    meant = index.reconstructed(np.arange(600)).astype(np.float64)
    # Independent of the index: the centroid of a row's list, and in each part the nearest codeword to what is left.
    centroids = index.centroids.astype(np.float64)
    near = (kept @ centroids.T).argmax(1) if metric == "cosine" else ((kept[:, None] - centroids) ** 2).sum(2).argmin(1)
    anchored = centroids[near]
    if metric == "cosine":  # of a centroid of length 1, what the mean of its list has of it
        products = (kept * anchored).sum(axis=1)
        anchored *= np.array([products[near == number].mean() for number in range(9)])[near, None]
    left = (kept - anchored).reshape(600, KINDS[kind].subspaces, -1)
    for s, part in enumerate(index.quantiser.parts):
        words = part.T.astype(np.float64)
        left[:, s] = words[((left[:, s, None] - words) ** 2).sum(axis=2).argmin(axis=1)]
    assert meant == pytest.approx(anchored + left.reshape(600, -1), abs=1e-5)
    for query in queries:
        rows, scores = index.search(query, 600, nprobe=9)
        assert len(rows) == 600
        expected = exact(meant, query, "dot" if metric == "cosine" else metric)
        if metric == "cosine":
            expected /= np.linalg.norm(query)
        # A table's numbers have 14 bits, and half of the last is rounded off in each part, centroid and bias.
        words = np.einsum("sjc,sj->sc", index.quantiser.parts, query.reshape(len(index.quantiser.parts), -1))
        slack = (len(words) + 2) / 2 * np.abs(words).max() / 8191 + 1e-5
        if metric == "euclidean":
            assert scores**2 / 2 == pytest.approx(expected[rows] ** 2 / 2, abs=slack)
        else:
            assert scores == pytest.approx(
                expected[rows], abs=slack / (np.linalg.norm(query) if metric == "cosine" else 1)
            )
        assert (np.diff(scores) <= 0).all()


def test_a_page_is_not_passed_over_for_its_sums_before_the_bias():
    """One list around 10. The second page is nearest, though its products with the query are the smallest: what makes up for them is
    the bias."""
    vectors = np.repeat(np.array([9, 8, 13], dtype=np.float32), 32)[:, np.newaxis]
    index = filled("euclidean", PqParameters(1, 8), lists=1, vectors=vectors)
    assert index.centroids.tolist() == [[10]]
    rows, scores = index.search([8], 1, 1)
    assert rows.tolist() == [32]
    assert scores == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("kind", ["bytes", "halves"])
def test_what_codes_stand_for_is_found_at_no_distance(kind):
    index = filled("euclidean", KINDS[kind])
    for meant in index.reconstructed(np.arange(0, 600, 20)):
        _, scores = index.search(meant, 1, 9)
        assert -0.1 < scores[0] <= 0  # the root of what 14 bits round off


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["bytes", "halves"])
def test_a_search_for_few_finds_the_first_of_a_search_for_all(metric, kind):
    """Pages without anything near are passed over when few are asked for."""
    index = filled(metric, KINDS[kind])
    for query in data_set()[0][::60]:
        every = index.search(query, 600, 9)[1]
        for k in (1, 8):
            assert index.search(query, k, 9)[1].tolist() == every[:k].tolist()


def test_rescored_candidates_have_exact_scores_and_more_of_them_find_more():
    vectors, queries = data_set()
    index = filled("cosine", PqParameters(4, 4))
    index.rescore_from(vectors)
    hits = dict.fromkeys((0, 10, 60, 600), 0)
    for query in queries:
        truth = exact(vectors, query, "cosine")
        wanted = set(best(np.round(truth, 7), 10))
        for rescored in hits:
            rows, scores = index.search(query, 10, 9, rescored)
            hits[rescored] += len(wanted & set(rows.tolist()))
            if rescored:
                assert scores == pytest.approx(truth[rows], abs=1e-9)
    assert list(hits.values()) == sorted(hits.values())
    assert hits[10] < hits[60] <= hits[600] == 60
    # Fewer than k are raised to k: the same rows as without, in the true order.
    rows, _ = index.search(queries[0], 10, 9, rescored=1)
    assert sorted(rows) == sorted(index.search(queries[0], 10, 9)[0])


def test_rescoring_reads_a_memory_mapped_file(tmp_path):
    vectors, queries = data_set()
    np.save(tmp_path / "vectors.npy", vectors)
    index = filled("dot", PqParameters(8, 8))
    index.rescore_from(np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    rows, scores = index.search(queries[0], 5, 9, 50)
    assert scores == pytest.approx(exact(vectors, queries[0], "dot")[rows], abs=1e-9)


# -- rows that are allowed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_only_allowed_rows_are_found_and_all_are_counted(kind, metric):
    vectors, queries = data_set()
    index = filled(metric, KINDS[kind])
    index.rescore_from(vectors)
    index.remove(np.arange(0, 600, 9))
    alive = np.arange(600) % 9 != 0
    for share, query in zip((0.0, 0.01, 0.3), queries[:3], strict=True):
        allowed = np.random.default_rng(7).random(600) < share
        rows, scores, looked, passed = index.probe(index.state, query, 300, 9, 300, allowed)
        assert sorted(rows.tolist()) == np.flatnonzero(alive & allowed).tolist()
        assert scores == pytest.approx(exact(vectors, query, metric)[rows], abs=1e-5)
        assert (600 - 67 <= looked <= 600, passed) == (True, int((alive & allowed).sum()))
        few, _, looked, passed = index.probe(index.state, query, 300, 2, 300, allowed)
        every = index.probe(index.state, query, 300, 2, 300)
        assert sorted(few.tolist()) == [row for row in sorted(every[0].tolist()) if allowed[row]]
        assert (looked, passed) == (every[2], len(few))
    with pytest.raises(UsageError, match="599 of 600"):
        index.search(queries[0], 5, 3, allowed=np.ones(599, dtype=bool))


@pytest.mark.parametrize("metric", METRICS)
def test_a_scan_of_rows_needs_no_lists(metric):
    vectors, queries = data_set()
    index = IvfIndex(16, metric)
    index.rescore_from(vectors)
    among = np.arange(5, 600, 7)
    for query in queries:
        truth = exact(vectors, query, metric)
        rows, scores = index.scan(index.state, query, 9, among)
        assert rows.tolist() == best(truth, 9, among.tolist())
        assert scores == pytest.approx(truth[rows], abs=1e-9)
    assert len(index.scan(index.state, queries[0], 900, among)[0]) == len(among)


# -- changes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_rows_added_one_by_one_are_found_like_those_added_at_once(kind, metric):
    vectors, queries = data_set()
    at_once = filled(metric, KINDS[kind])
    index = IvfIndex(16, metric, 9, KINDS[kind], seed=2)
    index.train(vectors)
    for first, last in [(0, 1), (1, 40), (40, 41), (41, 300), (300, 300), (300, 600)]:
        assert index.add(vectors[first:last]) == first
    assert (len(index), index.rows) == (600, 600)
    for query in queries[:2]:
        for nprobe in (2, 9):
            one, other = (i.search(query, 600, nprobe) for i in (index, at_once))
            assert one[0].tolist() == other[0].tolist()
            assert one[1] == pytest.approx(other[1], abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_removed_rows_are_not_found_and_their_memory_comes_back(kind):
    vectors, queries = data_set()
    queries = queries[:2]
    index = filled("dot", KINDS[kind])
    before = {q: dict(zip(*index.search(query, 600, 9), strict=True)) for q, query in enumerate(queries)}
    full = index.memory_bytes
    gone: set[int] = set()
    for share in (range(100), range(50, 150), range(140, 590)):
        assert index.remove(list(share)) == len(set(share) - gone)
        gone |= set(share)
        assert len(index) == 600 - len(gone)
        for q, query in enumerate(queries):
            rows, scores = index.search(query, 600, 9)
            assert set(rows.tolist()) == set(range(600)) - gone
            assert scores.tolist() == [before[q][row] for row in rows]
    assert index.memory_bytes < full
    assert index.remove([3, 9999, -1]) == 0
    assert index.add(vectors[:40]) == 600
    assert len(index) == 50
    assert set(index.search(queries[0], 600, 9)[0].tolist()) == {*range(590, 600), *range(600, 640)}
    index.remove(np.arange(700))
    assert len(index) == 0
    assert index.search(queries[0], 5, 9)[0].tolist() == []


def test_what_a_search_reads_survives_an_addition():
    """A search that began before an addition sees the lists as they were."""
    vectors, _ = data_set()
    rng = np.random.default_rng(0)
    lists = inverted_lists.empty_lists(4, 16, 0)
    pictures, expected = [], []
    labels = rng.integers(0, 4, 600)
    start = 0
    while start < 600:
        end = min(600, start + int(rng.integers(0, 60)))
        payload = inverted_lists.Payload(
            vectors[start:end], np.empty((end - start, 0), np.uint8), np.empty(0, np.float32)
        )
        lists = inverted_lists.appended(lists, labels[start:end], np.arange(start, end), payload)
        pictures.append(lists)
        expected.append([np.flatnonzero(labels[:end] == number).tolist() for number in range(4)])
        start = end
    for picture, wanted in zip(pictures, expected, strict=True):
        slots, of = inverted_lists.used_slots(picture)
        assert [picture.rows[slots[of == number]].tolist() for number in range(4)] == wanted
        assert (picture.vectors[slots] == vectors[picture.rows[slots]]).all()
    assert lists.taken == sum(-(-len(rows) // 32) for rows in expected[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_of_what_was_there_before_an_addition_finds_the_same(kind):
    vectors, queries = data_set()
    index = filled("dot", KINDS[kind])
    index.add(vectors[:9])  # makes room for more than these
    earlier, expected = index._state, index.search(queries[0], 609, 9)
    index.add(vectors[:9])
    assert index._state.lists.rows is earlier.lists.rows
    assert len(index.search(queries[0], 618, 9)[0]) == 618
    index._state = earlier
    rows, scores = index.search(queries[0], 609, 9)
    assert rows.tolist() == expected[0].tolist()
    assert scores.tolist() == expected[1].tolist()


def test_searches_run_while_rows_are_added_and_removed():
    vectors, queries = data_set()
    index = filled("dot", lists=4)
    scores = {row: exact(vectors, queries[0], "dot")[row] for row in range(600)}
    wrong: list[object] = []
    done = threading.Event()

    def search():
        while not done.is_set():
            rows, found = index.search(queries[0], 20, 4)
            if len(set(rows.tolist())) != 20 or any(
                abs(scores[r % 600] - s) > 1e-4 for r, s in zip(rows, found, strict=True)
            ):
                wrong.append((rows, found))

    thread = threading.Thread(target=search)
    thread.start()
    for turn in range(1, 8):
        index.add(vectors)
        index.remove(np.arange((turn - 1) * 600, (turn - 1) * 600 + 500))
    done.set()
    thread.join()
    assert wrong == []


def test_the_same_seed_makes_the_same_index():
    _, queries = data_set()
    one, same, other = (filled("cosine", PqParameters(4, 8), seed=seed) for seed in (5, 5, 6))
    for query in queries:
        first, second = one.search(query, 50, 3), same.search(query, 50, 3)
        assert first[0].tolist() == second[0].tolist()
        assert first[1].tolist() == second[1].tolist()
    assert one.centroids.tobytes() != other.centroids.tobytes()


# -- edges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_finds_nothing(kind):
    index = IvfIndex(16, "cosine", 9, KINDS[kind])
    for _ in range(2):
        rows, scores = index.search(np.ones(16), 5)
        assert (rows.dtype, scores.dtype) == (np.int64, np.float64)
        assert len(rows) == len(scores) == len(index) == 0
        index.train(data_set()[0])
    assert index.remove([0]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_k_and_nprobe_out_of_range(kind):
    index = filled("dot", KINDS[kind])
    query = data_set()[1][0]
    index.rescore_from(data_set()[0])
    few = index.search(query, 5, nprobe=1, rescored=5)[0]
    assert len(index.search(query, 5, nprobe=1, rescored=10**13)[0]) == len(few) == 5
    every, _ = index.search(query, 10**13, nprobe=10_000)
    assert len(every) == 600
    assert index.search(query, 600, nprobe=9)[0].tolist() == every.tolist()
    assert index.search(query, 5, nprobe=-3)[0].tolist() == index.search(query, 5, nprobe=1)[0].tolist()
    assert len(index.search(query, 0)[0]) == len(index.search(query, -1)[0]) == 0
    assert index.search(query, 70, nprobe=9)[0].tolist() == every[:70].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_zeros_are_searched_for_and_found(kind, metric):
    vectors = data_set()[0].copy()
    vectors[:3] = 0
    index = filled(metric, KINDS[kind], vectors=vectors)
    rows, scores = index.search(np.zeros(16), 600, 9)
    assert sorted(rows.tolist()) == list(range(600))
    assert np.isfinite(scores).all()
    if metric == "euclidean":
        assert set(rows[:3].tolist()) == {0, 1, 2}
    else:
        assert (scores == 0).all()


def test_vectors_that_are_all_equal():
    vectors = np.ones((100, 16), dtype=np.float32)
    for kind in KINDS:
        index = filled("euclidean", KINDS[kind], lists=4, vectors=vectors)
        rows, scores = index.search(vectors[0], 100, 4)
        assert sorted(rows.tolist()) == list(range(100))
        assert scores == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("kind", ["bytes", "halves"])
@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_lists_a_world_apart_are_kept_apart(kind, metric):
    """The scale of whole numbers must hold the distance of the furthest list, not only what a table holds."""
    vectors = np.random.default_rng(6).normal(0, 1e-3, (200, 16)).astype(np.float32)
    vectors[100:] += 1e5
    index = filled(metric, KINDS[kind], lists=2, vectors=vectors)
    rows, scores = index.search(vectors[150], 200, 2)
    assert sorted(rows[:100].tolist()) == list(range(100, 200))
    assert (np.diff(scores) <= 0).all()
    assert scores[0] - scores[-1] > 1e5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(bad):
    vectors, _ = data_set()
    index = filled()
    spoilt = vectors[:3].copy()
    spoilt[1, 4] = bad
    empty = IvfIndex(16, "cosine", 9)
    searches = [lambda v, i=i: i.search(v[1]) for i in (index, filled(pq=PqParameters(4)), empty)]
    for call in (index.add, index.train, *searches, lambda v: index.search(v[1].tolist())):
        with pytest.raises(UsageError, match=str(bad)):
            call(spoilt)
    assert index.rows == 600


def test_another_dimension_is_refused_both_named():
    index = filled()
    for call in (index.add, index.train, index.search):
        with pytest.raises(UsageError, match="15 dimensions, the index 16"):
            call(np.ones(15, dtype=np.float32))


def test_what_cannot_be_is_refused():
    vectors, queries = data_set()
    with pytest.raises(UsageError, match="manhattan"):
        IvfIndex(16, "manhattan")  # type: ignore[arg-type]
    for dimensions, lists in ((0, 3), (16, 0)):
        with pytest.raises(UsageError):
            IvfIndex(dimensions, "dot", lists)
    with pytest.raises(UsageError, match="16 dimensions"):
        IvfIndex(16, "dot", 3, PqParameters(5))
    untrained = IvfIndex(16, "dot", 9)
    with pytest.raises(UsageError, match="not trained"):
        untrained.add(vectors)
    with pytest.raises(UsageError, match="8 vectors are too few for 9 lists"):
        untrained.train(vectors[:8])
    index = filled("dot", PqParameters(4, 8))
    with pytest.raises(UsageError, match="already"):
        index.train(vectors)
    index.rescore_from(vectors[:500])
    with pytest.raises(UsageError, match="500 of 600"):
        index.search(queries[0], 5, 3, rescored=20)
    for rows in (vectors[:, :4], vectors.astype(np.float64), vectors[0]):
        with pytest.raises(UsageError):
            index.rescore_from(rows)


def test_memory_is_what_the_module_says():
    vectors = np.random.default_rng(0).standard_normal((20_000, 32)).astype(np.float32)
    for pq, a_row in ((None, 4 * 32 + 4), (PqParameters(8, 8), 8 + 4), (PqParameters(8, 4), 4 + 4)):
        index = IvfIndex(32, "cosine", 16, pq)
        index.train(vectors[:2000])
        index.add(vectors)
        beside = 16 * 32 * 4 + (0 if pq is None else 4 * 32 << pq.bits)
        pages = 16 * 32 * a_row  # at most one for each list
        assert 20_000 * a_row + beside < index.memory_bytes < 20_000 * a_row + beside + pages + 8000


# -- executions -------------------------------------------------------------------------------------------------------


def test_compiled_and_interpreted_searches_find_the_same(tmp_path, numba_cache):
    runs = {}
    for name in ("compiled", "loops", "numpy"):
        run_python(RUNS, name, tmp_path / f"{name}.npz", NUMBA_CACHE_DIR=str(numba_cache))
        with np.load(tmp_path / f"{name}.npz") as file:
            runs[name] = dict(file)
    before, after = runs["compiled"].pop("specialisations").tolist()
    assert min(before) >= 1
    assert after == before  # nothing is compiled for a caller
    assert len(runs["compiled"]) == 2 * 3 * (2 * (1 + 2 * 6) + 7)
    for name, found in runs["compiled"].items():
        assert found.shape == (3, 12)
        for other in ("loops", "numpy"):
            # Scores in float64 may be summed in another order.
            assert found == pytest.approx(runs[other][name], rel=1e-12), name
            if name.endswith("rows"):
                assert found.tolist() == runs[other][name].tolist(), name
