"""How a `VectorIndex` is searched: the choice between a scan of the codes, which is exact, and a walk through the graph.

A scan answers where few rows are asked for: in small indexes, behind a selective filter, and for rows that are not linked yet. Behind a
filter that leaves many hundreds it goes by estimates (`estimate.py`). Until the kernels are compiled, numpy answers, exactly.
"""

from __future__ import annotations

import operator
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import estimate, execution, hnsw, scan, search
from ragterm.engine.vectors.columns import Selection
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.index_state import (
    NO_ROWS,
    NOTHING,
    EstimatesReady,
    Ready,
    State,
    exact_by_numpy,
    made_ready,
    merged,
    of_length,
    one_query,
    within,
)
from ragterm.engine.vectors.kernels import unlocked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.search import Prepared

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Found = tuple[Rows, NDArray[np.float64]]

EXACT_LIMIT = 5_000
"""Up to this many rows a scan is about as quick as a walk, and never misses."""
FEWEST_ESTIMATED = 200
"""Behind a filter that leaves fewer rows than this the exact scan is as quick as the one by estimates."""
SCAN_LIMIT = 20_000
"""Behind a filter that leaves at most this many rows, they are scanned."""
MOST_SCANNED = 1000
"""The kernel puts each row in its place among the best k, one by one: for more than so many sorting is quicker."""
FILTERED_EF = 1.5
"""By how much a walk behind a filter is wider than the share that passes asks for."""
EF_SEARCH = 96
RESCORED, RESCORED_PART = 4, 8
"""How many entries more than k are scored again, and one for every so many of ef."""
_FLOAT32 = np.dtype(np.float32)


