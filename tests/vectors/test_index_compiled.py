"""`VectorIndex` with compiled kernels, in a process of its own: against brute force, and against the same source in plain Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.index_runs import SHARES
from support.vector_indexes import RUNS, run_python
from support.vector_truth import DATA, METRICS

SCRIPT = RUNS.with_name("index_runs.py")


@pytest.fixture(scope="session")
def runs(tmp_path_factory, numba_cache):
    out = tmp_path_factory.mktemp("index") / "compiled.json"
    run_python(SCRIPT, "compiled", out, NUMBA_CACHE_DIR=str(numba_cache), OPENBLAS_NUM_THREADS="1")
    return json.loads(Path(out).read_text())


def test_interpreted_and_compiled_runs_find_the_same(runs, tmp_path):
    run_python(SCRIPT, "loops", tmp_path / "loops.json", "small")
    by_loops = json.loads((tmp_path / "loops.json").read_text())["small"]
    assert by_loops.keys() == runs["small"].keys() and len(by_loops) == 6 * 2 * 5 + 6
    for name, (rows, scores) in by_loops.items():
        assert runs["small"][name][0] == rows, name
        assert len(rows) >= 10
        # Sums of floats are taken in another order.
        assert np.allclose(runs["small"][name][1], scores, rtol=1e-5, atol=1e-5 * ("exact" not in name)), name


def test_instructions_give_the_integers_of_the_loops(runs):
    assert runs["integers"] == []


def test_nothing_is_compiled_for_a_caller(runs):
    """A query that is read-only, strided or a list, a folder's vectors, a k of numpy's: each once was another specialisation, for which
    the caller waited seconds."""
    before, after, by_estimates = runs["specialisations"]
    assert min(before) >= 1
    assert after == by_estimates == before


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", DATA)
def test_exact_search_is_that_of_float64(runs, metric, name):
    assert runs["exact"][f"{metric} {name}"] == ""


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", DATA)
def test_scans_by_estimates_find_the_best_whatever_the_data(runs, metric, name):
    assert 0.97 <= runs["estimates"][f"{metric} {name}"] <= 1


@pytest.mark.parametrize("metric", METRICS)
def test_recall(runs, metric):
    recalls = {case: value for case, value in runs["recall"].items() if case.startswith(metric)}
    filtered = [f"{metric} filter {share} {kind}" for share in SHARES for kind in ("random", "correlated")]
    assert len(recalls) == 11 + len(filtered)
    assert {case: value for case, value in recalls.items() if value < 0.95} == {}
    assert {case: recalls[case] for case in filtered if recalls[case] < 0.99} == {}


def test_graphs_are_sound_and_the_same_by_any_number_of_threads(runs):
    assert len(runs["problems"]) == 3 * 19
    assert {case: problems for case, problems in runs["problems"].items() if problems} == {}
