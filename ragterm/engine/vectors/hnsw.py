"""Hierarchical Navigable Small World graphs, after Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate
nearest neighbor search using Hierarchical Navigable Small World graphs" (arXiv 1603.09320, v4). Functions carry the numbers
of the paper's algorithms; the names in brackets are the paper's.

The idea: every vector is a node, linked to a few near ones. A search that always moves on to the neighbour nearest to the
query arrives near its nearest neighbours. To make the way there short, a random few of the nodes also stand on a layer above,
fewer still on the next, like the express lanes of a skip list: a search enters at the top, walks as far as that layer
takes it, goes down a layer and walks on. On the ground layer, where all nodes are, it keeps not one but `ef` best nodes.

The graph is a handful of arrays (`Graph`). Distances and heap entries are those of `kernels.py`: integers, so that the same
vectors, seed and order of insertion give the same graph, bit for bit, on every machine, interpreted or compiled.

Two things are ours. Links are directed, and trimming one node's links can cut the only way to another: `connect.py` mends
that. And a deleted node stays where it is as a signpost (a tombstone): a search passes through it and leaves it out of
what it returns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragterm.engine.vectors.execution import entry_kernel, kernel
from ragterm.engine.vectors.kernels import (
    INNER_PRODUCT,
    distance,
    entry_distance,
    entry_node,
    heap_pop,
    heap_push,
    pack,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int8]
    Entries = NDArray[np.int64]
    Log = NDArray[np.int64]

MAX_LEVEL = 30


class Graph(NamedTuple):
    """The graph of n nodes on int8 vectors.

    Node i stands on the layers 0 to `levels[i]`; its links on one of them are `links[row, :degrees[row]]` with
    `row = first_row[i] + layer`. A row has room for 2M links, which is the paper's M_max0; above the ground M are used, its M_max.
    """

    codes: NDArray[np.int8]  # (n, d) the vectors
    metric: int  # of kernels.py
    levels: NDArray[np.int8]  # (n,) the top layer of each node
    first_row: NDArray[np.int64]  # (n,) where the node's rows begin in links and degrees
    links: NDArray[np.int32]  # (rows, 2M) neighbours by number, -1 where unused
    degrees: NDArray[np.int32]  # (rows,) links in use
    deleted: NDArray[np.bool_]  # (n,) tombstones
    top: NDArray[np.int64]  # (2,) the entry point and its level, (-1, -1) while the graph is empty


class Scratch(NamedTuple):
    """What a search writes to: one for every thread, used again and again."""

    seen: NDArray[np.int32]  # (n,) the number of the last search that met this node [v]
    search_number: NDArray[np.int64]  # (1,)
    candidates: NDArray[np.int64]  # (n,) min-heap of entries still to expand [C]
    nearest: NDArray[np.int64]  # (ef + 1,) max-heap of the best entries so far [W]
    found: NDArray[np.int64]  # (ef + 1,) the result: entries, nearest first; before it, the entry points [ep]
    chosen: NDArray[np.int64]  # (2M + 1,) the entries that Algorithm 4 selects [R]
    around: NDArray[np.int64]  # (2M + 1,) the neighbourhood that is being trimmed


def empty_graph(codes: Codes, levels: NDArray[np.int8], m: int, metric: int = INNER_PRODUCT) -> Graph:
    """A graph with a place for every vector of `codes` (n, d), no node inserted yet."""
    rows_of = levels.astype(np.int64) + 1
    first_row = np.cumsum(rows_of) - rows_of
    rows = int(rows_of.sum())
    return Graph(
        codes=codes,
        metric=metric,
        levels=levels,
        first_row=first_row,
        links=np.full((rows, 2 * m), -1, dtype=np.int32),
        degrees=np.zeros(rows, dtype=np.int32),
        deleted=np.zeros(len(codes), dtype=np.bool_),
        top=np.array([-1, -1], dtype=np.int64),
    )


def scratch_for(graph: Graph, ef: int) -> Scratch:
    """Scratch for searches of at most `ef` on `graph`."""
    nodes, width = len(graph.codes), graph.links.shape[1]
    return Scratch(
        seen=np.zeros(nodes, dtype=np.int32),
        search_number=np.zeros(1, dtype=np.int64),
        candidates=np.empty(nodes + 1, dtype=np.int64),
        nearest=np.empty(ef + 1, dtype=np.int64),
        found=np.empty(ef + 1, dtype=np.int64),
        chosen=np.empty(width + 1, dtype=np.int64),
        around=np.empty(width + 1, dtype=np.int64),
    )


def draw_levels(seed: int, count: int, m: int) -> NDArray[np.int8]:
    """The level of each of the first `count` nodes: floor(-ln(u) m_L), u uniform in (0, 1], m_L = 1 / ln M (section 4.1).

    The level of a node depends on the seed and its number alone: a graph that grows draws the levels it would have drawn at once.
    """
    uniform = 1.0 - np.random.default_rng(seed).random(count)
    return np.minimum(-np.log(uniform) / math.log(m), MAX_LEVEL).astype(np.int8)


# What a search leaves behind when it is asked to keep a log, one row (event, layer, node, distance) per event: the Layers
# pane replays it. A log of no rows keeps nothing.
ENTERED = 0  # a layer is entered at this node
EXPANDED = 1  # this node, the nearest candidate, is expanded
MET = 2  # a distance was computed for the first time on this layer
KEPT = 3  # after an expansion: the furthest of the best is this node


def new_log(rows: int = 0) -> Log:
    """Room for `rows` events; row 0 counts them."""
    return np.zeros((rows + 1, 4), dtype=np.int64)


@kernel
def record(log: Log, event: int, layer: int, entry: int) -> None:
    count = log[0, 0] + 1
    if count < log.shape[0]:
        log[0, 0] = count
        log[count, 0] = event
        log[count, 1] = layer
        log[count, 2] = entry_node(entry)
        log[count, 3] = entry_distance(entry)


@kernel
def insert(graph: Graph, node: int, ef_construction: int, scratch: Scratch, log: Log) -> None:
    """Algorithm 1, INSERT(hnsw, q, M, M_max, efConstruction, m_L): link `node`, whose vector and level are already in place."""
    level = int(graph.levels[node])
    entry_point = int(graph.top[0])
    top_level = int(graph.top[1])
    if entry_point < 0:
        graph.top[0] = node
        graph.top[1] = level
        return
    query = graph.codes[node]
    m = graph.links.shape[1] // 2

    # Above the node's own level: walk to the nearest node of each layer.
    scratch.found[0] = pack(distance(graph.metric, query, graph.codes[entry_point]), entry_point)
    count = 1
    for layer in range(top_level, level, -1):
        count = search_layer(graph, query, count, 1, layer, True, scratch, log)

    # From there down: find neighbours, link both ways, and trim whoever has too many.
    for layer in range(min(top_level, level), -1, -1):
        count = search_layer(graph, query, count, ef_construction, layer, True, scratch, log)
        degree = select_neighbours(graph, scratch.found, count, m, scratch.chosen)
        row = graph.first_row[node] + layer
        graph.degrees[row] = degree
        for i in range(degree):
            graph.links[row, i] = entry_node(scratch.chosen[i])
        for i in range(degree):
            add_link(graph, int(graph.links[row, i]), node, layer, scratch)

    if level > top_level:
        graph.top[0] = node
        graph.top[1] = level


@kernel
def add_link(graph: Graph, source: int, target: int, layer: int, scratch: Scratch) -> None:
    """The second half of Algorithm 1's loop: link `source` to `target`; when `source` then has more than M_max links (M_max0 on
    the ground), keep those that Algorithm 4 selects [eConn, eNewConn]."""
    row = graph.first_row[source] + layer
    degree = int(graph.degrees[row])
    max_degree = graph.links.shape[1] if layer == 0 else graph.links.shape[1] // 2
    if degree < max_degree:
        graph.links[row, degree] = target
        graph.degrees[row] = degree + 1
        return
    # The heap is free between two searches: here it puts the neighbourhood in order of distance.
    base, heap = graph.codes[source], scratch.candidates
    size = heap_push(heap, 0, pack(distance(graph.metric, base, graph.codes[target]), target))
    for i in range(degree):
        neighbour = int(graph.links[row, i])
        size = heap_push(heap, size, pack(distance(graph.metric, base, graph.codes[neighbour]), neighbour))
    for i in range(degree + 1):
        scratch.around[i] = heap[0]
        size = heap_pop(heap, size)
    kept = select_neighbours(graph, scratch.around, degree + 1, max_degree, scratch.chosen)
    graph.degrees[row] = kept
    for i in range(kept):
        graph.links[row, i] = entry_node(scratch.chosen[i])
    for i in range(kept, degree):
        graph.links[row, i] = -1


@kernel
def search_layer(
    graph: Graph, query: Codes, count: int, ef: int, layer: int, with_deleted: bool, scratch: Scratch, log: Log
) -> int:
    """Algorithm 2, SEARCH-LAYER(q, ep, ef, l_c): the `ef` nodes of `layer` nearest to `query` that are met on the way.

    The entry points are `scratch.found[:count]`; the result replaces them, nearest first, and its size is returned. Tombstones
    are walked through in any case; they are part of the result only `with_deleted`.
    """
    scratch.search_number[0] += 1
    search_number = scratch.search_number[0]
    candidates, waiting = scratch.candidates, 0
    nearest, kept = scratch.nearest, 0
    for i in range(count):
        entry = int(scratch.found[i])
        record(log, ENTERED, layer, entry)
        scratch.seen[entry_node(entry)] = search_number
        waiting = heap_push(candidates, waiting, entry)
        if with_deleted or not graph.deleted[entry_node(entry)]:
            kept = heap_push(nearest, kept, -entry)
            if kept > ef:
                kept = heap_pop(nearest, kept)

    while waiting > 0:
        candidate = int(candidates[0])
        waiting = heap_pop(candidates, waiting)
        if kept == ef and entry_distance(candidate) > entry_distance(-nearest[0]):
            break  # every candidate is further than the furthest that would be returned
        record(log, EXPANDED, layer, candidate)
        row = graph.first_row[entry_node(candidate)] + layer
        for i in range(graph.degrees[row]):
            neighbour = int(graph.links[row, i])
            if scratch.seen[neighbour] == search_number:
                continue
            scratch.seen[neighbour] = search_number
            entry = pack(distance(graph.metric, query, graph.codes[neighbour]), neighbour)
            record(log, MET, layer, entry)
            if kept < ef or entry < -nearest[0]:
                waiting = heap_push(candidates, waiting, entry)
                if with_deleted or not graph.deleted[neighbour]:
                    kept = heap_push(nearest, kept, -entry)
                    if kept > ef:
                        kept = heap_pop(nearest, kept)
        if kept > 0:
            record(log, KEPT, layer, -nearest[0])

    for i in range(kept - 1, -1, -1):
        scratch.found[i] = -nearest[0]
        heap_pop(nearest, i + 1)
    return kept


@kernel
def select_neighbours(graph: Graph, candidates: Entries, count: int, m: int, chosen: Entries) -> int:
    """Algorithm 4, SELECT-NEIGHBORS-HEURISTIC(q, C, M, l_c): at most `m` of `candidates[:count]` (entries of distance to q,
    nearest first), written to `chosen`; how many is returned.

    A candidate is taken when it is nearer to q than to anything taken before: links then point in different directions, across
    the gaps between clusters, instead of all into the nearest one. The paper's two options are off (extendCandidates,
    keepPrunedConnections): they cost links or distances, and did not raise recall.
    """
    size = 0
    for i in range(count):
        if size == m:
            break
        candidate = int(candidates[i])
        gap = entry_distance(candidate)
        vector = graph.codes[entry_node(candidate)]
        nearer_to_q = True
        for j in range(size):
            if distance(graph.metric, vector, graph.codes[entry_node(chosen[j])]) < gap:
                nearer_to_q = False
                break
        if nearer_to_q:
            chosen[size] = candidate
            size += 1
    return size


@entry_kernel
def knn_search(graph: Graph, query: Codes, ef: int, scratch: Scratch, log: Log) -> int:
    """Algorithm 5, K-NN-SEARCH(hnsw, q, K, ef): the `ef` nearest nodes that are not deleted, in `scratch.found`, nearest
    first; how many is returned. K is the caller's: it scores all of them again in full precision and takes the first K."""
    entry_point = int(graph.top[0])
    if entry_point < 0:
        return 0
    scratch.found[0] = pack(distance(graph.metric, query, graph.codes[entry_point]), entry_point)
    count = 1
    for layer in range(int(graph.top[1]), 0, -1):
        count = search_layer(graph, query, count, 1, layer, True, scratch, log)
    return search_layer(graph, query, count, ef, 0, False, scratch, log)


@entry_kernel
def insert_range(graph: Graph, first: int, last: int, ef_construction: int, scratch: Scratch, log: Log) -> None:
    """Insert the nodes `first` to `last - 1`, in order."""
    for node in range(first, last):
        insert(graph, node, ef_construction, scratch, log)
