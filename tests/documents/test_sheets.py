"""XLSX, XLS, CSV and TSV: workbooks made with openpyxl, delimited text made by hand."""

from __future__ import annotations

import base64
import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents import sheets, tables
from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.delimited import find_delimiter, parse_delimited
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.sheets import parse_sheets
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def saved(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def workbook(*named: tuple[str, list[list[object]]]) -> Any:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in named:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return book


def parse(book: Any) -> ParsedDocument:
    return parse_sheets(book if isinstance(book, bytes) else saved(book), Path("book.xlsx"))


def csv(text: str, name: str = "a.csv") -> ParsedDocument:
    return parse_delimited(text, Path(name))


def texts(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind, document.text[b.start : b.end], b.section) for b in document.blocks]


def test_sheets_are_sections_and_cells_read_as_people_read_them(check_invariants: Check) -> None:
    moment = datetime.datetime(2024, 5, 1, 10, 30)
    book = workbook(
        ("Orders", [["What", "When", "At", "Number", "Share", "Paid"], ["Tea", moment.date(), moment, 45123.0, 0.1 + 0.2, True]]),
        ("Hours", [["Who", "From", "Spent"], ["Ann", datetime.time(8, 5), datetime.timedelta(hours=30)]]),
    )  # fmt: skip
    book.properties.title, book.properties.creator, book.properties.keywords = "Sales", "Ann", "tea, time"
    document = parse(book)
    check_invariants(document)
    assert document.title == "Sales"
    assert (document.metadata["author"], document.metadata["keywords"]) == ("Ann", "tea, time")
    assert texts(document) == [
        ("heading", "Orders", ()),
        ("table", "What | When | At | Number | Share | Paid\nTea | 2024-05-01 | 2024-05-01 10:30 | 45123 | 0.3 | TRUE", ("Orders",)),
        ("heading", "Hours", ()),
        ("table", "Who | From | Spent\nAnn | 08:05 | 30:00", ("Hours",)),
    ]  # fmt: skip


def test_titles_empty_rows_and_columns_merged_cells_and_several_tables() -> None:
    book = workbook(("Sheet1", []))
    sheet = book["Sheet1"]
    for place, value in {
        "B2": "Visitors", "B3": "Town", "C3": "Street", "E3": "Count", "B4": "Rome", "C4": "Via A", "E4": 3, "C5": "Via B", "E5": 4,
        "B7": "Oslo", "C7": "Gata", "E7": 5, "G10": "Name", "H10": "Age", "G11": "Ann", "H11": 40,
    }.items():  # fmt: skip
        sheet[place] = value
    sheet.merge_cells("B4:B5")
    assert texts(parse(book)) == [
        ("heading", "Visitors", ()),
        ("table", "Town | Street | Count\nRome | Via A | 3\nRome | Via B | 4\nOslo | Gata | 5", ("Visitors",)),
        ("table", "Name | Age\nAnn | 40", ()),
    ]


def test_an_empty_row_ends_a_table_only_where_another_begins() -> None:
    rows: list[list[object]] = [
        ["Town", "Count"],
        ["Rome", 3],
        [],
        ["Oslo", 4],
        [],
        ["Prices"],
        ["Ware", "Price"],
        ["Tea", 2],
    ]
    assert texts(parse(workbook(("Sheet1", rows)))) == [
        ("table", "Town | Count\nRome | 3\nOslo | 4", ()),
        ("heading", "Prices", ()),
        ("table", "Ware | Price\nTea | 2", ("Prices",)),
    ]


def test_hidden_sheets_are_read_and_named() -> None:
    book = workbook(("Open", [["a", "b"], ["c", "d"]]), ("Secret", [["e", "f"], ["g", "h"]]))
    book["Secret"].sheet_state = "hidden"
    document = parse(book)
    assert "g | h" in document.text
    assert document.warnings == ("hidden in the workbook, and read: 'Secret'",)


def test_formulas_have_the_value_that_was_saved() -> None:
    book = workbook(("Sums", [["a", "sum"], [1, "=A2+1"]]))
    data = saved(book)
    assert any("formulas without a saved value" in warning for warning in parse(data).warnings)
    with_value = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(with_value, "w") as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb"</f><v\s*/?>(</v>)?", b"</f><v>2</v>", old.read(name)))
    document = parse(with_value.getvalue())
    assert "1 | 2" in document.text and not document.warnings


