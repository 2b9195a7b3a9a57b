"""The links of a collection's index as arrays, and true ranks: against the index's own neighbours and a sort in float64."""

from __future__ import annotations

import numpy as np
import pytest
from support.vector_indexes import changes, linked_index, true_order, unit_vectors

from ragterm.engine.vectors.explain import graph_health
from ragterm.engine.vectors.probing import links, standing


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """For tests that only look at it."""
    vectors = unit_vectors(120)
    vectors[50] = vectors[51]
    with linked_index(tmp_path_factory.mktemp("dense"), range(1000, 1120), vectors, (1004,)) as index:
        yield index


def test_the_links_are_those_that_neighbours_tells(index):
    for level in range(len(index.summary().layers)):
        layer = links(index, level)
        told = {}
        for a, b, gap in zip(layer.sources, layer.targets, layer.lengths, strict=True):
            if layer.alive[a] and layer.alive[b]:
                told[int(layer.keys[a]), int(layer.keys[b])] = 1 - gap
        keys = index.layer_map(level).keys
        known = {(key, other): cosine for key in keys for other, cosine in index.neighbours(key, level)}
        assert told == pytest.approx(known, abs=1e-6)
        assert sorted(layer.keys[layer.members & layer.alive].tolist()) == sorted(keys)
        assert layer.keys[layer.entry] == index.summary().entry
    health = graph_health(0, links(index, 0))
    assert (health.nodes, health.unreachable_count) == (119, 0)
    assert health.links == index.summary().layers[0].edges
    assert [(a, b) for a, b, _ in health.duplicates] == [(1050, 1051)]


def test_without_a_graph_there_are_no_links(new_index):
    bare = new_index()
    assert graph_health(0, links(bare, 0)).nodes == 0
    bare.apply(changes(range(20), unit_vectors(20), 1))
    assert len(links(bare, 0).keys) == 0


def test_a_layer_that_is_not_there_has_no_links(index):
    assert graph_health(9, links(index, 9)).nodes == 0


def test_a_chunk_stands_at_its_true_rank(index):
    vectors, keys = unit_vectors(120), np.arange(1000, 1120)
    vectors[50] = vectors[51]
    live = keys != 1004
    query = unit_vectors(1, seed=3)[0]
    order, cosines = true_order(vectors[live], keys[live], query)
    for rank in (1, 2, 60, 119):
        stands = standing(index, query, order[rank - 1])
        assert (stands.key, stands.rank, stands.nodes) == (order[rank - 1], rank, 119)
        assert stands.cosine == pytest.approx(cosines[rank - 1], abs=1e-6)
    assert standing(index, query, 1050).rank + 1 == standing(index, query, 1051).rank
    assert standing(index, query, 1004) is None
    assert standing(index, query, 7) is None
