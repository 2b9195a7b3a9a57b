"""Files of embeddings, read in batches: JSON lines, NumPy arrays, Parquet.

    .jsonl    {"id": "a", "vector": [..], "metadata": {..}} a line; metadata may be missing
    .npy      a two-dimensional array of numbers; ids from a file beside it, else row-0, row-1, ...
    .parquet  the columns `id` and `vector` (a list of numbers); all others become metadata

A bad row costs itself and nothing else: it is named with its place and the reason, and the rest is read. Vectors leave here as
float32, all finite and of one dimension. Only what makes the whole file meaningless is raised.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from ragterm.engine.types.errors import NotFoundError, ParseError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

KINDS = (".jsonl", ".npy", ".parquet")
BATCH = 4096
INSTALL_PYARROW = "pip install pyarrow"
_NOT_FINITE = "the vector holds NaN, infinity or a number beyond float32"


class Refused(NamedTuple):
    """A row that was left out: "line 7" or "row 6" (rows count from 0, as their ids do), and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """`vectors` (n, dimensions) float32, finite; `ids` and `metadata` of length n; `share` in [0, 1] is how much of the file has been
    read with it."""

    ids: tuple[str, ...]
    vectors: FloatArray
    metadata: tuple[Mapping[str, object], ...]
    refused: tuple[Refused, ...]
    share: float


def read_embeddings(
    path: Path, dimensions: int | None = None, ids_file: Path | None = None, batch: int = BATCH
) -> Iterator[Batch]:
    """The rows of `path` in order, at most `batch` at a time. A row of another length than `dimensions` is refused; without it the
    first good row decides. Raises NotFoundError, ParseError for a file that is not of its kind, UsageError for an unknown one."""
    kind = checked_kind(path)
    if not path.is_file():
        raise NotFoundError("No such file", str(path), "check the path")
    if ids_file is not None and kind != ".npy":
        raise UsageError("--ids goes with a .npy file", f"{path.name} has its own ids", "leave --ids out")
    if kind == ".jsonl":
        return _json_lines(path, dimensions, batch)
    if kind == ".npy":
        return _array_rows(path, dimensions, ids_file, batch)
    from ragterm.engine.vectors.parquet_files import read_parquet

    return read_parquet(path, dimensions, batch)


def checked_kind(path: Path) -> str:
    """The file's ending, in lower case. Raises UsageError for one that is not in KINDS."""
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise UsageError(f"Unknown kind of file: {path.name}", "", f"its name must end in {', '.join(KINDS)}")
    return kind


def ids_beside(path: Path) -> Path:
    """Where the ids and metadata of a .npy file are: `a.npy` -> `a.ids.jsonl`."""
    return path.with_suffix(".ids.jsonl")


@dataclass
class Collecting:
    """Gathers good rows into batches and the reasons of the bad ones."""

    dimensions: int | None
    _ids: list[str] = field(default_factory=list, init=False)
    _vectors: list[FloatArray] = field(default_factory=list, init=False)
    _metadata: list[Mapping[str, object]] = field(default_factory=list, init=False)
    _refused: list[Refused] = field(default_factory=list, init=False)

    def __len__(self) -> int:
        return len(self._ids) + len(self._refused)

    def row(self, place: str, doc_id: object, vector: object, metadata: object) -> None:
        try:
            # Identifiers and metadata first: a refused row must not decide the dimension.
            text, facts = checked_id(doc_id), checked_metadata(metadata)
            numbers = _checked_vector(vector, self.dimensions)
        except ValueError as error:
            self._refused.append(Refused(place, str(error)))
            return
        self.dimensions = len(numbers)
        self._ids.append(text)
        self._vectors.append(numbers)
        self._metadata.append(facts)

    def refuse(self, place: str, reason: str) -> None:
        self._refused.append(Refused(place, reason))

    def take(self, share: float) -> Batch:
        vectors = np.stack(self._vectors) if self._vectors else np.empty((0, self.dimensions or 0), np.float32)
        taken = Batch(tuple(self._ids), vectors, tuple(self._metadata), tuple(self._refused), min(share, 1.0))
        self._ids, self._vectors, self._metadata, self._refused = [], [], [], []
        return taken


def checked_id(doc_id: object) -> str:
    """The id as text; whole numbers are taken as their digits. Raises ValueError with the reason."""
    if doc_id is None:
        raise ValueError('no "id"')
    if isinstance(doc_id, bool) or not isinstance(doc_id, str | int):
        raise ValueError(f"the id is a {type(doc_id).__name__}, not a text")
    text = str(doc_id)
    if not text:
        raise ValueError("the id is empty")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("the id holds half a surrogate pair, which is no text") from error
    return text


