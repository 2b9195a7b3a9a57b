"""Hierarchical Navigable Small World graphs, after Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate
nearest neighbor search using Hierarchical Navigable Small World graphs" (arXiv 1603.09320, v4). Functions carry the numbers
of the paper's algorithms; the names in brackets are the paper's.

The idea: every vector is a node, linked to a few near ones. A search that always moves on to the neighbour nearest to the
query arrives near its nearest neighbours. To make the way there short, a random few of the nodes also stand on a layer above,
fewer still on the next, like the express lanes of a skip list: a search enters at the top, walks as far as that layer
takes it, goes down a layer and walks on. On the ground layer, where all nodes are, it keeps not one but `ef` best nodes.

The graph is a handful of arrays (`Graph`). Distances and entries are those of `kernels.py`: integers, so that the same
vectors, seed and order give the same graph, bit for bit, on every machine, interpreted or compiled, on any number of threads.

Four things are ours. The candidates [C] and the nearest so far [W] of a search share one sorted array, the pool: what a search
has still to expand is what of the nearest is not yet marked as expanded. A search of which only the `best` of its `ef` matter may
give up early, after a third of `ef` expansions in a row that brought nothing among those: a fifth fewer distances at equal recall
(patience, after Teofili and Lin 2025, "Patience in Proximity"). Nodes are inserted in batches: all of a batch look for their
neighbours in the graph as it stands, side by side, then they are linked; a batch of one is the paper's insertion. And links are
directed, so trimming one node's can cut the only way to another: `connect.py` mends that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragterm.engine.vectors.execution import entry_kernel, inlined_kernel, kernel
from ragterm.engine.vectors.kernels import (
    BLOCK,
    FURTHEST,
    aligned,
    dot_bytes,
    dot_nibbles,
    dot_rows,
    entry_distance,
    entry_node,
    insert_from_end,
    insert_sorted,
    is_expanded,
    pack,
    prefetch,
    whole_blocks,
)
from ragterm.engine.vectors.walk_log import ENTERED, EXPANDED, KEPT, MET, new_log, record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Entries = NDArray[np.int64]
    Nodes = NDArray[np.int32]

MAX_LEVEL = 15
NO_LINK = -1
NOT_THERE = -1


class Graph(NamedTuple):
    """The graph of n nodes. Node i stands on the layers 0 to `levels[i]`, on none where that is NOT_THERE.

    Its links on the ground are `links[i]`, on layer l > 0 `links[upper_row[i] + l - 1]`: node numbers, NO_LINK after the last.
    A row has room for 2M links, which is the paper's M_max0; above the ground M of them are used, its M_max.
    """

    codes: NDArray[np.uint8]  # (n, width) of codes.py
    bits: int  # of a code: 4 or 8
    sums: NDArray[np.int32]  # (n,) of the signed codes; empty for 4 bits
    bias: NDArray[np.int32]  # (n,) what is added to a node's distance (Euclidean: half its squared length), else empty
    levels: NDArray[np.int8]  # (n,)
    links: NDArray[np.int32]  # (rows, 2M), rows = n + the sum of all levels
    upper_row: NDArray[np.int32]  # (n,)
    top: NDArray[np.int64]  # (2,) the entry point and its level, (-1, -1) while the graph is empty


class Scratch(NamedTuple):
    """What a search reads and writes beside the graph: one for every thread, used again and again."""

    query: NDArray[np.int8]  # (dimensions in whole blocks,) the codes of the query, signed [q], then zeros
    constant: NDArray[np.int64]  # (1,) what is added to all of its distances
    pool: NDArray[np.int64]  # (ef,) entries, nearest first: W, and C among them
    seen: NDArray[np.int64]  # (n / 64,) a bit for each node: met by this search [v]
    met: NDArray[np.int32]  # (n,) the nodes that this search met, in order
    nearer: NDArray[np.int64]  # entries on their way into the pool
    chosen: NDArray[np.int64]  # (2M,) the entries that Algorithm 4 selects [R]
    log: NDArray[np.int64] | None  # (rows, 4) of walk_log.py, or none is kept


def empty_graph(
    codes: NDArray[np.uint8], bits: int, levels: NDArray[np.int8], m: int, bias: NDArray[np.int32] | None = None
) -> Graph:
    """A graph with a place for every row of `codes`, no node inserted yet."""
    above = np.maximum(levels, 0).astype(np.int64)
    return Graph(
        codes=codes,
        bits=bits,
        sums=codes.sum(axis=1, dtype=np.int32) - np.int32(128 * codes.shape[1])
        if bits == 8
        else np.empty(0, dtype=np.int32),
        bias=np.empty(0, dtype=np.int32) if bias is None else bias,
        levels=levels,
        links=aligned((len(codes) + int(above.sum()), 2 * m), np.int32, NO_LINK),
        upper_row=(len(codes) + np.cumsum(above) - above).astype(np.int32),
        top=np.array([-1, -1], dtype=np.int64),
    )


def take_over(graph: Graph, old: Graph) -> None:
    """Copy the links of `old` into a graph that begins with the same nodes on the same levels."""
    nodes, total = len(old.levels), len(graph.levels)
    graph.links[:nodes] = old.links[:nodes]
    graph.links[total : total + len(old.links) - nodes] = old.links[nodes:]
    graph.top[:] = old.top


def new_scratch(graph: Graph, ef: int, log_rows: int | None = None) -> Scratch:
    """Scratch for searches of at most `ef` on `graph`, with a log of so many rows."""
    nodes, width = len(graph.codes), graph.links.shape[1]
    return Scratch(
        # In whole blocks of the shorter codes: a graph of bytes may be walked on its nibbles, whose blocks hold twice as many.
        query=aligned(-(-8 * graph.codes.shape[1] // (2 * BLOCK * graph.bits)) * 2 * BLOCK, np.int8, 0),
        constant=np.zeros(1, dtype=np.int64),
        pool=aligned(whole_blocks(max(ef, 1)), np.int64, FURTHEST),
        seen=np.zeros((nodes + 63) // 64, dtype=np.int64),
        met=np.empty(nodes + width, dtype=np.int32),
        nearer=np.empty(width, dtype=np.int64),
        chosen=np.empty(width, dtype=np.int64),
        log=None if log_rows is None else new_log(log_rows),
    )


def draw_levels(seed: int, count: int, m: int) -> NDArray[np.int8]:
    """The level of each of the first `count` nodes: floor(-ln(u) m_L), u uniform in (0, 1], m_L = 1 / ln M (section 4.1).

    The level of a node depends on the seed and its number alone: a graph that grows draws the levels it would have drawn at once.
    """
    uniform = 1.0 - np.random.default_rng(seed).random(count)
    return np.minimum(-np.log(uniform) / math.log(m), MAX_LEVEL).astype(np.int8)


@inlined_kernel
def distance(graph: Graph, scratch: Scratch, node: int) -> int:
    """From the query to `node`: smaller is nearer."""
    if graph.bits == 4:
        gap = scratch.constant[0] - dot_nibbles(graph.codes, node, scratch.query)
    else:
        gap = scratch.constant[0] - dot_bytes(graph.codes, node, scratch.query)
    if graph.bias.shape[0] > 0:
        gap += graph.bias[node]
    return int(gap)


@inlined_kernel
def distance_between(graph: Graph, a: int, b: int) -> int:
    """From node `a` to node `b`, both byte codes."""
    gap = 128 * graph.sums[b] - dot_rows(graph.codes, a, b)
    if graph.bias.shape[0] > 0:
        gap += graph.bias[a] + graph.bias[b]
    return int(gap)


@inlined_kernel
def row_of(graph: Graph, node: int, layer: int) -> int:
    """Where the links of `node` on `layer` stand."""
    return int(node) if layer == 0 else int(graph.upper_row[node]) + layer - 1


@inlined_kernel
def room_of(graph: Graph, layer: int) -> int:
    """How many links a node may have on `layer` [M_max, M_max0]."""
    room: int = graph.links.shape[1]
    return room if layer == 0 else room // 2


@inlined_kernel
def unseen_neighbours(graph: Graph, node: int, layer: int, count: int, scratch: Scratch) -> int:
    """Append the neighbours of `node` that this search has not met to scratch.met[:count], and return how many it holds now. Their
    codes are on their way then."""
    seen, met, row = scratch.seen, scratch.met, row_of(graph, node, layer)
    for i in range(room_of(graph, layer)):
        neighbour = graph.links[row, i]
        if neighbour < 0:
            break
        word, bit = neighbour >> 6, np.int64(neighbour & 63)
        bits = seen[word]
        seen[word] = bits | (np.int64(1) << bit)
        prefetch(graph.codes, neighbour)
        met[count] = neighbour  # whether or not it is new: the next one takes its place if not, and nothing is guessed
        count += 1 - ((bits >> bit) & 1)
    return count


@kernel
def search_layer(graph: Graph, count: int, ef: int, layer: int, scratch: Scratch, best: int = 0) -> int:
    """Algorithm 2, SEARCH-LAYER(q, ep, ef, l_c): the `ef` nodes of `layer` nearest to the query that are met on the way.

    The entry points [ep] are scratch.pool[:count]; the result replaces them, nearest first, and its size is returned. With `best`,
    patience ends once ef / 3 expansions in a row have put nothing among the `best` nearest.
    """
    pool, seen, met, nearer = scratch.pool, scratch.seen, scratch.met, scratch.nearer
    for i in range(count, whole_blocks(ef)):
        pool[i] = FURTHEST
    for i in range(count):
        node = entry_node(pool[i])
        record(scratch.log, ENTERED, layer, pool[i])
        pool[i] = pack(entry_distance(pool[i]), node)
        met[i] = node
        seen[node >> 6] |= np.int64(1) << np.int64(node & 63)

    size = count  # of the pool
    first = 0  # every entry before this one is expanded
    known = count  # of the nodes met
    in_vain, patience = 0, max(1, ef // 3) if best > 0 else graph.levels.shape[0]
    while first < size and in_vain < patience:
        if is_expanded(pool[first]):
            first += 1
            continue
        record(scratch.log, EXPANDED, layer, pool[first])
        pool[first] |= 1
        before, known = known, unseen_neighbours(graph, entry_node(pool[first]), layer, known, scratch)
        first += 1

        furthest = pool[ef - 1] if size == ef else FURTHEST
        nearest, added = FURTHEST, 0
        for i in range(before, known):
            entry = pack(distance(graph, scratch, met[i]), met[i])
            record(scratch.log, MET, layer, entry)
            nearer[added] = entry
            added += entry < furthest
            nearest = min(nearest, entry)
        if added > 0:  # one of two will be expanded next: its links are on their way while the pool is put in order
            prefetch(graph.links, row_of(graph, entry_node(nearest), layer))
        if first < size:
            prefetch(graph.links, row_of(graph, entry_node(pool[first]), layer))
        size = min(size + added, ef)
        foremost = size
        for i in range(added):
            foremost = min(foremost, insert_sorted(pool, whole_blocks(size), nearer[i]))
        first = min(first, foremost)
        in_vain = 0 if foremost < best else in_vain + 1
        record(scratch.log, KEPT, layer, pool[size - 1])

    for i in range(known):
        seen[met[i] >> 6] = 0
    return size


@kernel
def descend(graph: Graph, layer: int, scratch: Scratch) -> None:
    """Algorithm 2 with ef = 1, for the layers above the ground: scratch.pool[0] moves on to the nearest of its neighbours while that is
    nearer to the query. Which nodes were met is not remembered: that would take longer than the few distances computed twice."""
    nearest = scratch.pool[0]
    record(scratch.log, ENTERED, layer, nearest)
    moved = True
    while moved:
        here, row, degree = nearest, row_of(graph, entry_node(nearest), layer), 0
        record(scratch.log, EXPANDED, layer, here)
        while degree < room_of(graph, layer) and graph.links[row, degree] >= 0:
            prefetch(graph.codes, graph.links[row, degree])
            degree += 1
        for i in range(degree):
            entry = pack(distance(graph, scratch, graph.links[row, i]), graph.links[row, i])
            record(scratch.log, MET, layer, entry)
            nearest = min(nearest, entry)
        record(scratch.log, KEPT, layer, nearest)
        moved = nearest < here
    scratch.pool[0] = nearest


@kernel
def select_neighbours(graph: Graph, entries: Entries, count: int, m: int, chosen: Entries) -> int:
    """Algorithm 4, SELECT-NEIGHBORS-HEURISTIC(q, C, M, l_c): at most `m` of entries[:count] (of distance to q, nearest first),
    written to `chosen`; how many is returned.

    A candidate is taken when it is nearer to q than to anything taken before: links then point in different directions, across
    the gaps between clusters, instead of all into the nearest one. The paper's two options are off (extendCandidates,
    keepPrunedConnections): they cost links or distances, and did not raise recall.

    Entries marked as expanded are known not to stand in each other's way: they come from an earlier selection for the same q.
    """
    size = 0
    for i in range(count):
        if size == m:
            break
        entry = entries[i]
        gap, node, settled = entry_distance(entry), entry_node(entry), is_expanded(entry)
        in_the_way = False
        for j in range(size):
            if settled and is_expanded(chosen[j]):
                continue
            if distance_between(graph, entry_node(chosen[j]), node) < gap:
                in_the_way = True
                break
        if not in_the_way:
            chosen[size] = entry
            size += 1
    return size


@inlined_kernel
def enter(graph: Graph, scratch: Scratch) -> int:
    """Put the entry point into the pool; how many entries that makes."""
    entry_point = graph.top[0]
    if entry_point < 0:
        return 0
    scratch.pool[0] = pack(distance(graph, scratch, entry_point), entry_point)
    return 1


@kernel
def find_neighbours(
    graph: Graph, walked: Graph, node: int, ef_construction: int, scratch: Scratch, around: Entries
) -> None:
    """The first half of Algorithm 1, INSERT(hnsw, q, M, M_max, efConstruction, m_L): choose the neighbours of `node`, which nobody
    is linked to yet, and note them in its own rows.

    `walked` is the same graph, on the same or shorter codes: what a walk on those finds is put in order by the codes of `graph`,
    in `around`, before it is selected from.
    """
    m, level = graph.links.shape[1] // 2, graph.levels[node]
    for i in range(graph.codes.shape[1]):
        scratch.query[i] = np.int8(np.int32(graph.codes[node, i]) - 128)
    constant = 128 * graph.sums[node] + (graph.bias[node] if graph.bias.shape[0] > 0 else 0)
    scratch.constant[0] = constant
    count = enter(walked, scratch)
    for layer in range(graph.top[1], level, -1):
        descend(walked, layer, scratch)
    for layer in range(min(graph.top[1], level), -1, -1):
        count = search_layer(walked, count, ef_construction, layer, scratch)
        for i in range(count):
            prefetch(graph.codes, entry_node(scratch.pool[i]))
        for i in range(count):
            candidate = entry_node(scratch.pool[i])
            insert_from_end(around, i, pack(distance(graph, scratch, candidate), candidate))
        degree = select_neighbours(graph, around, count, m, scratch.chosen)
        row = row_of(graph, node, layer)
        for i in range(degree):
            graph.links[row, i] = entry_node(scratch.chosen[i])


@kernel
def link_back(
    graph: Graph, node: int, layer: int, sources: Nodes, settled: NDArray[np.uint8], scratch: Scratch, around: Entries
) -> None:
    """The second half of Algorithm 1 for one node that several new ones chose: link it to these `sources` too. When it then has more
    links than its M_max (M_max0 on the ground), keep those that Algorithm 4 selects [eConn, eNewConn].

    `settled`, a number for each row of links, counts the first of them that came out of the last selection: they need not be
    compared with each other again. `around` has room for all of them.
    """
    row, room, degree = row_of(graph, node, layer), room_of(graph, layer), 0
    while degree < room and graph.links[row, degree] >= 0:
        degree += 1
    count = degree + sources.shape[0]
    if count <= room:
        for i in range(degree, count):
            graph.links[row, i] = sources[i - degree]
        return
    for i in range(count):
        neighbour = graph.links[row, i] if i < degree else sources[i - degree]
        entry = pack(distance_between(graph, neighbour, node), neighbour)
        insert_from_end(around, i, entry + 1 if i < settled[row] else entry)
    kept = select_neighbours(graph, around, count, room, scratch.chosen)
    for i in range(room):
        graph.links[row, i] = entry_node(scratch.chosen[i]) if i < kept else NO_LINK
    settled[row] = kept


@kernel
def knn_search(graph: Graph, ef: int, scratch: Scratch, best: int = 0) -> int:
    """Algorithm 5, K-NN-SEARCH(hnsw, q, K, ef): the `ef` nodes nearest to scratch.query in scratch.pool, nearest first; how many is
    returned. K is the caller's: it scores what was found in full precision and takes the first K. `best` as in `search_layer`."""
    count = enter(graph, scratch)
    for layer in range(graph.top[1], 0, -1):
        descend(graph, layer, scratch)
    return search_layer(graph, count, ef, 0, scratch, best)


@entry_kernel
def find_batch(
    graph: Graph, walked: Graph, nodes: Nodes, ef_construction: int, scratch: Scratch, around: Entries
) -> None:
    """`find_neighbours` for each of `nodes`, in the graph as it stands: threads may share a batch out."""
    for i in range(nodes.shape[0]):
        find_neighbours(graph, walked, nodes[i], ef_construction, scratch, around)


@entry_kernel
def link_batch(
    graph: Graph,
    layer: int,
    targets: Nodes,
    starts: NDArray[np.int64],
    sources: Nodes,
    settled: NDArray[np.uint8],
    scratch: Scratch,
    around: Entries,
) -> None:
    """`link_back` for each of `targets`, distinct: sources[starts[i]:starts[i + 1]] chose the i-th. Threads may share them out."""
    for i in range(targets.shape[0]):
        link_back(graph, targets[i], layer, sources[starts[i] : starts[i + 1]], settled, scratch, around)
