"""Text recognition: which reader is taken, what becomes of its lines, and how it keeps to its limits."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

from ragterm.engine.documents import ocr
from ragterm.engine.documents.pdf import parse_pdf
from ragterm.engine.documents.pdf_layout import Page
from ragterm.engine.documents.time_limit import asking
from ragterm.engine.types.errors import ParseError

LINES = ["INVOICE", "Company: Northern Ironworks", "Total due: 4711 euro"]


def scan(*, pages: int = 1, text_page: bool = False) -> bytes:
    picture = Image.new("L", (1240, 1754), 255)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(40)
    for at, line in enumerate(LINES):
        draw.text((120, 200 + 120 * at), line, fill=0, font=font)
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    if text_page:
        pdf.add_page()
        pdf.text(20, 40, "This page has a text layer.")
    for _ in range(pages):
        pdf.add_page()
        pdf.image(picture, 0, 0, 210, 297)
    return bytes(pdf.output())


class Reader:
    """In the place of a real one: yields what it was made with, and notes what it saw."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[ocr.Found] | BaseException) -> None:
        self.answers, self.seen = list(answers), []
        monkeypatch.setattr(ocr, "available", lambda: "rapidocr")
        monkeypatch.setattr(ocr, "_reader", lambda: self.read)

    def read(self, picture: object) -> list[ocr.Found]:
        self.seen.append(picture.shape)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


FOUND: list[ocr.Found] = [(line, 120, 200 + 120 * at, 700, 240 + 120 * at) for at, line in enumerate(LINES)]


def test_what_was_read_stands_where_it_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, FOUND)
    document = parse_pdf(scan(text_page=True), Path("scan.pdf"))
    assert reader.seen == [(1754, 1241, 3)]  # A4 at 150 dots per inch
    assert [(b.page, document.text[b.start : b.end]) for b in document.blocks] == [
        (1, "This page has a text layer."),
        (2, " ".join(LINES)),
    ]
    assert document.parser == "pypdfium2 + rapidocr"
    assert document.warnings == (
        "no text layer on 1 of 2 pages: 2",
        "read by text recognition (OCR) on 1 of 2 pages: 2",
    )


def test_a_large_line_is_a_heading_and_box_heights_that_wobble_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    large: ocr.Found = ("Quarterly report", 120, 60, 700, 140)
    wobbling = [("Revenue rose by a tenth", 120, y, 700, y + height) for y, height in ((200, 40), (260, 47), (320, 36))]
    Reader(monkeypatch, [large, *wobbling])
    document = parse_pdf(scan(), Path("scan.pdf"))
    assert [document.text[b.start : b.end] for b in document.blocks if b.kind == "heading"] == ["Quarterly report"]


def test_cells_on_one_height_are_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("Region", "Growth"), ("North", "15 %"), ("South", "22 %")]
    found = [
        (text, x, 200 + 60 * y, x + 150, 240 + 60 * y)
        for y, row in enumerate(rows)
        for x, text in zip((100, 700), row, strict=True)
    ]
    Reader(monkeypatch, found)
    assert parse_pdf(scan(), Path("scan.pdf")).text == "Region   Growth\nNorth   15 %\nSouth   22 %"


def test_pages_without_words_are_told_and_wait_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    Reader(monkeypatch, [], RuntimeError("no picture"))
    document = parse_pdf(scan(pages=2, text_page=True), Path("scan.pdf"))
    assert document.warnings[1] == "no words found by text recognition (OCR) on 2 of 3 pages: 2-3"
    Reader(monkeypatch, [])
    with pytest.raises(ParseError) as caught:
        parse_pdf(scan(), Path("scan.pdf"))
    assert caught.value.title == "No text" and "wait" not in caught.value.message


def test_memory_that_runs_out_keeps_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    Reader(monkeypatch, FOUND, MemoryError())
    document = parse_pdf(scan(pages=3), Path("scan.pdf"))
    assert {b.page for b in document.blocks} == {1}
    assert document.warnings[-1].endswith("on 2 of 3 pages: 2-3")
    Reader(monkeypatch, RuntimeError("Failed to allocate memory for requested buffer"))  # onnxruntime's words
    with pytest.raises(MemoryError):
        parse_pdf(scan(), Path("scan.pdf"))


def test_every_page_asks_for_its_time_and_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    Reader(monkeypatch, FOUND, FOUND)
    monkeypatch.setattr(ocr, "MAX_PAGES", 2)
    asked: list[float] = []
    with asking(asked.append):
        document = parse_pdf(scan(pages=3), Path("scan.pdf"))
    assert asked == [ocr.PAGE_SECONDS] * 2
    assert document.warnings[-1].startswith("too much") and document.warnings[-1].endswith("on 1 of 3 pages: 3")


def test_an_enormous_page_is_drawn_small(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, FOUND)
    pdf = FPDF(unit="pt", format=(14_400, 14_400))
    pdf.add_page()
    pdf.image(Image.new("L", (40, 40), 128), 10, 10, 5000, 5000)
    parse_pdf(bytes(pdf.output()), Path("wall.pdf"))
    assert reader.seen[0][0] * reader.seen[0][1] <= 2_600_000


def test_tesseracts_table_is_read() -> None:
    row = "5\t1\t1\t1\t{}\t{}\t{}\t100\t50\t20\t96\t{}"
    table = [
        "level\tpage",
        "4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t",
        row.format(1, 1, 10, "Total"),
        row.format(1, 2, 70, "due"),
        row.format(2, 1, 10, "now"),
    ]
    assert ocr.lines_of_tsv("\n".join(table)) == [("Total due", 10, 100, 120, 120), ("now", 10, 100, 60, 120)]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the program")
def test_tesseract_is_handed_a_picture_and_its_words_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tesseract"
    cells = "5\\t1\\t1\\t1\\t1\\t1\\t10\\t100\\t50\\t20\\t96\\t"
    program.write_text(f"#!/bin/sh\nhead -c 2 > {tmp_path}/kind\ncat > /dev/null\nprintf 'level\\n{cells}Seen\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(ocr, "find_spec", lambda _: None)
    assert ocr.available() == "tesseract"
    ocr._reader.cache_clear()
    try:
        document = parse_pdf(scan(), Path("scan.pdf"))
    finally:
        ocr._reader.cache_clear()
    assert (document.text, document.parser) == ("Seen", "pypdfium2 + tesseract")
    assert (tmp_path / "kind").read_bytes() == b"P6"


@pytest.mark.skipif(
    find_spec("rapidocr_onnxruntime") is None or find_spec("cv2") is None, reason="ragterm[ocr] is not installed"
)
def test_a_real_scan_is_read() -> None:
    text = parse_pdf(scan(), Path("scan.pdf")).text.replace(" ", "")
    assert all(line.replace(" ", "") in text for line in LINES)


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_a_real_scan_is_read_by_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find_spec", lambda _: None)
    ocr._reader.cache_clear()
    text = parse_pdf(scan(), Path("scan.pdf")).text
    ocr._reader.cache_clear()
    assert "4711" in text


def test_a_page_is_none_when_nothing_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    import pypdfium2

    Reader(monkeypatch, [("  ", 0, 0, 1, 1)], FOUND)
    document = pypdfium2.PdfDocument(scan())
    assert ocr.recognise(document, 1) is None
    assert isinstance(ocr.recognise(document, 1), Page)
