"""Value types to JSON and back, by their own type hints.

A trace is kept for months and read by later versions: a field that the reader does not know is ignored, one that the
writer did not know gets its default. Works for frozen dataclasses of plain values, tuples, mappings and optional fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ragterm.engine.types.errors import StoreError
from ragterm.engine.types.ingesting import DocumentOutcome
from ragterm.engine.types.tracing import Trace

T = TypeVar("T")
_Decoder = Callable[[Any], Any]


def trace_to_json(trace: Trace) -> str:
    return to_json(trace)


def trace_from_json(text: str) -> Trace:
    """Raises StoreError when the text is not a trace."""
    return from_json(Trace, text)


def outcome_from_json(text: str) -> DocumentOutcome:
    return from_json(DocumentOutcome, text)


def to_json(value: Any) -> str:
    """ASCII only: a lone surrogate (in the name of a file that is not UTF-8) survives as an escape."""
    return json.dumps(_plain(value), separators=(",", ":"))


def from_json(type_: type[T], text: str) -> T:
    """Raises StoreError when the text is not a `type_`."""
    try:
        return cast(T, _dataclass_decoder_of(cast(Any, type_))(json.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"A stored {type_.__name__.lower()} cannot be read", str(error), "delete it") from error


@cache
def _dataclass_decoder_of(type_: Any) -> _Decoder:
    return _dataclass_decoder(type_)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in _names(cast(Any, type(value)))}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if hasattr(value, "item") and not isinstance(value, (str, int, float, bool)):
        return value.item()  # a numpy scalar that slipped into a score
    return value


@cache
def _names(type_: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(type_))


@cache
def _decoder(type_: Any) -> _Decoder | None:
    """None where the value is taken as JSON gives it: most fields, so a call for each of them would be most of the work."""
    origin, arguments = get_origin(type_), get_args(type_)
    if is_dataclass(type_):
        return _dataclass_decoder_of(cast(Any, type_))
    if origin in (Union, UnionType):
        (inner,) = (_decoder(a) for a in arguments if a is not type(None))
        return None if inner is None else partial(_optional, inner)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        inner = _decoder(arguments[1])
        return None if inner is None else partial(_mapping, inner)
    return float if type_ is float else None


def _optional(decode: _Decoder, value: Any) -> Any:
    return None if value is None else decode(value)


def _mapping(decode: _Decoder, value: Any) -> Any:
    return {key: decode(one) for key, one in value.items()}


def _tuple_decoder(arguments: tuple[Any, ...]) -> _Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        one = _decoder(arguments[0])
        return tuple if one is None else lambda value: tuple([one(v) for v in value])
    decoders = [_decoder(a) for a in arguments]
    return lambda value: tuple([v if decode is None else decode(v) for decode, v in zip(decoders, value, strict=True)])


def _dataclass_decoder(type_: Any) -> _Decoder:
    hints = get_type_hints(type_)
    names = {f.name for f in fields(type_)}
    decoders = {name: decode for name in names if (decode := _decoder(hints[name])) is not None}
    required = {f.name for f in fields(type_) if f.default is MISSING and f.default_factory is MISSING}

    def decode_fields(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{type_.__name__} expected, found {type(value).__name__}")
        if missing := required - value.keys():
            raise ValueError(f"{type_.__name__} without {', '.join(sorted(missing))}")
        known = {name: one for name, one in value.items() if name in names}
        for name, decode_field in decoders.items():
            if name in known:
                known[name] = decode_field(known[name])
        return type_(**known)

    return decode_fields
