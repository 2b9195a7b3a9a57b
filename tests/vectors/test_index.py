"""`VectorIndex` against brute force in float64, by numpy and by interpreted kernels; larger and compiled in test_index_compiled.py."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support.vector_truth import DATA, METRICS, made, recall, true_scores, wrong

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import construction, execution, searching
from ragterm.engine.vectors import index as indexing
from ragterm.engine.vectors.check import check_graph
from ragterm.engine.vectors.codes import Scale
from ragterm.engine.vectors.index import VectorIndex
from ragterm.engine.vectors.kernels import pack

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def kernels(monkeypatch):
    """Searches by the kernels, interpreted, in place of numpy."""
    monkeypatch.setattr(execution, "is_warm", lambda: True)


@pytest.fixture
def walks(kernels, monkeypatch):
    """The same, and small indexes are walked."""
    monkeypatch.setattr(searching, "EXACT_LIMIT", 20)
    monkeypatch.setattr(searching, "SCAN_LIMIT", 10)


@pytest.fixture(params=["numpy", "kernels"])
def either(request, monkeypatch):
    monkeypatch.setattr(execution, "is_warm", lambda: request.param == "kernels")
    return request.param


def filled(vectors, metric="cosine", m=6, ef_construction=40, seed=1, parts=1):
    index = VectorIndex(vectors.shape[1], metric, m, ef_construction, seed)
    for part in np.array_split(vectors, parts):
        index.add(index.checked(part))
    return index


def sample(n, d=8, seed=0):
    return np.random.default_rng([seed, n, d]).standard_normal((n, d)).astype(np.float32)


def mean_recall(index, metric, queries, k=10, ef=None, allowed=None):
    live = index.alive if allowed is None else index.alive & allowed
    each = [recall(metric, index.vectors, live, q, index.search(q, k, ef, allowed)[0], k) for q in queries]
    return sum(each) / len(each)


# -- exact search -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", DATA)
def test_exact_search_is_that_of_float64(metric, name, either):
    vectors, queries = made(name, 60, 12, 9)
    index = filled(vectors, metric, parts=3)
    index.remove(np.arange(0, 60, 9))
    among = np.random.default_rng(1).random(60) < 0.5
    for query in queries:
        for k in (1, 5, 100):
            exact = index.search_exact(query, k)
            assert wrong(metric, index.vectors, index.alive, query, k, exact, vectors) == ""
            found = index.search(query, k)  # this small, `search` is exact too
            assert [part.tolist() for part in found] == [part.tolist() for part in exact]
            some = index.search_exact(query, k, among)
            assert wrong(metric, index.vectors, index.alive & among, query, k, some, vectors) == ""


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None)
@given(
    npst.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=finite),
    st.data(),
    st.sampled_from(METRICS),
)
def test_exact_search_of_any_floats(vectors, data, metric):
    query = data.draw(npst.arrays(np.float32, vectors.shape[1], elements=finite) | st.sampled_from(list(vectors)))
    index = filled(vectors, metric, parts=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "is_warm", lambda: True)
        by_kernels = index.search_exact(query, 3)
    for found in (by_kernels, index.search_exact(query, 3)):
        assert wrong(metric, index.vectors, index.alive, query, 3, found, vectors) == ""


@pytest.mark.parametrize("metric", METRICS)
def test_a_great_many_are_sorted_by_numpy(metric, kernels, monkeypatch):
    index = filled(sample(90), metric)
    index.remove(np.array([4]))
    expected = index.search_exact(np.ones(8), 60)
    monkeypatch.setattr(searching, "MOST_SCANNED", 50)
    monkeypatch.setattr(searching.scan, "scan", lambda *_: pytest.fail("by the kernel"))
    found = index.search_exact(np.ones(8), 60)
    assert found[0].tolist() == expected[0].tolist()
    assert wrong(metric, index.vectors, index.alive, np.ones(8), 60, found) == ""


def test_exact_ties_go_to_the_smaller_row(either):
    index = filled(np.ones((20, 5), dtype=np.float32))
    index.remove(np.array([0, 3]))
    assert index.search_exact(np.ones(5), 4)[0].tolist() == [1, 2, 4, 5]


def test_vectors_on_the_code_grid_far_from_the_query_are_not_lost(kernels):
    """Where codes lose nothing, the bound of a row is all slack: its rounding must be counted."""
    rng = np.random.default_rng(3)
    rows = np.full((40, 512), 0.84375)
    rows[:, :26] = 2.53125
    rows *= np.sign(rng.standard_normal(rows.shape))
    vectors = rng.permuted(rows, axis=1).astype(np.float32)
    for metric in METRICS:
        index = filled(vectors, metric)
        for query in (np.ones(512), vectors[7], 3 * vectors[9]):
            found = index.search_exact(query.astype(np.float32), 5)
            assert wrong(metric, index.vectors, index.alive, query.astype(np.float32), 5, found) == ""


# -- the graph --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metric", "share"), [("cosine", 0.5), ("dot", 0.3), ("euclidean", 0.1)])
def test_the_graph_finds_what_is_near_whatever_was_removed(metric, share, walks):
    vectors, queries = sample(110), sample(10, seed=1)
    index = filled(vectors, metric, ef_construction=20)
    index.link()
    assert index.graph is not None and check_graph(index.graph) == []
    assert mean_recall(index, metric, queries) >= 0.95
    gone = np.random.default_rng(2).permutation(110)[: int(110 * share)]
    index.remove(gone)
    assert mean_recall(index, metric, queries) >= 0.95
    assert index.needs_rebuild == (share > 0.25)
    index.link()
    assert check_graph(index.graph) == []
    assert (index.linked, index.waiting, index.needs_rebuild) == (110, 0, False)
    assert mean_recall(index, metric, queries) >= 0.95
    if share > 0.25:
        assert index.graph.levels[gone].max() == -1  # started over without them
    assert (index.graph.levels[index.alive] >= 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_replacing_every_vector(metric, walks):
    index = filled(sample(80), metric, ef_construction=25)
    index.link()
    queries = sample(10, seed=1)
    index.add(index.checked(sample(80, seed=5)), removed=np.arange(80))
    assert mean_recall(index, metric, queries) == 1.0  # those that wait are scanned
    index.link()
    assert check_graph(index.graph) == []
    assert mean_recall(index, metric, queries) >= 0.95


@pytest.mark.parametrize("dimensions", [3, 64, 130])
def test_the_same_seed_gives_the_same_graph_by_any_number_of_threads(dimensions, kernels):
    """64 and 130: of a graph of bytes, walked on nibbles, the last block is half as wide."""
    vectors = sample(60, dimensions)
    graphs = []
    for threads in (1, 2, 3):
        index = filled(vectors, "euclidean", ef_construction=20)
        index.link(threads)
        graphs.append(index.graph)
    for other in graphs[1:]:
        for one, two in zip(graphs[0], other, strict=True):
            assert np.array_equal(one, two)
    assert not np.array_equal(graphs[0].links, linked_with_seed(vectors, 2).links)


def linked_with_seed(vectors, seed):
    index = filled(vectors, "euclidean", ef_construction=20, seed=seed)
    index.link()
    return index.graph


@pytest.mark.parametrize("dimensions", [8, 64, 70])
def test_what_lies_behind_the_codes_of_a_query_is_zero(dimensions, kernels, monkeypatch):
    """Memory that nobody wrote would make a build differ from the next."""
    seen = []
    find = construction.hnsw.find_batch

    def watched(graph, walked, nodes, ef, scratch, around):
        find(graph, walked, nodes, ef, scratch, around)
        assert len(scratch.query) >= 2 * walked.codes.shape[1]
        seen.append(scratch.query[dimensions:].any())

    monkeypatch.setattr(construction.hnsw, "find_batch", watched)
    filled(sample(30, dimensions), ef_construction=10).link()
    assert seen and not any(seen)


@pytest.mark.parametrize("metric", METRICS)
def test_linking_in_steps(metric, walks):
    vectors, queries = sample(130), sample(6, seed=1)
    index = filled(vectors[:80], metric, ef_construction=15)
    index.link()
    first = index.graph
    for start, stop in ((80, 81), (81, 130)):
        index.add(index.checked(vectors[start:stop]))
        assert index.waiting == stop - start
        assert mean_recall(index, metric, queries) >= 0.95
        index.link(threads=2)
        assert check_graph(index.graph) == []
        assert len(index.graph.codes) == stop == index.linked
    assert index.graph.levels[:80].tolist() == first.levels.tolist()
    assert mean_recall(index, metric, queries) >= 0.95


def test_the_graph_is_that_of_the_linked_rows_while_others_wait(walks):
    index = filled(sample(60), "euclidean")
    index.link()
    index.add(index.checked(sample(10, seed=3)))
    assert check_graph(index.graph) == []
    assert len(index.graph.codes) == len(index.graph.bias) == 60


def test_rows_removed_before_they_were_linked_are_no_dead_nodes(walks):
    """They once counted: the next removal of any row then started the graph over, again and again."""
    index = filled(sample(100))
    index.remove(np.arange(40))
    index.link()
    index.remove(np.array([50]))
    assert not index.needs_rebuild
    graph = index.graph.links
    index.link()
    assert index.graph.links is graph
    index.remove(np.arange(51, 70))
    assert index.needs_rebuild


def test_an_index_whose_nodes_are_all_dead(walks, monkeypatch):
    index = filled(sample(60))
    index.link()
    index.remove(np.arange(60))
    assert index.search(np.ones(8))[0].tolist() == index.walk(np.ones(8))[0].tolist() == []
    index.add(index.checked(sample(40, seed=2)))
    widths = []
    new_scratch = construction.hnsw.new_scratch
    monkeypatch.setattr(
        construction.hnsw, "new_scratch", lambda graph, ef, *rest: widths.append(ef) or new_scratch(graph, ef, *rest)
    )
    assert mean_recall(index, "cosine", sample(5, seed=4)) == 1.0
    index.remove(np.arange(60, 99))
    assert index.search(np.ones(8))[0].tolist() == [99]
    assert max(widths) <= 256
    index.remove(np.array([99]))
    index.link()
    assert (index.search(np.ones(8))[0].tolist(), index.graph.top.tolist()) == ([], [-1, -1])
    index.add(index.checked(sample(30, seed=3)))
    index.link()
    assert mean_recall(index, "cosine", sample(5, seed=4)) >= 0.95


def test_removed_and_added_while_a_link_runs(walks):
    vectors = sample(180)
    index = filled(vectors[:100], ef_construction=15)

    def progress(done, total):
        if done == total:
            index.remove(np.arange(10))
            index.add(index.checked(vectors[100:]), removed=np.array([10, 105]))  # and a new scale of all codes
            assert mean_recall(index, "cosine", vectors[20:25]) == 1.0

    index.link(progress=progress)
    assert (index.linked, index.waiting, index.deleted, len(index)) == (100, 80, 12, 168)
    assert index.state.dead_nodes == 11
    assert check_graph(index.graph) == []
    assert mean_recall(index, "cosine", vectors[:20]) >= 0.95
    index.link()
    assert check_graph(index.graph) == []
    assert mean_recall(index, "cosine", vectors[:20]) >= 0.95


def test_a_link_that_is_broken_off_changes_nothing(walks):
    index = filled(sample(80))
    with pytest.raises(RuntimeError, match="enough"):
        index.link(progress=lambda done, total: (_ for _ in ()).throw(RuntimeError("enough")))
    assert (index.linked, index.graph) == (0, None)
    index.link()
    assert index.linked == 80


def test_one_far_row_does_not_become_everyones_neighbour(walks):
    """Half its squared length, in the unit of the others' distances, does not fit in 32 bits."""
    vectors = sample(60, 64)
    vectors[7] *= 1e6
    index = filled(vectors, "euclidean")
    assert (index.state.norms / index.state.scale.wide**2).max() * 16 * 127 > 100
    index.link()
    assert check_graph(index.graph) == []
    assert (index.graph.bias >= 0).all()
    assert np.argmax(index.graph.bias) == 7
    many = 70_000  # with so many rows beside it the scale is theirs
    index = VectorIndex(8, "euclidean", m=4, ef_construction=8)
    index._state = indexing.replace(index.state, norms=np.array([1.0, 1e15]), scale=Scale(1.0))
    bias = index._on_codes(construction.hnsw.empty_graph(index.state.codes, 4, np.empty(0, np.int8), 4), index.state)
    assert 0 < bias.bias[0] < bias.bias[1] <= many**2
    assert pack(int(bias.bias[1]) * 2 + 2**29, 1) > 0


