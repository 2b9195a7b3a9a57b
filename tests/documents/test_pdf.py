"""PDF: files made on the fly whose text and layout are known, and the real ones."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from fpdf import FPDF
from PIL import Image

from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.pdf import parse_pdf
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]
logging.getLogger("fontTools").setLevel(logging.ERROR)

SENTENCES = (
    "The customer may return any article within fourteen days of receipt. The refund is paid to the account from which the order "
    "was paid, and no later than one week after the parcel has arrived in our store. Opened software is excluded from this rule."
)


@pytest.fixture(autouse=True)
def _no_text_recognition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.engine.documents.ocr.available", lambda: "")


def parse(pdf: FPDF | bytes) -> ParsedDocument:
    return parse_pdf(bytes(pdf) if isinstance(pdf, bytes) else bytes(pdf.output()), Path("made.pdf"))


def texts(document: ParsedDocument) -> list[tuple[str, int | None, str]]:
    return [(b.kind, b.page, document.text[b.start : b.end]) for b in document.blocks]


def pages(count: int) -> FPDF:
    pdf = FPDF()
    pdf.set_auto_page_break(False)
    for number in range(1, count + 1):
        pdf.add_page()
        pdf.set_font("helvetica", size=9)
        pdf.text(20, 10, "Acme handbook - confidential")
        pdf.text(100, 288, f"Page {number} of {count}")
        pdf.set_font("helvetica", "B", size=16)
        pdf.set_xy(20, 20)  # at the edge of the page, where headers are, and as often as they
        pdf.cell(text=f"Chapter {number}", new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("helvetica", size=11)
        pdf.set_xy(20, 45)
        pdf.multi_cell(120, 6, SENTENCES)
        pdf.set_xy(20, 90)
        pdf.multi_cell(120, 6, f"This closes chapter {number}.")
    return pdf


def test_lines_become_paragraphs_and_headings_sections(check_invariants: Check) -> None:
    pdf = pages(4)
    pdf.set_title("Acme handbook")
    pdf.set_author("Ann")
    document = parse(pdf)
    check_invariants(document)
    assert (document.title, document.pages, document.metadata["author"]) == ("Acme handbook", 4, "Ann")
    # The header stands once, page numbers are gone, wrapped lines are joined, every chapter begins at the top level again.
    expected = [
        [("heading", n, f"Chapter {n}"), ("paragraph", n, SENTENCES), ("paragraph", n, f"This closes chapter {n}.")]
        for n in range(1, 5)
    ]
    assert texts(document) == [
        ("paragraph", 1, "Acme handbook - confidential"),
        *(block for page in expected for block in page),
    ]
    assert [b.section for b in document.blocks[1:] if b.kind != "heading"] == [
        (f"Chapter {n}",) for n in (1, 1, 2, 2, 3, 3, 4, 4)
    ]


def test_bookmarks_are_the_sections_where_there_are_any() -> None:
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    for part in ("Alpha", "Beta"):
        pdf.add_page()
        pdf.start_section(f"Part {part}")
        pdf.multi_cell(0, 6, f"1. Part {part}\n\nText of {part}.\n", new_x="LMARGIN", new_y="NEXT")
        pdf.start_section("Details", level=1)
        pdf.multi_cell(0, 6, "\nDetails\n\nMore text.\n", new_x="LMARGIN", new_y="NEXT")
    document = parse(pdf)
    found = {document.text[b.start : b.end]: b.section for b in document.blocks if b.kind == "paragraph"}
    assert found["Text of Alpha."] == ("1. Part Alpha",)
    assert found["Text of Beta."] == ("1. Part Beta",)
    assert [(b.level, document.text[b.start : b.end]) for b in document.blocks if b.kind == "heading"] == [
        (1, "1. Part Alpha"),
        (2, "Details"),
        (1, "1. Part Beta"),
        (2, "Details"),
    ]
    assert document.blocks[-1].section == ("1. Part Beta", "Details")


def test_headers_that_count_with_the_pages_go_whatever_else_they_say() -> None:
    pdf = FPDF()
    pdf.set_auto_page_break(False)
    pdf.set_font("helvetica", size=11)
    for number, topic in enumerate(("Rings", "Fields", "Groups", "Modules"), 41):
        pdf.add_page()
        pdf.text(20, 12, f"{number}    2.{number}. {topic}")
        pdf.text(20, 60, f"A theorem about {topic.lower()} and 7 of its uses.")
    assert [text for _, _, text in texts(parse(pdf))] == [
        f"A theorem about {topic} and 7 of its uses." for topic in ("rings", "fields", "groups", "modules")
    ]


def test_a_bold_table_head_is_no_heading() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.text(20, 40, "The fees of this year are listed below, and they hold until the end of it.")
    for y, row, style in [(52, "Item Days Fee", "B"), (58, "Book 14 0.00", ""), (64, "Film 7 9.50", "")]:
        pdf.set_font("helvetica", style, 11)
        for x, text in zip((20, 30, 42) if style else (20, 80, 120), row.split(), strict=True):
            pdf.text(x, y, text)
    assert [(kind, text) for kind, _, text in texts(parse(pdf))][1:] == [
        ("table", "Item Days Fee\nBook   14   0.00\nFilm   7   9.50")
    ]


def test_table_rows_and_lists_keep_their_lines() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    for x, y, text in [
        (20, 40, "Item"), (80, 40, "Days"), (120, 40, "Fee"), (20, 47, "Book"), (80, 47, "14"), (120, 47, "0.00"),
        (20, 54, "Software"), (80, 54, "0"), (120, 54, "9.50"), (20, 80, "- first thing to do"), (20, 87, "- second thing to do"),
    ]:  # fmt: skip
        pdf.text(x, y, text)
    assert texts(parse(pdf)) == [
        ("table", 1, "Item   Days   Fee\nBook   14   0.00\nSoftware   0   9.50"),
        ("list", 1, "- first thing to do\n- second thing to do"),
    ]


def test_end_of_line_hyphens_are_mended_by_the_documents_own_words() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    for y, line in enumerate(
        [
            "We manipulate only what is needed, and the highest-scoring entry wins in all of the cases.",
            "Whoever wants to manip-",
            "ulate the list must know that the highest-",
            "scoring entry always stands first in it.",
        ]
    ):
        pdf.text(20, 40 + 6 * y, line)
    text = parse(pdf).text.replace("\n", " ")
    assert "wants to manipulate the list must know that the highest-scoring entry always" in text
    assert "\x02" not in text


def test_control_characters_of_a_page_never_reach_the_text(check_invariants: Check) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.text(20, 40, "before \x1b[31mred\x1b[0m after \x9d0;x\x9c end")
    pdf.set_title("evil \x1b]0;x\x07 title")
    document = parse(pdf)
    check_invariants(document)
    assert "before" in document.text and "end" in document.text


def scan() -> FPDF:
    pdf = FPDF()
    pdf.add_page()
    pdf.image(Image.new("L", (40, 40), 128), 10, 10, 50, 50)
    return pdf


def test_a_scan_is_told_from_an_empty_file() -> None:
    with pytest.raises(ParseError) as caught:
        parse(scan())
    assert caught.value.title == "No text layer"
    assert "scan" in caught.value.message
    assert "ocrmypdf" in caught.value.hint
    blank = FPDF()
    blank.add_page()
    with pytest.raises(ParseError) as caught:
        parse(blank)
    assert "scan" not in caught.value.message


def test_pages_without_text_are_warned_of() -> None:
    pdf = scan()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.text(20, 40, "Only here is text.")
    document = parse(pdf)
    assert texts(document) == [("paragraph", 2, "Only here is text.")]
    assert document.warnings == ("no text layer on 1 of 2 pages: 1", "1 page waits for OCR: 1")


def encrypted(password: str) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(bytes(pages(1).output())))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_the_empty_password_is_tried_and_another_one_asked_for() -> None:
    assert "Chapter 1" in parse(encrypted("")).text
    with pytest.raises(ParseError) as caught:
        parse(encrypted("secret"))
    assert caught.value.title == "Password protected"
    assert "qpdf" in caught.value.hint


def test_a_broken_cross_reference_is_survived() -> None:
    raw = bytes(pages(2).output())
    document = parse(raw[: raw.rindex(b"startxref")])
    assert "Chapter 2" in document.text


@pytest.mark.parametrize("raw", [b"%PDF-1.7\n", b"%PDF-1.4 garbage" * 100, b"not a pdf"])
def test_a_damaged_file_says_so(raw: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse(raw)
    assert caught.value.title == "Damaged PDF"
    assert caught.value.message and caught.value.hint


def test_pages_and_text_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.engine.documents.pdf.MAX_PAGES", 3)
    with pytest.raises(ParseError, match="4 pages; the limit is 3"):
        parse(pages(4))
    monkeypatch.setattr("ragterm.engine.documents.pdf.MAX_TEXT", 100)
    with pytest.raises(ParseError, match="Too much text"):
        parse(pages(2))


@pytest.mark.data
def test_the_real_files(data: Path, check_invariants: Check) -> None:
    """At least 76 of 116 are read; each of the others says why and what to do."""
    read = 0
    for path in sorted((data / "files" / "pdf").glob("*.pdf")):
        try:
            document = parse_file(path)
        except ParseError as error:
            assert error.title in ("No text layer", "Password protected", "Damaged PDF", "No readable text"), path
            assert error.message and error.hint and error.stage == "parse"
        else:
            check_invariants(document)
            assert "\x02" not in document.text and "\ufffe" not in document.text
            read += 1
    assert read >= 85


def test_where_links_lead_is_kept_with_the_words_that_stand_there():
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for page, (words, address) in enumerate(
        (("our terms", "https://example.org/terms?a=1"), ("write", "mailto:a@b.example"))
    ):
        pdf.add_page()
        pdf.write(8, "Read ")
        pdf.write(8, words, link=address)
        pdf.write(8, f" before you order, says page {page + 1}.")
    pdf.write(8, " Back to the first page.", link=pdf.add_link(page=1))
    document = parse(pdf)
    assert document.metadata["links"].splitlines() == [
        "page 1: our terms <https://example.org/terms?a=1>",
        "page 2: write <mailto:a@b.example>",
    ]
    assert "example" not in document.text


def test_links_are_bounded_and_made_harmless():
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=6)
    for number in range(1100):
        pdf.link(10, 10 + number / 10, 20, 1, f"https://example.org/{number}\x1b[31m")
    pdf.write(8, "Words.")
    links = parse(pdf).metadata["links"].splitlines()
    assert len(links) == 1001 and links[-1] == "…"
    assert links[0].startswith("page 1:") and "<https://example.org/0" in links[0]
    assert not any("\x1b" in line for line in links)


def test_the_same_link_on_every_page_is_one_and_a_long_address_is_cut():
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for _ in range(5):
        pdf.add_page()
        pdf.write(8, "home", link="https://example.org/")
    pdf.link(100, 100, 20, 5, "https://example.org/" + "a" * 5000)
    first, second = parse(pdf).metadata["links"].splitlines()
    assert first == "page 1: home <https://example.org/>"
    assert second.startswith("page 5: <https://example.org/aaa") and second.endswith("a…>") and len(second) < 2100


def test_a_document_without_links_says_nothing_of_them():
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.write(8, "See https://example.org for more.")
    assert "links" not in parse(pdf).metadata
