"""The braille canvas: bit patterns checked against the Unicode names of the characters, lines against their definition."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragterm.ui.widgets.braille import BrailleCanvas, bar, sparkline

# The Unicode name lists the raised dots ("BRAILLE PATTERN DOTS-1247"); dots 1 2 3 7 are the left column, 4 5 6 8 the right.
NUMBER = {(0, 0): "1", (0, 1): "2", (0, 2): "3", (0, 3): "7", (1, 0): "4", (1, 1): "5", (1, 2): "6", (1, 3): "8"}


@given(st.sets(st.sampled_from(sorted(NUMBER)), min_size=1))
def test_a_cell_is_the_character_whose_name_lists_its_dots(dots: set[tuple[int, int]]) -> None:
    canvas = BrailleCanvas(1, 1)
    for x, y in dots:
        canvas.dot(x, y)
    named = unicodedata.name(canvas.text()).rpartition("-")[2]
    assert named == "".join(sorted(NUMBER[d] for d in dots))


def dots_of(canvas: BrailleCanvas) -> set[tuple[int, int]]:
    """The dots set, read back from the characters alone."""
    found = set()
    for row, line in enumerate(canvas.text().split("\n")):
        for column, character in enumerate(line):
            if character != " ":
                name = unicodedata.name(character).rpartition("-")[2]
                found |= {(2 * column + x, 4 * row + y) for (x, y), n in NUMBER.items() if n in name}
    return found


@given(st.tuples(*[st.integers(0, 39)] * 4))
def test_a_line_holds_its_ends_and_stays_within_half_a_dot(ends: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = ends
    canvas = BrailleCanvas(20, 10)
    canvas.line(x0, y0, x1, y1)
    dots = dots_of(canvas)
    assert {(x0, y0), (x1, y1)} <= dots
    assert len(dots) == max(abs(x1 - x0), abs(y1 - y0)) + 1
    length = max(abs(x1 - x0), abs(y1 - y0)) or 1
    for x, y in dots:
        away = abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / length
        assert away <= 0.5 + 1e-9


@given(st.integers(0, 39), st.integers(0, 39))
def test_a_curve_is_connected_and_leaves_and_arrives_level(y0: int, y1: int) -> None:
    canvas = BrailleCanvas(10, 10)
    canvas.curve(0, y0, 19, y1)
    dots = dots_of(canvas)
    assert {(0, y0), (19, y1)} <= dots
    assert {x for x, _ in dots} == set(range(20))
    seen, todo = {(0, y0)}, [(0, y0)]
    while todo:
        x, y = todo.pop()
        for near in ((x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)):
            if near in dots and near not in seen:
                seen.add(near)
                todo.append(near)
    assert seen == dots


def test_outside_is_ignored() -> None:
    canvas = BrailleCanvas(2, 1)
    for x, y in ((-1, 0), (0, -1), (4, 0), (0, 4)):
        canvas.dot(x, y)
        canvas.glyph(x * 2, y * 4, "x")
    assert canvas.text() == "  "


def test_the_higher_ink_colours_the_cell_in_either_order() -> None:
    for inks in ((1, 3), (3, 1)):
        canvas = BrailleCanvas(1, 1)
        canvas.dot(0, 0, inks[0])
        canvas.dot(1, 3, inks[1])
        assert canvas.row(0) == [("⢁", 3)]


def test_a_glyph_hides_the_dots_and_the_higher_one_stays() -> None:
    canvas = BrailleCanvas(2, 1)
    canvas.dot(0, 0, 9)
    canvas.glyph(1, 2, "●", 5)
    canvas.glyph(0, 0, "○", 2)
    assert canvas.row(0) == [("●", 5), (" ", None)]


def test_runs_cover_the_row() -> None:
    canvas = BrailleCanvas(6, 1)
    canvas.dot(2, 0, 1)
    canvas.dot(4, 0, 1)
    canvas.dot(10, 0, 2)
    assert canvas.row(0) == [(" ", None), ("⠁⠁", 1), ("  ", None), ("⠁", 2)]


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([], 5, ""),
        ([0, 0], 5, "  "),
        ([1, 2, 4, 8], 4, "▁▂▄█"),
        ([1, 1000], 2, "▁█"),
        ([1, 1, 1, 1, 4, 4], 3, "▂▂█"),
    ],
)
def test_sparkline(values: list[int], width: int, expected: str) -> None:
    assert sparkline(values, width) == expected


@pytest.mark.parametrize(
    ("share", "width", "expected"),
    [
        (0, 4, "    "),
        (1, 4, "████"),
        (2.5, 4, "████"),
        (-1, 4, "    "),
        (0.5, 4, "██  "),
        (0.001, 2, "▏ "),
        (0.3125, 2, "▋ "),
    ],
)
def test_bar(share: float, width: int, expected: str) -> None:
    assert bar(share, width) == expected
