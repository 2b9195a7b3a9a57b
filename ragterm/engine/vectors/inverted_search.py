"""How an `InvertedIndex` is searched: the choice between a scan of the vectors, which is exact, and a look into the nearest lists.

A scan answers where few rows are asked for: in small indexes, before there are lists, behind a selective filter. Until the
kernels are compiled, numpy answers, exactly.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import execution
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.index import METRICS
from ragterm.engine.vectors.index_state import NOTHING, exact_by_numpy, lengths_of, of_length, one_query, within
from ragterm.engine.vectors.searching import MOST_SCANNED, selected, whole_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.columns import Selection
    from ragterm.engine.vectors.ivf import IvfIndex
    from ragterm.engine.vectors.ivf_snapshot import Training
    from ragterm.engine.vectors.ivf_state import IvfState
    from ragterm.engine.vectors.names import Names

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Scores = NDArray[np.float64]
    Found = tuple[Rows, Scores]

EXACT_LIMIT = 10_000
"""Up to this many rows a scan is quick, and k-means has too little to go by."""
FEWEST_A_LIST = 16
"""Where the number of lists is given, there are no lists before there is so much for each."""
SCAN_LIMIT = 5_000
"""Behind a filter that leaves at most this many rows, they are scanned."""
FILTERED_PROBES = 1.5
"""By how much more lists are looked into behind a filter than the share that passes asks for."""
RESCORED, RESCORED_A_HIT = 64, 16
"""IVF-PQ: how many candidates by code are scored in full, at least, and for each row asked for."""
_SHORTEST, _LONGEST = 1e-15, 1e15


@dataclass(frozen=True)
class State:
    """What a search reads. Row i is vectors[i]; once there are lists, every row that lived when it came is in one."""

    vectors: Floats  # (n, d); of unit length for cosine
    alive: Mask  # (n,)
    live: int
    index: IvfIndex
    lists: IvfState
    longest: float = 0.0  # the largest |x|
    training: Training | None = None
    made: object = None

    @property
    def dead(self) -> int:
        """Tombstones in the lists."""
        return self.lists.live - self.live

    @property
    def in_range(self) -> bool:
        """Whether squares fit in float32."""
        return _SHORTEST < self.longest < _LONGEST


class LookingIntoLists:
    """The half of `InvertedIndex` that reads."""

    kernels = "lists"
    kind: str
    dimensions: int
    metric: str
    _lists: int | None
    _nprobe: int | None
    _state: State

    @property
    def answers(self) -> str:
        """What answers a search without a filter now."""
        return self.kind if self._can_probe(self._state) else "exact"

    @property
    def exact_limit(self) -> int:
        """Up to so many rows lists are of no use; numbers that float32 cannot square have no use for them at all."""
        if self._state.live and not self._state.in_range:
            return sys.maxsize
        return max(EXACT_LIMIT, FEWEST_A_LIST * (self._lists or 0))

    def hits(
        self, query: ArrayLike, k: int, effort: int | None, allowed: Selection | Mask | None, names: Names, state: State
    ) -> list[tuple[str, float]]:
        """The best `k` live rows of `state` that were found, best first, as pairs (name of the row, score). `effort`: lists to look
        into."""
        rows, scores, _ = self.answered(state, query, k, effort, allowed)
        return list(zip(names[rows].tolist(), scores.tolist(), strict=True))

    def answered(
        self, state: State, query: ArrayLike, k: int, effort: int | None, allowed: Selection | Mask | None
    ) -> tuple[Rows, NDArray[np.float64], str]:
        """Rows int64 and scores float64, best first, fewer than `k` only where fewer live rows are allowed; and what answered."""
        wanted = self._query(query)
        k = min(whole_number(k, "top_k"), state.live)
        nprobe = whole_number(effort, "nprobe") if effort else self._probes(state)
        if k < 1:
            return *NOTHING, "exact"
        length = float(lengths_of(wanted[np.newaxis])[0])
        among = None if allowed is None else selected(allowed)
        found = None
        if k <= MOST_SCANNED and self._can_probe(state) and (length == 0.0 or _SHORTEST < length < _LONGEST):
            found = (
                self._probed(state, wanted, k, nprobe)
                if among is None
                else self._filtered(state, wanted, k, nprobe, among)
            )
        if found is not None:
            return *found, self.kind
        return *self.exactly(state, wanted, k, among), "exact"

    def exactly(self, state: State, query: ArrayLike, k: int, allowed: Selection | Mask | None) -> Found:
        """The best `k` live rows of `state`, without a miss: in float64, ties by row."""
        wanted = self._query(query)
        k = min(whole_number(k, "top_k"), state.live)
        if k < 1:
            return NOTHING
        rows = np.flatnonzero(state.alive) if allowed is None else within(selected(allowed).rows, state)
        if not execution.is_warm(self.kernels) or k > MOST_SCANNED or not state.in_range:
            return exact_by_numpy(state, METRICS[self.metric], wanted, k, rows)
        return state.index.scan(state.lists, wanted, k, rows[state.alive[rows]])

    def probe(self, query: ArrayLike, k: int = 10, allowed: Mask | None = None) -> Found:
        """What the lists alone find, whatever the number of rows, whether or not kernels are compiled."""
        state = self._state
        rescored = max(RESCORED, RESCORED_A_HIT * k)
        rows, scores, *_ = state.index.probe(state.lists, self._query(query), k, self._probes(state), rescored, allowed)
        return rows, scores

    def scan(self, query: ArrayLike, k: int = 10) -> Found:
        """What a scan finds, whether or not kernels are compiled."""
        state = self._state
        return state.index.scan(state.lists, self._query(query), k, np.flatnonzero(state.alive))

    def _query(self, query: ArrayLike) -> Floats:
        checked = checked_vectors(query, self.dimensions, "query")
        if len(checked) != 1:
            raise UsageError(f"{len(checked)} queries at once", "", "search for one, or use search_batch")
        return one_query(checked)

    def _can_probe(self, state: State) -> bool:
        return state.training is not None and state.live > self.exact_limit and execution.is_warm(self.kernels)

    def _probes(self, state: State) -> int:
        return self._nprobe or default_probes(state.index.lists)

    def _probed(self, state: State, query: Floats, k: int, nprobe: int) -> Found:
        mask = state.alive if state.dead else None
        rescored = max(RESCORED, RESCORED_A_HIT * k)
        rows, scores, *_ = state.index.probe(state.lists, query, k, nprobe, rescored, mask)
        if len(rows) < k:  # these lists do not hold so many
            rows, scores, *_ = state.index.probe(state.lists, query, k, state.index.lists, rescored, mask)
        return rows, scores

    def _filtered(self, state: State, query: Floats, k: int, nprobe: int, allowed: Selection) -> Found | None:
        """None where a scan is as quick, or alone is sure to find the best."""
        if allowed.count <= SCAN_LIMIT:
            return None
        lists, share = state.index.lists, min(1.0, allowed.count / state.live)
        mask = of_length(allowed.bitmap, len(state.vectors)) & state.alive
        rescored = max(RESCORED, RESCORED_A_HIT * k)
        rows, scores, looked, passed = state.index.probe(state.lists, query, k, nprobe, rescored, mask)
        # The filter correlates with the vectors where far fewer of the nearest pass it than of all: the best that do lie anywhere,
        # and so many lie about as near that codes cannot tell them apart.
        if passed < 0.5 * share * looked:
            return None
        if passed < nprobe * state.live / lists:  # fewer than a search without a filter looks at
            wider = math.ceil(FILTERED_PROBES * max(nprobe, 1) / share)
            rows, scores, *_ = state.index.probe(state.lists, query, k, wider, rescored, mask)
        return (rows, scores) if len(rows) >= k else None


def default_probes(lists: int) -> int:
    """An eighth of the lists: recall@10 of 0.98 on embeddings of sentences."""
    return min(lists, max(8, math.ceil(lists / 8)))