# A workbook that xlwt wrote: text, a date, a number.
XLS = (
    "eNrtWE1oE0EU/mY32/zYppuYCq1QQtGqtRfx4qXdKmhP1ihCRQTdNguWhlSWXvRiteYoCIKgeCn04qXqxR9U0IPgQajoQRCERI89CYoe2qxvXmYltQoN1EJl"
    "vmXevHlv3szLzLyZzLyZT5Vn7ndU8Bv6YaIaxNFUJxOU4mHBBumDQLJhHqMUaGwoxGM0kU0WnrS8jso5lPNdgYF7kRdEgU+UTuEchiaKXnYdcYB9cIX0oY+o"
    "wG2SJNHOXqWZjjLdzPQu13zKdIAlV5n2Ud2yOIl5Z6hnn1rFJ4wu1iUh233INh9YsgdteCVX8cVrolbXwn5/zC1sMEVnpBmzoAkd9Iqe7xbKyNDMzuJbkAW+"
    "hiH8PKvl6ysXIPmP5fLoX+QxtK6QXzciwBSCMxwRJWzCd1NqTBwp5BexDaQO0/BZd5Izr2gBOX9s1KO6xz03IbdxDnt7Wdi3cDg0E81T15JPcVDY5MrinS9v"
    "D4/knNMsmeKtvnYgbJcuIcAlaUHGSdYYqLkF9DC/m+llbnUr8x1MM7RiKe/OtSnm0DTXucLabupnL+Ods6OO30l8aeHoo87SZ2cX8XODlQuZuffODLrogMqT"
    "vfym0St6xa2bEo+dMBdq8/jItH3FRhIzbOV7oE69ViwhwWyKaa0kR0f8KhlqrKS1+IO1YGs5Hs+of+ldGjdeSqsFU1r3G2k84EEbqDtwE9DQ0NDQ0NDQ0NBY"
    "Uwj1Z91UFwdLXQai6l1niVJVP5P8tziGCfom6Z55EEXKfZxvaP1sgSXCtsQqbcL3Qolh6t3HOEbYj/GG1y9d5kT971m1ob12IdRo/9VG/PzH/f8E9vjMyw=="
)


def test_the_old_format_of_excel(tmp_path: Path) -> None:
    (tmp_path / "old.xls").write_bytes(zlib.decompress(base64.b64decode(XLS)))
    document = parse_file(tmp_path / "old.xls")
    assert texts(document) == [
        ("heading", "Old", ()),
        ("table", "What | When | Price\nTea | 2024-05-01 | 2.5", ("Old",)),
    ]
    (tmp_path / "cut.xls").write_bytes(zlib.decompress(base64.b64decode(XLS))[:3774])  # the library panics
    with pytest.raises(ParseError, match="Damaged workbook"):
        parse_file(tmp_path / "cut.xls")


def test_every_cell_that_openpyxl_reads_is_there() -> None:
    rows: list[list[object]] = [[f"c{n}" for n in range(7)]]
    rows += [[f"r{r}x{c}" if (r * c) % 3 else r * 1000 + c for c in range(7)] for r in range(200)]
    data = saved(workbook(("Data", rows)))
    lines = parse(data).text.split("\n\n")[1].split("\n")
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    assert lines == [" | ".join(str(cell) for cell in row) for row in sheet.iter_rows(values_only=True)]


