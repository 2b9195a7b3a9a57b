"""The compact profile: two planes of codes in memory, the vectors elsewhere, the best few scored by them."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from support.vector_truth import METRICS, true_scores

from ragterm.engine.vectors import execution, searching
from ragterm.engine.vectors import index as indexing
from ragterm.engine.vectors.codes import quantise
from ragterm.engine.vectors.index import VectorIndex


@pytest.fixture
def walks(monkeypatch):
    """Searches by the kernels, interpreted, through the graph."""
    monkeypatch.setattr(execution, "is_warm", lambda: True)
    monkeypatch.setattr(searching, "EXACT_LIMIT", 20)


def filled(n, d, metric):
    vectors = np.random.default_rng([n, d]).standard_normal((n, d)).astype(np.float32)
    index = VectorIndex(d, metric, 6, 40, 1, compact=True)
    index.add(index.checked(vectors))
    return index


@pytest.mark.parametrize("metric", METRICS)
def test_what_a_walk_returns_is_scored_and_ordered_by_the_vectors_themselves(walks, metric):
    index = filled(120, 24, metric)
    index.link()
    for query in np.random.default_rng(7).standard_normal((6, 24)).astype(np.float32):
        rows, scores = index.search(query, 10, 40)
        exact = true_scores(metric, index.vectors, query)[rows]
        assert np.allclose(scores, exact, rtol=1e-5, atol=1e-5)
        assert (np.diff(exact) <= 1e-6).all()


def test_the_codes_that_a_graph_is_made_with_are_let_go(monkeypatch):
    owners = []

    def noted(vectors, limit, bits):
        codes = quantise(vectors, limit, bits)
        owners.append(weakref.ref(codes.base))
        return codes

    monkeypatch.setattr(indexing, "quantise", noted)
    index = filled(60, 8, "cosine")
    index.link()
    gc.collect()
    assert owners
    assert all(owner() is None for owner in owners)
