"""Traces survive the way through JSON, also between versions of ragterm that know different fields."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.store.serialise import from_json, to_json, trace_from_json, trace_to_json
from ragterm.engine.store.values import pack_blocks, pack_text, unpack_blocks, unpack_text
from ragterm.engine.types.documents import Block
from ragterm.engine.types.errors import StoreError
from ragterm.engine.types.tracing import StageScore, Trace


def values_of(type_: Any) -> st.SearchStrategy[Any]:
    """Any value of a type, by its hints: written apart from the code under test."""
    origin, arguments = get_origin(type_), get_args(type_)
    if is_dataclass(type_):
        hints = get_type_hints(type_)
        return st.builds(type_, **{f.name: values_of(hints[f.name]) for f in fields(type_)})
    if origin in (Union, UnionType):
        return st.one_of([values_of(a) for a in arguments])
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
        return st.tuples(*[values_of(a) for a in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is not None:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=2)
    return {
        str: st.text(alphabet=st.characters(), max_size=6),
        int: st.integers(-(2**60), 2**60),
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
        NoneType: st.none(),
    }[type_]


@settings(max_examples=60, deadline=None)
@given(values_of(Trace))
def test_any_trace_comes_back_equal(trace):
    assert trace_from_json(trace_to_json(trace)) == trace


@pytest.fixture
def plain() -> dict[str, Any]:
    """The least that a trace must have."""
    return {
        "id": "t", "created": "2026-01-01", "collection": "c", "build_id": "b", "generation": 1, "model_id": "m",
        "question": "q", "query": "q", "settings": {}, "candidates": [], "timings": [],
    }  # fmt: skip


def test_fields_that_the_writer_did_not_know_get_their_defaults(plain):
    trace = trace_from_json(json.dumps(plain))
    assert trace.answer is None and trace.scales == {} and trace.settings.weight == 0.6


def test_fields_that_the_reader_does_not_know_are_passed_over(plain):
    plain["mood"] = {"deep": [1]}
    plain["settings"] = {"k": 3, "colour": "red"}
    assert trace_from_json(json.dumps(plain)).settings.k == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "x"}', "null", "nonsense"])
def test_what_is_no_trace_is_said_to_be_none(text):
    with pytest.raises(StoreError, match="trace"):
        trace_from_json(text)


def test_numpy_scalars_in_scores_become_plain():
    text = to_json(StageScore(1, np.float32(0.5)))  # type: ignore[arg-type]
    assert json.loads(text) == {"rank": 1, "score": 0.5}
    assert from_json(StageScore, text) == StageScore(1, 0.5)


def test_whole_numbers_in_a_float_field_become_floats(plain):
    plain["timings"] = [{"name": "dense", "ms": 3}]
    (timing,) = trace_from_json(json.dumps(plain)).timings
    assert isinstance(timing.ms, float) and replace(timing, ms=3.0) == timing


@given(st.lists(st.builds(Block, st.just("list"), st.integers(0, 9), st.integers(9, 99), st.none() | st.integers(1, 5),
                          st.lists(st.text(max_size=3), max_size=2).map(tuple), st.integers(0, 6)), max_size=5))  # fmt: skip
def test_blocks_come_back_equal(blocks):
    assert unpack_blocks(pack_blocks(blocks)) == tuple(blocks)


def test_many_blocks_come_back_equal():
    blocks = tuple(Block("paragraph", i, i + 1, None, (f"s{i % 7}",)) for i in range(1234))
    assert unpack_blocks(pack_blocks(blocks)) == blocks


def test_texts_come_back_equal():
    text = "a\n\t😀é\u2028" * 1000
    assert unpack_text(pack_text(text)) == text