def checked_metadata(metadata: object) -> Mapping[str, object]:
    """Raises ValueError with the reason."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise ValueError(f"the metadata is a {type(metadata).__name__}, not an object")
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the metadata is not JSON: {error}") from error
    return metadata


def _checked_vector(vector: object, dimensions: int | None) -> FloatArray:
    """float32 (dimensions,), finite. Raises ValueError with the reason."""
    if vector is None:
        raise ValueError('no "vector"')
    try:
        numbers = np.array(vector)
    except ValueError as error:
        raise ValueError("the vector is not a list of numbers") from error
    if numbers.ndim != 1 or (numbers.dtype.kind not in "fiu" and numbers.size):
        raise ValueError("the vector is not a list of numbers")
    if numbers.size == 0:
        raise ValueError("the vector is empty")
    if dimensions is not None and len(numbers) != dimensions:
        raise ValueError(f"{len(numbers)} dimensions instead of {dimensions}")
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError(_NOT_FINITE)
    return single


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _json_lines(path: Path, dimensions: int | None, batch: int) -> Iterator[Batch]:
    size = max(1, path.stat().st_size)
    read = 0
    found = Collecting(dimensions)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            read += len(line)
            if not line.strip():
                continue
            place = f"line {number}"
            try:
                row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"), parse_constant=_no_constant)
            except (ValueError, RecursionError) as error:
                found.refuse(place, f"not JSON: {error}")
            else:
                if isinstance(row, dict):
                    found.row(place, row.get("id"), row.get("vector"), row.get("metadata"))
                else:
                    found.refuse(place, f"a {type(row).__name__}, not an object")
            if len(found) >= batch:
                yield found.take(read / size)
    yield found.take(1.0)


def _array_rows(path: Path, dimensions: int | None, ids_file: Path | None, batch: int) -> Iterator[Batch]:
    array = open_array(path)
    if dimensions is not None and array.shape[1] != dimensions:
        raise UsageError(
            "The dimensions differ", f"{path.name} has {array.shape[1]}, the database {dimensions}", "name another --db"
        )
    names = _named_rows(ids_file, len(array)) if ids_file is not None else None
    for start in range(0, len(array), batch):
        with np.errstate(over="ignore"):
            part = np.asarray(array[start : start + batch], dtype=np.float32)
        finite = np.isfinite(part).all(axis=1)  # (rows,)
        kept = (start + np.flatnonzero(finite)).tolist()
        bad = (start + np.flatnonzero(~finite)).tolist()
        yield Batch(
            ids=tuple(names[row][0] if names is not None else f"row-{row}" for row in kept),
            vectors=part[finite],
            metadata=tuple(names[row][1] if names is not None else {} for row in kept),
            refused=tuple(Refused(f"row {row}", _NOT_FINITE) for row in bad),
            share=(start + len(part)) / len(array),
        )


def open_array(path: Path) -> NDArray[np.generic]:
    """The array of a .npy file (n, dimensions), mapped, not read. Raises ParseError."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ParseError(
            f"{path.name} cannot be read", str(error), "write it with numpy.save(path, array), an array of floats",
            stage="read",
        ) from error  # fmt: skip
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu":
        shape = f"shape {array.shape}, {array.dtype}" if isinstance(array, np.ndarray) else "several arrays"
        raise ParseError(
            f"{path.name} is not a table of vectors",
            shape,
            "it must be a two-dimensional array of numbers",
            stage="read",
        )
    return array


def _named_rows(path: Path, rows: int) -> Sequence[tuple[str, Mapping[str, object]]]:
    """(id, metadata) of every row: from JSON lines {"id", "metadata"?} where the name ends in .jsonl, else an id a line."""
    if not path.is_file():
        raise NotFoundError(
            "No such file of ids", str(path), "check the path, or leave --ids out for row-0, row-1, ..."
        )
    named: list[tuple[str, Mapping[str, object]]] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\n").removesuffix("\r")
                if path.suffix.lower() != ".jsonl":
                    named.append((checked_id(text), {}))
                    continue
                row = json.loads(text, parse_constant=_no_constant)
                if not isinstance(row, dict):
                    raise ValueError("not an object")
                named.append((checked_id(row.get("id")), checked_metadata(row.get("metadata"))))
            except (ValueError, RecursionError) as error:
                raise ParseError(
                    f"{path.name}, line {number}: {error}", "", "every line names one row, in order", stage="read"
                ) from error
    if len(named) != rows:
        raise UsageError(f"{len(named)} ids for {rows} vectors", str(path), "one line for each row of the array")
    return named
