"""What a search of inverted lists reads: one immutable state, and what each thread makes of it for the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors import execution, inverted_lists, ivf_search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragterm.engine.vectors.inverted_lists import Lists
    from ragterm.engine.vectors.pq import ProductQuantiser

    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

ALL = np.empty(0, dtype=np.bool_)
"""A mask that allows every row."""


@dataclass(frozen=True)
class IvfState:
    """The lists at one moment. The arrays may be views of longer ones, whose further rows belong to later states."""

    lists: Lists
    centroids: Floats  # (1, d, lists), or without lists before training
    anchors: Floats  # (lists,) how much of its centroid PQ takes away from a row
    quantiser: ProductQuantiser | None
    originals: Floats
    rows: int = 0  # the next to be given
    live: int = 0
    removed: int = 0  # slots that hold nothing
    largest_bias: float = 0.0
    losses: float = (
        0.0  # what all rows that were ever put lie from their centroids, as `nearest_centroids` has it, summed
    )
    put: int = 0  # how many they were

    @property
    def trained(self) -> bool:
        return bool(self.centroids.size)

    @property
    def memory_bytes(self) -> int:
        """Of all arrays but the originals."""
        arrays = [array for array in self.lists if isinstance(array, np.ndarray)] + [self.centroids, self.anchors]
        return sum(a.nbytes for a in arrays) + (self.quantiser.parts.nbytes if self.quantiser else 0)


def untrained(lists: int, dimensions: int, code_bytes: int) -> IvfState:
    return IvfState(
        lists=inverted_lists.empty_lists(lists, dimensions, code_bytes),
        centroids=np.empty((1, dimensions, 0), dtype=np.float32),
        anchors=np.empty(0, dtype=np.float32),
        quantiser=None,
        originals=plain(np.empty((0, dimensions), dtype=np.float32)),
    )


@dataclass(frozen=True, slots=True)
class Ready:
    """What one thread's searches of one state need, with room for so much."""

    state: IvfState
    nprobe: int
    rescored: int
    k: int
    compiled: bool
    box: Any
    prepared: ivf_search.Prepared

    def has(self, state: IvfState, nprobe: int, rescored: int, k: int) -> bool:
        room = self.nprobe >= nprobe and self.rescored >= rescored and self.k >= k
        return self.state is state and room and self.compiled == execution.is_compiled()

    def allowing(self, allowed: Mask | None) -> tuple[Any, ivf_search.Prepared]:
        """The box, and what is in it, for a search among the rows of a mask."""
        if allowed is None:
            return self.box, self.prepared
        filtered = self.prepared._replace(allowed=plain(allowed))
        return execution.boxed(filtered), filtered


def made_ready(state: IvfState, nprobe: int, rescored: int, k: int) -> Ready:
    parts = np.empty((0, 0, 0), dtype=np.float32) if state.quantiser is None else state.quantiser.parts
    prepared = ivf_search.prepared_for(
        state.lists,
        state.centroids,
        state.anchors,
        parts,
        state.originals,
        plain(ALL),
        state.largest_bias,
        nprobe,
        max(k, rescored),
        k,
    )
    return Ready(state, nprobe, rescored, k, execution.is_compiled(), execution.boxed(prepared), prepared)


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """The same, neither a memory map nor writable: numba would compile anew for each kind."""
    same = array.view(np.ndarray)
    same.flags.writeable = False
    return same
