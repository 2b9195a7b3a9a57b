"""From vectors to a graph, and from a graph and more vectors to a larger one. Runs interpreted or compiled, as the process does.

Batches: the nodes of one, a fiftieth of the graph so far, look for their neighbours in the graph as it stands, shared out among
threads; then every node that was chosen is linked back, again shared out. What a thread does depends on nothing that another
does at the same time, so any number of threads gives the same graph.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors import connect, hnsw, search
from ragterm.engine.vectors.codes import code_limit, quantise
from ragterm.engine.vectors.projection import fit_projection
from ragterm.engine.vectors.stored import GraphParameters, StoredGraph, StoredVectors, keys_crc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]
    Progress = Callable[[int, int], None]

LIMIT_DRIFT = 1.25
"""Codes on a scale that the newest vectors exceed by this factor (or fall short of) lose resolution: start over."""
GROWTH_BEFORE_REBUILD = 2.0
"""A graph that has doubled is built from nothing: order of insertion, scale and map are then those of the whole."""
BATCH_SHARE = 0.02
BATCH_NODES = 4096
_SHARES = 6  # for each thread: small enough that no one waits long for another, large enough to be worth a call
_ALONE = 16


def insertion_order(levels: NDArray[np.int8], first: int, seed: int) -> Nodes:
    """The nodes from `first` on, the highest level first, so that the upper layers, which all others enter by, are there from the
    start; within a level in random order."""
    shuffled = first + np.random.default_rng([seed, first]).permutation(len(levels) - first)
    shuffled = shuffled[levels[shuffled] >= 0]
    return shuffled[np.argsort(-levels[shuffled].astype(np.int64), kind="stable")].astype(np.int32)


def insert_nodes(
    graph: hnsw.Graph,
    order: Nodes,
    ef_construction: int,
    threads: int = 1,
    on_linked: Progress | None = None,
    there: int = 0,
    walked: hnsw.Graph | None = None,
) -> None:
    """Insert the nodes of `order` into a graph that holds `there` nodes, then see to it that every node can be reached. `walked`: the
    same graph (its very arrays of links) on shorter codes, which take half the time to walk on."""
    with _Team(graph, walked, ef_construction, threads) as team:
        done = 0
        while done < len(order):
            batch = order[done : done + max(1, min(BATCH_NODES, int((there + done) * BATCH_SHARE)))]
            _insert_batch(graph, batch, team)
            done += len(batch)
            if on_linked is not None:
                on_linked(done, len(order))
    connect.connect_layers(graph)


def _insert_batch(graph: hnsw.Graph, batch: Nodes, team: _Team) -> None:
    if graph.top[0] >= 0:
        team.find(batch)
        for layer in range(min(int(graph.levels[batch].max()), int(graph.top[1])) + 1):
            team.link(batch[graph.levels[batch] >= layer], layer)
    highest = int(batch[np.argmax(graph.levels[batch])])
    if graph.levels[highest] > graph.top[1]:
        graph.top[:] = highest, graph.levels[highest]


class _Team:
    """The threads of a build, each with its scratch."""

    def __init__(self, graph: hnsw.Graph, walked: hnsw.Graph | None, ef_construction: int, threads: int) -> None:
        self.graph, self.ef = graph, ef_construction
        self.walked = graph if walked is None else walked
        self._scratches = [hnsw.new_scratch(graph, ef_construction) for _ in range(threads)]
        room = graph.links.shape[1]
        self._around = [np.empty(max(BATCH_NODES + 2 * room, ef_construction), dtype=np.int64) for _ in range(threads)]
        self._settled = np.zeros(len(graph.links), dtype=np.uint8)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> _Team:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def find(self, batch: Nodes) -> None:
        def work(thread: int, first: int, last: int) -> None:
            # Through the module: its functions are exchanged when they are compiled.
            scratch, around = self._scratches[thread], self._around[thread]
            hnsw.find_batch(self.graph, self.walked, batch[first:last], self.ef, scratch, around)

        self._share(work, len(batch))

    def link(self, batch: Nodes, layer: int) -> None:
        targets, starts, sources = chosen_by(self.graph, batch, layer)

        def work(thread: int, first: int, last: int) -> None:
            scratch, around = self._scratches[thread], self._around[thread]
            hnsw.link_batch(
                self.graph,
                layer,
                targets[first:last],
                starts[first : last + 1],
                sources,
                self._settled,
                scratch,
                around,
            )

        self._share(work, len(targets))

    def _share(self, work: Callable[[int, int, int], None], count: int) -> None:
        threads = len(self._scratches)
        if self._pool is None or count < _ALONE:
            work(0, 0, count)
            return
        size = max(8, -(-count // (threads * _SHARES)))
        shares = iter(range(0, count, size))

        def until_done(thread: int) -> None:
            for first in shares:  # a range's iterator hands each number to one thread only
                work(thread, first, min(first + size, count))

        for future in [self._pool.submit(until_done, thread) for thread in range(threads)]:
            future.result()


def chosen_by(graph: hnsw.Graph, batch: Nodes, layer: int) -> tuple[Nodes, NDArray[np.int64], Nodes]:
    """Who was chosen by the nodes of `batch` on `layer`: the targets, distinct and ascending, and for the i-th of them the sources
    sources[starts[i]:starts[i + 1]], ascending."""
    links = graph.links[batch if layer == 0 else graph.upper_row[batch] + layer - 1]
    used = links >= 0
    pairs = (links[used].astype(np.int64) << 32) | np.repeat(batch, used.sum(axis=1))
    pairs.sort()
    targets = (pairs >> 32).astype(np.int32)
    starts = np.flatnonzero(np.diff(targets, prepend=-1)).astype(np.int64)
    return targets[starts], np.append(starts, len(pairs)), (pairs & 0xFFFFFFFF).astype(np.int32)


def build(
    stored: StoredVectors, parameters: GraphParameters, threads: int = 1, on_linked: Progress | None = None
) -> StoredGraph:
    """A new graph on all rows. `on_linked(done, total)` is called now and then."""
    rows = stored.rows
    limit = code_limit(rows.vectors, 8)
    levels = hnsw.draw_levels(parameters.seed, len(rows), parameters.m)
    graph = hnsw.empty_graph(quantise(rows.vectors, limit, 8), 8, levels, parameters.m)
    insert_nodes(graph, insertion_order(levels, 0, parameters.seed), parameters.ef_construction, threads, on_linked)
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


def extend(old: StoredGraph, stored: StoredVectors, threads: int = 1, on_linked: Progress | None = None) -> StoredGraph:
    """`old` with a node for every row it does not have yet. Its scale, its axes and its nodes' numbers stay."""
    rows, parameters = stored.rows, old.parameters
    nodes = len(old.graph.codes)
    added = rows.vectors[nodes:]
    levels = hnsw.draw_levels(parameters.seed, len(rows), parameters.m)
    codes = np.concatenate([old.graph.codes, quantise(added, old.code_limit, 8)])
    graph = hnsw.empty_graph(codes, 8, levels, old.graph.links.shape[1] // 2)
    hnsw.take_over(graph, old.graph)
    order = insertion_order(levels, nodes, parameters.seed)
    insert_nodes(graph, order, parameters.ef_construction, threads, on_linked, there=nodes)
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
    drift = code_limit(stored.rows.vectors, 8) / old.code_limit
    return 1 / LIMIT_DRIFT < drift < LIMIT_DRIFT


def search_graph(
    stored: StoredGraph, query: NDArray[np.float32], ef: int, deleted: NDArray[np.bool_], log_rows: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Algorithm 5 for a float32 query (d,): the rows of the live nodes among those nearest by their codes, `ef` if that
    many are met, nearest first, and the log of the search."""
    graph = stored.graph
    # Tombstones take places among the ef: as many more are kept as make up for them.
    ef = min(len(graph.codes), -(-ef * len(graph.codes) // max(1, int(np.count_nonzero(~deleted)))))
    scratch = hnsw.new_scratch(graph, ef, log_rows)
    found = np.empty(ef, dtype=np.int64)
    count = search.nearest_nodes(graph, np.ascontiguousarray(query), ef, scratch, found)
    nodes = found[:count]
    assert scratch.log is not None
    return nodes[~deleted[nodes]], scratch.log
