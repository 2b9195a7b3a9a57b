"""Metadata filters: from a dict to a checked condition.

    {"year": {"$gte": 2024}, "tag": {"$in": ["a", "b"]}, "author.name": "Ada", "$or": [{...}, {...}], "$not": {...}}

The language is a part of MongoDB's, with its meanings (mongodb.com/docs/manual/reference/operator/query):

- What stands side by side must all hold. A bare value means `$eq`. The empty filter matches everything.
- A place that holds a list matches `$eq`, `$in`, `$gt`, ... when one of its elements does.
- `$ne` and `$nin` are the opposite of `$eq` and `$in`, so they match where the place is missing.
- `$eq: None` matches None and a missing place; `$exists` tells them apart.
- Numbers compare with numbers (exactly, whether int or float), strings with strings by code point; True is not 1. A comparison
  between two kinds is false, not an error.

The condition is a tree of plain values. `columns.MetadataColumns` evaluates it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.metadata import LARGEST_INTEGER, SMALLEST_INTEGER, Scalar

OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists")
COMBINATORS = ("$and", "$or", "$not")
RANGES = ("$gt", "$gte", "$lt", "$lte")
_DEEPEST = 32

_KNOWN = 64


@dataclass(frozen=True)
class Equals:
    """A value at `place` is one of `values`."""

    place: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Compares:
    """A value at `place`, of the kind of `bound`, is on the side of it that `operator` (of `RANGES`) names."""

    place: str
    operator: str
    bound: str | int | float


@dataclass(frozen=True)
class Exists:
    place: str


@dataclass(frozen=True)
class Every:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Fails:
    part: Condition


Condition: TypeAlias = "Equals | Compares | Exists | Every | Some | Fails"


@dataclass(frozen=True)
class Filter:
    """A checked filter. `text` is its canonical JSON: the same for filters that differ only in the order of their keys."""

    condition: Condition
    text: str


def parse_filter(given: Mapping[str, object]) -> Filter:
    """Raises UsageError naming the operator and its place for an unknown operator and for an operand of the wrong kind."""
    condition = _filter(given, "", 1)
    return Filter(condition, canonical(condition))


class ParsedFilters:
    """Filters that were asked for, parsed: that takes as long as to search behind one, and most are asked again."""

    def __init__(self) -> None:
        self._known: dict[str, Filter] = {}

    def of(self, given: Mapping[str, object]) -> Filter:
        """Raises UsageError, as `parse_filter`."""
        asked = repr(given)
        parsed = self._known.get(asked)
        if parsed is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            parsed = self._known[asked] = parse_filter(given)
        return parsed


def canonical(condition: Condition) -> str:
    """The condition as JSON text in the language it came from. Sorted, because 'and' and 'or' do not mind the order."""
    match condition:
        case Every(parts):
            return '{"$and":[' + ",".join(sorted(map(canonical, parts))) + "]}"
        case Some(parts):
            return '{"$or":[' + ",".join(sorted(map(canonical, parts))) + "]}"
        case Fails(part):
            return '{"$not":' + canonical(part) + "}"
        case Exists(place):
            return json.dumps({place: {"$exists": True}})
        case Equals(place, values):
            # A set of texts, not of values: for that one 1, 1.0 and True are the same.
            return f'{{{json.dumps(place)}:{{"$in":[{",".join(sorted(set(map(json.dumps, values))))}]}}}}'
        case Compares(place, operator, bound):
            return json.dumps({place: {operator: bound}})


def _filter(given: object, at: str, depth: int) -> Condition:
    if not isinstance(given, Mapping):
        raise _wrong("A filter is a dict", at, f"this is {_kind(given)}", '{"year": {"$gte": 2024}}')
    if depth > _DEEPEST:
        raise _wrong(
            "The filter is nested too deeply",
            at,
            f"more than {_DEEPEST} levels",
            "flatten it: $and inside $and is one $and",
        )
    parts: list[Condition] = []
    for key, operand in given.items():
        if not isinstance(key, str):
            raise _wrong("A filter's keys are strings", at, f"this one is {_kind(key)}", f"write {str(key)!r}")
        if key.startswith("$"):
            parts.append(_combined(key, operand, at, depth))
        else:
            parts.append(_at_place(key, operand, _join(at, key)))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _combined(name: str, operand: object, at: str, depth: int) -> Condition:
    here = _join(at, name)
    if name in OPERATORS:
        raise _wrong(f"{name} stands without a key", at, "", f'write {{"key": {{"{name}": ...}}}}')
    if name not in COMBINATORS:
        raise _wrong(f"Unknown combinator {name}", at, "", f"the combinators are {', '.join(COMBINATORS)}")
    if name == "$not":
        return Fails(_filter(operand, here, depth + 1))
    if not isinstance(operand, (list, tuple)) or not operand:
        what = "an empty list" if isinstance(operand, (list, tuple)) else _kind(operand)
        raise _wrong(f"{name} takes a list of filters", at, f"this is {what}", f'{{"{name}": [{{...}}, {{...}}]}}')
    parts = tuple(_filter(item, f"{here}[{i}]", depth + 1) for i, item in enumerate(operand))
    return Every(parts) if name == "$and" else Some(parts)


def _at_place(place: str, operand: object, at: str) -> Condition:
    if not isinstance(operand, Mapping):
        return _operation(place, "$eq", operand, at)
    if not operand:
        raise _wrong("An empty condition", at, "", f"the operators are {', '.join(OPERATORS)}")
    parts: list[Condition] = []
    for name, value in operand.items():
        if not isinstance(name, str) or not name.startswith("$"):
            hint = f'write {{"{place}.{name}": ...}} for a nested key'
            raise _wrong(f"{name!r} is not an operator", at, "", f"{hint}; the operators are {', '.join(OPERATORS)}")
        if name in COMBINATORS:
            raise _wrong(f"{name} stands inside a key", at, "", f'write {{"{name}": ...}} around the key')
        if name not in OPERATORS:
            raise _wrong(f"Unknown operator {name}", at, "", f"the operators are {', '.join(OPERATORS)}")
        parts.append(_operation(place, name, value, at))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _operation(place: str, name: str, operand: object, at: str) -> Condition:
    if name in ("$in", "$nin"):
        if not isinstance(operand, (list, tuple)):
            raise _wrong(f"{name} takes a list", at, f"this is {_kind(operand)}", f'{{"{name}": ["a", "b"]}}')
        found = Equals(place, tuple(_scalar(value, name, f"{at}[{i}]") for i, value in enumerate(operand)))
        return found if name == "$in" else Fails(found)
    if name == "$exists":
        if not isinstance(operand, (bool, np.bool_)):
            raise _wrong("$exists takes True or False", at, f"this is {_kind(operand)}", '{"$exists": True}')
        return Exists(place) if operand else Fails(Exists(place))
    value = _scalar(operand, name, at)
    if name == "$eq":
        return Equals(place, (value,))
    if name == "$ne":
        return Fails(Equals(place, (value,)))
    if value is None or isinstance(value, bool):
        raise _wrong(f"{name} takes a number or a string", at, f"this is {_kind(value)}", f'{{"{name}": 2024}}')
    return Compares(place, name, value)


def _scalar(value: object, name: str, at: str) -> Scalar:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple, set, frozenset)):
        raise _wrong(
            f"{name} takes one value", at, f"this is {_kind(value)}", 'for one of several: {"$in": ["a", "b"]}'
        )
    if not (value is None or isinstance(value, (str, bool, int, float))):
        raise _wrong(f"{name} takes a string, a number, True, False or None", at, f"this is {_kind(value)}", "")
    if isinstance(value, float) and math.isnan(value):
        raise _wrong(f"{name} takes no NaN", at, "nothing equals it", 'to find what has no value: {"$exists": False}')
    if isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise _wrong(f"{name} takes integers of at most 64 bits", at, "", "write it as a float")
    return value


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _kind(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {value!r:.40}"


def _wrong(title: str, at: str, why: str, hint: str) -> UsageError:
    where = f"at {at}" if at else "at the top"
    return UsageError(title, f"{where}: {why}" if why else where, hint)
