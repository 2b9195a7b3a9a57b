import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.vector_indexes import ROOT, RUNS, SMALL, changes, link_here, run_python, true_order, unit_vectors

from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, StoreError, UsageError
from ragterm.engine.types.protocols import IndexChanges, IndexEntry
from ragterm.engine.vectors import flat
from ragterm.engine.vectors.dense import CollectionDenseIndex
from ragterm.engine.vectors.flat import Rows
from ragterm.engine.vectors.stored import read_graph, write_graph


def test_search_gives_the_true_order_and_cosines(new_index):
    vectors, keys = unit_vectors(300), np.random.default_rng(1).permutation(1000)[:300]
    index = new_index()
    index.apply(changes(keys.tolist(), vectors, 4))
    assert index.generation == 4
    for query in unit_vectors(20, seed=9):
        truth, cosines = true_order(vectors, keys, query)
        found, scores = index.search(query, 25)
        assert found.dtype == np.int64
        assert scores.dtype == np.float32
        assert found.tolist() == truth[:25]
        assert scores == pytest.approx(cosines[:25], abs=1e-6)
        assert index.scores(query, found).tolist() == scores.tolist()


def test_equal_vectors_have_equal_scores_and_go_by_key(new_index):
    index = new_index()
    same = np.repeat(unit_vectors(1), 50, axis=0)
    keys = np.random.default_rng(2).permutation(50)
    index.apply(changes(keys.tolist(), same, 1))
    found, scores = index.search(same[0], 7)
    assert found.tolist() == list(range(7))
    assert len(set(scores.tolist())) == 1


def test_fewer_than_k_are_returned_when_there_are_fewer(new_index):
    index = new_index()
    query = unit_vectors(1)[0]
    assert [len(part) for part in index.search(query, 5)] == [0, 0]
    index.apply(changes([3, 5], unit_vectors(2), 1))
    assert len(index.search(query, 5)[0]) == 2
    assert [len(index.search(query, k)[0]) for k in (1, 0, -1)] == [1, 0, 0]


def test_allowed_keys_limit_the_search(new_index):
    vectors = unit_vectors(200)
    index = new_index()
    index.apply(changes(range(200), vectors, 1, removed=()))
    index.apply(IndexChanges([], [10], 2))
    query = unit_vectors(1, seed=5)[0]
    for allowed in ([10, 11, 12, 12, 999], list(range(0, 200, 2)), [], [999], [10]):
        known = np.array(sorted(set(allowed) & (set(range(200)) - {10})), dtype=np.int64)
        truth = true_order(vectors[known], known, query)[0] if len(known) else []
        assert index.search(query, 8, np.array(allowed, dtype=np.int64))[0].tolist() == truth[:8]


def test_scores_of_unknown_keys_are_minus_one(new_index):
    vectors = unit_vectors(3)
    index = new_index()
    assert index.scores(vectors[0], np.array([1])).tolist() == [-1]
    index.apply(changes([1, 2, 3], vectors, 1, removed=()))
    index.apply(IndexChanges([], [2], 2))
    scores = index.scores(vectors[0], np.array([9, 3, 2, 1, 3]))
    assert scores == pytest.approx(
        [-1, float(vectors[2] @ vectors[0]), -1, 1, float(vectors[2] @ vectors[0])], abs=1e-6
    )


def test_the_length_of_the_query_does_not_matter(new_index):
    index = new_index()
    index.apply(changes(range(30), unit_vectors(30), 1))
    query = unit_vectors(1, seed=3)[0]
    assert index.search(query * 7, 5)[1] == pytest.approx(index.search(query, 5)[1], abs=1e-6)
    assert index.search(np.zeros(12, dtype=np.float32), 2)[1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        (np.full(12, np.nan), "nan"),
        (np.array([*[0.1] * 11, -np.inf]), "-inf"),
        (np.ones(13), "13 dimensions, the index 12"),
        (None, "no vector"),
    ],
)
def test_what_is_no_vector_is_refused_and_changes_nothing(new_index, vector, words):
    index = new_index()
    index.apply(changes([1], unit_vectors(1), 1))
    entries = [IndexEntry(2, "d", "", "", "", unit_vectors(1)[0]), IndexEntry(5, "d", "", "", "", vector)]
    with pytest.raises(UsageError, match=words):
        index.apply(IndexChanges(entries, [1], 2))
    assert (len(index), index.generation) == (1, 1)
    if vector is not None:
        with pytest.raises(UsageError, match=words):
            index.search(vector, 1)


def test_changes_that_are_there_already_are_not_applied_again(new_index):
    vectors = unit_vectors(10)
    index = new_index()
    index.apply(changes(range(10), vectors, 5))
    index.apply(changes(range(4), vectors[:4], 6))
    assert len(index._state.rows) == 10
    index.apply(changes([0], unit_vectors(1, seed=8), 3, removed=(1,)))
    assert (index.generation, len(index)) == (6, 10)
    assert index.scores(vectors[0], np.array([0]))[0] == pytest.approx(1)


