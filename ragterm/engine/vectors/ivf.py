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
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import inverted_lists, ivf_search
from ragterm.engine.vectors.flat import checked_vectors
from ragterm.engine.vectors.index import METRICS, Metric
from ragterm.engine.vectors.index_state import unit_rows
from ragterm.engine.vectors.inverted_lists import Payload
from ragterm.engine.vectors.ivf_state import IvfState, Ready, made_ready, plain, untrained
from ragterm.engine.vectors.kmeans import POINTS_PER_CENTROID, k_means, nearest_centroids, sample
from ragterm.engine.vectors.pq import PqParameters, ProductQuantiser, as_coded, as_kept, train_quantiser

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Found = tuple[Rows, NDArray[np.float64]]

ROUNDS = 10
"""Of k-means for the lists; they need only divide the space, not describe it."""
REPACK_DELETED_SHARE = 0.25
NPROBE = 8
_AT_ONCE = 16_384
_MOST_ROWS = 2**31 - 1
_NO_ROWS = np.empty(0, dtype=np.int64)


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
        self._state = untrained(lists, dimensions, pq.row_bytes if pq else 0)

    @classmethod
    def of(cls, metric: Metric, seed: int, state: IvfState) -> IvfIndex:
        """An index that begins with this trained state."""
        quantiser = state.quantiser
        pq = None if quantiser is None else PqParameters(quantiser.subspaces, quantiser.bits)
        index = cls(state.centroids.shape[1], metric, state.centroids.shape[2], pq, seed)
        index._state = state
        return index

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
        return self._state.trained

    @property
    def state(self) -> IvfState:
        """All of it at this moment, for `probe` and `scan`."""
        return self._state

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
        return self._state.memory_bytes

    # -- changing -----------------------------------------------------------------------------------------------------

    def _checked(self, vectors: ArrayLike) -> Floats:
        array = checked_vectors(vectors, self.dimensions)
        return unit_rows(array) if self.metric == "cosine" else array

    def train(self, vectors: ArrayLike, each: Callable[[], None] | None = None) -> None:
        """Find the cells, and for PQ the centroids of each part (sections IV-A and II-B), from vectors (n, d) like those to come; 256
        for each list suffice, more are not looked at. `each` is called again and again meanwhile, and may raise to stop. Raises
        UsageError for fewer vectors than lists, and once there are rows."""
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
            centroids = k_means(points, self.lists, self.seed, ROUNDS, spherical, each)
            quantiser, anchors = None, np.ones(self.lists, dtype=np.float32)
            if self.pq is not None:
                wanted = POINTS_PER_CENTROID << self.pq.bits
                points = sample(points, wanted, np.random.default_rng(self.seed))
                labels, losses = nearest_centroids(points, centroids, spherical)
                if spherical:
                    anchors = mean_products(labels, losses, self.lists)
                near = anchors[labels, np.newaxis] * centroids[labels]
                quantiser = train_quantiser(points - near, self.pq, self.seed, each)
            transposed = np.ascontiguousarray(centroids.T)[np.newaxis]
            self._state = replace(self._state, centroids=transposed, anchors=anchors, quantiser=quantiser)

    def add(self, vectors: ArrayLike) -> int:
        """Add vectors (n, d) or one (d,); the row of the first, the others follow. Raises UsageError before training."""
        points = self._checked(vectors)
        with self._changing:
            first = self._state.rows
            self.put(points, first + np.arange(len(points)))
            return first

    def put(self, points: Floats, rows: Rows, each: Callable[[int], None] | None = None) -> None:
        """Add vectors (n, d) as `add` would keep them, under these row numbers (n,), ascending, behind all that there are. `each` is
        told how many are done, and may raise to stop: nothing is changed then. Raises UsageError before training."""
        with self._changing:
            state = self._state
            if not self.trained:
                raise UsageError("The index is not trained", "its lists do not exist yet", "call train() first")
            if not len(rows):
                return
            if int(rows[-1]) >= _MOST_ROWS:
                raise UsageError(f"More than {_MOST_ROWS:,} rows", "", "divide them among several indexes")
            parts = []
            for start in range(0, len(points), _AT_ONCE):
                parts.append(self._coded(state, points[start : start + _AT_ONCE]))
                if each is not None:
                    each(start + len(parts[-1][0]))
            labels, losses, codes, biases = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            vectors = points if state.quantiser is None else points[:0]
            lists = inverted_lists.appended(state.lists, labels, rows, Payload(vectors, codes, biases))
            self._state = replace(
                state,
                lists=lists,
                rows=int(rows[-1]) + 1,
                live=state.live + len(points),
                largest_bias=max(state.largest_bias, float(np.abs(biases).max(initial=0.0))),
                losses=state.losses + float(losses.sum(dtype=np.float64)),
                put=state.put + len(points),
            )

    def _coded(self, state: IvfState, points: Floats) -> tuple[Rows, Floats, NDArray[np.uint8], Floats]:
        """The list of each vector, how far it lies from there, its codes and biases as they are kept there (section IV-B)."""
        centroids = state.centroids[0].T
        labels, losses = nearest_centroids(points, centroids, self.metric == "cosine")
        biases = np.empty(0, dtype=np.float32)
        if state.quantiser is None:
            return labels, losses, np.empty((len(points), 0), dtype=np.uint8), biases
        near = state.anchors[labels, np.newaxis] * centroids[labels]
        codes = state.quantiser.encode(points - near)
        if self.metric == "euclidean":
            left = state.quantiser.decode(codes).astype(np.float64)
            biases = np.einsum("ij,ij->i", left, left / 2 + near).astype(np.float32)
        return labels, losses, as_kept(codes, state.quantiser.bits), biases

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
            self._state = replace(self._state, originals=plain(vectors))

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(
        self, query: ArrayLike, k: int = 10, nprobe: int = NPROBE, rescored: int = 0, allowed: Mask | None = None
    ) -> Found:
        """Rows int64 and scores float64 of the best `k` rows found for `query` (d,), best first, ties by row; fewer where the lists
        looked into have fewer.

        `nprobe`: lists to look into, at least 1, at most all. `rescored`: for IVF-PQ, how many candidates, at least k, are scored by
        their float32 rows; 0: none, the scores are then those of codes. IVF-Flat needs none: its scores are exact. `allowed` bool
        (rows,): only these rows. Raises UsageError for candidates to be rescored without `rescore_from`.
        """
        return self.probe(self._state, self._as_query(query), k, nprobe, rescored, allowed)[:2]

    def probe(
        self, state: IvfState, query: Floats, k: int, nprobe: int, rescored: int, allowed: Mask | None = None
    ) -> tuple[Rows, NDArray[np.float64], int, int]:
        """`search` of `state`; with the rows and scores, how many rows were in the lists looked into, and how many of them were
        allowed."""
        if k < 1 or state.live == 0:
            checked_vectors(query, self.dimensions, "query")
            return _NO_ROWS, np.empty(0), 0, 0
        nprobe = min(max(nprobe, 1), self.lists)
        k = min(k, state.live)
        rescored = 0 if self.pq is None else max(rescored, 0)
        if allowed is not None and len(allowed) < state.rows:
            raise UsageError(f"A mask of {len(allowed)} of {state.rows} rows", "", "pass one value for each row")
        if rescored:
            if len(state.originals) < state.rows:
                raise UsageError(
                    f"{len(state.originals)} of {state.rows} rows can be scored again", "", "pass all to rescore_from()"
                )
            rescored = min(max(rescored, k), state.live)
        box, prepared = self._ready(state, nprobe, rescored, k).allowing(allowed)
        if self.pq is None:
            count = ivf_search.search_flat(box, query, k, nprobe, self._metric)
        else:
            count = ivf_search.search_codes(box, query, k, nprobe, rescored, self._metric)
        return *self._found(prepared, count, query), int(prepared.seen[0]), int(prepared.seen[1])

    def scan(self, state: IvfState, query: Floats, k: int, rows: Rows) -> Found:
        """The best `k` of `rows`, int64 ascending, by the float32 rows of `rescore_from`, without lists. The scores are those that
        `probe` gives rows that it rescores, to the last bit."""
        ready = self._ready(state, 1, 0, k)
        return self._found(ready.prepared, ivf_search.scan_rows(ready.box, query, rows, k, self._metric), query)

    def _found(self, prepared: ivf_search.Prepared, count: int, query: Floats) -> Found:
        if count < 0:
            checked_vectors(query, self.dimensions, "query")  # raises: NaN or infinity
        return prepared.result.rows[:count].copy(), prepared.result.scores[:count].copy()

    def _as_query(self, query: ArrayLike) -> Floats:
        """float32 (d,). What is an array already is looked at by the kernels alone."""
        if type(query) is np.ndarray and query.dtype == np.float32 and query.shape == (self.dimensions,):
            plain_query: Floats = np.ascontiguousarray(query)
        else:
            plain_query = checked_vectors(query, self.dimensions, "query")[0]
        return plain_query

    def _ready(self, state: IvfState, nprobe: int, rescored: int, k: int) -> Ready:
        """What this thread's searches of `state` read and write; made anew when the state changes or more room is needed."""
        kept: Ready | None = self._local.__dict__.get("kept")
        if kept is None or not kept.has(state, nprobe, rescored, k):
            kept = self._local.kept = made_ready(state, min(max(nprobe, 64), self.lists), rescored, max(k, 64))
        return kept


def mean_products(labels: Rows, losses: Floats, lists: int) -> Floats:
    """The mean product of each list's rows with its centroid, float32 (lists,), 1 for an empty list; `losses`: one minus the products.

    A spherical centroid has length 1, but the mean of the unit vectors around it is shorter: by this much of the centroid. The mean
    taken away leaves the least to be coded, a fifth less than the centroid does on embeddings of sentences."""
    counts = np.bincount(labels, minlength=lists)
    sums = np.bincount(labels, weights=1 - losses, minlength=lists)
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0).astype(np.float32)
