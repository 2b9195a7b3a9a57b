"""What a search of a `VectorIndex` reads: one immutable state, what is computed of its rows, and the exact search by numpy alone."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ragterm.engine.vectors import execution, search
from ragterm.engine.vectors.codes import UP, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragterm.engine.vectors.hnsw import Graph
    from ragterm.engine.vectors.search import Prepared

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Found = tuple[Rows, NDArray[np.float64]]

NO_ROWS = np.empty(0, dtype=np.int64)
NOTHING = (NO_ROWS, np.empty(0))
NO_SIGNS = np.empty((0, 64), dtype=np.uint8)
_AT_ONCE = 4096


class HasRows(Protocol):
    """Row i is vectors[i] (n, d), a tombstone where alive[i] is False."""

    @property
    def vectors(self) -> Floats: ...

    @property
    def alive(self) -> Mask: ...


@dataclass(frozen=True)
class State:
    """Row i is vectors[i]. The arrays may be views of longer ones, whose further rows belong to later states."""

    vectors: Floats  # (n, d); of unit length for cosine
    alive: Mask  # (n,)
    codes: NDArray[np.uint8]  # (n, width) the upper plane
    lower: NDArray[np.uint8]  # (n, width) the lower plane
    errors: Floats  # (n, 2) what the upper plane lost, and what both lost
    norms: NDArray[np.float64]  # (n,) half the squared length for Euclidean, else (0,)
    signs: NDArray[np.uint8] = field(
        default_factory=lambda: NO_SIGNS
    )  # (n, width) of signs.py, or of the first rows only
    live: int = 0
    scale: Scale = Scale(1.0)  # noqa: RUF009
    fitted: int = 0  # rows when the scale was taken
    longest: float = 0.0  # |x| and |x'|, an upper bound for either x'
    graph: Graph | None = None  # of the first `linked` rows; no codes, they are those above
    linked: int = 0
    nodes: int = 0  # of the graph: rows that were alive when they were linked
    dead_nodes: int = 0  # of them removed since

    @property
    def in_range(self) -> bool:
        """Whether products with the codes fit in float32."""
        return self.scale.wide > search.SMALLEST and self.longest < search.LARGEST

    def with_removed(self, rows: Rows) -> State:
        """The same, these rows tombstones."""
        alive = self.alive.copy()
        alive[rows] = False
        return self.with_alive(alive)

    def with_alive(self, alive: Mask) -> State:
        dead = 0 if self.graph is None else int(np.count_nonzero((self.graph.levels >= 0) & ~alive[: self.linked]))
        return replace(self, alive=alive, live=int(np.count_nonzero(alive)), dead_nodes=dead)


@dataclass(frozen=True, slots=True)
class Ready:
    """What one thread's searches of one state need, with room for `ef` and `k`. `quick`: the graph alone answers."""

    state: State
    ef: int
    k: int
    compiled: bool
    quick: bool
    box: Any
    prepared: Prepared
    rows: Rows
    scores: NDArray[np.float64]
    unit: float
    step: float
    names: NDArray[np.object_]  # kept alive: `prepared` refers to its memory
    first: dict[int, tuple[Rows, NDArray[np.float64]]] = field(default_factory=dict)  # what `first_of` made

    def first_of(self, count: int) -> tuple[Rows, NDArray[np.float64]]:
        """Views of the first so many rows and scores; made once for each number, they cost as much as a tenth of a search."""
        self.first[count] = views = self.rows[:count], self.scores[:count]
        return views


@dataclass(frozen=True, slots=True)
class EstimatesReady:
    """What one thread's scans of one state by estimates need, with room for `k`."""

    state: State
    prepared: Prepared
    box: Any
    k: int
    rows: Rows
    scores: NDArray[np.float64]
    step: float


