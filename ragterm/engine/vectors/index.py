"""`VectorIndex`: vectors by row number, and all that searches them: codes, tombstones, the graph, the choice between them.

Rows are numbers in order of arrival and never change; a removed row stays as a tombstone. What a search reads is one immutable
`State`; changes put another in its place, so searches run while others add, and see the index before or after.

This half changes it; `searching.py` is the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import execution, graph_snapshot, hnsw, search, searching
from ragterm.engine.vectors.codes import Scale, code_limit, lost, planes_of, quantise, row_width
from ragterm.engine.vectors.construction import insert_nodes, insertion_order
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.graph_snapshot import GraphSnapshot
from ragterm.engine.vectors.growing import Growing
from ragterm.engine.vectors.index_state import NO_ROWS, State, half_squares, longest_code, unit_rows
from ragterm.engine.vectors.kernels import unlocked
from ragterm.engine.vectors.searching import Searching
from ragterm.engine.vectors.signs import rotation, sign_width, signs_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.index_snapshot import Kept
    from ragterm.engine.vectors.metadata import Json

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Found = tuple[Rows, NDArray[np.float64]]

Metric = Literal["cosine", "dot", "euclidean"]
METRICS: dict[str, int] = {"cosine": search.COSINE, "dot": search.DOT, "euclidean": search.EUCLIDEAN}

REBUILD_DELETED_SHARE = 0.25
REFIT_GROWTH = 2.0
"""When the rows have grown by this factor, the scale of the codes is taken anew."""
MOST_BIAS = 1 << 29
"""With a bias on either side a distance still fits in 32 bits; what lies further out than that ties."""
_SIGNED_AT_ONCE = 8_192


class VectorIndex(Searching):
    """Vectors (d,) float32 by row. Scores: cosine in [-1, 1], the dot product, or the negative Euclidean distance; higher is better.
    Raises UsageError for NaN, infinity and another dimension; nothing is changed then."""

    kind = "hnsw"
    kernels = "graph"
    effort = "ef_search"

    def __init__(
        self,
        dimensions: int,
        metric: Metric = "cosine",
        m: int = 16,
        ef_construction: int = 200,
        seed: int = 1,
        compact: bool = False,
    ) -> None:
        if metric not in METRICS:
            raise UsageError(f"Unknown metric {metric!r}", "", f"choose one of: {', '.join(METRICS)}")
        if dimensions < 1:
            raise UsageError(f"A vector cannot have {dimensions} dimensions", "", "pass 1 or more")
        if m < 2 or ef_construction < 1:
            raise UsageError(f"M = {m}, efConstruction = {ef_construction}", "", "M is at least 2, efConstruction 1")
        self.dimensions, self.metric = dimensions, metric
        self.m, self.ef_construction, self.seed, self.compact = m, ef_construction, seed, compact
        self._metric = METRICS[metric]
        self._shape = (dimensions,)
        self.names: NDArray[np.object_] = np.empty(0, dtype=object)
        """What the rows are called, for whoever lists them; read ahead of time by walks."""
        self._changing = threading.RLock()
        self._linking = threading.Lock()
        self._local = threading.local()
        self._vectors = Growing.rows((dimensions,), np.float32)
        self._codes = Growing.rows((row_width(dimensions, 4),), np.uint8)
        self._lower = Growing.rows((row_width(dimensions, 4),), np.uint8)
        self._errors = Growing.rows((2,), np.float32)
        self._norms = Growing.rows((), np.float64)
        self._signs = Growing.rows((sign_width(dimensions),), np.uint8)
        self._flips = rotation(dimensions, seed)
        self._state = State(
            vectors=self._vectors.append(np.empty((0, dimensions), dtype=np.float32)),
            alive=np.empty(0, dtype=np.bool_),
            codes=self._codes.append(np.empty((0, row_width(dimensions, 4)), dtype=np.uint8)),
            lower=self._lower.append(np.empty((0, row_width(dimensions, 4)), dtype=np.uint8)),
            errors=self._errors.append(np.empty((0, 2), dtype=np.float32)),
            norms=self._norms.append(np.empty(0, dtype=np.float64)),
        )

    # -- what is there ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Live rows."""
        return self._state.live

    @property
    def rows(self) -> int:
        """All rows, tombstones included."""
        return len(self._state.vectors)

    @property
    def linked(self) -> int:
        return self._state.linked

    @property
    def waiting(self) -> int:
        """Rows that are not linked yet."""
        return len(self._state.vectors) - self._state.linked

    @property
    def deleted(self) -> int:
        return len(self._state.vectors) - self._state.live

    @property
    def exact_limit(self) -> int:
        """Up to so many rows a graph is of no use."""
        return searching.EXACT_LIMIT

    @property
    def answers(self) -> str:
        """What answers a search without a filter now."""
        state = self._state
        return self.kind if state.live > searching.EXACT_LIMIT and self._can_walk(state) else "exact"

    @property
    def parameters(self) -> Mapping[str, Json]:
        """What a graph that was kept must have been made with."""
        how: dict[str, Json] = {"metric": self.metric, "compact": self.compact}
        return how | {"m": self.m, "ef_construction": self.ef_construction, "seed": self.seed}

    @property
    def described(self) -> Mapping[str, Any]:
        shape = {"m": self.m, "ef_construction": self.ef_construction, "seed": self.seed}
        return {"profile": "compact" if self.compact else "fast"} | shape

    @property
    def needs_rebuild(self) -> bool:
        """Whether so many nodes are tombstones that the next `link` starts over."""
        state = self._state
        return state.dead_nodes > REBUILD_DELETED_SHARE * state.nodes

    @property
    def memory_bytes(self) -> int:
        """Of all arrays and the room they have ahead; of a folder's vectors none, they are a map of its file."""
        rooms = (self._vectors, self._codes, self._lower, self._errors, self._norms, self._signs)
        graph = self._state.graph
        links = 0 if graph is None else sum(a.nbytes for a in graph if isinstance(a, np.ndarray))
        return sum(room.nbytes for room in rooms) + self._state.alive.nbytes + links

    @property
    def alive(self) -> Mask:
        return self._state.alive

    @property
    def vectors(self) -> Floats:
        return self._state.vectors

    @property
    def state(self) -> State:
        """All of it at this moment, for `hits`."""
        return self._state

    @property
    def graph(self) -> hnsw.Graph | None:
        """The graph of the first `linked` rows on their codes of 4 bits."""
        state = self._state
        if state.graph is None:
            return None
        graph = self._on_codes(state.graph, state)
        return graph._replace(codes=graph.codes[: state.linked], bias=graph.bias[: state.linked])

    # -- changing -----------------------------------------------------------------------------------------------------

    def checked(self, vectors: ArrayLike, what: str = "vector") -> Floats:
        """float32 (m, d), as they are kept: at length 1 for cosine. Raises UsageError."""
        array = checked_vectors(vectors, self.dimensions, what)
        return unit_rows(array) if self.metric == "cosine" else array

    def add(self, vectors: Floats, stored: Floats | None = None, removed: Rows = NO_ROWS) -> int:
        """Append what `checked` returned; the row of the first. They are found at once, by scan until `link` has been called. `stored`:
        an array of all rows so far with these, which is then used in place of a copy. `removed` rows, old or new, become tombstones in
        the same moment: no search sees a vector beside the one that replaces it, or neither."""
        with self._changing:
            state = self._state
            first, last = len(state.vectors), len(state.vectors) + len(vectors)
            everything = self._vectors.append(vectors) if stored is None else stored[:last]
            if self.metric == "euclidean":
                state = replace(state, norms=self._norms.append(half_squares(vectors)))
            if last > REFIT_GROWTH * state.fitted:  # a new scale makes new codes of all rows; links stay as they are
                scale = Scale(code_limit(everything, 8))
                upper, under = planes_of(everything, scale)
                codes, lower = self._codes.begin_with(upper), self._lower.begin_with(under)
                errors = self._errors.begin_with(lost(everything, upper, under, scale))
                state = replace(state, scale=scale, fitted=last, longest=longest_code(everything, errors))
            else:
                upper, under = planes_of(vectors, state.scale)
                gone = lost(vectors, upper, under, state.scale)
                codes, lower = self._codes.append(upper), self._lower.append(under)
                errors = self._errors.append(gone)
                state = replace(state, longest=max(state.longest, longest_code(vectors, gone)))
            if len(state.signs) == first > 0 and execution.is_warm():
                state = replace(state, signs=self._signs.append(self._signs_of(vectors)))
            alive = np.concatenate([state.alive, np.ones(len(vectors), dtype=np.bool_)])
            alive[removed] = False
            state = replace(state, vectors=everything, codes=codes, lower=lower, errors=errors)
            self._state = state.with_alive(alive)
            return first

    def remove(self, rows: Rows) -> None:
        """Turn rows into tombstones."""
        with self._changing:
            self._state = self._state.with_removed(np.asarray(rows, dtype=np.int64))

    @property
    def made(self) -> object:
        return self._state.graph

    def keep(self) -> Kept | None:
        """What is worth keeping in a file."""
        of = self._state
        linked = of.linked if of.graph is not None else 0
        return GraphSnapshot(of.codes, of.lower, of.errors, of.scale, of.fitted, of.longest, of.graph, linked).kept()

    def take(self, file: Kept, stored: Floats, alive: Mask) -> None:
        """Begin with what was kept of the first rows of `stored` (n, d), of which `alive` (n,) live. The index is empty. Raises
        SnapshotError when it does not fit."""
        kept = graph_snapshot.taken(file, self.dimensions)
        rows = file.rows
        with self._changing:
            state = State(
                vectors=stored[:rows],
                alive=alive[:rows],
                codes=self._codes.begin_with(kept.codes),
                lower=self._lower.begin_with(kept.lower),
                errors=self._errors.begin_with(kept.errors),
                norms=self._norms.append(half_squares(stored[:rows]))
                if self.metric == "euclidean"
                else self._state.norms,
                scale=kept.scale,
                fitted=kept.fitted,
                longest=kept.longest,
                graph=kept.graph,
                linked=kept.linked,
                nodes=0 if kept.graph is None else int(np.count_nonzero(kept.graph.levels >= 0)),
            )
            self._state = state.with_alive(alive[:rows].copy())
            if len(stored) > rows:
                self.add(stored[rows:], stored, rows + np.flatnonzero(~alive[rows:]))

    @property
    def unsigned(self) -> int:
        """Rows without codes of one bit, where they are made."""
        state = self._state
        return 0 if self.compact or self.rows <= searching.EXACT_LIMIT else len(state.vectors) - len(state.signs)

    def sign(self) -> None:
        """Make codes of one bit of all rows, where they are not there yet: the scan behind a filter then reads a third as much."""
        if self.compact:
            return
        while len(self._state.signs) < len(self._state.vectors):
            with self._changing:
                state = self._state
                part = state.vectors[len(state.signs) : len(state.signs) + _SIGNED_AT_ONCE]
                self._state = replace(state, signs=self._signs.append(self._signs_of(part)))

    def _signs_of(self, vectors: Floats) -> NDArray[np.uint8]:
        return signs_of(unlocked(vectors), self._flips, self.metric == "euclidean")

    def link(self, threads: int = 1, progress: Callable[[int, int], None] | None = None) -> None:
        """Bring the graph to all rows: extend it, or build it anew when a quarter of its nodes are tombstones. Searches and changes go
        on meanwhile; rows that are added then wait for the next call."""
        with self._linking:
            state = self._state
            total = len(state.vectors)
            anew = state.graph is None or state.dead_nodes > REBUILD_DELETED_SHARE * state.nodes
            if not anew and state.linked == total:
                return
            first = 0 if anew else state.linked
            levels = hnsw.draw_levels(self.seed, total, self.m)
            if state.graph is not None and not anew:
                levels[:first] = state.graph.levels
            levels[first:][~state.alive[first:]] = hnsw.NOT_THERE
            graph = self._byte_graph(state, levels)
            if state.graph is not None and not anew:
                hnsw.take_over(graph, state.graph)
            order = insertion_order(levels, first, self.seed)
            walked = self._on_codes(graph, state)
            insert_nodes(
                graph, order, self.ef_construction, threads, progress, int((levels[:first] >= 0).sum()), walked
            )
            with self._changing:
                bare = _bare(graph)
                nodes = int(np.count_nonzero(levels >= 0))
                now = replace(self._state, graph=bare, linked=total, nodes=nodes)
                self._state = now.with_alive(now.alive)

    def _on_codes(self, graph: hnsw.Graph, state: State) -> hnsw.Graph:
        """The same links, to be walked on codes of 4 bits."""
        bias = graph.bias[:0]
        if self.metric == "euclidean":
            bias = _bias(state.norms, state.scale.step * self._query_unit(state))
        return graph._replace(codes=state.codes, bits=4, sums=graph.sums[:0], bias=bias)

    def _query_unit(self, state: State) -> float:
        """What one unit of a query's codes stands for in a walk; 0: each query its own."""
        return state.scale.byte_step if self.metric == "euclidean" else 0.0

    def _byte_graph(self, state: State, levels: NDArray[np.int8]) -> hnsw.Graph:
        codes = quantise(state.vectors, state.scale.wide, 8)
        bias = _bias(state.norms, state.scale.byte_step**2) if self.metric == "euclidean" else None
        return hnsw.empty_graph(codes, 8, levels, self.m, bias)


def _bare(graph: hnsw.Graph) -> hnsw.Graph:
    """The links without the codes that they were made with: new arrays, for a view of none of its rows would keep an array alive."""
    codes = np.empty((0, graph.codes.shape[1]), dtype=np.uint8)
    return graph._replace(codes=codes, sums=np.empty(0, dtype=np.int32), bias=np.empty(0, dtype=np.int32))


def _bias(norms: NDArray[np.float64], unit: float) -> NDArray[np.int32]:
    """Half the squared lengths in the unit of a graph's distances."""
    bias: NDArray[np.int32] = np.rint(np.minimum(norms / unit, MOST_BIAS)).astype(np.int32)
    return bias
