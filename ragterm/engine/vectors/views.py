"""Pictures of a graph: layers, maps, neighbours and the replay of a search. Values for the Layers pane; no numba is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.graphs import LayerMap, LayerSummary, Walk, WalkAction, WalkStep
from ragterm.engine.vectors import flat, hnsw, walk_log
from ragterm.engine.vectors.check import layer_links, link_rows
from ragterm.engine.vectors.codes import query_unit, step_of
from ragterm.engine.vectors.construction import search_graph
from ragterm.engine.vectors.projection import fit_projection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragterm.engine.vectors.flat import Rows
    from ragterm.engine.vectors.indexes import Index
    from ragterm.engine.vectors.stored import StoredGraph

_LOG_ROWS_FIRST = 4096


@dataclass(frozen=True)
class GraphPicture:
    """A graph and the rows it stands on, at one moment. Tombstones are walked through but never shown as nodes."""

    stored: StoredGraph
    rows: Rows

    @property
    def deleted(self) -> NDArray[np.bool_]:
        return ~self.rows.alive[: len(self.stored.graph.codes)]

    def layers(self) -> tuple[LayerSummary, ...]:
        """All layers, the ground first."""
        graph, deleted = self.stored.graph, self.deleted
        return tuple(_layer_summary(graph, deleted, layer) for layer in range(int(graph.top[1]) + 1))

    def layer_map(self, level: int, max_nodes: int) -> LayerMap:
        """The live nodes of a layer on the plane. More than `max_nodes` are thinned out: nodes of higher layers stay first, then
        evenly by age, always the same ones."""
        return _layer_map(self.stored.graph, self.deleted, self.rows.keys, self.stored.positions, level, max_nodes)

    def neighbours(self, key: int, level: int) -> list[tuple[int, float]]:
        """The live nodes that `key` is linked to on `level`, as (key, cosine), nearest first; none for a node that is not there."""
        graph, rows = self.stored.graph, self.rows
        node = int(rows.find(np.array([key], dtype=np.int64))[0])
        if not 0 <= node < len(graph.codes) or not 0 <= level <= graph.levels[node]:
            return []
        linked = graph.links[link_rows(graph, np.array([node]), level)[0]].astype(np.int64)
        linked = linked[linked >= 0]
        linked = linked[~self.deleted[linked]]
        found, scores = flat.best_of(rows, linked, flat.unit(rows.vectors[node]), len(linked))
        return list(zip(rows.keys[found].tolist(), scores.tolist(), strict=True))

    def walk(self, question: str, query: NDArray[np.float32], k: int, ef: int) -> Walk:
        """Algorithm 5 for a query of unit length (d,), replayed event by event, beside the truth. Distances of the steps are those the
        search decided by: of int8 codes, nearly always within 0.003 of the exact ones. Results are scored exactly."""
        ef = max(ef, k)
        log, nodes = self._logged_search(query, ef)
        unit = step_of(self.stored.code_limit, 8) * query_unit(query)
        steps = _steps(log[1 : 1 + log[0, 0]], self, unit)
        found, scores = flat.best_of(self.rows, nodes, query, k)
        exact, exact_scores = flat.top_k(self.rows, query, k)
        x, y = self.stored.projection.place(query[np.newaxis])[0].tolist()
        return Walk(
            question=question,
            ef=ef,
            steps=steps,
            results=_scored(self.rows, found, scores),
            exact=_scored(self.rows, exact, exact_scores),
            distances_computed=_distances_computed(log),
            nodes=self.rows.live,
            query_position=(x, y),
        )

    def _logged_search(self, query: NDArray[np.float32], ef: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = _LOG_ROWS_FIRST
        while True:
            nodes, log = search_graph(self.stored, query, ef, self.deleted, rows)
            if log[0, 0] < rows:
                return log, nodes
            rows *= 4

    def key_of(self, node: int) -> int:
        return int(self.rows.keys[node])


def layer_map_of(index: Index, level: int, max_nodes: int) -> LayerMap:
    """The same for the index of a database, whose rows are the keys. The axes are those of at most 20,000 rows, evenly spaced."""
    graph = index.graph
    if graph is None or not 0 <= level <= int(graph.top[1]):
        return LayerMap(level, (), (), (), 0)
    vectors = index.vectors[: index.linked]
    projection = fit_projection(np.ascontiguousarray(vectors[:: max(1, len(vectors) // 20_000)]))
    deleted = ~index.alive[: index.linked]
    shown = _thinned(np.flatnonzero((graph.levels >= level) & ~deleted), graph.levels, max_nodes)
    positions = np.zeros((len(graph.levels), 2), dtype=np.float32)
    positions[shown] = projection.place(np.ascontiguousarray(vectors[shown]))
    return _layer_map(graph, deleted, np.arange(len(graph.levels)), positions, level, max_nodes)


def layers_of(graph: hnsw.Graph | None) -> list[dict[str, Any]]:
    """For each layer of the graph, the ground first: its nodes, directed links, degrees. None for no graph."""
    if graph is None:
        return []
    found = []
    for level in range(int(graph.top[1]) + 1):
        nodes = np.flatnonzero(graph.levels >= level)
        sources, _ = layer_links(graph, level)
        degrees = np.bincount(sources, minlength=len(graph.levels))[nodes]
        histogram = {degree: count for degree, count in enumerate(np.bincount(degrees).tolist()) if count}
        found.append(
            {
                "level": level,
                "nodes": len(nodes),
                "edges": len(sources),
                "mean_degree": float(degrees.mean()),
                "max_degree": int(degrees.max()),
                "degree_histogram": histogram,
            }
        )
    return found


def _layer_map(
    graph: hnsw.Graph,
    deleted: NDArray[np.bool_],
    keys: NDArray[np.int64],
    positions: NDArray[np.float32],
    level: int,
    max_nodes: int,
) -> LayerMap:
    nodes = np.flatnonzero((graph.levels >= level) & ~deleted)
    shown = np.sort(_thinned(nodes, graph.levels, max_nodes))
    sources, targets = layer_links(graph, level)
    place = np.full(len(graph.levels), -1, dtype=np.int64)
    place[shown] = np.arange(len(shown))
    a, b = place[sources], place[targets]
    both = (a >= 0) & (b >= 0)
    low, high = np.minimum(a, b)[both], np.maximum(a, b)[both]
    pairs = flat.distinct(low * max(1, len(shown)) + high)
    edges = zip((pairs // max(1, len(shown))).tolist(), (pairs % max(1, len(shown))).tolist(), strict=True)
    return LayerMap(
        level=level,
        keys=tuple(keys[shown].tolist()),
        positions=tuple((x, y) for x, y in positions[shown].tolist()),
        edges=tuple(edges),
        sampled_from=len(nodes),
    )


def _layer_summary(graph: hnsw.Graph, deleted: NDArray[np.bool_], layer: int) -> LayerSummary:
    nodes = np.flatnonzero((graph.levels >= layer) & ~deleted)
    sources, targets = layer_links(graph, layer)
    live = ~deleted[sources] & ~deleted[targets]
    degrees = np.bincount(sources[live], minlength=len(graph.codes))[nodes]
    histogram = np.bincount(degrees)
    return LayerSummary(
        level=layer,
        nodes=len(nodes),
        edges=int(degrees.sum()),
        mean_degree=float(degrees.mean()) if len(nodes) else 0.0,
        max_degree=int(degrees.max()) if len(nodes) else 0,
        degree_histogram={degree: count for degree, count in enumerate(histogram.tolist()) if count},
    )


def _thinned(nodes: NDArray[np.int64], levels: NDArray[np.int8], max_nodes: int) -> NDArray[np.int64]:
    if len(nodes) <= max_nodes:
        return nodes
    # A fixed shuffle by a multiplicative hash (Knuth): even over the order of insertion, and stable as the graph grows.
    shuffled = (nodes.astype(np.uint64) * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
    order = np.lexsort((shuffled, -levels[nodes].astype(np.int64)))
    return nodes[order[:max_nodes]]


def _scored(rows: Rows, found: NDArray[np.int64], scores: NDArray[np.float32]) -> tuple[tuple[int, float], ...]:
    return tuple(zip(rows.keys[found].tolist(), scores.tolist(), strict=True))


def _distances_computed(log: NDArray[np.int64]) -> int:
    """One for the entry point, one for every node met, above the ground layer as often as it was."""
    events = log[1 : 1 + log[0, 0], 0]
    return int((events == walk_log.MET).sum()) + int(len(events) > 0)


def _steps(events: NDArray[np.int64], picture: GraphPicture, unit: float) -> tuple[WalkStep, ...]:
    """The log as steps: entering the top layer, going down to each layer below, every expansion with what it met, the stop.
    `unit`: what one unit of a distance between codes stands for."""
    steps: list[WalkStep] = []
    level, action, node, gap = -1, "", -1, 0.0
    visited: list[tuple[int, float]] = []
    met: set[int] = set()  # on this layer: what is met again is no step forward
    beam = 0.0

    def close() -> None:
        if node >= 0:
            kind: WalkAction = "enter" if action == "enter" else "descend" if action == "descend" else "expand"
            steps.append(WalkStep(level, kind, picture.key_of(node), gap, tuple(visited), beam))

    for event, layer, at, code_distance in events.tolist():
        distance = 1.0 + code_distance * unit
        if event == walk_log.MET:
            if at not in met:
                visited.append((picture.key_of(at), distance))
                met.add(at)
        elif event == walk_log.KEPT:
            beam = distance
        else:
            close()
            if event == walk_log.ENTERED:
                met = met if layer == level else set()
                met.add(at)
            action = "expand" if event == walk_log.EXPANDED else "enter" if level < 0 else "descend"
            level, node, gap = layer, at, distance
            visited = []
            beam = distance if event == walk_log.ENTERED else beam
    close()
    if steps:
        last = steps[-1]
        steps.append(WalkStep(last.level, "stop", last.node, last.distance, (), beam))
    return tuple(steps)
