"""Filters against a reading of MongoDB's rules that looks at one row at a time."""

from __future__ import annotations

import json
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.columns import MetadataColumns
from ragterm.engine.vectors.filters import parse_filter
from ragterm.engine.vectors.metadata import checked, decoded, encoded

SIDES = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
MISSING = object()


def values_at(item: object, place: list[str]) -> list[object]:
    """What stands at a place, lists opened once per step; empty when it is missing."""
    if not place:
        if isinstance(item, list):
            return [element if not isinstance(element, (dict, list)) else MISSING for element in item] or [MISSING]
        return [MISSING if isinstance(item, dict) else item]
    if isinstance(item, list):
        return [value for element in item if isinstance(element, dict) for value in values_at(element, place)]
    if isinstance(item, dict) and place[0] in item:
        return values_at(item[place[0]], place[1:])
    return []


def same(left: object, right: object) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def comparable(left: object, right: object) -> bool:
    kinds = [str if isinstance(v, str) else float if type(v) in (int, float) else None for v in (left, right)]
    return kinds[0] is kinds[1] is not None


def holds(condition: dict, item: dict) -> bool:
    for key, operand in condition.items():
        if key == "$and":
            ok = all(holds(part, item) for part in operand)
        elif key == "$or":
            ok = any(holds(part, item) for part in operand)
        elif key == "$not":
            ok = not holds(operand, item)
        else:
            found = values_at(item, key.split("."))
            operations = operand if isinstance(operand, dict) else {"$eq": operand}
            ok = all(one_holds(name, value, found) for name, value in operations.items())
        if not ok:
            return False
    return True


def one_holds(name: str, operand: object, found: list[object]) -> bool:
    if name == "$exists":
        return bool(found) == operand
    if name == "$ne":
        return not one_holds("$eq", operand, found)
    if name == "$nin":
        return not one_holds("$in", operand, found)
    if name == "$in":
        return any(one_holds("$eq", value, found) for value in operand)
    if name == "$eq":
        return any(same(value, operand) for value in found) or (operand is None and not found)
    return any(comparable(value, operand) and SIDES[name](value, operand) for value in found)


# Few different values, so that filters match; around 2**53 and 2**63 float64 cannot tell integers apart.
NUMBERS = st.sampled_from(
    [-1, 0, 1, 2, 0.0, 1.0, 1.5, 2**53 - 1, 2**53, 2**53 + 1, 2.0**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]
)
STRINGS = st.sampled_from(["", "a", "b", "ab", "é", "\U0001f600", "\ud800", "1"])
SCALARS = st.one_of(NUMBERS, STRINGS, st.booleans(), st.none())
ELEMENTS = st.one_of(
    SCALARS, st.fixed_dictionaries({}, optional={"y": SCALARS, "z": SCALARS}), st.lists(SCALARS, max_size=1)
)
NESTED = st.fixed_dictionaries({}, optional={"y": st.one_of(SCALARS, st.lists(SCALARS, max_size=2)), "z": SCALARS})
VALUES = st.one_of(SCALARS, st.lists(ELEMENTS, max_size=3), NESTED)
ROWS = st.fixed_dictionaries({}, optional={"s": SCALARS, "t": STRINGS, "n": NUMBERS, "x": VALUES})

PLACES = st.sampled_from(["s", "t", "n", "x", "x.y", "x.z", "nowhere"])
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), SCALARS),
    st.tuples(st.sampled_from(list(SIDES)), st.one_of(NUMBERS, STRINGS)),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, max_size=4)),
    st.tuples(st.just("$exists"), st.booleans()),
)
LEAVES = st.one_of(
    st.dictionaries(PLACES, st.lists(OPERATIONS, min_size=1, max_size=2).map(dict), max_size=2),
    st.dictionaries(PLACES, SCALARS, max_size=1),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$not": inner}),
        st.tuples(inner, inner).map(lambda two: {**two[0], **two[1]}),
    ),
    max_leaves=4,
)


