"""`VectorIndex`: vectors by row number, and all that searches them: codes, tombstones, the graph, the choice between them.

Rows are numbers in order of arrival and never change; a removed row stays as a tombstone. What a search reads is one immutable
`_State`; changes put another in its place, so searches run while others add, and see the index before or after.

A search is a scan of the codes, which is exact, where few rows are asked for: in small indexes, behind a selective filter, and for
rows that are not linked yet. Else it walks the graph. Until the kernels are compiled, numpy answers, exactly.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import execution, hnsw, scan, search
from ragterm.engine.vectors.codes import UP, Scale, lost, planes_of, quantise, row_width, scale_for, step_of, words_of
from ragterm.engine.vectors.columns import Selection
from ragterm.engine.vectors.construction import insert_nodes, insertion_order
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.growing import Growing
from ragterm.engine.vectors.index_snapshot import IndexSnapshot
from ragterm.engine.vectors.kernels import unlocked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.search import Prepared

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Found = tuple[Rows, NDArray[np.float64]]

Metric = Literal["cosine", "dot", "euclidean"]
METRICS: dict[str, int] = {"cosine": search.COSINE, "dot": search.DOT, "euclidean": search.EUCLIDEAN}

EXACT_LIMIT = 5_000
"""Up to this many rows a scan is about as quick as a walk, and never misses."""
SCAN_LIMIT = 20_000
"""Behind a filter that leaves at most this many rows, they are scanned."""
FILTERED_EF = 1.5
"""By how much a walk behind a filter is wider than the share that passes asks for."""
EF_SEARCH = 96
RESCORED, RESCORED_PART, RESCORED_COMPACT_PART = 4, 10, 3
"""How many entries more than k are scored in full, and one for every so many of ef: more where the walk goes by coarser codes."""
REBUILD_DELETED_SHARE = 0.25
REFIT_GROWTH = 2.0
"""When the rows have grown by this factor, the scale of the codes is taken anew."""
_AT_ONCE = 65_536
_FLOAT32 = np.dtype(np.float32)
_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class _State:
    """Row i is vectors[i]. The arrays may be views of longer ones, whose further rows belong to later states."""

    vectors: Floats  # (n, d); of unit length for cosine
    alive: Mask  # (n,)
    codes: NDArray[np.uint8]  # (n, width) of 4 bits
    lower: NDArray[np.uint8]  # (n, width) compact: the lower 4 bits of codes of 8; else (0, width)
    words: NDArray[np.int16]  # (n, d) of 16 bits for cosine, or of the first rows only
    errors: Floats  # (n,) what the codes lost
    norms: NDArray[np.float64]  # (n,) half the squared length for Euclidean, else (0,)
    live: int = 0
    scale: Scale = Scale(1.0, 7.5, 1.0)  # noqa: RUF009
    fitted: int = 0  # rows when the limit was taken
    longest: float = 0.0  # |x'|, an upper bound
    graph: hnsw.Graph | None = None  # of the first `linked` rows; no codes, they are those above
    linked: int = 0
    linked_dead: int = 0  # of them removed since


class VectorIndex:
    """Vectors (d,) float32 by row. Scores: cosine in [-1, 1], the dot product, or the negative Euclidean distance; higher is better.
    Raises UsageError for NaN, infinity and another dimension; nothing is changed then."""

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
        """What `hits` calls the rows; at least as long as there are rows."""
        self._changing = threading.RLock()
        self._linking = threading.Lock()
        self._local = threading.local()
        self._vectors = Growing((dimensions,), np.float32)
        self._codes = Growing((row_width(dimensions, 4),), np.uint8)
        self._lower = Growing((row_width(dimensions, 4),), np.uint8)
        self._words = Growing((dimensions,), np.int16)
        self._errors = Growing((), np.float32)
        self._norms = Growing((), np.float64)
        self._state = _State(
            vectors=self._vectors.append(np.empty((0, dimensions), dtype=np.float32)),
            alive=np.empty(0, dtype=np.bool_),
            codes=self._codes.append(np.empty((0, row_width(dimensions, 4)), dtype=np.uint8)),
            lower=self._lower.append(np.empty((0, row_width(dimensions, 4)), dtype=np.uint8)),
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
        return self._state.linked_dead > REBUILD_DELETED_SHARE * self._state.linked

    @property
    def memory_bytes(self) -> int:
        """Of all arrays; a compact index leaves the vectors on the disk."""
        state = self._state
        arrays: list[NDArray[Any]] = [] if self.compact else [state.vectors]
        arrays += [state.alive, state.codes, state.lower, state.words, state.errors, state.norms]
        graph = [] if state.graph is None else [a for a in state.graph if isinstance(a, np.ndarray)]
        return sum(array.nbytes for array in arrays + graph)

    @property
    def alive(self) -> Mask:
        return self._state.alive

    @property
    def vectors(self) -> Floats:
        return self._state.vectors

    @property
    def graph(self) -> hnsw.Graph | None:
        """The graph of the first `linked` rows on their codes of 4 bits."""
        state = self._state
        return None if state.graph is None else self._on_codes(state.graph, state)

    # -- changing -----------------------------------------------------------------------------------------------------

    def checked(self, vectors: ArrayLike, what: str = "vector") -> Floats:
        """float32 (m, d), as they are kept: at length 1 for cosine. Raises UsageError."""
        array = checked_vectors(vectors, self.dimensions, what)
        return unit_rows(array) if self.metric == "cosine" else array

    def add(self, vectors: Floats, stored: Floats | None = None) -> int:
        """Append what `checked` returned; the row of the first. They are found at once, by scan until `link` has been called. `stored`:
        an array of all rows so far with these, which is then used in place of a copy."""
        with self._changing:
            state = self._state
            first, last = len(state.vectors), len(state.vectors) + len(vectors)
            everything = self._vectors.append(vectors) if stored is None else stored[:last]
            if self.metric == "euclidean":
                state = replace(state, norms=self._norms.append(half_squares(vectors)))
            elif self.metric == "cosine" and len(state.words) == first and not self.compact:
                state = replace(state, words=self._words.append(words_of(vectors)))
            if last > REFIT_GROWTH * state.fitted:  # a new scale makes new codes of all rows; links stay as they are
                scale = scale_for(everything, self.compact)
                upper, lower = planes_of(everything, scale, self.compact)
                codes, lower = self._codes.begin_with(upper), self._lower.begin_with(lower)
                errors = self._errors.begin_with(lost(everything, upper, scale))
                state = replace(state, scale=scale, fitted=last, longest=longest_code(everything, errors))
            else:
                upper, lower = planes_of(vectors, state.scale, self.compact)
                gone = lost(vectors, upper, state.scale)
                codes, lower = self._codes.append(upper), self._lower.append(lower)
                errors = self._errors.append(gone)
                state = replace(state, longest=max(state.longest, longest_code(vectors, gone)))
            alive = np.concatenate([state.alive, np.ones(len(vectors), dtype=np.bool_)])
            live = state.live + len(vectors)
            self._state = replace(
                state, vectors=everything, alive=alive, codes=codes, lower=lower, errors=errors, live=live
            )
            return first

    def remove(self, rows: Rows) -> None:
        """Turn rows into tombstones."""
        rows = np.asarray(rows, dtype=np.int64)
        with self._changing:
            state = self._state
            alive = state.alive.copy()
            alive[rows] = False
            live = int(np.count_nonzero(alive))
            dead = int(np.count_nonzero(~alive[: state.linked]))
            self._state = replace(state, alive=alive, live=live, linked_dead=dead)

    def keep(self) -> IndexSnapshot:
        """What is worth keeping in a file."""
        state = self._state
        return IndexSnapshot(
            state.codes, state.lower, state.errors, state.scale, state.fitted, state.longest, state.graph, state.linked
        )

    def take(self, kept: IndexSnapshot, stored: Floats, alive: Mask) -> None:
        """Begin with what was kept of the first rows of `stored` (n, d), of which `alive` (n,) live. The index is empty."""
        rows = len(kept.codes)
        with self._changing:
            self._state = _State(
                vectors=stored[:rows],
                alive=alive[:rows].copy(),
                codes=self._codes.begin_with(kept.codes),
                lower=self._lower.begin_with(kept.lower),
                words=self._state.words,
                errors=self._errors.begin_with(kept.errors),
                norms=self._norms.append(half_squares(stored[:rows]))
                if self.metric == "euclidean"
                else self._state.norms,
                live=int(np.count_nonzero(alive[:rows])),
                scale=kept.scale,
                fitted=kept.fitted,
                longest=kept.longest,
                graph=kept.graph,
                linked=kept.linked,
                linked_dead=0
                if kept.graph is None
                else int(np.count_nonzero((kept.graph.levels >= 0) & ~alive[: kept.linked])),
            )
            if len(stored) > rows:
                self.add(stored[rows:], stored)
                self.remove(rows + np.flatnonzero(~alive[rows:]))

    def shorten(self) -> None:
        """Make what 16 bits hold of all rows, where it is not there yet: a walk then reads half as much."""
        if self.metric != "cosine" or self.compact:
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
            anew = state.graph is None or state.linked_dead > REBUILD_DELETED_SHARE * state.linked
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
                now = self._state
                dead = int(np.count_nonzero((levels >= 0) & ~now.alive[:total]))
                bare = graph._replace(codes=graph.codes[:0], sums=graph.sums[:0], bias=graph.bias[:0])
                self._state = replace(now, graph=bare, linked=total, linked_dead=dead)

    def _on_codes(self, graph: hnsw.Graph, state: _State) -> hnsw.Graph:
        """The same links, to be walked on codes of 4 bits."""
        bias = graph.bias[:0]
        if self.metric == "euclidean":
            bias = np.rint(state.norms / (state.scale.step * self._query_unit(state))).astype(np.int32)
        return graph._replace(codes=state.codes, bits=4, sums=graph.sums[:0], bias=bias)

    def _query_unit(self, state: _State) -> float:
        """What one unit of a query's codes stands for in a walk; 0: each query its own."""
        return step_of(state.scale.wide, 8) if self.metric == "euclidean" else 0.0

    def _byte_graph(self, state: _State, levels: NDArray[np.int8]) -> hnsw.Graph:
        limit = state.scale.wide
        codes = quantise(state.vectors, limit, 8)
        bias = None
        if self.metric == "euclidean":
            unit = step_of(limit, 8)
            bias = np.rint(state.norms[: len(codes)] / (unit * unit)).astype(np.int32)
        return hnsw.empty_graph(codes, 8, levels, self.m, bias)

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(
        self, query: Floats, k: int = 10, ef: int | None = None, allowed: Selection | Mask | None = None
    ) -> Found:
        """Rows int64 and scores float64 of the best `k` live rows, best first, fewer where there are fewer. `allowed` bool (n,): only
        these rows. `ef`: candidates kept on the ground layer, at least k; more find more and take longer."""
        return self._searched(self._state, checked_vectors(query, self.dimensions, "query")[0], k, ef, allowed)

    def hits(self, query: Floats, k: int, ef: int | None, allowed: Selection | Mask | None) -> list[tuple[str, float]]:
        """`search`, the result as pairs (name of the row, score)."""
        state = self._state
        if type(query) is np.ndarray and query.dtype is _FLOAT32 and query.shape == self._shape and allowed is None:
            kept = self._kept()
            if kept is not None and kept.state is state and kept.quick and kept.k >= k > 0:
                ef = ef or EF_SEARCH
                if ef < k:
                    ef = k
                if ef <= kept.ef:
                    # One call, of what was made ready at an earlier one: in a large index most searches pass here.
                    count = search.search_graph(
                        kept.box, query, k, ef, k + RESCORED + ef // kept.part, self._metric, kept.unit, kept.step
                    )
                    if count >= 0:
                        return list(zip(self.names[kept.rows[:count]].tolist(), kept.scores[:count].tolist()))  # noqa: B905
        else:
            query = checked_vectors(query, self.dimensions, "query")[0]
        rows, scores = self._searched(state, query, k, ef, allowed)
        return list(zip(self.names[rows].tolist(), scores.tolist(), strict=True))

    def _kept(self) -> _Ready | None:
        kept: _Ready | None = self._local.__dict__.get("kept")
        return kept

    def _searched(
        self, state: _State, query: Floats, k: int, ef: int | None, allowed: Selection | Mask | None
    ) -> Found:
        if k < 1 or state.live == 0:
            return _NO_ROWS, np.empty(0)
        if allowed is not None:
            return self._filtered(state, query, k, ef, allowed)
        if state.graph is None or state.live <= EXACT_LIMIT or not execution.is_warm():
            return self._scanned(state, query, k, None)
        waiting = np.arange(state.linked, len(state.vectors), dtype=np.int64)
        walked = _found(*self._walk(state, query, k, ef or EF_SEARCH, None))
        return merged(walked, self._scanned(state, query, k, waiting), k) if len(waiting) else walked

    def walk(self, query: Floats, k: int = 10, ef: int | None = None) -> Found:
        """What the graph alone finds among the linked rows, whatever their number."""
        state = self._state
        query = checked_vectors(query, self.dimensions, "query")[0]
        if k < 1 or state.graph is None:
            return _NO_ROWS, np.empty(0)
        return _found(*self._walk(state, query, k, ef or EF_SEARCH, None))

    def search_exact(self, query: Floats, k: int = 10, allowed: Selection | Mask | None = None) -> Found:
        """The best `k` live rows, without a miss: in float64, ties by row."""
        state = self._state
        if k < 1 or state.live == 0:
            return _NO_ROWS, np.empty(0)
        among = None
        if allowed is not None:
            among = within(allowed.rows if isinstance(allowed, Selection) else np.flatnonzero(allowed), state)
        return self._scanned(state, checked_vectors(query, self.dimensions, "query")[0], k, among)

    def scan(self, query: Floats, k: int = 10, among: Rows | None = None, state: _State | None = None) -> Found:
        """`search_exact` by the kernels, whether or not they are compiled. `among`: live rows, distinct."""
        state = state or self._state
        box, prepared = self._box(state, 1, k, None)
        rows = _NO_ROWS if among is None else unlocked(among)
        count = scan.scan(box, query, rows, among is None, k, self._metric, state.scale.step, state.longest)
        return _found(prepared, _sound(count))

    def _filtered(self, state: _State, query: Floats, k: int, ef: int | None, allowed: Selection | Mask) -> Found:
        chosen = allowed if isinstance(allowed, Selection) else Selection(allowed, int(np.count_nonzero(allowed)))
        walkable = state.graph is not None and state.linked == len(state.vectors) and execution.is_warm()
        if chosen.count <= SCAN_LIMIT or not walkable:
            return self._scanned(state, query, k, within(chosen.rows, state))
        share = chosen.count / max(1, state.live)
        wider = min(len(state.vectors), int(FILTERED_EF * (ef or EF_SEARCH) / share))
        mask = state.alive.copy()
        shared = min(len(mask), len(chosen.bitmap))
        mask[:shared] &= chosen.bitmap[:shared]
        mask[shared:] = False
        prepared, count = self._walk(state, query, k, wider, mask)
        # The filter correlates with the vectors where far fewer of the nearest pass it than of all: a walk would miss some.
        if count < k or prepared.result.passed[0] < 0.5 * share * wider:
            return self._scanned(state, query, k, within(chosen.rows, state))
        return _found(prepared, count)

    def _walk(self, state: _State, query: Floats, k: int, ef: int, allowed: Mask | None) -> tuple[Prepared, int]:
        """A search of the graph; its result stands in what is returned until this thread's next search."""
        ef = max(ef, k)
        if state.linked_dead:  # tombstones take places among the ef: as many more are kept as make up for them
            ef = -(-ef * state.linked // max(1, state.linked - state.linked_dead))
        box, prepared = self._box(state, ef, k, allowed)
        unit = self._query_unit(state) if self._metric == search.EUCLIDEAN else 0.0
        rescored = k + RESCORED + ef // (RESCORED_COMPACT_PART if self.compact else RESCORED_PART)
        step = step_of(state.scale.wide, 8)
        count = search.search_graph(box, query, k, ef, rescored, self._metric, unit, step)
        return prepared, _sound(count)

    def _scanned(self, state: _State, query: Floats, k: int, among: Rows | None) -> Found:
        if not execution.is_warm():
            return self._by_numpy(state, query, k, among)
        return self.scan(query, k, among, state)

    def _by_numpy(self, state: _State, query: Floats, k: int, among: Rows | None) -> Found:
        rows = np.flatnonzero(state.alive) if among is None else among[state.alive[among]]
        wide = query.astype(np.float64)
        _sound(0 if np.isfinite(wide).all() else -1)
        length = float(np.sqrt(wide @ wide))
        scores = np.einsum("ij,j->i", state.vectors[rows], wide, dtype=np.float64)
        if self.metric == "cosine":
            scores = scores / length if length > 0 else scores
        elif self.metric == "euclidean":
            scores = -np.sqrt(np.maximum(0.0, length * length - 2 * (scores - state.norms[rows])))
        order = np.lexsort((rows, -scores))[:k]
        return rows[order], scores[order]

    def _box(self, state: _State, ef: int, k: int, allowed: Mask | None) -> tuple[Any, Prepared]:
        """What this thread's searches of `state` read and write, boxed for the kernels; made anew when the state changes."""
        kept = self._kept()
        if kept is None or kept.state is not state or kept.ef < ef or kept.k < k:
            ef, k = max(ef, 256), max(k, 64)
            graph = state.graph or hnsw.empty_graph(state.codes, 4, np.empty(0, dtype=np.int8), self.m)
            graph = self._on_codes(graph, state)
            prepared = search.Prepared(
                graph=graph,
                scratch=hnsw.new_scratch(graph, ef),
                vectors=unlocked(state.vectors),
                lower=state.lower,
                zero=state.scale.zero,
                names=references(self.names),
                words=state.words if len(state.words) == len(state.vectors) else state.words[:0],
                norms=state.norms,
                alive=state.alive,
                errors=state.errors,
                bounds=np.empty(len(state.vectors), dtype=np.float32),
                result=search.new_result(k),
            )
            whole = state.linked == len(state.vectors) and state.linked_dead == 0
            quick = whole and state.live > EXACT_LIMIT and execution.is_warm()
            kept = self._local.kept = _Ready(
                state,
                ef,
                k,
                quick,
                execution.boxed(prepared),
                prepared,
                *prepared.result[:2],
                self._query_unit(state),
                step_of(state.scale.wide, 8),
                self.names,
                RESCORED_COMPACT_PART if self.compact else RESCORED_PART,
            )
        if allowed is None:
            return kept.box, kept.prepared
        filtered = kept.prepared._replace(alive=allowed)
        return execution.boxed(filtered), filtered


@dataclass(frozen=True, slots=True)
class _Ready:
    """What one thread's searches of one state need, with room for `ef` and `k`. `quick`: the graph alone answers."""

    state: _State
    ef: int
    k: int
    quick: bool
    box: Any
    prepared: Prepared
    rows: Rows
    scores: NDArray[np.float64]
    unit: float
    step: float
    names: NDArray[np.object_]  # kept alive: `prepared` refers to its memory
    part: int


def _sound(count: int) -> int:
    """`count`, unless a kernel says with -1 that the query is not finite."""
    if count < 0:
        raise UsageError("The query holds NaN or infinity", "", "every component must be a finite number")
    return count


def _found(prepared: Prepared, count: int) -> Found:
    return prepared.result.rows[:count].copy(), prepared.result.scores[:count].copy()


def within(rows: Rows, state: _State) -> Rows:
    """Ascending `rows` as far as the state has them: whoever chose them may have seen more."""
    return rows if not len(rows) or rows[-1] < len(state.vectors) else rows[rows < len(state.vectors)]


def references(objects: NDArray[np.object_]) -> NDArray[np.int64]:
    """The same memory as numbers; the caller keeps `objects` alive."""
    if not len(objects):
        return np.empty(0, dtype=np.int64)
    return np.ctypeslib.as_array((ctypes.c_int64 * len(objects)).from_address(objects.ctypes.data))


def merged(one: Found, other: Found, k: int) -> Found:
    """The best `k` of two results of distinct rows."""
    rows, scores = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def unit_rows(vectors: Floats) -> Floats:
    """Each row at length 1; a zero row stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, np.newaxis]
    scaled: Floats = (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
    return scaled


def half_squares(vectors: Floats) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64) / 2
    return squares


def longest_code(vectors: Floats, errors: Floats) -> float:
    """An upper bound of |x'|: no longer than |x| and what was lost together."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)) + errors
    return float(lengths.max(initial=0.0)) * UP
