"""`VectorIndex`: vectors by row number, and all that searches them: codes, tombstones, the graph, the choice between them.

Rows are numbers in order of arrival and never change; a removed row stays as a tombstone. What a search reads is one immutable
`State`; changes put another in its place, so searches run while others add, and see the index before or after.

A search is a scan of the codes, which is exact, where few rows are asked for: in small indexes, behind a selective filter, and for
rows that are not linked yet. Else it walks the graph. Until the kernels are compiled, numpy answers, exactly.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import execution, hnsw, scan, search
from ragterm.engine.vectors.codes import DEVIATIONS, code_limit, quantise, row_width, step_of, words_of
from ragterm.engine.vectors.construction import insert_nodes, insertion_order
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.growing import Growing
from ragterm.engine.vectors.index_snapshot import IndexSnapshot
from ragterm.engine.vectors.index_state import (
    NO_ROWS,
    NOTHING,
    Ready,
    State,
    exact_by_numpy,
    half_squares,
    longest_code,
    lost,
    made_ready,
    merged,
    one_query,
    unit_rows,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.search import Prepared

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Found = tuple[Rows, NDArray[np.float64]]

Metric = Literal["cosine", "dot", "euclidean"]
METRICS: dict[str, int] = {"cosine": search.COSINE, "dot": search.DOT, "euclidean": search.EUCLIDEAN}

EXACT_LIMIT = 10_000
"""Up to this many rows a scan is about as quick as a walk, and never misses."""
SCAN_LIMIT = 20_000
"""Behind a filter that leaves at most this many rows, they are scanned."""
MOST_SCANNED = 1000
"""The kernel puts each row in its place among the best k, one by one: for more than so many sorting is quicker."""
EF_SEARCH = 96
RESCORED = 4
"""How many entries more than k are scored in full; and one for every tenth of ef."""
REBUILD_DELETED_SHARE = 0.25
REFIT_GROWTH = 2.0
"""When the rows have grown by this factor, the scale of the codes is taken anew."""
MOST_BIAS = 1 << 29
"""With a bias on either side a distance still fits in 32 bits; what lies further out than that ties."""
_AT_ONCE = 65_536
_FLOAT32 = np.dtype(np.float32)


class VectorIndex:
    """Vectors (d,) float32 by row. Scores: cosine in [-1, 1], the dot product, or the negative Euclidean distance; higher is better.
    Raises UsageError for NaN, infinity and another dimension; nothing is changed then."""

    def __init__(
        self, dimensions: int, metric: Metric = "cosine", m: int = 16, ef_construction: int = 200, seed: int = 1
    ) -> None:
        if metric not in METRICS:
            raise UsageError(f"Unknown metric {metric!r}", "", f"choose one of: {', '.join(METRICS)}")
        if dimensions < 1:
            raise UsageError(f"A vector cannot have {dimensions} dimensions", "", "pass 1 or more")
        if m < 2 or ef_construction < 1:
            raise UsageError(f"M = {m}, efConstruction = {ef_construction}", "", "M is at least 2, efConstruction 1")
        self.dimensions, self.metric = dimensions, metric
        self.m, self.ef_construction, self.seed = m, ef_construction, seed
        self._metric = METRICS[metric]
        self._shape = (dimensions,)
        self._changing = threading.RLock()
        self._linking = threading.Lock()
        self._local = threading.local()
        self._vectors = Growing((dimensions,), np.float32)
        self._codes = Growing((row_width(dimensions, 4),), np.uint8)
        self._words = Growing((dimensions,), np.int16)
        self._errors = Growing((), np.float32)
        self._norms = Growing((), np.float64)
        self._state = State(
            vectors=self._vectors.append(np.empty((0, dimensions), dtype=np.float32)),
            alive=np.empty(0, dtype=np.bool_),
            codes=self._codes.append(np.empty((0, row_width(dimensions, 4)), dtype=np.uint8)),
            words=self._words.append(np.empty((0, dimensions), dtype=np.int16)),
            errors=self._errors.append(np.empty(0, dtype=np.float32)),
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
    def needs_rebuild(self) -> bool:
        """Whether so many nodes are tombstones that the next `link` starts over."""
        state = self._state
        return state.dead_nodes > REBUILD_DELETED_SHARE * state.nodes

    @property
    def memory_bytes(self) -> int:
        """Of all arrays, the vectors included (those of a folder are a map of its file) and the room they have ahead."""
        state = self._state
        rooms = sum(room.nbytes for room in (self._codes, self._words, self._errors, self._norms))
        graph = 0 if state.graph is None else sum(a.nbytes for a in state.graph if isinstance(a, np.ndarray))
        return rooms + (self._vectors.nbytes or state.vectors.nbytes) + state.alive.nbytes + graph

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
            elif self.metric == "cosine" and len(state.words) == first:
                state = replace(state, words=self._words.append(words_of(vectors)))
            if last > REFIT_GROWTH * state.fitted:  # a new scale makes new codes of all rows; links stay as they are
                limit = code_limit(everything, 4)
                codes = self._codes.begin_with(quantise(everything, limit, 4))
                errors = self._errors.begin_with(lost(everything, codes, limit))
                state = replace(state, limit=limit, fitted=last, longest=longest_code(everything, errors))
            else:
                added = quantise(vectors, state.limit, 4)
                gone = lost(vectors, added, state.limit)
                codes, errors = self._codes.append(added), self._errors.append(gone)
                state = replace(state, longest=max(state.longest, longest_code(vectors, gone)))
            alive = np.concatenate([state.alive, np.ones(len(vectors), dtype=np.bool_)])
            alive[removed] = False
            self._state = replace(state, vectors=everything, codes=codes, errors=errors).with_alive(alive)
            return first

    def remove(self, rows: Rows) -> None:
        """Turn rows into tombstones."""
        with self._changing:
            self._state = self._state.with_removed(np.asarray(rows, dtype=np.int64))

    def keep(self) -> IndexSnapshot:
        """What is worth keeping in a file."""
        state = self._state
        return IndexSnapshot(
            state.codes, state.errors, state.limit, state.fitted, state.longest, state.graph, state.linked
        )

    def take(self, kept: IndexSnapshot, stored: Floats, alive: Mask) -> None:
        """Begin with what was kept of the first rows of `stored` (n, d), of which `alive` (n,) live. The index is empty."""
        rows = len(kept.codes)
        with self._changing:
            state = State(
                vectors=stored[:rows],
                alive=alive[:rows],
                codes=self._codes.begin_with(kept.codes),
                words=self._state.words,
                errors=self._errors.begin_with(kept.errors),
                norms=self._norms.append(half_squares(stored[:rows]))
                if self.metric == "euclidean"
                else self._state.norms,
                limit=kept.limit,
                fitted=kept.fitted,
                longest=kept.longest,
                graph=kept.graph,
                linked=kept.linked,
                nodes=0 if kept.graph is None else int(np.count_nonzero(kept.graph.levels >= 0)),
            )
            self._state = state.with_alive(alive[:rows].copy())
            if len(stored) > rows:
                self.add(stored[rows:], stored, rows + np.flatnonzero(~alive[rows:]))

    def shorten(self) -> None:
        """Make what 16 bits hold of all rows, where it is not there yet: a walk then reads half as much."""
        if self.metric != "cosine":
            return
        with self._changing:
            state = self._state
            for start in range(len(state.words), len(state.vectors), _AT_ONCE):
                part = state.vectors[start : start + _AT_ONCE]
                state = replace(state, words=self._words.append(words_of(part)))
            self._state = state

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
                bare = graph._replace(codes=graph.codes[:0], sums=graph.sums[:0], bias=graph.bias[:0])
                nodes = int(np.count_nonzero(levels >= 0))
                now = replace(self._state, graph=bare, linked=total, nodes=nodes)
                self._state = now.with_alive(now.alive)

    def _on_codes(self, graph: hnsw.Graph, state: State) -> hnsw.Graph:
        """The same links, to be walked on codes of 4 bits."""
        bias = graph.bias[:0]
        if self.metric == "euclidean":
            bias = _bias(state.norms, step_of(state.limit, 4) * self._query_unit(state))
        return graph._replace(codes=state.codes, bits=4, sums=graph.sums[:0], bias=bias)

    def _query_unit(self, state: State) -> float:
        """What one unit of a query's codes stands for in a walk; 0: each query its own."""
        return step_of(state.limit * DEVIATIONS[8] / DEVIATIONS[4], 8) if self.metric == "euclidean" else 0.0

    def _byte_graph(self, state: State, levels: NDArray[np.int8]) -> hnsw.Graph:
        limit = state.limit * DEVIATIONS[8] / DEVIATIONS[4]
        codes = quantise(state.vectors, limit, 8)
        bias = None
        if self.metric == "euclidean":
            unit = step_of(limit, 8)
            bias = _bias(state.norms, unit * unit)
        return hnsw.empty_graph(codes, 8, levels, self.m, bias)

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(self, query: ArrayLike, k: int = 10, ef: int | None = None, allowed: Mask | None = None) -> Found:
        """Rows int64 and scores float64 of the best `k` live rows, best first, fewer where there are fewer. `allowed` bool (n,): only
        these rows. `ef`: candidates kept on the ground layer, at least k; more find more and take longer."""
        return self._searched(self._state, self._query(query), k, ef, allowed)

    def hits(
        self,
        query: ArrayLike,
        k: int,
        ef: int | None,
        allowed: Mask | None,
        names: NDArray[np.object_],
        state: State,
    ) -> list[tuple[str, float]]:
        """`search` of `state`, the result as pairs (name of the row, score)."""
        if (
            type(query) is np.ndarray
            and query.dtype is _FLOAT32
            and query.shape == self._shape
            and query.flags.carray
            and allowed is None
            and type(k) is int
        ):
            kept = self._kept()
            if kept is not None and kept.state is state and kept.quick and kept.k >= k > 0:
                width = ef or EF_SEARCH
                if width < k:
                    width = k
                if width <= kept.ef and type(width) is int:
                    # One call, of what was made ready at an earlier one: in a large index most searches pass here.
                    count = search.search_graph(
                        kept.box, query, k, width, k + RESCORED + width // 10, self._metric, kept.unit
                    )
                    if count >= 0:
                        return list(zip(names[kept.rows[:count]].tolist(), kept.scores[:count].tolist()))  # noqa: B905
        rows, scores = self._searched(state, self._query(query), k, ef, allowed)
        return list(zip(names[rows].tolist(), scores.tolist(), strict=True))

    def _query(self, query: ArrayLike) -> Floats:
        checked = checked_vectors(query, self.dimensions, "query")
        if len(checked) != 1:
            raise UsageError(f"{len(checked)} queries at once", "", "search for one, or use search_batch")
        return one_query(checked)

    def _kept(self) -> Ready | None:
        kept: Ready | None = self._local.__dict__.get("kept")
        return kept

    def _searched(self, state: State, query: Floats, k: int, ef: int | None, allowed: Mask | None) -> Found:
        k = min(_number(k, "top_k"), state.live)
        ef = _number(ef, "ef_search") if ef else EF_SEARCH
        if k < 1:
            return NOTHING
        if allowed is not None:
            return self._filtered(state, query, k, ef, _of_length(allowed, len(state.vectors)))
        if state.live <= EXACT_LIMIT or not self._can_walk(state):
            return self._scanned(state, query, k, None)
        waiting = np.arange(state.linked, len(state.vectors), dtype=np.int64)
        walked = _found(*self._walk(state, query, k, ef, None))
        return merged(walked, self._scanned(state, query, k, waiting), k) if len(waiting) else walked

    def walk(self, query: ArrayLike, k: int = 10, ef: int | None = None) -> Found:
        """What the graph alone finds among the linked rows, whatever their number."""
        state, wanted = self._state, self._query(query)
        k = min(k, state.nodes - state.dead_nodes)
        return NOTHING if k < 1 else _found(*self._walk(state, wanted, k, ef or EF_SEARCH, None))

    def search_exact(self, query: ArrayLike, k: int = 10, allowed: Mask | None = None) -> Found:
        """The best `k` live rows, without a miss: in float64, ties by row."""
        return self.exactly(self._state, query, k, allowed)

    def exactly(self, state: State, query: ArrayLike, k: int, allowed: Mask | None) -> Found:
        """`search_exact` of `state`."""
        wanted = self._query(query)
        k = min(_number(k, "top_k"), state.live)
        if k < 1:
            return NOTHING
        among = None if allowed is None else np.flatnonzero(_of_length(allowed, len(state.vectors)) & state.alive)
        return self._scanned(state, wanted, k, among)

    def scan(self, query: Floats, k: int = 10, among: Rows | None = None, state: State | None = None) -> Found:
        """`search_exact` by the kernels, whether or not they are compiled, where they can. `among`: live rows, distinct."""
        state = state or self._state
        if not state.in_range or k > MOST_SCANNED:
            return exact_by_numpy(state, self._metric, query, k, among)
        box, prepared = self._box(state, 1, k, None)
        rows = NO_ROWS if among is None else among
        step = step_of(state.limit, 4)
        count = _sound(scan.scan(box, query, rows, among is None, k, self._metric, step, state.longest))
        if count == search.OUT_OF_RANGE:
            return exact_by_numpy(state, self._metric, query, k, among)
        return _found(prepared, count)

    def _can_walk(self, state: State) -> bool:
        return state.nodes > state.dead_nodes and state.in_range and execution.is_warm()

    def _filtered(self, state: State, query: Floats, k: int, ef: int, allowed: Mask) -> Found:
        allowed = allowed & state.alive
        matching = int(np.count_nonzero(allowed))
        if matching <= SCAN_LIMIT or state.linked < len(state.vectors) or not self._can_walk(state):
            return self._scanned(state, query, k, np.flatnonzero(allowed))
        k = min(k, matching)
        share = matching / state.live
        wider = min(int(max(ef, k) / share), len(state.vectors))
        prepared, count = self._walk(state, query, k, wider, allowed)
        # The filter correlates with the vectors where far fewer of the nearest pass it than of all: a walk would miss some.
        if count < k or prepared.result.passed[0] < 0.5 * share * wider:
            return self._scanned(state, query, k, np.flatnonzero(allowed))
        return _found(prepared, count)

    def _walk(self, state: State, query: Floats, k: int, ef: int, allowed: Mask | None) -> tuple[Prepared, int]:
        """A search of the graph; its result stands in what is returned until this thread's next search."""
        ef = max(ef, k)
        if state.dead_nodes:  # tombstones take places among the ef: as many more are kept as make up for them
            ef = -(-ef * state.nodes // (state.nodes - state.dead_nodes))
        ef = min(ef, max(state.nodes, k))
        box, prepared = self._box(state, ef, k, allowed)
        rescored, unit = k + RESCORED + ef // 10, self._query_unit(state)
        count = _sound(search.search_graph(box, query, k, ef, rescored, self._metric, unit))
        if (
            count == search.OUT_OF_RANGE
        ):  # the product alone depends on a query's length, the order of the rows does not
            wide = query.astype(np.float64)
            length = float(np.sqrt(wide @ wide))
            count = search.search_graph(box, (wide / length).astype(np.float32), k, ef, rescored, self._metric, unit)
            if self.metric == "dot":
                prepared.result.scores[:count] *= length
        return prepared, count

    def _scanned(self, state: State, query: Floats, k: int, among: Rows | None) -> Found:
        if not execution.is_warm():
            return exact_by_numpy(state, self._metric, query, k, among)
        return self.scan(query, k, among, state)

    def _box(self, state: State, ef: int, k: int, allowed: Mask | None) -> tuple[Any, Prepared]:
        """What this thread's searches of `state` read and write, boxed for the kernels; made anew when the state changes."""
        kept = self._kept()
        if (
            kept is None
            or kept.state is not state
            or kept.ef < ef
            or kept.k < k
            or kept.compiled != execution.is_compiled()
        ):
            graph = state.graph or hnsw.empty_graph(state.codes, 4, np.empty(0, dtype=np.int8), self.m)
            whole = state.linked == len(state.vectors) and state.dead_nodes == 0
            quick = whole and state.live > EXACT_LIMIT and self._can_walk(state)
            kept = self._local.kept = made_ready(
                state, self._on_codes(graph, state), max(ef, 256), max(k, 64), self._query_unit(state), quick
            )
        if allowed is None:
            return kept.box, kept.prepared
        filtered = kept.prepared._replace(alive=allowed)
        return execution.boxed(filtered), filtered


def _sound(count: int) -> int:
    """`count`, unless a kernel says that the query is not finite."""
    if count == search.NOT_FINITE:
        raise UsageError("The query holds NaN or infinity", "", "every component must be a finite number")
    return count


def _found(prepared: Prepared, count: int) -> Found:
    return prepared.result.rows[:count].copy(), prepared.result.scores[:count].copy()


def _bias(norms: NDArray[np.float64], unit: float) -> NDArray[np.int32]:
    """Half the squared lengths in the unit of a graph's distances."""
    bias: NDArray[np.int32] = np.rint(np.minimum(norms / unit, MOST_BIAS)).astype(np.int32)
    return bias


def _of_length(allowed: Mask, rows: int) -> Mask:
    """A mask may know of fewer rows than there are by now (they are not allowed), or of more."""
    if len(allowed) >= rows:
        return allowed[:rows]
    return np.concatenate([allowed, np.zeros(rows - len(allowed), dtype=np.bool_)])


def _number(value: object, what: str) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(f"{what} is {value!r:.40}", "", "pass a whole number") from error