def test_a_key_with_a_new_vector_is_replaced(new_index):
    vectors, other = unit_vectors(10), unit_vectors(2, seed=8)
    index = new_index()
    index.apply(changes(range(10), vectors, 1))
    index.apply(changes([3, 4], other, 2, removed=(4,)))
    assert len(index) == 10
    assert index.scores(other[0], np.array([3]))[0] == pytest.approx(1)
    assert index.search(other[1], 1)[0].tolist() == [4]


def test_a_key_that_goes_and_comes_back_in_one_step_is_there(new_index):
    vectors = unit_vectors(3)
    index = new_index()
    index.apply(changes(range(3), vectors, 1))
    index.apply(changes([1], vectors[1:2], 2, removed=(1, 2)))
    assert sorted(index.search(vectors[1], 5)[0].tolist()) == [0, 1]


def test_two_pictures_that_grow_from_one_do_not_share_rows():
    none = np.empty(0, dtype=np.int64)
    first = Rows.none(4).with_changes(np.arange(3), unit_vectors(3, 4), none)
    left = first.with_changes(np.array([10]), unit_vectors(1, 4, 5), none)
    right = first.with_changes(np.array([20]), unit_vectors(1, 4, 6), none)
    assert (left.keys.tolist(), right.keys.tolist()) == ([0, 1, 2, 10], [0, 1, 2, 20])
    assert (left.vectors[3] == unit_vectors(1, 4, 5)[0]).all()
    assert left.vectors.base is first.vectors.base


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 30), unique=True, max_size=12), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 30), unique=True, max_size=12), st.just(0)),
        st.tuples(st.just("compact"), st.just([]), st.just(0)),
    ),
    max_size=12,
)


@given(steps)
@settings(deadline=None)
def test_rows_hold_what_a_dictionary_holds(operations):
    rows, model, seen = Rows.none(4), {}, []
    none = np.empty(0, dtype=np.int64)
    for name, keys, seed in operations:
        if name == "add":
            vectors = unit_vectors(len(keys), 4, seed)
            rows = rows.with_changes(np.array(keys, dtype=np.int64), vectors, none)
            model = {**model, **dict(zip(keys, vectors.tolist(), strict=True))}
        elif name == "remove":
            rows = rows.with_changes(none, np.empty((0, 4), dtype=np.float32), np.array(keys, dtype=np.int64))
            model = {key: v for key, v in model.items() if key not in keys}
        else:
            rows = rows.compacted()
        seen.append((rows, model))
    for picture, expected in seen:  # earlier pictures are not touched by later changes
        at = np.flatnonzero(picture.alive)
        assert dict(zip(picture.keys[at].tolist(), picture.vectors[at].tolist(), strict=True)) == expected
        places = picture.find(np.arange(31)).tolist()
        assert [key for key in range(31) if places[key] >= 0] == sorted(expected)


@given(st.integers(1, 40), st.integers(1, 45), st.integers(0, 3), st.booleans())
@settings(deadline=None)
def test_top_k_is_the_sorted_truth_with_duplicates_and_clusters(count, k, digits, some):
    # Rounded components make many equal and nearly equal vectors.
    vectors = np.round(unit_vectors(count, 3, seed=count), digits).astype(np.float32)
    keys = np.random.default_rng(count).permutation(count)
    rows = Rows.of(keys, vectors)
    query = unit_vectors(1, 3, seed=k)[0]
    among = np.arange(0, count, 2) if some else np.arange(count)
    found, scores = flat.top_k(rows, query, k, among if some else None)
    exact = (vectors[among].astype(np.float64) * query.astype(np.float64)).sum(axis=1).astype(np.float32)
    expected = sorted(zip((-exact).tolist(), keys[among].tolist(), strict=True))[:k]
    assert [key for _, key in expected] == keys[found].tolist() or scores.tolist() == [-s for s, _ in expected]
    assert scores == pytest.approx([-s for s, _ in expected], abs=1e-7)


def test_searches_run_while_changes_are_applied(new_index):
    vectors = unit_vectors(2000)
    index = new_index()
    stop, wrong = threading.Event(), []

    def search():
        while not stop.is_set():
            found, scores = index.search(vectors[0], 3)
            if len(found) and (found[0] != 0 or len(found) != 3 or not np.isfinite(scores).all()):
                wrong.append(found)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(200):
        part = slice(10 * i, 10 * i + 10)
        index.apply(changes(range(2000)[part], vectors[part], i + 1, removed=(10 * i - 5,) if i else ()))
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(index) == 2000 - 199


# On disk.


