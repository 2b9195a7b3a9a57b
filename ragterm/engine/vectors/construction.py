"""From vectors to a graph, and from a graph and more vectors to a larger one. Runs interpreted or compiled, as the process does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors import connect, hnsw
from ragterm.engine.vectors.codes import code_limit, quantise
from ragterm.engine.vectors.projection import fit_projection
from ragterm.engine.vectors.stored import GraphParameters, StoredGraph, StoredVectors, keys_crc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Linked = Callable[[int, int], None]

LIMIT_DRIFT = 1.25
"""Codes on a scale that the newest vectors exceed by this factor (or fall short of) lose resolution: start over."""
GROWTH_BEFORE_REBUILD = 2.0
"""A graph that has doubled is built from nothing: order of insertion, scale and map are then those of the whole."""
_STEP = 256


def build(stored: StoredVectors, parameters: GraphParameters, on_linked: Linked | None = None) -> StoredGraph:
    """A new graph on all rows. `on_linked(done, total)` is called now and then."""
    rows = stored.rows
    limit = code_limit(rows.vectors)
    levels = hnsw.draw_levels(parameters.seed, len(rows), parameters.m)
    graph = hnsw.empty_graph(quantise(rows.vectors, limit), levels, parameters.m)
    insert_nodes(graph, 0, parameters.ef_construction, on_linked)
    projection = fit_projection(rows.vectors)
    return StoredGraph(
        graph=graph,
        parameters=parameters,
        lineage=stored.lineage,
        keys_crc=keys_crc(rows.keys),
        generation=stored.generation,
        code_limit=limit,
        built_nodes=len(rows),
        projection=projection,
        positions=projection.place(rows.vectors),
    )


def extend(old: StoredGraph, stored: StoredVectors, on_linked: Linked | None = None) -> StoredGraph:
    """`old` with a node for every row it does not have yet. Its scale, its axes and its nodes' numbers stay."""
    rows, parameters = stored.rows, old.parameters
    nodes = len(old.graph.codes)
    added = rows.vectors[nodes:]
    codes = np.concatenate([old.graph.codes, quantise(added, old.code_limit)])
    levels = hnsw.draw_levels(parameters.seed, len(rows), parameters.m)
    graph = hnsw.empty_graph(codes, levels, parameters.m, old.graph.metric)
    graph.links[: len(old.graph.links)] = old.graph.links
    graph.degrees[: len(old.graph.degrees)] = old.graph.degrees
    graph.top[:] = old.graph.top
    insert_nodes(graph, nodes, parameters.ef_construction, on_linked)
    return StoredGraph(
        graph=graph,
        parameters=parameters,
        lineage=stored.lineage,
        keys_crc=keys_crc(rows.keys),
        generation=stored.generation,
        code_limit=old.code_limit,
        built_nodes=old.built_nodes,
        projection=old.projection,
        positions=np.concatenate([old.positions, old.projection.place(added)]),
    )


def can_extend(old: StoredGraph, stored: StoredVectors, parameters: GraphParameters) -> bool:
    """Whether adding to `old` gives as good a graph as starting over."""
    nodes, total = len(old.graph.codes), len(stored.rows)
    if not old.fits(stored.rows, stored.lineage) or old.parameters != parameters or nodes == 0:
        return False
    if total > GROWTH_BEFORE_REBUILD * old.built_nodes:
        return False
    drift = code_limit(stored.rows.vectors) / old.code_limit
    return 1 / LIMIT_DRIFT < drift < LIMIT_DRIFT


def insert_nodes(graph: hnsw.Graph, first: int, ef_construction: int, on_linked: Linked | None = None) -> None:
    """Insert the nodes from `first` on, in order, then see to it that every node can be reached."""
    total = len(graph.codes)
    scratch, log = hnsw.scratch_for(graph, ef_construction), hnsw.new_log()
    for start in range(first, total, _STEP):
        # Through the module: its functions are exchanged when they are compiled.
        hnsw.insert_range(graph, start, min(start + _STEP, total), ef_construction, scratch, log)
        if on_linked is not None:
            on_linked(min(start + _STEP, total), total)
    connect.connect_layers(graph)


def search_graph(
    stored: StoredGraph, query: NDArray[np.float32], ef: int, deleted: NDArray[np.bool_], log: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Algorithm 5 for a float32 query (d,): the rows of the `ef` nearest live nodes, by their codes, nearest first."""
    graph = stored.graph._replace(deleted=deleted)
    scratch = hnsw.scratch_for(graph, ef)
    count = hnsw.knn_search(graph, quantise(query, stored.code_limit), ef, scratch, log)
    nodes: NDArray[np.int64] = scratch.found[:count] & 0xFFFFFFFF
    return nodes