def test_huge_sheets_are_read_as_far_as_the_limits_go(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[list[object]] = [["n", "m"], *([n, n] for n in range(30))]
    monkeypatch.setattr(tables, "MAX_ROWS", 20)
    document = parse(workbook(("Long", rows), ("Next", [["x", "y"], [1, 2]])))
    assert "18 | 18" in document.text and "19 | 19" not in document.text and "x | y" in document.text
    assert any("only the first 20 rows" in warning for warning in document.warnings)
    monkeypatch.setattr(sheets, "MAX_CELLS", 10)
    document = parse(workbook(("Long", rows), ("Next", [["x", "y"], [1, 2]])))
    assert "x | y" not in document.text and any("'Next'" in warning for warning in document.warnings)
    assert any("only the first 20 rows" in w for w in csv("n,m\n" + "1,2\n" * 30).warnings)


def test_a_cell_far_outside_costs_its_sheet_and_not_the_process() -> None:
    book = workbook(("Wide", [["a", "b"], ["c", "d"]]), ("Fine", [["e", "f"], ["g", "h"]]))
    book["Wide"]["XFD1048576"] = "far away"
    document = parse(book)
    assert "g | h" in document.text and "c | d" not in document.text
    assert any("'Wide'" in warning and "12 million cells" in warning for warning in document.warnings)


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"\x00\x01\x02", "Damaged XLSX"),
        (saved(workbook(("Empty", []))), "No text"),
        (b"\xd0\xcf\x11\xe0" + bytes(99) + "EncryptedPackage".encode("utf-16-le"), "Password protected"),
        (b"\xd0\xcf\x11\xe0" + bytes(2000), "Damaged workbook"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "Old Excel format"),
    ],
    ids=["no archive", "empty", "encrypted", "damaged", "XML of 2003"],
)
def test_what_cannot_be_read_says_why(data: bytes, title: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.title == title and caught.value.message and caught.value.hint


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter: str) -> None:
    lines = ["name,count;x", "a b;1,5", "c;2,25", "d, e; f;3"]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in line.split(";")) for line in lines[:3])
    assert find_delimiter(text, ",") == delimiter
    assert csv(text).text == "name,count | x\na b | 1,5\nc | 2,25"


def test_a_decimal_comma_is_no_delimiter() -> None:
    assert csv("Ware;Preis;Menge\nTee;1,50;3\nBrot;2,25;4\nEi;3;5\n").text.split("\n")[1] == "Tee | 1,50 | 3"
    assert csv("sep=;\na;b\n1,2;3\n").text == "a | b\n1,2 | 3"


def test_line_ends_in_quotation_marks_stay_within_their_row(check_invariants: Check) -> None:
    document = csv('who,said\nAnn,"one\n\ntwo, ""three"""\nBo,four\n')
    check_invariants(document)
    assert texts(document) == [("table", 'who | said\nAnn | one two, "three"\nBo | four', ())]


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_the_file() -> None:
    document = csv("size,name\n" + '5",disc\n' + '3,"open\n' + "4,row\n" * 600)
    assert document.text.count("\n") == 602 and document.warnings


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("1,2.5\n2,3.5\n3,4.5\n", "A | B"),  # numbers above numbers
        ("Region,2023,2024\nEast,1.5,2.5\nWest,3.5,4.5\n", "Region | 2023 | 2024"),  # years are names
        (
            "Group,,Result,\n,n,Share,Time\nx,1,2,3\ny,4,5,6\n",
            "Group | Group n | Result Share | Result Time",
        ),  # two rows
        ("Ann,Rome\nBo,Oslo\n", "Ann | Rome"),
    ],
)
def test_headers(text: str, first: str) -> None:
    assert csv(text).text.split("\n")[0] == first


def test_empty_files_say_so() -> None:
    with pytest.raises(ParseError, match="No text"):
        csv(",,,\n,,\n")


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(st.text(alphabet='ab1 ,;|\t"\n', max_size=6), min_size=1, max_size=4), max_size=6))
def test_no_word_of_any_table_is_lost(rows: list[list[str]]) -> None:
    import csv as writer

    out = io.StringIO()
    writer.writer(out).writerows(rows)
    text = canonical(out.getvalue())
    try:
        document = csv(text)
    except ParseError:
        assert not any(c in "ab1" for c in "".join(map("".join, rows)))
        return
    assert set(re.findall("[ab1]+", text)) <= set(re.findall("[ab1]+", document.text))


@pytest.mark.data
def test_real_tables(data: Path, check_invariants: Check) -> None:
    cups = "Team | Location | Stanley Cups\nBlues | STL | 1\nFlyers | PHI | 2\nMaple Leafs | TOR | 13"
    for name in ("stanley-cups.csv", "stanley-cups.tsv", "stanley-cups-utf-16.csv"):
        document = parse_file(data / "files" / "other" / name)
        check_invariants(document)
        assert texts(document) == [("heading", "Stanley Cups", ()), ("table", cups, ("Stanley Cups",))]
    bars = parse_file(data / "files" / "other" / "csv-with-line-delimiter.csv")
    assert bars.text.startswith("col1 | col2 | col3\na | b | c")
    with pytest.raises(ParseError, match="Password protected"):
        parse_file(data / "files" / "other" / "password_protected.xlsx")
