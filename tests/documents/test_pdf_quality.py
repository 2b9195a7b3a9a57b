"""Pages that yield no text worth indexing: which they are, and what is told of them."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from fpdf import FPDF
from PIL import Image

from ragterm.engine.documents.encodings import decode
from ragterm.engine.documents.page_quality import is_garbled, page_ranges
from ragterm.engine.documents.pdf import parse_pdf
from ragterm.engine.types.documents import ParsedDocument, waits_for_ocr
from ragterm.engine.types.errors import ParseError

ENGLISH = (
    "The customer may return any article within fourteen days of receipt, provided that it has not been used. The refund is paid "
    "to the account from which the order was paid, no later than one week after the parcel has arrived in our store. Whoever "
    "wants to exchange an article writes to the address below and says which other one should be sent in its place. "
)
GERMAN = (
    "Der Käufer kann jeden Artikel innerhalb von vierzehn Tagen nach Erhalt zurückgeben, sofern er nicht benutzt worden ist. Der "
    "Betrag wird spätestens eine Woche nach Eingang der Sendung auf das Konto überwiesen, von dem die Bestellung bezahlt wurde. "
    "Wer einen Artikel tauschen möchte, schreibt an die unten genannte Anschrift und sagt, welchen anderen er haben will. "
)
RUSSIAN = "Возврат товара возможен в течение четырнадцати дней после покупки, если товар не был использован. "


def shifted(text: str, by: int) -> str:
    """As a font does whose glyph numbers are read as characters."""
    return "".join(chr(ord(c) - by) if ord(c) > 32 + by else c for c in text)


def swapped(text: str, seed: int) -> str:
    letters = string.ascii_lowercase
    return text.lower().translate(str.maketrans(letters, "".join(random.Random(seed).sample(letters, 26))))


@pytest.mark.parametrize(
    "text",
    [
        "/g18/g152/g4/g77/g12/g9 " * 20,
        "(cid:12)(cid:7)(cid:101) " * 20,
        "\x01\x05\x1b\x0e \x03\x04" * 20,
        "\ue012\ue0a5\uf123 \ufffd\ufffd " * 20,
        RUSSIAN.encode().decode("latin-1"),
        RUSSIAN.encode().decode("cp1252", "replace"),
        *(shifted(ENGLISH * 2, by) for by in (3, 29, -4)),
        *(swapped(text, seed) for text in (ENGLISH * 2, GERMAN * 2) for seed in range(4)),
    ],
)
def test_rubbish_is_known(text: str) -> None:
    assert is_garbled(text)


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        GERMAN,
        shifted(ENGLISH[:150], 3),  # too little to tell
        ENGLISH.upper(),
        RUSSIAN,
        "これは日本語の文章です。返品は十四日以内に限ります。" * 5,
        "يمكن إرجاع السلعة خلال أربعة عشر يوما من تاريخ الاستلام. " * 5,
        "".join(random.Random(1).choices("ACGT", k=900)),
        "".join(random.Random(2).choices("0123456789abcdef", k=900)),
        "".join(random.Random(3).choices(string.ascii_letters, k=900)),
        "Part 17-443 B/21 0.25 kg 12.40 EUR\n" * 20,
        "and/or he/she 1/2/2024 /usr/local/bin /g1 of the group " * 10,
        "x ∈ R n+1, f(x) = ∑ xi − yj ≤ ε ⇒ g ◦ f ∈ C∞(M) " * 8,
        "x",
    ],
)
def test_text_is_let_alone(text: str) -> None:
    assert not is_garbled(text)


@pytest.mark.data
def test_no_labelled_text_in_any_language_is_taken_for_rubbish(data: Path) -> None:
    looked = 0
    for path in sorted((data / "files" / "encodings").rglob("*")):
        if path.is_file() and path.parent.name != "EUC-TW":
            assert not is_garbled(decode(path.read_bytes())[0][:5000]), path
            looked += 1
    assert looked == 50


def test_pages_are_named_as_ranges() -> None:
    assert page_ranges([6, 2, 5, 9, 10, 11]) == "2, 5-6, 9-11"
    assert page_ranges([]) == ""
    assert page_ranges(range(1, 400, 2)).endswith("79 and 160 more ranges")


def book(*pages: str) -> ParsedDocument:
    """`picture`, `blank`, or text on each page."""
    pdf = FPDF()
    pdf.set_auto_page_break(False)
    pdf.set_font("helvetica", size=11)
    for page in pages:
        pdf.add_page()
        if page == "picture":
            pdf.image(Image.new("L", (40, 40), 128), 10, 10, 50, 50)
        elif page != "blank":
            pdf.multi_cell(180, 6, page)
    return parse_pdf(bytes(pdf.output()), Path("book.pdf"))


@pytest.fixture(autouse=True)
def _no_text_recognition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.engine.documents.ocr.available", lambda: "")


def test_the_ledger_says_exactly_which_pages_wait() -> None:
    garbled = shifted(ENGLISH * 2, 3)
    document = book("One fine page.", "picture", "blank", ENGLISH, "picture", "picture", garbled)
    assert document.warnings == (
        "no text layer on 4 of 7 pages: 2-3, 5-6",
        "garbled fonts, not indexed, on 1 of 7 pages: 7",
        "4 pages wait for OCR: 2, 5-7",
    )
    assert {b.page for b in document.blocks} == {1, 4}
    assert garbled[:20] not in document.text
    assert waits_for_ocr(*document.warnings) and not waits_for_ocr(*document.warnings[:2])


def test_a_document_of_nothing_but_rubbish_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        book(shifted(ENGLISH * 2, 3), shifted(ENGLISH * 2, -4))
    assert caught.value.title == "No readable text"
    assert "2 pages wait for OCR: 1-2" in caught.value.message and waits_for_ocr(str(caught.value))
    assert "ragterm[ocr]" in caught.value.hint


def test_single_lines_of_glyph_names_are_left_out() -> None:
    document = book("A line of text.\n/g18/g152/g4/g77/g12/g9/g33\nAnother line of text that is longer than the first.")
    assert "/g18" not in document.text and "Another line" in document.text
    assert document.warnings == ("lines in garbled fonts left out on 1 of 1 page: 1",)