class Searching:
    """The half of `VectorIndex` that reads."""

    dimensions: int
    metric: str
    m: int
    compact: bool
    names: NDArray[np.object_]
    _metric: int
    _shape: tuple[int]
    _flips: Floats
    _state: State
    _local: threading.local

    def _on_codes(self, graph: hnsw.Graph, state: State) -> hnsw.Graph:
        raise NotImplementedError

    def _query_unit(self, state: State) -> float:
        raise NotImplementedError

    def search(
        self, query: ArrayLike, k: int = 10, ef: int | None = None, allowed: Selection | Mask | None = None
    ) -> Found:
        """Rows int64 and scores float64 of the best `k` live rows, best first, fewer where there are fewer. `allowed` bool (n,): only
        these rows. `ef`: candidates kept on the ground layer, at least k; more find more and take longer."""
        return self._searched(self._state, self._query(query), k, ef, allowed)

    def hits(
        self,
        query: ArrayLike,
        k: int,
        ef: int | None,
        allowed: Selection | Mask | None,
        names: NDArray[np.object_],
        state: State,
    ) -> list[tuple[str, float]]:
        """`search` of `state`, the result as pairs (name of the row, score)."""
        if (
            type(query) is np.ndarray
            and query.dtype is _FLOAT32
            and query.shape == self._shape
            and query.flags.carray
            and type(k) is int
        ):
            kept = self._kept()
            if allowed is not None:
                found = self._quickly_estimated(state, query, k, allowed)
                if found is not None:
                    rows, scores = found
                    return list(zip(names[rows].tolist(), scores.tolist()))  # noqa: B905
            elif kept is not None and kept.state is state and kept.quick and kept.k >= k > 0:
                width = ef or EF_SEARCH
                if width < k:
                    width = k
                if width <= kept.ef and type(width) is int:
                    # One call, of what was made ready at an earlier one: in a large index most searches pass here.
                    best = k + RESCORED + width // RESCORED_PART
                    count = search.search_graph(
                        kept.box, query, k, width, best, best, self._metric, kept.unit, kept.step
                    )
                    if count >= 0:
                        rows, scores = kept.first.get(count) or kept.first_of(count)
                        return list(zip(names[rows].tolist(), scores.tolist()))  # noqa: B905
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

    def _searched(self, state: State, query: Floats, k: int, ef: int | None, allowed: Selection | Mask | None) -> Found:
        k = min(whole_number(k, "top_k"), state.live)
        ef = whole_number(ef, "ef_search") if ef else EF_SEARCH
        if k < 1:
            return NOTHING
        if allowed is not None:
            return self._filtered(state, query, k, ef, selected(allowed))
        if state.live <= EXACT_LIMIT or not self._can_walk(state):
            return self._scanned(state, query, k, None)
        waiting = np.arange(state.linked, len(state.vectors), dtype=np.int64)
        scanned = self._scanned(state, query, k, waiting) if len(waiting) else NOTHING
        walked = _found(*self._walk(state, query, k, ef, None))
        return merged(walked, scanned, k) if len(waiting) else walked

    def answered(
        self, state: State, query: ArrayLike, k: int, effort: int | None, allowed: Selection | Mask | None
    ) -> tuple[Rows, NDArray[np.float64], str]:
        """`search` of `state`, and what answered: "hnsw", the graph, if need be with rows that are not linked yet;
        "estimates", a scan of codes of one bit; or "exact"."""
        self._local.answered = "exact"
        rows, scores = self._searched(state, self._query(query), k, effort, allowed)
        return rows, scores, self._local.answered

    def walk(self, query: ArrayLike, k: int = 10, ef: int | None = None) -> Found:
        """What the graph alone finds among the linked rows, whatever their number."""
        state, wanted = self._state, self._query(query)
        k = min(k, state.nodes - state.dead_nodes)
        return NOTHING if k < 1 else _found(*self._walk(state, wanted, k, ef or EF_SEARCH, None))

    def search_exact(self, query: ArrayLike, k: int = 10, allowed: Selection | Mask | None = None) -> Found:
        """The best `k` live rows, without a miss: in float64, ties by row."""
        return self.exactly(self._state, query, k, allowed)

    def exactly(self, state: State, query: ArrayLike, k: int, allowed: Selection | Mask | None) -> Found:
        """`search_exact` of `state`."""
        wanted = self._query(query)
        k = min(whole_number(k, "top_k"), state.live)
        if k < 1:
            return NOTHING
        among = None if allowed is None else within(selected(allowed).rows, state)
        return self._scanned(state, wanted, k, among)

    def scan(self, query: Floats, k: int = 10, among: Rows | None = None, state: State | None = None) -> Found:
        """`search_exact` by the kernels, whether or not they are compiled. `among`: live rows, distinct."""
        state = state or self._state
        if not state.in_range or k > MOST_SCANNED:
            return exact_by_numpy(state, self._metric, query, k, among)
        box, prepared = self._box(state, 1, k, None)
        rows = NO_ROWS if among is None else unlocked(among)
        how = (k, self._metric, state.scale.byte_step, state.longest)
        count = _sound(scan.scan(box, query, rows, among is None, *how))
        if count == search.OUT_OF_RANGE:
            return exact_by_numpy(state, self._metric, query, k, among)
        return _found(prepared, count)

    def _can_walk(self, state: State) -> bool:
        return state.nodes > state.dead_nodes and state.in_range and execution.is_warm()

    def _filtered(self, state: State, query: Floats, k: int, ef: int, allowed: Selection) -> Found:
        if allowed.count <= SCAN_LIMIT or state.linked < len(state.vectors) or not self._can_walk(state):
            return self._estimated(state, query, k, within(allowed.listed, state))
        share = min(1.0, allowed.count / max(1, state.live))
        wider = min(len(state.vectors), int(FILTERED_EF * max(ef, k) / share))
        mask = of_length(allowed.bitmap, len(state.vectors)) & state.alive
        prepared, count = self._walk(state, query, k, wider, mask)
        # The filter correlates with the vectors where far fewer of the nearest pass it than of all: a walk would miss some.
        if count < k or prepared.result.passed[0] < 0.5 * share * wider:
            return self._estimated(state, query, k, within(allowed.listed, state))
        return _found(prepared, count)

    def _estimated(self, state: State, query: Floats, k: int, among: Rows) -> Found:
        """The best `k` of these rows by the quicker scan: of many by estimates, of few exactly."""
        few = len(among) < FEWEST_ESTIMATED or state.live <= EXACT_LIMIT
        if few or k > estimate.MOST_WANTED or not execution.is_warm():
            return self._scanned(state, query, k, among)
        if not state.in_range or len(state.signs) < len(state.vectors):
            return self._scanned(state, query, k, among)
        self._local.answered = "estimates"
        return self.estimate(query, k, among, state)

    def _quickly_estimated(
        self, state: State, query: Floats, k: int, allowed: Selection | Mask
    ) -> tuple[Rows, NDArray[np.float64]] | None:
        """`_estimated` in one call, of what was made ready at an earlier one: the scan leaves little of Python in the processor's
        caches, where each step then takes longer. None: another way is to be taken, or more is to be said."""
        ready = self._local.__dict__.get("estimating")
        if ready is None or ready.state is not state or not 0 < k <= ready.k or type(allowed) is not Selection:
            return None
        if not FEWEST_ESTIMATED <= allowed.count <= SCAN_LIMIT or allowed.bitmap.shape[0] > state.alive.shape[0]:
            return None
        wanted = estimate.first_ones(k, state.alive.shape[0], state.live)
        count = estimate.scan_estimates(ready.box, query, allowed.listed, k, wanted, self._metric, ready.step)
        return None if count < 0 else (ready.rows[:count], ready.scores[:count])

    def estimate(self, query: Floats, k: int, among: Rows, state: State | None = None) -> Found:
        """The best `k` of the rows `among`, distinct, by their codes of one bit, of which there are as many as rows: some of a hundred
        may be missing."""
        state = state or self._state
        if not state.in_range:
            return exact_by_numpy(state, self._metric, query, k, among)
        ready = self._estimating(state, k)
        wanted = estimate.first_ones(k, len(state.alive), state.live)
        how = (k, wanted, self._metric, ready.step)
        count = _sound(estimate.scan_estimates(ready.box, query, unlocked(among), *how))
        if count == search.OUT_OF_RANGE:
            return exact_by_numpy(state, self._metric, query, k, among)
        return ready.rows[:count].copy(), ready.scores[:count].copy()

    def _estimating(self, state: State, k: int) -> EstimatesReady:
        """What this thread's scans by estimates need, made anew when what its other searches need was."""
        _, prepared = self._box(state, 1, k, None)
        ready: EstimatesReady | None = self._local.__dict__.get("estimating")
        if ready is None or ready.prepared is not prepared:
            most = min(len(prepared.result.rows), estimate.MOST_WANTED)
            room = estimate.first_ones(most, len(state.alive), state.live)
            box = execution.boxed(estimate.made_estimating(prepared, state.signs, self._flips, room))
            ready = EstimatesReady(state, prepared, box, most, *prepared.result[:2], state.scale.step)
            self._local.estimating = ready
        return ready

    def _walk(self, state: State, query: Floats, k: int, ef: int, allowed: Mask | None) -> tuple[Prepared, int]:
        """A search of the graph; its result stands in what is returned until this thread's next search."""
        ef = max(ef, k)
        best = rescored = k + RESCORED + ef // RESCORED_PART
        if state.dead_nodes:  # tombstones take places among these: as many more are kept as make up for them
            ef, best = (-(-n * state.nodes // (state.nodes - state.dead_nodes)) for n in (ef, best))
        ef = min(ef, max(state.nodes, k))
        if allowed is not None:  # what passes may lie anywhere among the ef
            best = 0
        box, prepared = self._box(state, ef, k, allowed)
        how = (k, ef, best, rescored, self._metric, self._query_unit(state), state.scale.byte_step)
        count = _sound(search.search_graph(box, query, *how))
        if count == search.OUT_OF_RANGE:  # only the product depends on a query's length, the order of the rows does not
            wide = query.astype(np.float64)
            length = float(np.sqrt(wide @ wide))
            count = search.search_graph(box, (wide / length).astype(np.float32), *how)
            if self.metric == "dot":
                prepared.result.scores[:count] *= length
        self._local.answered = "hnsw"
        return prepared, count

    def _scanned(self, state: State, query: Floats, k: int, among: Rows | None) -> Found:
        self._local.answered = "exact"
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
                state,
                self._on_codes(graph, state),
                max(ef, 256),
                max(k, 64),
                self._query_unit(state),
                quick,
                self.names,
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


def selected(allowed: Selection | Mask) -> Selection:
    return allowed if isinstance(allowed, Selection) else Selection(allowed, int(np.count_nonzero(allowed)))


def whole_number(value: object, what: str) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(f"{what} is {value!r:.40}", "", "pass a whole number") from error