@pytest.mark.parametrize("metric", METRICS)
def test_scores_of_the_graph_are_within_a_thousandth(metric, walks):
    for vectors in (sample(50, 16), 1000 + sample(50, 16)):
        index = filled(vectors, metric, ef_construction=10)
        index.link()
        for query in (*sample(3, 16, seed=1), *vectors[:4]):
            rows, scores = index.search(query, 5)
            truth = true_scores(metric, vectors, query)[rows]
            assert np.abs(scores - truth).max() <= 1e-3 * (1 if metric == "cosine" else max(1, np.abs(truth).max()))
            assert metric != "cosine" or (np.abs(scores) <= 1).all()
            assert (np.diff(scores) <= 0).all()


def test_euclidean_distances_keep_their_digits_far_from_the_origin(walks):
    """From |x|^2 - 2 x.q + |q|^2 in float32 nothing would be left of them."""
    vectors = (1000 + sample(100, 16)).astype(np.float32)
    index = filled(vectors, "euclidean")
    index.link()
    for query in vectors[:10]:
        rows, scores = index.search(query, 5)
        assert scores == pytest.approx(true_scores("euclidean", vectors, query)[rows], abs=1e-9)


# -- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_filters(metric, walks, monkeypatch):
    monkeypatch.setattr(searching, "SCAN_LIMIT", 3)
    vectors, queries = sample(100), sample(4, seed=1)
    index = filled(vectors, metric, ef_construction=20)
    index.link()
    index.remove(np.arange(0, 100, 26))
    for order in (np.argsort(vectors[:, 0]), np.random.default_rng(1).permutation(100)):
        for share in (0.03, 0.1, 0.5, 1):
            allowed = np.zeros(100, dtype=bool)
            allowed[order[: int(100 * share)]] = True
            assert mean_recall(index, metric, queries, allowed=allowed) >= 0.99
    assert index.search(queries[0], 10, None, np.zeros(100, dtype=bool))[0].tolist() == []


