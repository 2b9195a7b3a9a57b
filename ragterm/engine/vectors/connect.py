"""Every node within reach: what the paper leaves open.

Links are directed. When a node with too many links drops one (Algorithm 1, shrinking), the link back stays, but the dropped node
may have been reachable that way alone; no search will ever return it. After a build, each layer is walked from the entry
point along its links, and every node that was not met gets a link from a near node that was.

The link goes to a free place where there is one; otherwise it replaces a link that the walk did not need. The links of the
walk form a tree, so no node becomes unreachable by that, and as a tree of n nodes has n - 1 links, a place is always found.

That is not enough: a search enters a layer where the one above led it, and what is reachable from the entry point may not be from
there. Forty copies of one vector can spend all their links on each other, and whoever comes among them does not get out. So every
node gets a way back to the entry point as well; then each is reachable from every other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors.execution import entry_kernel, kernel
from ragterm.engine.vectors.hnsw import Graph, distance_between, room_of, row_of
from ragterm.engine.vectors.kernels import FURTHEST, pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Parents = NDArray[np.int64]
    Marks = NDArray[np.int8]

UNREACHED = -1
RETURNS, RETURNS_NOW = 1, 2


def connect_layers(graph: Graph) -> int:
    """Make every node reachable on each of its layers from every other; how many links that took."""
    if graph.top[0] < 0:
        return 0
    parents = np.empty(len(graph.codes), dtype=np.int64)
    queue = np.empty(len(graph.codes), dtype=np.int64)
    returns = np.empty(len(graph.codes), dtype=np.int8)
    added = 0
    for layer in range(int(graph.top[1]), -1, -1):
        added += int(connect_layer(graph, layer, parents, queue))
        added += int(connect_back(graph, layer, parents, returns))
    return added


@entry_kernel
def connect_layer(graph: Graph, layer: int, parents: Parents, queue: Parents) -> int:
    """Make every node of a layer reachable from the entry point. `queue`: int64 (n,), room to work in; `parents`, int64 (n,), holds the
    tree of the walk afterwards."""
    parents[:] = UNREACHED
    entry_point = int(graph.top[0])
    parents[entry_point] = entry_point
    spread(graph, layer, entry_point, parents, queue)
    added = 0
    for node in range(graph.codes.shape[0]):
        if graph.levels[node] < layer or parents[node] != UNREACHED:
            continue
        source = link_from_reached(graph, layer, node, parents)
        parents[node] = source
        spread(graph, layer, node, parents, queue)
        added += 1
    return added


@kernel
def spread(graph: Graph, layer: int, start: int, parents: Parents, queue: Parents) -> None:
    """Breadth first from `start`: every node met for the first time gets the node before it as its parent."""
    queue[0] = start
    head = 0
    tail = 1
    while head < tail:
        node = int(queue[head])
        head += 1
        row = row_of(graph, node, layer)
        for i in range(room_of(graph, layer)):
            neighbour = graph.links[row, i]
            if neighbour < 0:
                break
            if parents[neighbour] == UNREACHED:
                parents[neighbour] = node
                queue[tail] = neighbour
                tail += 1


@kernel
def link_from_reached(graph: Graph, layer: int, node: int, parents: Parents) -> int:
    """Link the nearest reached node that has a place to spare to `node`, and return it."""
    best = FURTHEST
    best_place = -1
    best_source = -1
    for source in range(graph.codes.shape[0]):
        if parents[source] == UNREACHED or graph.levels[source] < layer:
            continue
        entry = pack(distance_between(graph, source, node), source)
        if entry >= best:
            continue
        place = spare_place(graph, layer, source, parents)
        if place >= 0:
            best = entry
            best_place = place
            best_source = source
    graph.links[row_of(graph, best_source, layer), best_place] = node
    return best_source


@kernel
def spare_place(graph: Graph, layer: int, source: int, parents: Parents) -> int:
    """A free place among the links of `source`, else that of its last link which is not the way to anyone, else -1."""
    row, room = row_of(graph, source, layer), room_of(graph, layer)
    for i in range(room):
        if graph.links[row, i] < 0:
            return i
    for i in range(room - 1, -1, -1):
        if parents[graph.links[row, i]] != source:
            return i
    return -1


@entry_kernel
def connect_back(graph: Graph, layer: int, parents: Parents, returns: Marks) -> int:
    """Give every node of a layer a way to the entry point. `parents`: the tree of `connect_layer`, which stays whole; `returns`: room
    for a mark of each node that has one."""
    returns[:] = 0
    returns[int(graph.top[0])] = RETURNS
    added = 0
    while mark_returning(graph, layer, returns) > 0:
        for node in range(graph.codes.shape[0]):
            # Of the nodes without a way back, some have a parent with one: they are linked to it. (Not to a parent that has it only
            # since this round: to that one they may be linked.)
            if graph.levels[node] < layer or returns[node] != 0 or returns[parents[node]] != RETURNS:
                continue
            source = node
            place = spare_place(graph, layer, source, parents)
            while (
                place < 0
            ):  # it leads its links' nodes, all of them: one further down the tree, whose end has places to spare
                source = graph.links[row_of(graph, source, layer), 0]
                place = spare_place(graph, layer, source, parents)
            graph.links[row_of(graph, source, layer), place] = parents[node]
            returns[source] = RETURNS_NOW
            returns[node] = RETURNS_NOW
            added += 1
    return added


@kernel
def mark_returning(graph: Graph, layer: int, returns: Marks) -> int:
    """Mark every node with a link to a marked one, and so on; how many are left."""
    count = graph.codes.shape[0]
    for node in range(count):
        if returns[node] == RETURNS_NOW:
            returns[node] = RETURNS
    marked, left, sweep = 1, 0, 0
    while marked > 0:
        marked = left = 0
        for i in range(count):
            node = i if sweep == 0 else count - 1 - i
            if graph.levels[node] < layer or returns[node] != 0:
                continue
            left += 1
            row = row_of(graph, node, layer)
            for place in range(room_of(graph, layer)):
                neighbour = graph.links[row, place]
                if neighbour < 0:
                    break
                if returns[neighbour] != 0:
                    returns[node] = RETURNS
                    marked += 1
                    left -= 1
                    break
        sweep = 1 - sweep  # once up, once down: a chain takes two sweeps, whichever way it goes
    return left