def test_a_saved_index_is_loaded_as_it_was(new_index):
    vectors = unit_vectors(100)
    index = new_index()
    index.apply(changes(range(100), vectors, 3))
    index.apply(IndexChanges([], [5], 4))
    link_here(index)
    again = new_index()
    assert again.load(4)
    assert (again.generation, len(again), again.note) == (4, 99, "")
    for query in unit_vectors(5, seed=2):
        assert [p.tolist() for p in again.search(query, 10)] == [p.tolist() for p in index.search(query, 10)]
    assert again.summary() == index.summary()
    assert again.summary().ready
    again.apply(changes([700], vectors[:1], 5))
    assert again.search(vectors[0], 2)[0].tolist() == [0, 700]


def test_a_snapshot_that_is_behind_says_from_where_to_catch_up(new_index):
    index = new_index()
    index.apply(changes(range(10), unit_vectors(10), 3))
    index.save(build_graph=False)
    again = new_index()
    assert not again.load(8)
    assert (again.generation, len(again)) == (3, 10)


@pytest.mark.parametrize(
    ("reader", "why"),
    [
        ({"identity": "other"}, "another model"),
        ({"dimensions": 13}, "another model"),
        ({"expected": 2}, "newer than the store"),
    ],
)
def test_a_foreign_snapshot_is_not_used(new_index, reader, why):
    index = new_index(identity="mini")
    index.apply(changes(range(10), unit_vectors(10), 3))
    index.save(build_graph=False)
    again = new_index(reader.get("dimensions", 12), identity=reader.get("identity", "mini"))
    assert not again.load(reader.get("expected", 3))
    assert (again.generation, len(again)) == (0, 0)
    assert why in again.note


def test_no_snapshot_is_generation_zero(new_index):
    index = new_index()
    assert not index.load()
    assert not index.load(4)
    assert index.generation == 0
    assert "there is none" in index.note


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign", "gone"])
@pytest.mark.parametrize("file", ["vectors.snapshot", "graph.snapshot"])
def test_a_damaged_file_is_recognised_rebuilt_and_never_answers(new_index, damage, file):
    vectors = unit_vectors(120)
    index = new_index()
    index.apply(changes(range(120), vectors, 3))
    link_here(index)
    path = index.folder / file
    content = bytearray(path.read_bytes())
    for at in np.random.default_rng(3).integers(0, len(content), 12):
        if damage == "cut":
            path.write_bytes(content[:at])
        elif damage == "flip":
            flipped = bytearray(content)
            flipped[at] ^= 0x10
            path.write_bytes(flipped)
        elif damage == "gone":
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(b"" if damage == "empty" else b"PK\x03\x04" + bytes(100))
        again = new_index()
        if file == "vectors.snapshot":
            assert not again.load(3)
            assert (again.generation, len(again)) == (0, 0)
            again.apply(changes(range(120), vectors, 3))
        else:
            assert again.load(3)
        assert not again.summary().ready
        assert again.walk("q", vectors[7], 5, 10).results == again.walk("q", vectors[7], 5, 10).exact
        assert again.search(vectors[7], 5)[0].tolist() == index.search(vectors[7], 5)[0].tolist()
    link_here(again)
    assert again.summary().ready


def test_a_graph_of_other_rows_is_not_taken(new_index):
    index = new_index()
    index.apply(changes(range(50), unit_vectors(50), 1))
    link_here(index)
    other = new_index()
    other.apply(changes(range(50), unit_vectors(50, seed=4), 1))
    assert not other.summary().ready
    assert other.summary().layers == ()
    assert "not built yet" in other.summary().note


def test_a_graph_that_is_whole_but_not_sound_is_not_taken(new_index):
    index = new_index()
    index.apply(changes(range(50), unit_vectors(50), 1))
    link_here(index)
    stored = read_graph(index.folder)
    stored.graph.links[0, 0] = 0
    write_graph(index.folder, stored)
    again = new_index()
    assert again.load(1)
    assert not again.summary().ready
    assert "linked to themselves" in again.summary().note


def test_the_graph_follows_additions_and_deletions(new_index):
    vectors = unit_vectors(150)
    index = new_index()
    index.apply(changes(range(100), vectors[:100], 1))
    link_here(index)
    index.apply(changes(range(100, 150), vectors[100:], 2, removed=tuple(range(20))))
    summary = index.summary()
    assert (summary.ready, summary.nodes, summary.deleted) == (False, 130, 20)
    assert "50 chunks wait to be linked" in summary.note
    assert summary.layers[0].nodes == 80
    link_here(index)
    summary = index.summary()
    assert (summary.ready, summary.layers[0].nodes, index._state.graph.built_nodes) == (True, 130, 100)


