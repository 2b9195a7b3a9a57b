"""Every node within reach: what the paper leaves open.

Links are directed. When a node with too many links drops one (Algorithm 1, shrinking), the link back stays, but the dropped node
may have been reachable that way alone; no search will ever return it. After a build, each layer is walked from the entry
point along its links, and every node that was not met gets a link from a near node that was.

The link goes to a free place where there is one; otherwise it replaces a link that the walk did not need. The links of the
walk form a tree, so no node becomes unreachable by that, and as a tree of n nodes has n - 1 links, a place is always found.
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

UNREACHED = -1


def connect_layers(graph: Graph) -> int:
    """Make every node reachable on each of its layers from the entry point; how many links that took."""
    if graph.top[0] < 0:
        return 0
    parents = np.empty(len(graph.codes), dtype=np.int64)
    queue = np.empty(len(graph.codes), dtype=np.int64)
    return sum(int(connect_layer(graph, layer, parents, queue)) for layer in range(int(graph.top[1]), -1, -1))


@entry_kernel
def connect_layer(graph: Graph, layer: int, parents: Parents, queue: Parents) -> int:
    """One layer of `connect_layers`. `parents` and `queue`: int64 (n,), room to work in."""
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