def made_ready(
    state: State, graph: Graph, ef: int, k: int, unit: float, quick: bool, names: NDArray[np.object_]
) -> Ready:
    """`graph`: that of the state, on its codes."""
    from ragterm.engine.vectors.hnsw import new_scratch

    # Of a folder the vectors are read-only, in memory they are not: for numba two types, each of which compiles for seconds.
    vectors = state.vectors.view()
    vectors.flags.writeable = False
    prepared = search.Prepared(
        graph=graph,
        scratch=new_scratch(graph, ef),
        vectors=vectors,
        lower=state.lower,
        names=references(names),
        norms=state.norms,
        alive=state.alive,
        errors=state.errors,
        bounds=np.empty(len(state.vectors), dtype=np.float32),
        result=search.new_result(k),
    )
    compiled = execution.is_compiled()
    box = execution.boxed(prepared)
    return Ready(state, ef, k, compiled, quick, box, prepared, *prepared.result[:2], unit, state.scale.byte_step, names)


def references(objects: NDArray[np.object_]) -> NDArray[np.int64]:
    """The same memory as numbers; the caller keeps `objects` alive."""
    if not len(objects):
        return np.empty(0, dtype=np.int64)
    return np.ctypeslib.as_array((ctypes.c_int64 * len(objects)).from_address(objects.ctypes.data))


def within(rows: Rows, state: HasRows) -> Rows:
    """Ascending `rows` as far as the state has them: whoever chose them may have seen more."""
    return rows if not len(rows) or rows[-1] < len(state.vectors) else rows[rows < len(state.vectors)]


def of_length(allowed: Mask, rows: int) -> Mask:
    """A mask may know of fewer rows than there are by now (they are not allowed), or of more."""
    if len(allowed) >= rows:
        return allowed[:rows]
    return np.concatenate([allowed, np.zeros(rows - len(allowed), dtype=np.bool_)])


def exact_by_numpy(state: HasRows, metric: int, query: Floats, k: int, among: Rows | None) -> Found:
    """The best `k` of the rows `among` (all, for None) that live: in float64, ties by row. Without kernels, and for numbers of any
    size that float32 has."""
    wide = query.astype(np.float64)
    length = float(np.sqrt(wide @ wide))
    rows = np.flatnonzero(state.alive) if among is None else among[state.alive[among]]
    scores = np.empty(len(rows), dtype=np.float64)
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        vectors = state.vectors[rows[part]].astype(np.float64)
        if metric == search.EUCLIDEAN:
            vectors -= wide
            scores[part] = -np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        else:
            scores[part] = np.einsum("ij,j->i", vectors, wide)
    if k < len(rows):
        near = np.flatnonzero(scores >= np.partition(scores, len(rows) - k)[len(rows) - k])
        rows, scores = rows[near], scores[near]
    order = np.lexsort((rows, -scores))[:k]
    rows, scores = rows[order].astype(np.int64, copy=False), scores[order]
    if metric == search.COSINE and length > 0:
        scores = np.clip(scores / length, -1.0, 1.0)
    return rows, scores


def merged(one: Found, other: Found, k: int) -> Found:
    """The best `k` of two results of distinct rows."""
    rows, scores = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def unit_rows(vectors: Floats) -> Floats:
    """Each row at length 1; a zero row stays zero."""
    lengths = lengths_of(vectors)[:, np.newaxis]
    scaled: Floats = (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
    return scaled


def lengths_of(vectors: Floats) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return lengths


def half_squares(vectors: Floats) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64) / 2
    return squares


def longest_code(vectors: Floats, errors: Floats) -> float:
    """An upper bound of |x'|: no longer than |x| and what was lost together."""
    return float((lengths_of(vectors) + errors.max(axis=1)).max(initial=0.0)) * UP


def one_query(checked: Floats) -> Floats:
    """The only row of `checked` (1, d), as kernels were compiled for: of other arrays (read-only ones) numba compiles anew."""
    query: Floats = checked[0]
    return query if query.flags.carray else query.copy()
