"""The dense index of a collection: exact scan while it is small, HNSW when it is large, and the graph on view at every size.

Everything here is derived from the collection's store: the folder may be deleted at any time. One immutable `_State` is what
a search reads; changes make a new one and put it in place, so searches run while `apply` does, and see the index before or
after it. The graph is built by a child process (`builder.py`) and taken over when it is done; until then, and for rows
newer than the graph, an exact scan answers.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import UsageError
from ragterm.engine.types.graphs import GraphSummary, LayerMap, Walk
from ragterm.engine.types.protocols import IndexChanges, IndexEntry
from ragterm.engine.vectors import execution, flat
from ragterm.engine.vectors.builder import GraphBuild, GraphBuilds
from ragterm.engine.vectors.check import check_graph
from ragterm.engine.vectors.flat import Rows
from ragterm.engine.vectors.snapshot import SnapshotError
from ragterm.engine.vectors.stored import (
    GRAPH_FILE,
    GraphParameters,
    StoredGraph,
    StoredVectors,
    new_lineage,
    read_graph,
    read_vectors,
    write_vectors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ragterm.engine.types.protocols import FloatArray, KeyArray
    from ragterm.engine.vectors.views import GraphPicture

    Progress = Callable[[int, int], None]

EXACT_LIMIT = 50_000
"""Up to this many live vectors every one is scored: 1.5 to 3 ms of one core at 384 dimensions, and never a miss."""
REBUILD_DELETED_SHARE = 0.25
EF_SEARCH = 128
"""Candidates kept on the ground layer when the graph answers; at least twice k."""


@dataclass(frozen=True)
class _State:
    rows: Rows
    generation: int
    lineage: str
    graph: StoredGraph | None = None

    @property
    def linked(self) -> int:
        """How many of the rows are nodes of the graph."""
        return len(self.graph.graph.codes) if self.graph is not None else 0

    def unlinked(self) -> NDArray[np.int64]:
        """The live rows that are newer than the graph."""
        return self.linked + np.flatnonzero(self.rows.alive[self.linked :])


class CollectionDenseIndex:
    """Nearest neighbours by cosine over unit vectors: `protocols.DenseIndex` and `protocols.GraphView`.

    `identity` names the model the vectors come from; a snapshot of another one is not loaded. `generation` is 0 until
    something was loaded or applied. Scores are cosines in [-1, 1], higher is better. Thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        dimensions: int,
        *,
        identity: str = "",
        exact_limit: int = EXACT_LIMIT,
        parameters: GraphParameters | None = None,
    ) -> None:
        self.folder = folder
        self.dimensions = dimensions
        self.identity = identity
        self.exact_limit = exact_limit
        self.parameters = parameters or GraphParameters()
        self.generation = 0
        self.note = ""
        """Why the last load or build did not do what was asked; for `doctor` and the Layers pane."""
        self._state = _State(Rows.none(dimensions), 0, new_lineage())
        self._writing = threading.RLock()
        self._builds = GraphBuilds(self._build)
        self._graph_taken: tuple[int, int] | None = None
        self._graph_refused: tuple[object, ...] | None = None
        self._warming = False

    def __len__(self) -> int:
        return self._state.rows.live

    @property
    def rows(self) -> Rows:
        """The vectors under their keys, tombstones marked."""
        return self._state.rows

    # -- changing -----------------------------------------------------------------------------------------------------

    def apply(self, changes: IndexChanges) -> None:
        """Bring the index to `changes.generation`; what is older than the index is ignored, what is there already is not added
        again. Raises UsageError for a vector that is missing, not finite, or of another dimension; nothing is changed then."""
        entries = {entry.key: entry for entry in changes.added}
        keys = np.fromiter(entries, dtype=np.int64, count=len(entries))
        vectors = self._vectors_of(list(entries.values()))
        removed = np.asarray(changes.removed, dtype=np.int64)
        with self._writing:
            state = self._state
            if changes.generation < state.generation:
                return
            rows = state.rows.with_changes(keys, vectors, removed)
            self._put(replace(state, rows=rows, generation=changes.generation))

    def _vectors_of(self, entries: Sequence[IndexEntry]) -> FloatArray:
        given = [entry.vector for entry in entries if entry.vector is not None]
        if len(given) < len(entries):
            raise UsageError("An entry has no vector", "the dense index needs one for every chunk", "embed it first")
        if all(np.shape(vector) == (self.dimensions,) for vector in given):
            vectors = np.array(given, dtype=np.float32).reshape(len(given), self.dimensions)
            if np.isfinite(vectors).all():
                return vectors
        for entry, vector in zip(entries, given, strict=True):
            flat.checked_vectors(vector, self.dimensions, f"vector of chunk {entry.key}")
        return np.concatenate([flat.checked_vectors(vector, self.dimensions) for vector in given])

    def clear(self) -> None:
        """Forget everything in memory, back to generation 0; the next `save` writes that down."""
        with self._writing:
            self._put(_State(Rows.none(self.dimensions), 0, new_lineage()))

    def _put(self, state: _State) -> None:
        self._state = state
        self.generation = state.generation

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(self, vector: FloatArray, k: int, allowed: KeyArray | None = None) -> tuple[KeyArray, FloatArray]:
        """Keys int64 and cosines float32, best first, ties by key, at most `k` of them; `allowed` limits the search to these
        keys. Raises UsageError for a vector that is not finite or of another dimension."""
        query = self._query(vector)
        state = self._state
        rows = state.rows
        if allowed is not None:
            among = rows.find(flat.distinct(np.asarray(allowed, dtype=np.int64)))
            found, scores = flat.top_k(rows, query, k, among[among >= 0])
        elif rows.live > self.exact_limit and (state := self._ready_for_graph()).graph is not None:
            rows = state.rows
            found, scores = self._through_graph(state, query, k)
        else:
            found, scores = flat.top_k(rows, query, k)
        return rows.keys[found], scores

    def scores(self, vector: FloatArray, keys: KeyArray) -> FloatArray:
        """The exact cosine of each key, in order, as `search` would give it; -1 for a key that is not there."""
        query = self._query(vector)
        rows = self._state.rows
        at = rows.find(np.asarray(keys, dtype=np.int64))
        scores = np.full(len(at), flat.UNKNOWN_SCORE, dtype=np.float32)
        scores[at >= 0] = flat.exact_scores(rows, at[at >= 0], query)
        return scores

    def keys(self) -> KeyArray:
        """int64, ascending: every vector that can be found."""
        rows = self._state.rows
        found: KeyArray = np.sort(rows.keys[rows.alive])
        return found

    def _query(self, vector: FloatArray) -> FloatArray:
        return flat.unit(flat.checked_vectors(vector, self.dimensions, "query")[0])

    def _through_graph(self, state: _State, query: FloatArray, k: int) -> tuple[NDArray[np.int64], FloatArray]:
        """Algorithm 5 over the linked rows, all of what it finds scored exactly together with the best of the newer rows."""
        from ragterm.engine.vectors.construction import search_graph

        assert state.graph is not None
        rows = state.rows
        found, _ = search_graph(state.graph, query, max(EF_SEARCH, 2 * k), ~rows.alive[: state.linked])
        newer, _ = flat.top_k(rows, query, k, state.unlinked())
        return flat.best_of(rows, np.concatenate([found, newer]), query, k)

    def _ready_for_graph(self) -> _State:
        """The state, with a graph only where it can answer now; kernels that are not compiled yet are fetched in the background."""
        if self._take_over_graph() is not None and execution.is_compiled():
            return self._state
        if self._state.graph is not None and not self._warming:
            self._warming = True
            threading.Thread(target=self.warm, name="warm-kernels", daemon=True).start()
        return replace(self._state, graph=None)

    def warm(self) -> None:
        """Get ready to answer through the graph, where the collection is large enough for that: load it, import numba, load the
        compiled kernels. Seconds when they are not in the cache yet. Call it from a thread of its own."""
        if self._state.rows.live <= self.exact_limit or self._take_over_graph() is None:
            return
        from ragterm.engine.vectors.construction import search_graph

        execution.compile_kernels()
        state = self._state
        if state.graph is not None and len(state.rows):
            search_graph(state.graph, state.rows.vectors[0], EF_SEARCH, ~state.rows.alive[: state.linked])

    # -- keeping ------------------------------------------------------------------------------------------------------

    def load(self, expected_generation: int | None = None) -> bool:
        """Read the snapshot. True: the index stands at `expected_generation` (or at any, without one). False: `apply` must bring it
        there from `self.generation`, which is 0 when nothing could be used; `self.note` then says why."""
        try:
            stored = read_vectors(self.folder, self.dimensions, self.identity)
            if expected_generation is not None and stored.generation > expected_generation:
                raise SnapshotError(
                    "The snapshot is newer than the store", str(self.folder), "it will be rebuilt by itself"
                )
        except SnapshotError as error:
            self.note = str(error)
            self.clear()
            return False
        with self._writing:
            self._put(_State(stored.rows, stored.generation, stored.lineage))
        self.note = ""
        return expected_generation is None or stored.generation == expected_generation

    def save(
        self,
        build_graph: bool = True,
        wait: bool = False,
        progress: Progress | None = None,
        control: Control | None = None,
    ) -> None:
        """Write the vectors' snapshot and, with `build_graph`, bring the graph to them in a child process: `wait` for it, or leave
        it to a background thread. `progress(linked, total)` is called from another thread.

        Waiting raises Cancelled when `control` is cancelled, StoreError when the child fails. Either way the vectors are saved and
        searches are right; a build in the background that fails is logged and told by `summary().note`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._writing:
            state = self._state
            if len(state.rows) - state.rows.live > REBUILD_DELETED_SHARE * len(state.rows):
                state = _State(state.rows.compacted(), state.generation, new_lineage())
                self._put(state)
            write_vectors(self.folder, StoredVectors(state.rows, state.generation, self.identity, state.lineage))
        if not build_graph or self.graph_is_current():
            return
        if wait:
            self._builds.run(progress, control)
            self._take_over_graph()
        else:
            self._builds.start(progress, control, then=self._take_over_graph)

    def graph_is_current(self) -> bool:
        """Whether every row is a node of the graph on disk. When not, `save()` brings it there."""
        state = self._state
        if not len(state.rows):
            return True
        self._take_over_graph()
        return self._state.linked == len(self._state.rows)

    def wait_for_graph(self, timeout: float | None = None) -> bool:
        """Wait for a build in the background; whether none is running any more."""
        return self._builds.wait(timeout)

    def close(self) -> None:
        """Stop a running build; the files stay as they are."""
        self._builds.close()

    def _build(self) -> GraphBuild:
        return GraphBuild(self.folder, self.parameters, self.dimensions, self.identity)

    def _take_over_graph(self) -> StoredGraph | None:
        """The graph of the rows, read from disk when there is a file that was not looked at yet (another process may have built it)."""
        state = self._state
        try:
            status = (self.folder / GRAPH_FILE).stat()
        except OSError:
            return state.graph
        stamp = (status.st_mtime_ns, status.st_ino)
        refused = (stamp, state.lineage, len(state.rows))
        if refused == self._graph_refused or (state.graph is not None and stamp == self._graph_taken):
            return state.graph
        try:
            graph = self._sound_graph(state)
        except SnapshotError as error:
            self.note = str(error)
            graph = None
        with self._writing:
            state = self._state
            if graph is None or not graph.fits(state.rows, state.lineage):
                self._graph_refused = refused
            else:
                self._graph_taken = stamp
                self._put(replace(state, graph=graph))
            return self._state.graph

    def _sound_graph(self, state: _State) -> StoredGraph | None:
        """The graph on disk; None when it is not one of these rows. Raises SnapshotError when it is damaged."""
        stored = read_graph(self.folder)
        if not stored.fits(state.rows, state.lineage):
            return None
        nodes = len(stored.graph.codes)
        if problems := check_graph(stored.graph, state.rows.keys[:nodes], ~state.rows.alive[:nodes]):
            raise SnapshotError("The graph is not sound", problems[0], "it will be rebuilt by itself")
        return stored

    # -- looking ------------------------------------------------------------------------------------------------------

    def summary(self) -> GraphSummary:
        """Layers, nodes, links and degrees. Not `ready` while rows wait to be linked; the layers are then those of the graph so far."""
        current = self.graph_is_current()
        picture = self.picture()
        state = self._state
        graph = state.graph.graph if state.graph is not None else None
        entry = int(state.rows.keys[graph.top[0]]) if graph is not None and graph.top[0] >= 0 else None
        return GraphSummary(
            nodes=state.rows.live,
            deleted=len(state.rows) - state.rows.live,
            layers=picture.layers() if picture is not None else (),
            m=self.parameters.m,
            ef_construction=self.parameters.ef_construction,
            entry=entry,
            answers_queries=state.rows.live > self.exact_limit,
            exact_limit=self.exact_limit,
            ready=current,
            generation=state.graph.generation if state.graph is not None else 0,
            bytes=sum(a.nbytes for a in graph if isinstance(a, np.ndarray)) if graph is not None else 0,
            note=self._summary_note(state, current),
        )

    def _summary_note(self, state: _State, current: bool) -> str:
        if not state.rows.live:
            return "nothing is indexed yet"
        if current:
            return "" if state.rows.live > self.exact_limit else f"exact scan answers up to {self.exact_limit:,} chunks"
        doing = "the graph is being built" if self._builds.running else "the graph is not built yet"
        waiting = len(state.unlinked())
        return "; ".join(filter(None, (f"{doing}: {waiting:,} chunks wait to be linked", self._builds.note, self.note)))

    def layer_map(self, level: int, max_nodes: int = 2000) -> LayerMap:
        """The nodes of a layer on the plane, at most `max_nodes` of them; empty for a layer that is not there."""
        picture = self.picture()
        return LayerMap(level, (), (), (), 0) if picture is None else picture.layer_map(level, max_nodes)

    def walk(self, question: str, vector: FloatArray, k: int = 10, ef: int = 40) -> Walk:
        """The way of a query through the graph, whether or not the graph answers queries at this size. Without a graph: no steps, and
        the results are the exact ones."""
        query = self._query(vector)
        picture = self.picture()
        if picture is not None:
            return picture.walk(question, query, k, ef)
        rows = self._state.rows
        found, scores = flat.top_k(rows, query, k)
        exact = tuple(zip(rows.keys[found].tolist(), scores.tolist(), strict=True))
        return Walk(question, max(ef, k), (), exact, exact, rows.live, rows.live)

    def neighbours(self, key: int, level: int) -> list[tuple[int, float]]:
        """The nodes that `key` is linked to on `level`, as (key, cosine), nearest first."""
        picture = self.picture()
        return [] if picture is None else picture.neighbours(key, level)

    def picture(self) -> GraphPicture | None:
        """The graph as it stands with the rows under it, None without one."""
        from ragterm.engine.vectors.views import GraphPicture

        self._take_over_graph()
        state = self._state
        return GraphPicture(state.graph, state.rows) if state.graph is not None and len(state.rows) else None