@pytest.mark.parametrize("linked", [False, True])
def test_a_mask_may_know_of_fewer_or_more_rows_than_there_are(linked, walks):
    index = filled(sample(60))
    if linked:
        index.link()
    query = sample(1)[0]
    for known in (0, 30, 90):
        allowed = np.zeros(known, dtype=bool)
        allowed[5:50] = True
        for found in (index.search(query, 60, None, allowed)[0], index.search_exact(query, 60, allowed)[0]):
            assert sorted(found.tolist()) == list(range(5, min(known, 50)))


# -- edges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("linked", [False, True])
def test_more_than_there_are(metric, linked, walks):
    index = filled(sample(40), metric)
    if linked:
        index.link()
    index.remove(np.array([3]))
    for k in (39, 40, 41, 10**12):
        for ef in (None, 1, 10**12):
            rows, scores = index.search(sample(1)[0], k, ef)
            assert len(rows) == len(scores) >= 37 and 3 not in rows
            assert len(set(rows.tolist())) == len(rows)
    assert len(index.search_exact(sample(1)[0], 10**12)[0]) == 39
    for k in (0, -5):
        assert index.search(sample(1)[0], k)[0].tolist() == index.search_exact(sample(1)[0], k)[0].tolist() == []


def test_an_ef_below_k_is_raised(walks):
    index = filled(sample(120))
    index.link()
    for ef in (1, 0, -3, 5):
        assert len(index.search(sample(1)[0], 30, ef)[0]) == 30


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_index(metric, either):
    index = VectorIndex(4, metric)
    index.link()
    for found in (index.search(np.ones(4)), index.search_exact(np.ones(4)), index.walk(np.ones(4))):
        assert [part.tolist() for part in found] == [[], []]
    index.add(index.checked(np.empty((0, 4), dtype=np.float32)))
    assert (len(index), index.rows, index.deleted, index.waiting) == (0, 0, 0, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(bad, walks):
    index = filled(sample(60))
    index.link()
    vector = sample(1)[0]
    vector[3] = bad
    for call in (index.search, index.search_exact, index.walk, index.checked):
        with pytest.raises(UsageError, match=str(bad)):
            call(vector)
    names = np.array([f"n{i}" for i in range(60)], dtype=object)
    for _ in range(2):
        with pytest.raises(UsageError, match=r"nan|inf"):
            index.hits(vector, 3, None, None, names, index.state)
        index.hits(sample(1)[0], 3, None, None, names, index.state)  # so that the next takes the quick way


def test_a_wrong_dimension_is_refused_with_both_named():
    index = filled(sample(5))
    for call in (index.search, index.search_exact, index.walk, index.checked):
        for other in (np.ones(7), [1.0] * 9, np.ones((1, 3)), np.ones((2, 2, 8)), 5, []):
            with pytest.raises(UsageError, match=r"(7|9|3|2, 2, 8|1|0).* dimensions, the index 8"):
                call(other)
    with pytest.raises(UsageError, match="2 queries"):
        index.search(np.ones((2, 8)))
    with pytest.raises(UsageError, match=r"top_k is 2\.5"):
        index.search(np.ones(8), 2.5)
    with pytest.raises(UsageError, match="ef_search is 'x'"):
        index.search(np.ones(8), 2, "x")


def test_queries_of_every_kind(walks):
    index = filled(sample(60))
    index.link()
    names = np.array([f"n{i}" for i in range(60)], dtype=object)
    plain = sample(1)[0]
    strided = np.zeros(16, dtype=np.float32)[::2]
    strided[:] = plain
    fixed = plain.copy()
    fixed.flags.writeable = False
    unaligned = np.frombuffer(b"x" + plain.tobytes(), dtype=np.float32, offset=1)
    kinds = [
        plain,
        strided,
        fixed,
        unaligned,
        plain.astype(np.float64),
        plain.tolist(),
        plain[np.newaxis],
        tuple(plain),
    ]
    expected = index.hits(plain, 5, None, None, names, index.state)
    assert len(expected) == 5
    assert [name for name, _ in expected] == [f"n{row}" for row in index.search(plain, 5)[0]]
    for kind in kinds:
        for k in (5, np.int32(5), np.int64(5)):
            assert index.hits(kind, k, None, None, names, index.state) == expected


def test_an_index_that_cannot_be_is_refused():
    for wrong_start, words in (
        ({"dimensions": 0}, "0 dimensions"),
        ({"metric": "manhattan"}, "manhattan"),
        ({"m": 1}, "M = 1"),
        ({"ef_construction": 0}, "efConstruction = 0"),
    ):
        with pytest.raises(UsageError, match=words):
            VectorIndex(**{"dimensions": 4, **wrong_start})


def test_what_was_handed_out_stays_as_it_was(kernels):
    index = filled(sample(10))
    states = []
    for i in range(60):
        states.append((index.state, index.vectors.copy(), index.state.codes.copy(), index.alive.copy()))
        index.add(index.checked(sample(1 + i % 7, seed=i)), removed=np.array([i % 10]))
    for state, vectors, codes, alive in states:
        assert np.array_equal(state.vectors, vectors)
        assert np.array_equal(state.codes, codes)
        assert np.array_equal(state.alive, alive)


def test_room_grows_by_half_and_is_counted():
    index = VectorIndex(32)
    for i in range(1500):
        index.add(index.checked(sample(1, 32, seed=i)))
    held = 1500 * (4 * 32 + 2 * 64 + 2 * 4 + 1)
    assert held <= index.memory_bytes <= 1.5 * held
    rooms = [index._vectors, index._codes, index._lower, index._errors]
    assert (
        index.memory_bytes == sum(room._room.nbytes for room in rooms) + 1500
    )  # what is free in them too, and who lives


def test_searches_while_another_thread_adds_removes_and_links(walks):
    vectors = sample(200)
    index = filled(vectors[:60], ef_construction=20)
    stop, wrongs = threading.Event(), []

    def look():
        while not stop.is_set():
            try:
                state = index.state
                rows, _ = index.search(vectors[0], 400)
                assert len(set(rows.tolist())) == len(rows) >= state.live - 60
                assert len(rows) <= 200
            except BaseException as error:
                wrongs.append(error)
                return

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for start in range(60, 200, 20):
        index.add(index.checked(vectors[start : start + 20]), removed=np.arange(start - 60, start - 40))
        if start % 60 == 0:
            index.link()
    stop.set()
    for reader in readers:
        reader.join()
    assert wrongs == []
