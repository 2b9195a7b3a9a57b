"""What of a `VectorIndex` is kept in `index.snapshot`: codes and links, which take seconds to make anew; never vectors or tombstones.

The rows of a database are only ever appended, so a snapshot of its first rows stays true: `lineage` says whose rows they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors import hnsw
from ragterm.engine.vectors.codes import Scale
from ragterm.engine.vectors.kernels import aligned
from ragterm.engine.vectors.snapshot import SnapshotError, read_snapshot, write_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FILE = "index.snapshot"
KIND = "index"


@dataclass(frozen=True)
class IndexSnapshot:
    """Codes of 4 bits of the first rows, and the graph of the first `linked` of them."""

    codes: NDArray[np.uint8]  # (n, width)
    lower: NDArray[np.uint8]  # (n, width), or (0, width)
    errors: NDArray[np.float32]  # (n,)
    scale: Scale
    fitted: int
    longest: float
    graph: hnsw.Graph | None  # without codes
    linked: int


def write(folder: Path, lineage: str, parameters: Mapping[str, Any], kept: IndexSnapshot) -> None:
    graph = kept.graph
    values = {
        "lineage": lineage,
        "parameters": dict(parameters),
        "scale": list(kept.scale),
        "fitted": kept.fitted,
        "longest": kept.longest,
        "linked": kept.linked if graph is not None else 0,
        "top": [] if graph is None else [int(x) for x in graph.top],
    }
    sections: dict[str, NDArray[Any]] = {"codes": kept.codes, "lower": kept.lower, "errors": kept.errors}
    if graph is not None:
        sections |= {"levels": graph.levels, "links": graph.links, "upper_row": graph.upper_row}
    write_snapshot(folder / FILE, KIND, values, sections)


def read(folder: Path, lineage: str, parameters: Mapping[str, Any], rows: int) -> IndexSnapshot:
    """Raises SnapshotError when there is no whole file of this lineage with at most `rows` rows and these parameters."""
    values, arrays = read_snapshot(folder / FILE, KIND)
    if values["lineage"] != lineage or values["parameters"] != dict(parameters) or len(arrays["codes"]) > rows:
        raise SnapshotError("The snapshot is another database's", str(folder / FILE), "it will be rebuilt by itself")
    graph = None
    if values["linked"]:
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
    return IndexSnapshot(
        codes=arrays["codes"],
        lower=arrays["lower"],
        errors=arrays["errors"],
        scale=Scale(*values["scale"]),
        fitted=values["fitted"],
        longest=values["longest"],
        graph=graph,
        linked=values["linked"],
    )
