"""What is kept of a `VectorIndex`: the codes of its rows, and the links of those that are in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors import hnsw
from ragterm.engine.vectors.codes import Scale, row_width
from ragterm.engine.vectors.index_snapshot import Kept, misfit
from ragterm.engine.vectors.kernels import aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GraphSnapshot:
    """Codes of the first rows, and the graph of the first `linked` of them."""

    codes: NDArray[np.uint8]  # (n, width) the upper plane
    lower: NDArray[np.uint8]  # (n, width)
    errors: NDArray[np.float32]  # (n, 2)
    scale: Scale
    fitted: int
    longest: float
    graph: hnsw.Graph | None  # without codes
    linked: int

    def kept(self) -> Kept:
        graph = self.graph
        values = {
            "wide": self.scale.wide,
            "fitted": self.fitted,
            "longest": self.longest,
            "top": [] if graph is None else [int(x) for x in graph.top],
        }
        sections: dict[str, NDArray[Any]] = {"codes": self.codes, "lower": self.lower, "errors": self.errors}
        if graph is not None:
            sections |= {"levels": graph.levels, "links": graph.links, "upper_row": graph.upper_row}
        return Kept(len(self.codes), self.linked, values, sections, graph)


def taken(kept: Kept, dimensions: int) -> GraphSnapshot:
    """The inverse of `GraphSnapshot.kept`. Raises SnapshotError when it does not fit."""
    values, arrays = kept.values, kept.sections
    count, linked, width = kept.rows, kept.linked, row_width(dimensions, 4)
    wanted: dict[str, tuple[int, ...]] = {"codes": (count, width), "lower": (count, width), "errors": (count, 2)}
    if linked:
        wanted |= {"levels": (linked,), "upper_row": (linked,)}
    if linked > count or any(arrays[name].shape != shape for name, shape in wanted.items()):
        raise misfit(f"its arrays are not those of {count} rows of {dimensions} dimensions")
    graph = None
    if linked:
        links = aligned(arrays["links"].shape, np.int32)  # the file's sections are not in huge pages
        links[:] = arrays["links"]
        graph = hnsw.Graph(
            codes=arrays["codes"][:0],
            bits=8,
            sums=np.empty(0, dtype=np.int32),
            bias=np.empty(0, dtype=np.int32),
            levels=arrays["levels"],
            links=links,
            upper_row=arrays["upper_row"],
            top=np.array(values["top"], dtype=np.int64),
        )
    return GraphSnapshot(
        codes=arrays["codes"],
        lower=arrays["lower"],
        errors=arrays["errors"],
        scale=Scale(values["wide"]),
        fitted=values["fitted"],
        longest=values["longest"],
        graph=graph,
        linked=linked,
    )
