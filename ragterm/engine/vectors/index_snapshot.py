"""`index.snapshot`, beside the vectors of a database: what takes seconds to make anew, of a graph or of inverted lists. Never vectors
or tombstones.

The rows of a database are only ever appended, so a snapshot of its first rows stays true. Their fingerprint says that they are the
same rows: a folder may have been copied, or restored, and gone another way since.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.vectors.snapshot import SnapshotError, read_snapshot, read_values, write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Fingerprint = Callable[[int], str]  # of the first so many rows

FILE = "index.snapshot"
KIND = "index"


@dataclass(frozen=True)
class Kept:
    """What is kept of an index of `rows` rows, the first `linked` of which are in its graph or lists. `values` are JSON.
    `made`: another object once the graph or the lists have been made anew."""

    rows: int
    linked: int
    values: Mapping[str, Any]
    sections: Mapping[str, NDArray[Any]]
    made: object = None


def write(folder: Path, fingerprint: str, parameters: Mapping[str, Any], kept: Kept) -> None:
    """Raises OSError."""
    beside = {"fingerprint": fingerprint, "parameters": dict(parameters), "rows": kept.rows, "linked": kept.linked}
    write_snapshot(folder / FILE, KIND, {**kept.values, **beside}, kept.sections)


def linked_rows(folder: Path, fingerprint: Fingerprint, parameters: Mapping[str, Any], rows: int) -> int:
    """How many rows the graph or the lists in the file have; 0 without a file for these rows. They themselves are not read."""
    try:
        return int(_checked(folder, read_values(folder / FILE, KIND), fingerprint, parameters, rows)["linked"])
    except SnapshotError:
        return 0


def read(folder: Path, fingerprint: Fingerprint, parameters: Mapping[str, Any], rows: int) -> Kept:
    """Raises SnapshotError when there is no whole file with these parameters of at most the first `rows` rows, whose `fingerprint` it
    bears."""
    values, sections = read_snapshot(folder / FILE, KIND)
    _checked(folder, values, fingerprint, parameters, rows)
    return Kept(values["rows"], values["linked"], values, sections)


def misfit(what: str) -> SnapshotError:
    """For whoever takes what was kept: it is whole, but no index of this kind."""
    return SnapshotError("The snapshot cannot be used", what, "it will be rebuilt by itself")


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