@given(st.lists(ROWS, max_size=12), st.lists(FILTERS, min_size=1, max_size=4), st.data())
@settings(max_examples=150, deadline=None)
def test_columns_say_what_the_rules_say(rows, filters, data):
    columns, kept = MetadataColumns(), []
    removed: set[int] = set()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=2)))
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        columns.append([checked(row, "x") for row in rows[start:stop]])
        kept += rows[start:stop]
        if kept:
            row = data.draw(st.integers(0, len(kept) - 1))
            if data.draw(st.booleans()):
                kept[row] = data.draw(ROWS)
                columns.replace(row, checked(kept[row], "x"))
            elif data.draw(st.booleans()):
                columns.remove([row])
                removed.add(row)
        for each in filters:
            expected = [holds(each, item) and i not in removed for i, item in enumerate(kept)]
            for _ in range(2):  # the second is the remembered one
                selection = columns.select(each)
                assert selection.bitmap.tolist() == expected
                assert selection.count == sum(expected)
                assert selection.rows.tolist() == [i for i, wanted in enumerate(expected) if wanted]


def matches(item: dict, condition: dict) -> bool:
    columns = MetadataColumns()
    columns.append([checked(item, "x")])
    return bool(columns.select(condition).bitmap[0])


@pytest.mark.parametrize(
    ("item", "condition", "expected"),
    [
        ({"year": 2024, "tag": "b"}, {"year": {"$gte": 2024}, "tag": {"$in": ["a", "b"]}}, True),
        ({"year": 2023, "tag": "b"}, {"year": {"$gte": 2024}, "tag": {"$in": ["a", "b"]}}, False),
        ({"year": 2023}, {"year": {"$gt": 2020, "$lt": 2023}}, False),
        ({}, {"lang": {"$ne": "en"}}, True),
        ({}, {"lang": {"$nin": ["en"]}}, True),
        ({}, {"lang": None}, True),
        ({"lang": None}, {"lang": None, "$not": {"lang": {"$exists": False}}}, True),
        ({"tags": ["a", "b"]}, {"tags": "b"}, True),
        ({"tags": ["a", "b"]}, {"tags": {"$ne": "b"}}, False),
        ({"tags": []}, {"tags": {"$exists": True}}, True),
        ({"authors": [{"name": "Ada"}, {"name": "Bo"}]}, {"authors.name": "Bo"}, True),
        ({"a.b": 1}, {"a.b": 1}, True),
        ({"flag": True}, {"flag": 1}, False),
        ({"n": 1}, {"n": 1.0}, True),
        ({"n": "10"}, {"n": {"$gt": 9}}, False),
        ({"n": 2**53 + 1}, {"n": {"$gt": 2**53}}, True),
        ({"n": 2**63 - 1}, {"n": {"$in": [2**63]}}, False),
        ({"day": "2024-05-01"}, {"day": {"$gte": "2024-04-30"}}, True),
        ({"n": 3}, {"n": {"$lt": float("inf")}}, True),
        ({"n": np.int64(3), "x": np.float32(0.5), "t": ("a",)}, {"n": np.int64(3), "x": 0.5, "t": "a"}, True),
    ],
)
def test_meanings(item, condition, expected):
    assert matches(item, condition) is expected


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"year": {"$gtt": 1}}, ["$gtt", "at year", "$gte"]),
        ({"$or": [{"a": 1}, {"b": {"$in": "x"}}]}, ["$in", "at $or[1].b", "str"]),
        ({"$xor": []}, ["$xor", "at the top", "$and, $or, $not"]),
        ({"$and": []}, ["$and", "empty list"]),
        ({"$or": {"a": 1}}, ["$or", "dict"]),
        ({"$gt": 3}, ["$gt", "without a key"]),
        ({"a": {"$not": {"$gt": 3}}}, ["$not", "at a"]),
        ({"a": {"b": 3}}, ["'b'", '"a.b"']),
        ({"a": {}}, ["empty", "at a"]),
        ({"a": ["x"]}, ["$eq", "at a", "$in"]),
        ({"a": {"$gt": None}}, ["$gt", "None"]),
        ({"a": {"$lt": True}}, ["$lt", "True"]),
        ({"a": {"$exists": 1}}, ["$exists", "int 1"]),
        ({"a": float("nan")}, ["$eq", "NaN", "$exists"]),
        ({"a": {"$in": ["x", ["y"]]}}, ["$in", "at a[1]"]),
        ({"a": 2**64}, ["$eq", "64 bits"]),
        ({3: "x"}, ["int 3"]),
        ({"$not": [1]}, ["at $not", "list"]),
        ("year", ["dict", "str"]),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(condition, said):
    with pytest.raises(UsageError) as caught:
        parse_filter(condition)
    text = f"{caught.value} {caught.value.hint}"
    assert all(part in text for part in said), text


