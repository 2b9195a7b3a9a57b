"""What a vector may carry beside its id: a JSON object. Checked once on its way in, so that every store keeps the same thing.

A place in it is written with dots: `author.name` is `{"author": {"name": ...}}`. A list stands for its elements, and a
list of objects for the places in each of them, as in MongoDB: `{"authors": [{"name": "a"}, {"name": "b"}]}` has two values at
`authors.name`. A key that has a dot in its own name is reached the same way. Lists inside lists are kept, not searched.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from ragterm.engine.types.errors import UsageError

Scalar: TypeAlias = str | int | float | bool | None
Json: TypeAlias = "Scalar | list[Json] | dict[str, Json]"
Metadata: TypeAlias = Mapping[str, object]

SMALLEST_INTEGER, LARGEST_INTEGER = -(1 << 63), (1 << 64) - 1
_DEEPEST = 32
_SMALL = 1 << 53
_to_text = json.JSONEncoder(separators=(",", ":")).encode  # made once: `json.dumps` makes one for each call


def checked(metadata: Metadata | None, doc_id: str) -> dict[str, Json]:
    """A copy of `metadata` in plain JSON types (tuples become lists, numpy scalars Python's; None is an empty object). Raises
    UsageError, naming the id and the place, for what is no JSON: other types, NaN and infinity, keys that are not
    strings, integers of more than 64 bits, more than 32 levels."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise _refused(
            doc_id, "", f"it is {type(metadata).__name__}, not a mapping", 'pass something like {"year": 2024}'
        )
    return _object(metadata, doc_id, "", 1)


def encoded(metadata: dict[str, Json]) -> str | None:
    """As ASCII JSON text; None for an empty object, which most vectors have."""
    return _to_text(metadata) if metadata else None


def decoded(text: str | None) -> dict[str, Json]:
    if text is None:
        return {}
    metadata: dict[str, Json] = json.loads(text)
    return metadata


class NoValue:
    """Stands at a place that exists and holds no scalar: an object, an empty list."""


NO_VALUE = NoValue()
Found: TypeAlias = "dict[str, tuple[list[int], list[Scalar | NoValue]]]"


def places(rows: Sequence[int], metadata: Sequence[Mapping[str, Json]]) -> Found:
    """What the objects of these rows hold, by place: (rows, values), both as long as there are values, a row once per value."""
    found: Found = {}
    for row, item in zip(rows, metadata, strict=True):
        if item:
            _walk(item, "", row, found)
    return found


def _walk(item: Mapping[str, Json], prefix: str, row: int, found: Found) -> None:
    for key, value in item.items():
        place = prefix + key
        entry = found.get(place)
        if entry is None:
            entry = found[place] = ([], [])
        rows, values = entry
        if not isinstance(value, (list, dict)):
            rows.append(row)
            values.append(value)
            continue
        before = len(rows)
        for element in value if isinstance(value, list) else (value,):
            if isinstance(element, dict):
                _walk(element, place + ".", row, found)
            elif not isinstance(element, list):
                rows.append(row)
                values.append(element)
        if len(rows) == before:
            rows.append(row)
            values.append(NO_VALUE)


def _object(metadata: Mapping[str, object], doc_id: str, at: str, depth: int) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for key, item in metadata.items():
        if type(key) is str:
            plain = type(item) is str or type(item) is bool or item is None
            kept[key] = item if plain else _value(item, doc_id, at, key, depth)  # type: ignore[assignment]
        elif isinstance(key, str):
            kept[str(key)] = _value(item, doc_id, at, key, depth)
        else:
            raise _refused(doc_id, at, f"the key {key!r} is not a string", f"write {str(key)!r}")
    return kept


def _value(value: object, doc_id: str, at: str, key: str, depth: int) -> Json:
    """What stands under `key` (with the dot or bracket before it) of the place `at`."""
    if type(value) is int and -_SMALL < value < _SMALL:
        return value
    place = at + key
    if value is None:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refused(doc_id, place, f"{value} is no JSON", "leave the key away, or use None")
        return float(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            raise _refused(doc_id, place, "the integer does not fit in 64 bits", "keep it as a string")
        return int(value)
    if isinstance(value, str):
        return str(value)
    if depth >= _DEEPEST and isinstance(value, (Mapping, list, tuple)):
        raise _refused(doc_id, place, f"more than {_DEEPEST} levels", "keep the inner part as a string")
    if isinstance(value, Mapping):
        return _object(value, doc_id, place + ".", depth + 1)
    if isinstance(value, (list, tuple)):
        return [_value(item, doc_id, place, f"[{i}]", depth + 1) for i, item in enumerate(value)]
    raise _refused(
        doc_id, place, f"{type(value).__name__} is no JSON", "use strings, numbers, booleans, None, lists, dicts"
    )


def _refused(doc_id: str, place: str, why: str, hint: str) -> UsageError:
    at = f", at {place.rstrip('.')}" if place else ""
    return UsageError("The metadata cannot be kept", f"of {doc_id!r}{at}: {why}", hint)
