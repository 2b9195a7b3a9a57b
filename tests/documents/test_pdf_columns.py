"""The order in which a PDF page is read, on pages whose order is known because the test set them."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents.pdf import parse_pdf
from ragterm.engine.documents.pdf_layout import Line
from ragterm.engine.documents.reading_order import in_reading_order
from ragterm.engine.types.documents import ParsedDocument

logging.getLogger("fontTools").setLevel(logging.ERROR)

LEADING = 5.0
SIZE = 10


@dataclass
class Set:
    """A line of type: where it stands (millimetres from the top left corner) and how large."""

    x: float
    y: float
    text: str
    size: int = SIZE


def words(count: int, seed: str) -> list[str]:
    """Words that say their own place, so that any change of order shows."""
    shapes = random.Random(seed)
    return [f"{seed}{number}{'abcdefghij'[: shapes.randint(0, 6)]}" for number in range(count)]


def column(x: float, y: float, width: float, text: list[str]) -> list[Set]:
    """`text` broken into lines of at most `width` (millimetres)."""
    pdf = FPDF()
    pdf.set_font("times", size=SIZE)
    lines, line = [], ""
    for word in text:
        if line and pdf.get_string_width(f"{line} {word}") > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [Set(x, y + LEADING * at, one) for at, one in enumerate([*lines, line])]


def read(drawn: list[Set], angle: int = 0) -> ParsedDocument:
    pdf = FPDF()
    pdf.set_auto_page_break(False)
    pdf.add_page()
    for one in drawn:
        pdf.set_font("times", size=one.size)
        pdf.text(one.x, one.y, one.text)
    return parse_pdf(bytes(pdf.output()), Path("columns.pdf"))


def by_rows(lines: list[Set]) -> list[Set]:
    return sorted(lines, key=lambda one: (one.y, one.x))


def shuffled(lines: list[Set]) -> list[Set]:
    return random.Random(7).sample(lines, len(lines))


ORDERS = {
    "as read": list,
    "by rows": by_rows,
    "from the right": lambda lines: sorted(lines, key=lambda one: (-one.x, one.y)),
}


@pytest.mark.parametrize("drawn", ORDERS)
@pytest.mark.parametrize("count", [2, 3])
def test_columns_are_read_one_after_the_other_however_they_are_drawn(count: int, drawn: str) -> None:
    width = (180 - 6 * (count - 1)) / count
    texts = [words(150, name) for name in ("ay", "bee", "sea")[:count]]
    lines = [line for at, text in enumerate(texts) for line in column(15 + at * (width + 6), 40, width, text)]
    assert read(ORDERS[drawn](lines)).text.split() == [word for text in texts for word in text]


@pytest.mark.parametrize("drawn", ["as read", "by rows"])
def test_what_runs_across_the_columns_parts_them(drawn: str) -> None:
    """Title, two columns, a heading across them that does not reach the second one, two more columns, a note."""
    title = [Set(40, 25, "A title that stands above both of the columns of this page", 16)]
    first, second = words(90, "ay"), words(90, "bee")
    upper = column(15, 40, 87, first) + column(108, 40, 87, second)
    height = max(line.y for line in upper) + 12
    heading = [Set(15, height, "Second part", 15)]
    third, fourth = words(80, "sea"), words(80, "dee")
    lower = column(15, height + 10, 87, third) + column(108, height + 10, 87, fourth)
    note = column(15, max(line.y for line in lower) + 14, 180, [*words(40, "note")])
    everything = [*title, *upper, *heading, *lower, *note]
    document = read(ORDERS[drawn](everything))
    expected = [title[0].text, *first, *second, "Second part", *third, *fourth, *words(40, "note")]
    assert document.text.split() == " ".join(expected).split()
    headings = [document.text[b.start : b.end] for b in document.blocks if b.kind == "heading"]
    assert headings == [title[0].text, "Second part"]


def test_a_paragraph_goes_on_in_the_next_column() -> None:
    text = words(120, "ay")
    whole = column(15, 40, 87, text)
    half = len(whole) // 2
    moved = [Set(108, line.y - LEADING * half, line.text) for line in whole[half:]]
    document = read(by_rows(whole[:half] + moved))
    assert [document.text[b.start : b.end] for b in document.blocks] == [" ".join(text)]


def test_the_rows_of_a_table_stay_rows() -> None:
    rows = [("Part", "Supplier", "Price"), ("Bolt M8", "Ironworks Ltd", "0.12"), ("Washer", "Ringmaker", "0.02")]
    rows += [(f"Nut M{n}", f"Nutcracker {n} Brothers", f"0.{n}7") for n in range(3, 9)]
    cells = [Set(x, 40 + 6 * y, text) for y, row in enumerate(rows) for x, text in zip((20, 80, 150), row, strict=True)]
    document = read(cells)
    assert [b.kind for b in document.blocks] == ["table"]
    assert document.text.split("\n") == ["   ".join(row) for row in rows]


def test_cells_of_several_lines_stay_beside_each_other() -> None:
    """A table of questions and answers, each cell wrapped: the answers do not wait until all questions are asked."""
    drawn, expected, y = [], [], 40.0
    for number in range(4):
        question, answer = words(22, f"q{number}x"), words(30, f"a{number}x")
        cells = column(15, y, 80, question) + column(105, y, 88, answer)
        drawn += cells
        expected += [*question, *answer]
        y = max(line.y for line in cells) + 3 * LEADING
    assert read(drawn).text.split() == expected


def test_a_header_that_is_drawn_last_is_read_first() -> None:
    body = column(15, 40, 180, words(120, "ay"))
    header = [Set(15, 20, "Letter from the north")]
    assert read([*body, *header]).text.split()[:5] == [
        "Letter",
        "from",
        "the",
        "north",
        "ay0" + body[0].text.split()[0][3:],
    ]


def test_a_word_broken_at_the_end_of_a_page_is_mended_where_it_began() -> None:
    pdf = FPDF()
    pdf.set_auto_page_break(False)
    for lines in (
        ["Whoever has read as far as this may want to manip-"],
        ["ulate the list, which is on the second page."],
    ):
        pdf.add_page()
        pdf.set_font("times", size=SIZE)
        for at, line in enumerate(lines):
            pdf.text(20, 40 + LEADING * at, line)
    document = parse_pdf(bytes(pdf.output()), Path("pages.pdf"))
    assert [(b.page, document.text[b.start : b.end]) for b in document.blocks] == [
        (1, "Whoever has read as far as this may want to manipulate"),
        (2, "the list, which is on the second page."),
    ]


def line(left: float, top: float, width: float, text: str) -> Line:
    return Line(text, left, left + width, top - 10, top, 10.0, False, (text,))


boxes = st.builds(
    line,
    st.floats(0, 500),
    st.floats(10, 800),
    st.floats(0, 600),
    st.text("abc dé\u05d0\u05d1", min_size=1, max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(boxes, max_size=40))
def test_nothing_is_lost_or_doubled_by_ordering(lines: list[Line]) -> None:
    assert sorted(map(id, in_reading_order(lines))) == sorted(map(id, lines))
