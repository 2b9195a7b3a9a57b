"""Embeddings in Parquet files, through pyarrow, which is no dependency of ragterm: it is asked for when it is missing.

Metadata is one column a key. A key whose values Arrow cannot hold exactly (objects, several types, an explicit null) is
written as JSON text, and the column says so in its field's metadata; other tools see text, `read_parquet` the values.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.errors import ModelError, ParseError, UsageError
from ragterm.engine.vectors.embedding_files import INSTALL_PYARROW, Batch, Collecting

if TYPE_CHECKING:
    from numpy.typing import NDArray

_JSON = {b"ragterm": b"json"}
_OWN_COLUMNS = ("id", "vector")


def _arrow() -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet. Raises ModelError with the command that installs them."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ModelError("Parquet files need pyarrow", "it is not installed", INSTALL_PYARROW) from error
    return pyarrow, pyarrow.parquet


def read_parquet(path: Path, dimensions: int | None, batch: int) -> Iterator[Batch]:
    """As `embedding_files.read_embeddings`."""
    arrow, parquet = _arrow()
    try:
        file = parquet.ParquetFile(path)
    except (OSError, arrow.ArrowException) as error:
        raise ParseError(
            f"{path.name} cannot be read", str(error), "it must be a Parquet file", stage="read"
        ) from error
    schema = file.schema_arrow
    for name in _OWN_COLUMNS:
        if schema.get_field_index(name) < 0:
            found = ", ".join(schema.names)
            raise ParseError(
                f"{path.name} has no column {name!r}", f"its columns: {found}", "rename the column", stage="read"
            )
    kind = schema.field("vector").type
    if not (arrow.types.is_list(kind) or arrow.types.is_large_list(kind) or arrow.types.is_fixed_size_list(kind)):
        raise ParseError(
            f"{path.name}: `vector` is {kind}", "it must be a list of numbers", "convert the column", stage="read"
        )
    return _rows(file, schema, dimensions, batch)


def _rows(file: Any, schema: Any, dimensions: int | None, batch: int) -> Iterator[Batch]:
    total = max(1, file.metadata.num_rows)
    facts = [name for name in schema.names if name not in _OWN_COLUMNS]
    as_json = {name for name in facts if (schema.field(name).metadata or {}).get(b"ragterm") == b"json"}
    found = Collecting(dimensions)
    row = 0
    for part in file.iter_batches(batch_size=batch):
        columns = {name: part.column(name).to_pylist() for name in facts}
        ids = part.column("id").to_pylist()
        for at, vector in enumerate(_vectors(part.column("vector"))):
            place = f"row {row}"
            row += 1
            try:
                metadata = {
                    name: json.loads(value) if name in as_json else _plain(value)
                    for name, values in columns.items()
                    if not _missing(value := values[at])
                }
            except (TypeError, ValueError) as error:
                found.refuse(place, str(error))
                continue
            found.row(place, ids[at], vector, metadata)
        yield found.take(row / total)


def _vectors(column: Any) -> Iterator[NDArray[np.generic] | None]:
    """Each value of a list column as an array; None for null."""
    for value in column:
        yield value.values.to_numpy(zero_copy_only=False) if value.is_valid else None


def _missing(value: object) -> bool:
    # pandas writes a missing number as NaN.
    return value is None or (isinstance(value, float) and math.isnan(value))


def _plain(value: object) -> object:
    """A value of JSON. Dates become ISO 8601 text, decimals numbers. Raises TypeError for bytes."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    raise TypeError(f"{type(value).__name__} cannot be metadata")


def write_parquet(
    path: Path,
    dimensions: int,
    metadata: Sequence[Mapping[str, object]],
    batches: Iterable[tuple[Sequence[str], NDArray[np.float32]]],
) -> None:
    """Write (ids, vectors (n, dimensions)) batch after batch; `metadata` of all rows, in their order, decides the columns.

    Raises ModelError without pyarrow, UsageError for a metadata key that is named as a column of ours."""
    arrow, parquet = _arrow()
    keys = list(dict.fromkeys(key for facts in metadata for key in facts))
    for name in _OWN_COLUMNS:
        if name in keys:
            raise UsageError(
                f"A metadata key is named {name!r}", "a column of the file has that name", "export to .jsonl"
            )
    columns = {key: _column(arrow, [facts.get(key) for facts in metadata], metadata, key) for key in keys}
    schema = arrow.schema(
        [
            arrow.field("id", arrow.string()),
            arrow.field("vector", arrow.list_(arrow.float32(), dimensions)),
            *(arrow.field(key, values.type, metadata=flag) for key, (values, flag) in columns.items()),
        ]
    )
    start = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for ids, vectors in batches:
            flat = arrow.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
            arrays = [
                arrow.array(list(ids), arrow.string()),
                arrow.FixedSizeListArray.from_arrays(flat, dimensions),
                *(values.slice(start, len(ids)) for values, _ in columns.values()),
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            start += len(ids)


def _column(
    arrow: Any, values: list[object], metadata: Sequence[Mapping[str, object]], key: str
) -> tuple[Any, dict[bytes, bytes] | None]:
    """An Arrow array that gives back exactly `values`, or their JSON and the flag that says so."""
    # 1 == 1.0 == True: equal values of other types are not the same JSON, so the types are compared too, by their JSON.
    present = [key in facts for facts in metadata]
    try:
        array = arrow.array(values)
        given = array.to_pylist()
        exact = json.dumps(given) == json.dumps(values) and all(
            (value is not None) == there for value, there in zip(values, present, strict=True)
        )
    except (arrow.ArrowException, TypeError, OverflowError):
        exact = False
    if exact:
        return array, None
    texts = [json.dumps(value) if there else None for value, there in zip(values, present, strict=True)]
    return arrow.array(texts, arrow.string()), _JSON
