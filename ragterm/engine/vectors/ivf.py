"""`IvfIndex`: an inverted file, for collections whose memory is bounded (Jégou, Douze and Schmid 2011, section IV).

k-means divides the space into `lists` cells; each row is kept in the list of the centroid nearest to it, and a search looks
only into the `nprobe` lists whose centroids are nearest to the query. More lists looked into find more and take longer; all of them
find everything.

IVF-Flat keeps float32 rows: 4 d + 4 bytes for each vector (1,540 at 384 dimensions).
IVF-PQ keeps codes of what is left of a row after its centroid is taken away: m x bits / 8 + 4 bytes, and 4 more for Euclidean (52 at
384 dimensions and 48 subspaces of 8 bits). The order by codes is approximate: `rescored` candidates may be scored again by
float32 rows that lie elsewhere, such as in a memory-mapped file.

Beside that: the centroids, 4 d lists bytes, those of PQ, 1,024 d bytes at 8 bits, and half a page for each list.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import execution, inverted_lists, ivf_search
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.index import METRICS, Metric
from ragterm.engine.vectors.index_state import unit_rows
from ragterm.engine.vectors.inverted_lists import Lists, Payload
from ragterm.engine.vectors.kmeans import POINTS_PER_CENTROID, k_means, nearest_centroids, sample
from ragterm.engine.vectors.pq import PqParameters, ProductQuantiser, as_coded, as_kept, train_quantiser

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Found = tuple[Rows, NDArray[np.float64]]

ROUNDS = 10
"""Of k-means for the lists; they need only divide the space, not describe it."""
REPACK_DELETED_SHARE = 0.25
NPROBE = 8
_AT_ONCE = 16_384
_MOST_ROWS = 2**31 - 1
_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class _State:
    """What a search reads."""

    lists: Lists
    centroids: Floats  # (1, d, lists), or without lists before training
    anchors: Floats  # (lists,) how much of its centroid PQ takes away from a row
    quantiser: ProductQuantiser | None
    originals: Floats
    rows: int = 0  # the next to be given
    live: int = 0
    removed: int = 0  # slots that hold nothing
    largest_bias: float = 0.0


class IvfIndex:
    """Vectors (d,) float32 by row, rows being numbers in order of arrival. Scores: cosine in [-1, 1], the dot product, or the negative
    Euclidean distance; higher is better. Those of IVF-PQ are approximate unless rescored, a cosine may then pass 1 a little.

    `lists`: cells of the space; about the square root of the number of rows, or some times that. `pq`: None keeps float32 rows.
    Raises UsageError for parameters that cannot be, for NaN, infinity and another dimension; nothing is changed then. Searches
    may run in several threads, while another changes the index.
    """

    def __init__(
        self,
        dimensions: int,
        metric: Metric = "cosine",
        lists: int = 256,
        pq: PqParameters | None = None,
        seed: int = 1,
    ) -> None:
        if metric not in METRICS:
            raise UsageError(f"Unknown metric {metric!r}", "", f"choose one of: {', '.join(METRICS)}")
        if dimensions < 1:
            raise UsageError(f"A vector cannot have {dimensions} dimensions", "", "pass 1 or more")
        if lists < 1:
            raise UsageError(f"An index cannot have {lists} lists", "", "pass 1 or more")
        if pq is not None:
            pq.check(dimensions)
        self.dimensions, self.metric, self.lists, self.pq, self.seed = dimensions, metric, lists, pq, seed
        self._metric = METRICS[metric]
        self._changing = threading.RLock()
        self._local = threading.local()
        self._state = _State(
            lists=inverted_lists.empty_lists(lists, dimensions, pq.row_bytes if pq else 0),
            centroids=np.empty((1, dimensions, 0), dtype=np.float32),
            anchors=np.empty(0, dtype=np.float32),
            quantiser=None,
            originals=np.empty((0, dimensions), dtype=np.float32),
        )

    # -- what is there ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Live rows."""
        return self._state.live

    @property
    def rows(self) -> int:
        """All rows that were added, the removed ones included."""
        return self._state.rows

    @property
    def trained(self) -> bool:
        return bool(self._state.centroids.size)

    @property
    def centroids(self) -> Floats:
        """Of the lists, float32 (lists, d), of length 1 for cosine; none before training."""
        centroids: Floats = self._state.centroids[0].T
        return centroids

    @property
    def quantiser(self) -> ProductQuantiser | None:
        return self._state.quantiser

    def reconstructed(self, rows: ArrayLike) -> Floats:
        """What is kept of rows (n,), float32 (n, d): for IVF-PQ the centroid of the list and what the codes stand for. Raises KeyError
        for a row that is not there."""
        state = self._state
        slots, labels = inverted_lists.used_slots(state.lists)
        place = {row: i for i, row in enumerate(state.lists.rows[slots].tolist())}
        at = np.array([place[row] for row in np.atleast_1d(np.asarray(rows)).tolist()], dtype=np.int64)
        kept = inverted_lists.payload_of(state.lists, slots[at])
        if state.quantiser is None:
            return kept.vectors
        left = state.quantiser.decode(as_coded(kept.codes, state.quantiser.bits))
        return state.anchors[labels[at], np.newaxis] * self.centroids[labels[at]] + left

    @property
    def list_sizes(self) -> NDArray[np.int64]:
        """Live rows of each list, int64 (lists,)."""
        _, labels = inverted_lists.used_slots(self._state.lists)
        return np.bincount(labels, minlength=self.lists)

    @property
    def memory_bytes(self) -> int:
        """Of all arrays, but those handed to `rescore_from`."""
        state = self._state
        arrays = [array for array in state.lists if isinstance(array, np.ndarray)] + [state.centroids]
        return sum(a.nbytes for a in arrays) + (state.quantiser.parts.nbytes if state.quantiser else 0)

    # -- changing -----------------------------------------------------------------------------------------------------

    def _checked(self, vectors: ArrayLike) -> Floats:
        array = checked_vectors(vectors, self.dimensions)
        return unit_rows(array) if self.metric == "cosine" else array

    def train(self, vectors: ArrayLike) -> None:
        """Find the cells, and for PQ the centroids of each part (sections IV-A and II-B), from vectors (n, d) like those to come; 256
        for each list suffice, more are not looked at. Raises UsageError for fewer vectors than lists, and once there are rows."""
        points = self._checked(vectors)
        if len(points) < self.lists:
            raise UsageError(
                f"{len(points)} vectors are too few for {self.lists} lists",
                "",
                "train with more vectors, or make fewer lists",
            )
        with self._changing:
            if self._state.rows:
                raise UsageError("The index has rows already", "", "train a new index, then add the rows to it")
            spherical = self.metric == "cosine"
            centroids = k_means(points, self.lists, self.seed, ROUNDS, spherical)
            quantiser, anchors = None, np.ones(self.lists, dtype=np.float32)
            if self.pq is not None:
                wanted = POINTS_PER_CENTROID << self.pq.bits
                points = sample(points, wanted, np.random.default_rng(self.seed))
                labels, losses = nearest_centroids(points, centroids, spherical)
                if spherical:
                    anchors = mean_products(labels, losses, self.lists)
                near = anchors[labels, np.newaxis] * centroids[labels]
                quantiser = train_quantiser(points - near, self.pq, self.seed)
            transposed = np.ascontiguousarray(centroids.T)[np.newaxis]
            self._state = replace(self._state, centroids=transposed, anchors=anchors, quantiser=quantiser)

    def add(self, vectors: ArrayLike) -> int:
        """Add vectors (n, d) or one (d,); the row of the first, the others follow. Raises UsageError before training."""
        points = self._checked(vectors)
        with self._changing:
            state = self._state
            if not self.trained:
                raise UsageError("The index is not trained", "its lists do not exist yet", "call train() first")
            first = state.rows
            if first + len(points) > _MOST_ROWS:
                raise UsageError(f"More than {_MOST_ROWS:,} rows", "", "divide them among several indexes")
            parts = [self._coded(state, points[i : i + _AT_ONCE]) for i in range(0, len(points), _AT_ONCE)]
            if not parts:
                return first
            labels = np.concatenate([label for label, _ in parts])
            payload = Payload(*(np.concatenate(arrays) for arrays in zip(*(p for _, p in parts), strict=True)))
            lists = inverted_lists.appended(state.lists, labels, first + np.arange(len(points)), payload)
            self._state = replace(
                state,
                lists=lists,
                rows=first + len(points),
                live=state.live + len(points),
                largest_bias=max(state.largest_bias, float(np.abs(payload.biases).max(initial=0.0))),
            )
            return first

    def _coded(self, state: _State, points: Floats) -> tuple[Rows, Payload]:
        """The list of each vector, and what is kept of it there (section IV-B)."""
        centroids = state.centroids[0].T
        labels, _ = nearest_centroids(points, centroids, self.metric == "cosine")
        if state.quantiser is None:
            return labels, Payload(points, np.empty((len(points), 0), dtype=np.uint8), np.empty(0, dtype=np.float32))
        near = state.anchors[labels, np.newaxis] * centroids[labels]
        codes = state.quantiser.encode(points - near)
        biases = np.empty(0, dtype=np.float32)
        if self.metric == "euclidean":
            left = state.quantiser.decode(codes).astype(np.float64)
            biases = np.einsum("ij,ij->i", left, left / 2 + near).astype(np.float32)
        kept = as_kept(codes, state.quantiser.bits)
        return labels, Payload(np.empty((0, self.dimensions), dtype=np.float32), kept, biases)

    def remove(self, rows: ArrayLike) -> int:
        """Take rows out; how many were there. Their memory comes back when a quarter of it would be lost."""
        with self._changing:
            state = self._state
            lists, gone = inverted_lists.without_rows(state.lists, np.atleast_1d(np.asarray(rows, dtype=np.int64)))
            live, removed = state.live - gone, state.removed + gone
            if removed > REPACK_DELETED_SHARE * (live + removed):
                lists, removed = inverted_lists.without_gaps(lists), 0
            self._state = replace(state, lists=lists, live=live, removed=removed)
            return gone

    def rescore_from(self, vectors: Floats) -> None:
        """Let searches score candidates again by these float32 rows (n, d), a memory-mapped file for one; row i is that of `add`. They
        are read, never copied; to be called anew when they have grown."""
        if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise UsageError(
                f"{vectors.dtype} rows of shape {vectors.shape}",
                "",
                f"pass float32 rows of {self.dimensions} dimensions",
            )
        with self._changing:
            # As a plain array: what numba makes of a memory map would be compiled apart.
            self._state = replace(self._state, originals=vectors.view(np.ndarray))

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(self, query: ArrayLike, k: int = 10, nprobe: int = NPROBE, rescored: int = 0) -> Found:
        """Rows int64 and scores float64 of the best `k` rows found for `query` (d,), best first, ties by row; fewer where the lists
        looked into have fewer.

        `nprobe`: lists to look into, at least 1, at most all. `rescored`: for IVF-PQ, how many candidates, at least k, are scored by
        their float32 rows; 0: none, the scores are then those of codes. IVF-Flat needs none: its scores are exact.
        Raises UsageError for candidates to be rescored without `rescore_from`.
        """
        state = self._state
        array = self._as_query(query)
        if k < 1 or state.live == 0:
            checked_vectors(array, self.dimensions, "query")
            return _NO_ROWS, np.empty(0)
        nprobe = min(max(nprobe, 1), self.lists)
        k = min(k, state.live)
        rescored = 0 if self.pq is None else max(rescored, 0)
        if rescored:
            if len(state.originals) < state.rows:
                raise UsageError(
                    f"{len(state.originals)} of {state.rows} rows can be scored again", "", "pass all to rescore_from()"
                )
            rescored = min(max(rescored, k), state.live)
        box, prepared = self._box(state, nprobe, rescored, k)
        if self.pq is None:
            count = ivf_search.search_flat(box, array, k, nprobe, self._metric)
        else:
            count = ivf_search.search_codes(box, array, k, nprobe, rescored, self._metric)
        if count < 0:
            checked_vectors(array, self.dimensions, "query")  # raises: NaN or infinity
        return prepared.result.rows[:count].copy(), prepared.result.scores[:count].copy()

    def _as_query(self, query: ArrayLike) -> Floats:
        """float32 (d,). What is an array already is looked at by the kernels alone."""
        if type(query) is np.ndarray and query.dtype == np.float32 and query.shape == (self.dimensions,):
            plain: Floats = np.ascontiguousarray(query)
        else:
            plain = checked_vectors(query, self.dimensions, "query")[0]
        return plain

    def _box(self, state: _State, nprobe: int, rescored: int, k: int) -> tuple[Any, ivf_search.Prepared]:
        """What this thread's searches of `state` read and write; made anew when the state changes or more room is needed."""
        kept: _Ready | None = self._local.__dict__.get("kept")
        if kept is None or kept.state is not state or kept.nprobe < nprobe or kept.rescored < rescored or kept.k < k:
            nprobe, k = min(max(nprobe, 64), self.lists), max(k, 64)
            parts = np.empty((0, 0, 0), dtype=np.float32) if state.quantiser is None else state.quantiser.parts
            prepared = ivf_search.prepared_for(
                state.lists,
                state.centroids,
                state.anchors,
                parts,
                state.originals,
                state.largest_bias,
                nprobe,
                max(k, rescored),
                k,
            )
            kept = _Ready(state, nprobe, rescored, k, execution.boxed(prepared), prepared)
            self._local.kept = kept
        return kept.box, kept.prepared


def mean_products(labels: Rows, losses: Floats, lists: int) -> Floats:
    """The mean product of each list's rows with its centroid, float32 (lists,), 1 for an empty list; `losses`: one minus the products.

    A spherical centroid has length 1, but the mean of the unit vectors around it is shorter: by this much of the centroid. The mean
    taken away leaves the least to be coded, a fifth less than the centroid does on embeddings of sentences."""
    counts = np.bincount(labels, minlength=lists)
    sums = np.bincount(labels, weights=1 - losses, minlength=lists)
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Ready:
    state: _State
    nprobe: int
    rescored: int
    k: int
    box: Any
    prepared: ivf_search.Prepared
