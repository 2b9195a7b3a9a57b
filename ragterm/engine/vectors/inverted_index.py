"""`InvertedIndex`: inverted lists for a `VectorDB`, with what they lack by themselves: a beginning, tombstones, a second training.

Until there are vectors enough to train with, a scan answers, exactly. Then the lists are made in the background; a row that comes
later goes into the list nearest to it at once. When the rows have doubled, or those that came lie much further from their centroids
than those that the lists were made for, all is trained anew. A removed row stays in its list, as a tombstone that is passed over,
until a quarter of all are.

Memory of IVF-PQ in a folder, where the vectors lie in a file that is mapped: for each row its code (a byte for every 8 dimensions
unless told), its number (4 bytes; Euclidean 4 more), 1 byte of life, and its id; the pages that lists do not fill cost about a sixth
more. At 384 dimensions and 100,000 rows 72 bytes, centroids included, and 19 for the id, in place of the 1,536 of the vector. The
best few by code are scored by the vectors in the file. IVF-Flat holds float32 rows in its lists; a database in memory the vectors
as well.

This half changes it; `inverted_search.py` is the other.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import ivf_snapshot
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.growing import Growing
from ragterm.engine.vectors.index import Metric
from ragterm.engine.vectors.index_state import NO_ROWS, lengths_of, unit_rows
from ragterm.engine.vectors.inverted_search import LookingIntoLists, State
from ragterm.engine.vectors.ivf import IvfIndex
from ragterm.engine.vectors.ivf_snapshot import Training
from ragterm.engine.vectors.pq import PqParameters

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.index_snapshot import Kept
    from ragterm.engine.vectors.metadata import Json

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Progress = Callable[[int, int], None]

SAMPLE_A_LIST, SMALLEST_SAMPLE = 64, 32_768
"""How many rows training looks at: for each list, and at least."""
REPACK_DELETED_SHARE = 0.25
RETRAIN_GROWTH = 2.0
DRIFT, DRIFT_SHARE = 1.25, 0.1
"""So much further from their centroids lie the rows that came, once they are this share of all: the lists are made anew."""
_AT_ONCE = 65_536


class InvertedIndex(LookingIntoLists):
    """Vectors (d,) float32 by row, rows being numbers in order of arrival. Scores: cosine in [-1, 1], the dot product, or the negative
    Euclidean distance; higher is better. Raises UsageError for NaN, infinity and another dimension; nothing is changed then."""

    effort = "nprobe"
    graph = None

    def __init__(
        self,
        dimensions: int,
        metric: Metric = "cosine",
        lists: int | None = None,
        nprobe: int | None = None,
        code_bytes: int | None = None,
        seed: int = 1,
    ) -> None:
        """`lists`, `nprobe`: None goes by the number of rows. `code_bytes`: of IVF-PQ, a divisor of `dimensions`; None: IVF-Flat."""
        if nprobe is not None and nprobe < 1:
            raise UsageError(f"nprobe is {nprobe}", "", "pass 1 or more")
        self.pq = None if code_bytes is None else PqParameters(code_bytes)
        self.dimensions, self.seed = dimensions, seed
        self.metric: str = metric
        self._lists, self._nprobe = lists, nprobe
        self.kind = "ivf-flat" if self.pq is None else "ivf-pq"
        self._changing = threading.RLock()
        self._linking = threading.Lock()
        self._vectors: Growing[np.float32] = Growing.rows((dimensions,), np.float32)
        index = IvfIndex(dimensions, metric, 1 if lists is None else lists, self.pq, seed)
        self._state = State(self._vectors.view, np.empty(0, dtype=np.bool_), 0, index, index.state)

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
        """Rows that the lists account for: all or none."""
        return self.rows if self._state.training else 0

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
    def memory_bytes(self) -> int:
        """Of all arrays; of a folder's vectors none, they are a map of its file."""
        return self._vectors.nbytes + self._state.alive.nbytes + self._state.lists.memory_bytes

    @property
    def parameters(self) -> Mapping[str, Json]:
        """What lists that were kept must have been made with."""
        code_bytes = None if self.pq is None else self.pq.row_bytes
        how: dict[str, Json] = {"index": self.kind, "metric": self.metric, "lists": self._lists}
        return how | {"code_bytes": code_bytes, "seed": self.seed}

    @property
    def described(self) -> Mapping[str, Any]:
        state = self._state
        lists = state.index.lists if state.training else self._lists
        facts = {"lists": lists, "nprobe": self._probes(state) if state.training else self._nprobe, "seed": self.seed}
        if self.pq is not None:
            facts["code_bytes"] = self.pq.row_bytes
        sizes = state.lists.lists.counts
        spread = {"mean": float(sizes.mean()), "largest": int(sizes.max()), "empty": int(np.count_nonzero(sizes == 0))}
        return facts | {"list_sizes": spread if state.training else {}}

    @property
    def needs_rebuild(self) -> bool:
        """Whether the next `link` has something to do for rows that are in the lists."""
        return self._outgrown(self._state) or self._full_of_tombstones(self._state)

    # -- changing -----------------------------------------------------------------------------------------------------

    def checked(self, vectors: ArrayLike, what: str = "vector") -> Floats:
        """float32 (m, d), as they are kept: at length 1 for cosine. Raises UsageError."""
        array = checked_vectors(vectors, self.dimensions, what)
        return unit_rows(array) if self.metric == "cosine" else array

    def add(self, vectors: Floats, stored: Floats | None = None, removed: Rows = NO_ROWS) -> int:
        """Append what `checked` returned; the row of the first. `stored`: an array of all rows so far with these, which is then used in
        place of a copy. `removed` rows, old or new, become tombstones in the same moment."""
        with self._changing:
            state = self._state
            first, last = len(state.vectors), len(state.vectors) + len(vectors)
            everything = self._vectors.append(vectors) if stored is None else stored[:last]
            alive = np.concatenate([state.alive, np.ones(len(vectors), dtype=np.bool_)])
            alive[removed] = False
            state.index.rescore_from(everything)
            if state.training:
                here = np.flatnonzero(alive[first:])
                state.index.put(vectors[here], first + here)
            longest = max(state.longest, float(lengths_of(vectors).max(initial=0.0)))
            live = int(np.count_nonzero(alive))
            self._state = replace(
                state, vectors=everything, alive=alive, live=live, lists=state.index.state, longest=longest
            )
            return first

    def remove(self, rows: Rows) -> None:
        """Turn rows into tombstones."""
        with self._changing:
            alive = self._state.alive.copy()
            alive[rows] = False
            self._state = replace(self._state, alive=alive, live=int(np.count_nonzero(alive)))

    unsigned = 0

    def sign(self) -> None:
        """There are no codes of one bit."""

    def link(self, threads: int = 1, progress: Progress | None = None) -> None:
        """Make the lists, or make them anew, where that is due; take tombstones out of them. Searches and changes go on meanwhile.
        `progress` is told (rows done, all rows), and may raise to stop."""
        with self._linking:
            state = self._state
            if not state.live or not state.in_range:
                return
            if state.training is None or self._outgrown(state):
                self._train(state, progress)
            elif self._full_of_tombstones(state):
                with self._changing:
                    state = self._state
                    state.index.remove(np.flatnonzero(~state.alive))
                    self._state = replace(state, lists=state.index.state, made=object())

    def _train(self, state: State, progress: Progress | None) -> None:
        live = np.flatnonzero(state.alive)
        lists = min(self._lists or default_lists(state.live), state.live)
        index = IvfIndex(self.dimensions, self.metric, lists, self.pq, self.seed)  # type: ignore[arg-type]
        done = [0]

        def each(more: int = 0) -> None:
            if progress is not None:
                progress(done[0] + more, len(live))

        wanted = max(SAMPLE_A_LIST * lists, SMALLEST_SAMPLE)
        chosen = live
        if len(live) > wanted:
            chosen = np.sort(np.random.default_rng(self.seed).choice(live, wanted, replace=False))
        index.train(state.vectors[chosen], each)
        for start in range(0, len(live), _AT_ONCE):
            part = live[start : start + _AT_ONCE]
            index.put(state.vectors[part], part, each)
            done[0] += len(part)
        made = index.state
        training = Training(state.live, made.losses / max(1, made.put), made.losses, made.put)
        with self._changing:
            now = self._state
            late = len(state.vectors) + np.flatnonzero(now.alive[len(state.vectors) :])
            index.rescore_from(now.vectors)
            index.put(now.vectors[late], late)
            self._state = replace(now, index=index, lists=index.state, training=training, made=object())

    def _outgrown(self, state: State) -> bool:
        then = state.training
        if then is None:
            return False
        added = state.lists.put - then.put
        if state.live > RETRAIN_GROWTH * then.rows:
            return True
        nowhere = 1e-3 * min(1.0, state.longest) ** 2  # rows that lie in their centroids drift by rounding
        drifted = state.lists.losses - then.losses > DRIFT * added * max(then.loss, nowhere)
        return drifted and added > DRIFT_SHARE * max(then.rows, state.live)

    def _full_of_tombstones(self, state: State) -> bool:
        return state.training is not None and state.dead > REPACK_DELETED_SHARE * state.lists.live

    @property
    def made(self) -> object:
        return self._state.made

    def keep(self) -> Kept | None:
        """What is worth keeping in a file; None before there are lists."""
        with self._changing:
            state = self._state
            if state.training is None:
                return None
            return ivf_snapshot.kept_of(state.lists, len(state.vectors), state.longest, state.training, state.made)

    def take(self, kept: Kept, stored: Floats, alive: Mask) -> None:
        """Begin with what was kept of the first rows of `stored` (n, d), of which `alive` (n,) live. The index is empty. Raises
        SnapshotError when it does not fit."""
        rows = kept.rows
        lists, longest, training = ivf_snapshot.taken(kept, self.metric, self.dimensions, self.pq, stored)
        with self._changing:
            index = IvfIndex.of(self.metric, self.seed, lists)  # type: ignore[arg-type]
            live = int(np.count_nonzero(alive[:rows]))
            self._state = State(stored[:rows], alive[:rows].copy(), live, index, lists, longest, training, kept.made)
            if len(stored) > rows:
                self.add(stored[rows:], stored, rows + np.flatnonzero(~alive[rows:]))


def default_lists(rows: int) -> int:
    """Twice the square root of the rows: what is looked at of the centroids and of the lists then grows alike."""
    return max(1, round(2 * math.sqrt(rows)))