def test_past_a_quarter_of_tombstones_everything_is_built_anew(new_index):
    vectors = unit_vectors(100)
    index = new_index()
    index.apply(changes(range(100), vectors, 1))
    link_here(index)
    index.apply(IndexChanges([], list(range(26)), 2))
    link_here(index)
    summary = index.summary()
    assert (summary.ready, summary.nodes, summary.deleted) == (True, 74, 0)
    assert index._state.graph.built_nodes == 74
    assert index.search(vectors[30], 1)[0].tolist() == [30]


def test_the_same_vectors_give_the_same_graph(tmp_path):
    maps = []
    for name in ("a", "b"):
        index = CollectionDenseIndex(tmp_path / name, 12, parameters=SMALL)
        index.apply(changes(range(200), unit_vectors(200), 1))
        link_here(index)
        maps.append((index.layer_map(0), index.layer_map(1), index.summary()))
    assert maps[0] == maps[1]
    assert len(maps[0][1].keys) > 10


def test_an_empty_collection_is_at_peace(new_index):
    index = new_index()
    index.save(wait=True)
    assert new_index().load(0)
    summary = index.summary()
    assert (summary.nodes, summary.layers, summary.entry, summary.ready) == (0, (), None, True)
    assert index.layer_map(0).keys == ()
    assert index.walk("q", unit_vectors(1)[0]).results == ()
    assert index.neighbours(1, 0) == []


def test_a_child_that_fails_is_told_and_search_goes_on(new_index, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    index = new_index()
    index.apply(changes(range(30), unit_vectors(30), 1))
    index.save(build_graph=False)
    (index.folder / "graph.snapshot").mkdir()  # the child cannot write there
    with pytest.raises(StoreError, match="could not be built"):
        index.save(wait=True)
    index.save()
    assert index.wait_for_graph(60)
    assert "could not be built" in index.summary().note
    assert len(index.search(unit_vectors(1)[0], 5)[0]) == 5


def test_a_build_can_be_cancelled(new_index, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    index = new_index()
    index.apply(changes(range(30), unit_vectors(30), 1))
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        index.save(wait=True, control=control)
    assert not (index.folder / "graph.snapshot").exists()
    index.save()
    index.close()
    assert index.wait_for_graph(0)


def test_a_child_that_is_killed_leaves_the_old_graph(new_index, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    index = new_index()
    index.apply(changes(range(150), unit_vectors(150), 1))
    link_here(index)
    before = index.layer_map(0)
    index.apply(changes(range(150, 290), unit_vectors(140, seed=1), 2))
    children = []
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: children.append(start(*a, **k)) or children[0])
    with pytest.raises(StoreError, match="exit code -9"):
        index.save(wait=True, progress=lambda linked, _: linked and children[0].kill())
    again = new_index()
    assert again.load(2)
    assert again.layer_map(0) == before
    assert (again.summary().ready, again.summary().layers[0].nodes) == (False, 150)
    monkeypatch.undo()
    link_here(again)
    assert (again.summary().ready, again.summary().layers[0].nodes) == (True, 290)


def test_loading_and_searching_need_no_compiler(tmp_path):
    index = CollectionDenseIndex(tmp_path, 12, parameters=SMALL)
    index.apply(changes(range(200), unit_vectors(200), 1))
    link_here(index)
    code = f"""
import sys
from pathlib import Path
from ragterm.engine.vectors.dense import CollectionDenseIndex
import numpy as np
index = CollectionDenseIndex(Path({str(tmp_path)!r}), 12)
assert index.load(1)
query = np.ones(12, dtype=np.float32)
assert len(index.search(query, 10)[0]) == 10
assert len(index.walk("q", query, 5, 20).steps) > 3
assert index.layer_map(0).edges
print(sorted({{"numba", "llvmlite", "scipy", "torch", "onnxruntime", "tantivy"}} & set(sys.modules)))
"""
    assert run_python("-c", code).strip() == "[]"


def test_the_child_starts_where_the_parent_has_no_usable_descriptors(tmp_path):
    """As inside the app, which owns the terminal: standard streams closed, a thread, a stranger's modules in the folder."""
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the current folder was imported')")
    code = f"""
import os, sys, threading
sys.path.insert(0, {str(RUNS.parent.parent)!r})
from support.vector_indexes import changes, unit_vectors, SMALL
from pathlib import Path
from ragterm.engine.vectors.dense import CollectionDenseIndex
index = CollectionDenseIndex(Path("dense"), 12, parameters=SMALL)
index.apply(changes(range(40), unit_vectors(40), 1))
os.close(0); os.close(1); os.close(2)
thread = threading.Thread(target=index.save, kwargs={{"wait": True}})
thread.start()
thread.join()
Path("ready").write_text(str(index.summary().ready))
"""
    subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"},
        check=True,
        timeout=120,
    )
    assert (tmp_path / "ready").read_text() == "True"
