"""What of a `VectorIndex` is kept in `index.snapshot`: codes and links, which take seconds to make anew; never vectors or tombstones.

The rows of a database are only ever appended, so a snapshot of its first rows stays true. Their fingerprint says that they are the
same rows: a folder may have been copied, or restored, and gone another way since.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors import hnsw
from ragterm.engine.vectors.codes import Scale, row_width
from ragterm.engine.vectors.kernels import aligned
from ragterm.engine.vectors.snapshot import SnapshotError, read_snapshot, read_values, write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Fingerprint = Callable[[int], str]  # of the first so many rows

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


def write(folder: Path, fingerprint: str, parameters: Mapping[str, Any], kept: IndexSnapshot) -> None:
    """Raises OSError."""
    graph = kept.graph
    values = {
        "fingerprint": fingerprint,
        "parameters": dict(parameters),
        "rows": len(kept.codes),
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


def linked_rows(folder: Path, fingerprint: Fingerprint, parameters: Mapping[str, Any], rows: int) -> int:
    """How many rows the graph in the file has; 0 without a file for these rows. The graph itself is not read."""
    try:
        return int(_checked(folder, read_values(folder / FILE, KIND), fingerprint, parameters, rows)["linked"])
    except SnapshotError:
        return 0


def read(
    folder: Path, fingerprint: Fingerprint, dimensions: int, parameters: Mapping[str, Any], rows: int
) -> IndexSnapshot:
    """Raises SnapshotError when there is no whole file with these parameters of at most the first `rows` rows, whose `fingerprint` it
    bears."""
    values, arrays = read_snapshot(folder / FILE, KIND)
    _checked(folder, values, fingerprint, parameters, rows)
    count, linked = values["rows"], values["linked"]
    width = row_width(dimensions, 4)
    wanted = {"codes": (count, width), "lower": (count if parameters["compact"] else 0, width), "errors": (count,)}
    if linked:
        wanted |= {"levels": (linked,), "upper_row": (linked,)}
    if linked > count or any(arrays[name].shape != shape for name, shape in wanted.items()):
        raise _foreign(folder)
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
    return IndexSnapshot(
        codes=arrays["codes"],
        lower=arrays["lower"],
        errors=arrays["errors"],
        scale=Scale(*values["scale"]),
        fitted=values["fitted"],
        longest=values["longest"],
        graph=graph,
        linked=linked,
    )


def _checked(
    folder: Path, values: dict[str, Any], fingerprint: Fingerprint, parameters: Mapping[str, Any], rows: int
) -> dict[str, Any]:
    known = {"fingerprint", "parameters", "rows", "linked"} <= values.keys()
    if not known or values["parameters"] != dict(parameters) or values["rows"] > rows:
        raise _foreign(folder)
    if values["fingerprint"] != fingerprint(values["rows"]):
        raise _foreign(folder)
    return values


def _foreign(folder: Path) -> SnapshotError:
    return SnapshotError("The snapshot is another database's", str(folder / FILE), "it will be rebuilt by itself")
