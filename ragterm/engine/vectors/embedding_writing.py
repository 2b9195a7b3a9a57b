"""Items written to the files that `embedding_files` reads. What is read back equals what was written, bit for bit in float32.

A file gets its name when it is whole: an interrupted export leaves the old one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ragterm.engine.vectors.embedding_files import BATCH, checked_kind, ids_beside

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WrittenItem(Protocol):
    """`vector` is float32 (dimensions,); `metadata` is JSON."""

    @property
    def vector(self) -> NDArray[np.float32]: ...
    @property
    def metadata(self) -> Mapping[str, object]: ...


def write_embeddings(
    path: Path,
    ids: Sequence[str],
    dimensions: int,
    get: Callable[[str], WrittenItem],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the items of `ids`, each asked of `get`, in this order. `progress` is told how many are done and may raise to stop: nothing
    is left behind then. Raises UsageError for a file of an unknown kind, ModelError for .parquet without pyarrow."""
    kind = checked_kind(path)
    tell = progress or (lambda done: None)
    if kind == ".jsonl":
        with _aside(path) as part:
            _write_lines(part, ids, get, tell)
    elif kind == ".npy":
        # The ids get their name first: an array with the ids of an older one beside it would be read wrongly.
        with _aside(path) as part, _aside(ids_beside(path)) as names:
            _write_array(part, names, ids, dimensions, get, tell)
    else:
        from ragterm.engine.vectors.parquet_files import write_parquet

        with _aside(path) as part:
            metadata = [get(doc_id).metadata for doc_id in ids]
            write_parquet(part, dimensions, metadata, _batches(ids, dimensions, get, tell))


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_lines(
    part: Path, ids: Sequence[str], get: Callable[[str], WrittenItem], tell: Callable[[int], None]
) -> None:
    with part.open("w", encoding="utf-8", newline="\n") as file:
        for done, doc_id in enumerate(ids, 1):
            item = get(doc_id)
            # Nine significant digits tell any two float32 apart (IEEE 754-2019, 5.12.2).
            numbers = ", ".join(["%.9g" % one for one in item.vector.tolist()])  # noqa: UP031 (three times as fast)
            facts = f', "metadata": {json.dumps(dict(item.metadata))}' if item.metadata else ""
            file.write(f'{{"id": {json.dumps(doc_id)}, "vector": [{numbers}]{facts}}}\n')
            if done % BATCH == 0:
                tell(done)
    tell(len(ids))


def _write_array(
    part: Path,
    names: Path,
    ids: Sequence[str],
    dimensions: int,
    get: Callable[[str], WrittenItem],
    tell: Callable[[int], None],
) -> None:
    with part.open("wb") as file, names.open("w", encoding="utf-8", newline="\n") as named:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(ids), dimensions)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(ids), BATCH):
            items = [get(doc_id) for doc_id in ids[start : start + BATCH]]
            for doc_id, item in zip(ids[start : start + BATCH], items, strict=True):
                file.write(item.vector.astype("<f4").tobytes())
                row = {"id": doc_id, "metadata": dict(item.metadata)} if item.metadata else {"id": doc_id}
                named.write(json.dumps(row) + "\n")
            tell(start + len(items))


def _batches(
    ids: Sequence[str], dimensions: int, get: Callable[[str], WrittenItem], tell: Callable[[int], None]
) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        vectors = np.empty((len(part), dimensions), dtype=np.float32)
        for row, doc_id in enumerate(part):
            vectors[row] = get(doc_id).vector
        tell(start + len(part))
        yield part, vectors
