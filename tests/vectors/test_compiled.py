"""Compiled kernels against the same source interpreted, and what the compiled graph finds against brute force in float64."""

import numpy as np
import pytest
from support.compiled_runs import data_set
from support.vector_indexes import RUNS, SMALL, changes, run_python, true_order, unit_vectors

from ragterm.engine.vectors import hnsw
from ragterm.engine.vectors.check import check_graph
from ragterm.engine.vectors.dense import CollectionDenseIndex
from ragterm.engine.vectors.flat import Rows
from ragterm.engine.vectors.hnsw import Graph
from ragterm.engine.vectors.projection import fit_projection
from ragterm.engine.vectors.stored import StoredGraph, keys_crc
from ragterm.engine.vectors.views import GraphPicture


@pytest.fixture(scope="module")
def runs(compiled):
    with np.load(compiled) as file:
        return dict(file)


def graph_in(runs, name):
    fields = {f: runs[f"{name}/{f}"] for f in ("codes", "sums", "levels", "upper_row", "links", "top")}
    return Graph(bits=8, bias=np.empty(0, dtype=np.int32), **fields)


@pytest.mark.parametrize("execution", ["loops", "numpy"])
def test_interpreted_runs_give_what_compiled_ones_give(runs, execution, tmp_path):
    run_python(RUNS, execution, tmp_path / "out.npz", "small")
    with np.load(tmp_path / "out.npz") as interpreted:
        assert len(interpreted.files) == 12
        for name in interpreted.files:
            assert interpreted[name].tolist() == runs[name].tolist(), name
    assert runs["small/repaired"] >= 1
    assert (runs["small/whole"] >= 0).sum() == 10 * 100


@pytest.mark.parametrize("name", ["random", "clustered"])
@pytest.mark.parametrize("case", ["whole", "deleted"])
def test_recall_at_10_is_at_least_095_at_ef_100(runs, name, case):
    vectors, queries = data_set(name)
    live = np.ones(len(vectors), dtype=bool) if case == "whole" else ~runs[f"{name}/mask"]
    assert live.sum() == len(vectors) if case == "whole" else live.sum() < 0.75 * len(vectors)
    rows = np.flatnonzero(live)
    hits = 0
    for query, found in zip(queries, runs[f"{name}/{case}"], strict=True):
        found = found[found >= 0]
        assert len(found) >= 60  # tombstones take some of the hundred places
        assert live[found].all()
        cosines = vectors[found].astype(np.float64) @ query
        best = found[np.argsort(-cosines)[:10]]
        truth, _ = true_order(vectors[rows], rows, query)
        hits += len(set(best.tolist()) & set(truth[:10]))
    assert hits / 1000 >= 0.95


@pytest.mark.parametrize("name", ["random", "clustered", "small"])
def test_compiled_graphs_are_sound(runs, name):
    assert check_graph(graph_in(runs, name)) == []


def test_the_child_process_builds_reports_and_extends(tmp_path, numba_cache, compiled, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(numba_cache))
    vectors = unit_vectors(600, 16)
    index = CollectionDenseIndex(tmp_path, 16, parameters=SMALL)
    index.apply(changes(range(500), vectors[:500], 1))
    reports = []
    index.save(wait=True, progress=lambda *report: reports.append(report))
    assert reports[:2] == [(0, 0), (0, 500)]
    assert reports[-1] == (500, 500)
    assert index.summary().ready
    before = index.layer_map(0)

    index.apply(changes(range(500, 600), vectors[500:], 2, removed=(3, 4)))
    assert not index.summary().ready
    index.save(wait=False)
    assert index.wait_for_graph(120)
    summary = index.summary()
    assert (summary.ready, summary.nodes, summary.deleted, summary.generation) == (True, 598, 2, 2)
    after = index.layer_map(0)
    places = dict(zip(after.keys, after.positions, strict=True))
    assert all(places[key] == at for key, at in zip(before.keys, before.positions, strict=True) if key not in (3, 4))
    index.close()


def test_a_walk_finds_what_the_compiled_search_finds(runs):
    """The walk is interpreted; its results are those of Algorithm 5 run by compiled kernels in another process."""
    vectors, queries = data_set("small")
    rows = Rows.of(np.arange(len(vectors)) + 1000, vectors)
    projection = fit_projection(vectors)
    limit = float(runs["small/limit"][0])
    stored = StoredGraph(
        graph_in(runs, "small"), SMALL, "x", keys_crc(rows.keys), 1, limit, 180, projection, projection.place(vectors)
    )
    for query, found in zip(queries, runs["small/whole"], strict=True):
        walk = GraphPicture(stored, rows).walk("q", query, k=10, ef=100)
        cosines = vectors[found].astype(np.float64) @ query.astype(np.float64)
        expected = [int(found[i]) + 1000 for i in np.lexsort((found, -cosines))[:10]]
        assert [key for key, _ in walk.results] == expected
    assert hnsw.knn_search.__module__ == "ragterm.engine.vectors.hnsw"
    assert not hasattr(hnsw.knn_search, "py_func"), "this process must not have compiled anything"


def test_a_large_collection_is_answered_through_the_graph_and_its_newer_rows(tmp_path, numba_cache, compiled):
    code = f"""
import sys
import numpy as np
from pathlib import Path
sys.path.insert(0, {str(RUNS.parent.parent)!r})
from support.vector_indexes import changes, unit_vectors, true_order, SMALL
from ragterm.engine.vectors.dense import CollectionDenseIndex
from ragterm.engine.vectors import dense, execution, flat

vectors = unit_vectors(420, 16)
index = CollectionDenseIndex(Path({str(tmp_path)!r}), 16, exact_limit=100, parameters=SMALL)
index.apply(changes(range(400), vectors[:400], 1))
index.save(wait=True)
index.apply(changes(range(400, 420), vectors[400:], 2, removed=(7,)))
keys = np.delete(np.arange(420), 7)
before = index.search(vectors[7], 10)[0].tolist()
index.warm()
assert execution.is_compiled()
assert index.summary().answers_queries
full_scan, sizes = flat.top_k, []
def counted(rows, query, k, among=None):
    sizes.append(len(rows) if among is None else len(among))
    return full_scan(rows, query, k, among)
flat.top_k = counted
hits = 0
for i in range(0, 420, 10):
    found, scores = index.search(vectors[i], 10)
    truth, cosines = true_order(vectors[keys], keys, vectors[i])
    hits += len(set(found.tolist()) & set(truth[:10]))
    assert (np.diff(scores) <= 0).all()
    assert np.allclose(scores, [float(vectors[k] @ vectors[i]) for k in found], atol=1e-6)
assert hits >= 0.97 * 420, hits
assert set(sizes) == {{20}}, "only the rows newer than the graph are scanned"
assert index.search(vectors[7], 10)[0].tolist() == before == true_order(vectors[keys], keys, vectors[7])[0][:10]
assert index.search(vectors[415], 1)[0].tolist() == [415]
assert index.search(vectors[3], 500)[0].tolist() == index.search(vectors[3], 419, np.arange(420))[0].tolist()
"""
    run_python("-c", code, NUMBA_CACHE_DIR=str(numba_cache))
