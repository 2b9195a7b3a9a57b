"""Is the graph sound? One check for tests, for `doctor` and for every graph that is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors.flat import distinct
from ragterm.engine.vectors.hnsw import NOT_THERE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragterm.engine.vectors.hnsw import Graph


def check_graph(
    graph: Graph, keys: NDArray[np.int64] | None = None, deleted: NDArray[np.bool_] | None = None
) -> list[str]:
    """What is wrong with `graph`, one sentence each; empty when it is sound.

    Checked: the shapes fit each other; the entry point stands on the highest layer; degrees lie within M (2M on the ground); links
    lead to other nodes of the same layer, each once; every node is reachable on each of its layers from the entry point along
    the links, and the entry point from it, so that all are from wherever a search enters the layer; `keys`, where given, has
    one for every node, and no node that is not `deleted` shares its key with another.
    """
    problems = _shapes(graph, keys)
    if problems or not (graph.levels > NOT_THERE).any():
        return problems
    entry, top = int(graph.top[0]), int(graph.top[1])
    if not 0 <= entry < len(graph.codes):
        return [f"the entry point is {entry}, which is no node"]
    if graph.levels[entry] != top or graph.levels.max() != top:
        return [f"the entry point stands on layer {graph.levels[entry]}, the highest is {graph.levels.max()}"]
    if graph.levels.min() < NOT_THERE:
        return [f"a level is {graph.levels.min()}"]
    for layer in range(int(graph.levels.max()), -1, -1):
        found = _links_of(graph, layer)
        problems += found or _reach(graph, layer, entry)
    if keys is not None:
        live = keys if deleted is None else keys[~deleted]
        if shared := len(live) - len(distinct(live)):
            problems.append(f"{shared} live nodes share their key with another")
    return problems


def layer_links(graph: Graph, layer: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All links of a layer as two int64 arrays: from which node, to which."""
    nodes = np.flatnonzero(graph.levels >= layer)
    links = graph.links[link_rows(graph, nodes, layer)]
    used = links >= 0
    return np.repeat(nodes, used.sum(axis=1)), links[used].astype(np.int64)


def link_rows(graph: Graph, nodes: NDArray[np.int64], layer: int) -> NDArray[np.int64]:
    """Where the links of each of `nodes` on `layer` stand."""
    return nodes if layer == 0 else graph.upper_row[nodes].astype(np.int64) + layer - 1


def reachable(graph: Graph, layer: int, start: int) -> NDArray[np.bool_]:
    """Which nodes a walk along the links of `layer` can meet from `start`; bool (n,)."""
    met = np.zeros(len(graph.codes), dtype=np.bool_)
    met[start] = True
    frontier = np.array([start])
    while len(frontier):
        links = graph.links[link_rows(graph, frontier, layer)]
        ahead = np.zeros(len(graph.codes), dtype=np.bool_)
        ahead[links[links >= 0]] = True
        frontier = np.flatnonzero(ahead & ~met)
        met |= ahead
    return met


def returning(graph: Graph, layer: int, end: int) -> NDArray[np.bool_]:
    """From which nodes a walk along the links of `layer` can come to `end`; bool (n,)."""
    sources, targets = layer_links(graph, layer)
    met = np.zeros(len(graph.codes), dtype=np.bool_)
    met[end] = True
    while len(sources):
        ahead = met[targets]
        met[sources[ahead]] = True
        rest = ~ahead & ~met[sources]
        if not ahead.any():
            break
        sources, targets = sources[rest], targets[rest]
    return met


def _shapes(graph: Graph, keys: NDArray[np.int64] | None) -> list[str]:
    nodes = len(graph.codes)
    if {len(graph.levels), len(graph.upper_row)} != {nodes} or len(graph.sums) not in (0, nodes):
        return ["the arrays are not of one length"]
    above = np.maximum(graph.levels, 0).astype(np.int64)
    if (graph.upper_row != nodes + np.cumsum(above) - above).any() or nodes + int(above.sum()) != len(graph.links):
        return ["the rows of the links do not follow from the levels"]
    if keys is not None and len(keys) != nodes:
        return [f"{len(keys)} keys for {nodes} nodes"]
    return []


def _links_of(graph: Graph, layer: int) -> list[str]:
    problems = []
    nodes = np.flatnonzero(graph.levels >= layer)
    width = graph.links.shape[1]
    limit = width if layer == 0 else width // 2
    used = graph.links[link_rows(graph, nodes, layer)] >= 0
    degrees = used.sum(axis=1)
    if (degrees > limit).any():
        return [f"layer {layer}: a node has {degrees.max()} links, at most {limit} are allowed"]
    if (used != (np.arange(width) < degrees[:, np.newaxis])).any():
        return [f"layer {layer}: a node has a link behind its last"]
    sources, targets = layer_links(graph, layer)
    if (targets >= len(graph.codes)).any():
        return [f"layer {layer}: a link leads to no node"]
    if (graph.levels[targets] < layer).any():
        problems.append(f"layer {layer}: {int((graph.levels[targets] < layer).sum())} links leave the layer")
    if (sources == targets).any():
        problems.append(f"layer {layer}: {int((sources == targets).sum())} nodes are linked to themselves")
    repeated = len(sources) - len(distinct(sources * len(graph.codes) + targets))
    if repeated:
        problems.append(f"layer {layer}: {repeated} links are there twice")
    return problems


def _reach(graph: Graph, layer: int, entry: int) -> list[str]:
    there = graph.levels >= layer
    lost = int((there & ~reachable(graph, layer, entry)).sum())
    stuck = int((there & ~returning(graph, layer, entry)).sum())
    problems = [f"layer {layer}: {lost} nodes cannot be reached from the entry point"] if lost else []
    return problems + ([f"layer {layer}: from {stuck} nodes there is no way to the entry point"] if stuck else [])