def test_a_filter_too_deep_is_refused():
    condition: dict = {"a": 1}
    for _ in range(2000):
        condition = {"$not": condition}
    with pytest.raises(UsageError, match="nested too deeply"):
        parse_filter(condition)


def test_the_order_of_keys_makes_no_other_filter_but_kinds_do():
    assert parse_filter({"a": 1, "b": 2}).text == parse_filter({"b": 2, "a": 1}).text
    assert parse_filter({"a": {"$in": [1, 2]}}).text == parse_filter({"a": {"$in": [2, 1]}}).text
    assert len({parse_filter({"a": value}).text for value in (1, True, "1", None)}) == 4
    text = parse_filter({"a": {"$gte": 1, "$ne": "x"}, "$or": [{"b": True}, {"c": {"$exists": False}}]}).text
    assert parse_filter(json.loads(text)).text == text


@pytest.mark.parametrize("values", [["a", 0], [0, "a"], ["a", 2**53 + 1, 0], [None, 0, "a"]])
def test_a_column_may_change_its_kind(values):
    for wanted in values:
        columns = MetadataColumns()
        for value in values:
            columns.append([{"x": value}])
        assert columns.select({"x": wanted}).rows.tolist() == [values.index(wanted)]
        columns.replace(0, {"x": wanted})
        assert columns.select({"x": wanted}).bitmap[0]


def test_a_filter_asked_again_is_not_evaluated_again():
    columns = MetadataColumns()
    columns.append([{"a": 1}, {"a": 2}])
    first = columns.select({"a": 1})
    assert columns.select({"a": {"$eq": 1}}) is first
    with pytest.raises(ValueError, match="read-only"):
        first.bitmap[0] = False
    columns.append([{"a": 1}])
    assert columns.select({"a": 1}).bitmap.tolist() == [True, False, True]
    assert first.bitmap.tolist() == [True, False]


@given(ROWS)
def test_metadata_comes_back_as_it_was(item):
    before = json.dumps(item)
    kept = checked(item, "x")
    assert json.dumps(decoded(encoded(kept))) == before
    item["new"] = 1
    assert json.dumps(kept) == before


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"a": {"b": {1}}}, [".b", "'doc'", "set"]),
        ({"a": [1, float("nan")]}, ["a[1]", "nan"]),
        ({"a": {1: 2}}, ["at a", "key 1"]),
        ({"a": 2**64}, ["64 bits"]),
        ([1], ["list"]),
    ],
)
def test_metadata_that_is_no_json_is_refused_with_its_place(item, said):
    with pytest.raises(UsageError) as caught:
        checked(item, "doc")
    assert all(part in str(caught.value) for part in said)


def test_metadata_too_deep_is_refused():
    item: dict = {}
    for _ in range(5000):
        item = {"a": item}
    with pytest.raises(UsageError, match="levels"):
        checked(item, "doc")
