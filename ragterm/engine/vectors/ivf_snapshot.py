"""What is kept of an `InvertedIndex`: centroids, codes, chains of pages; not IVF-Flat's vectors, which lie beside the snapshot."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors.index_snapshot import Kept, misfit
from ragterm.engine.vectors.inverted_lists import Lists, check_lists
from ragterm.engine.vectors.ivf_state import IvfState, plain
from ragterm.engine.vectors.kernels import aligned
from ragterm.engine.vectors.pq import PAGE_ROWS, PqParameters, ProductQuantiser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_CHAINS = ("firsts", "lasts", "counts")
_PAGES = ("nexts", "rows", "codes", "biases")


@dataclass(frozen=True)
class Training:
    """When the lists were made: of how many rows; the mean of what these lie from their centroids, and the counts of the state then."""

    rows: int
    loss: float
    losses: float
    put: int


def kept_of(state: IvfState, rows: int, longest: float, training: Training, made: object) -> Kept:
    """Of an index of `rows` rows, the longest of which is so long. A copy: pages that are not full change with the next row."""
    lists, quantiser = state.lists, state.quantiser
    values = {
        "taken": lists.taken,
        "next": state.rows,
        "live": state.live,
        "removed": state.removed,
        "largest_bias": state.largest_bias,
        "losses": state.losses,
        "put": state.put,
        "bits": 0 if quantiser is None else quantiser.bits,
        "longest": longest,
        "training": asdict(training),
    }
    sections: dict[str, NDArray[Any]] = {"centroids": state.centroids[0], "anchors": state.anchors}
    if quantiser is not None:
        sections["parts"] = quantiser.parts
    sections |= {name: getattr(lists, name).copy() for name in _CHAINS}
    for name in _PAGES:
        array = getattr(lists, name)
        each = PAGE_ROWS if name in ("rows", "biases") else 1
        sections[name] = array[: lists.taken * each].copy()
    return Kept(rows, rows, values, sections, made)


def taken(
    kept: Kept, metric: str, dimensions: int, pq: PqParameters | None, stored: Floats
) -> tuple[IvfState, float, Training]:
    """The inverse of `kept_of`; `stored` (n, d) are the originals. Raises SnapshotError when it does not fit."""
    values, arrays = kept.values, kept.sections
    wanted = _shapes(kept, metric, dimensions, pq)
    if any(arrays[name].shape != shape for name, shape in wanted.items()) or values["bits"] != (pq.bits if pq else 0):
        raise misfit(f"its arrays are not those of lists of {dimensions} dimensions")
    # Copies: the sections are views of the whole file, which would stay in memory for the smallest of them.
    chains = {name: arrays[name].copy() for name in _CHAINS}
    pages = {name: _aligned(arrays[name]) for name in _PAGES}
    vectors = aligned((0, dimensions), np.float32)
    lists = Lists(**chains, taken=values["taken"], vectors=vectors, **pages)
    if problems := check_lists(lists, kept.rows):
        raise misfit(problems[0])
    if pq is None:
        vectors = aligned((len(lists.rows), dimensions), np.float32)
        used = np.flatnonzero(lists.rows >= 0)
        vectors[used] = stored[lists.rows[used]]
        lists = lists._replace(vectors=vectors)
    state = IvfState(
        lists=lists,
        centroids=arrays["centroids"][np.newaxis].copy(),
        anchors=arrays["anchors"].copy(),
        quantiser=None if pq is None else ProductQuantiser(arrays["parts"].copy(), pq.bits),
        originals=plain(stored[: kept.rows]),
        rows=values["next"],
        live=values["live"],
        removed=values["removed"],
        largest_bias=values["largest_bias"],
        losses=values["losses"],
        put=values["put"],
    )
    return state, values["longest"], Training(**values["training"])


def _shapes(kept: Kept, metric: str, dimensions: int, pq: PqParameters | None) -> Mapping[str, tuple[int, ...]]:
    lists, pages = kept.sections["centroids"].shape[-1], kept.values["taken"]
    slots = pages * PAGE_ROWS
    shapes: dict[str, tuple[int, ...]] = {"centroids": (dimensions, lists), "nexts": (pages,), "rows": (slots,)}
    shapes |= dict.fromkeys((*_CHAINS, "anchors"), (lists,))
    if pq is None:
        return shapes | {"codes": (0, 0, PAGE_ROWS), "biases": (0,)}
    parts = (pq.subspaces, dimensions // pq.subspaces, 1 << pq.bits)
    biases = (slots if metric == "euclidean" else 0,)
    return shapes | {"parts": parts, "codes": (pages, pq.row_bytes, PAGE_ROWS), "biases": biases}


def _aligned(array: NDArray[Any]) -> NDArray[Any]:
    copy = aligned(array.shape, array.dtype.type)
    copy[:] = array
    return copy
