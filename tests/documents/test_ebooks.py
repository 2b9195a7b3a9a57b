"""EPUB: books built by hand, with the contents of EPUB 3 and of EPUB 2, whole, protected and damaged."""

# ruff: noqa: E501
# XML is not cut where a line of code would be.

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ragterm.engine.documents.epub import parse_epub
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
METADATA = (
    "<dc:title>The Sea</dc:title><dc:creator>Ann</dc:creator><dc:creator>Bo</dc:creator><dc:date>2020</dc:date>"
    "<dc:language>en</dc:language>"
)


def page(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title/><style>p {{}}</style></head><body>{body}</body></html>'
    )


def book(chapters: dict[str, str], *, nav: str = "", ncx: str = "", order: str = "", **more: str) -> bytes:
    """An e-book of chapters by file name; `order` names them in the spine's order where it is another."""
    items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in chapters)
    items += '<item id="toc" href="toc.ncx" media-type="application/x-dtbncx+xml"/>' if ncx else ""
    items += '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>' if nav else ""
    spine = '<itemref idref="nav"/>' if nav else ""
    spine += "".join(f'<itemref idref="{name}"/>' for name in (order.split() or chapters))
    opf = (
        f'<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{METADATA}</metadata>'
        f'<manifest>{items}</manifest><spine toc="toc">{spine}</spine></package>'
    )
    parts = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf}
    parts |= {f"OEBPS/{name}.xhtml": text for name, text in chapters.items()}
    if nav:
        parts["OEBPS/nav.xhtml"] = page(f'<nav epub:type="toc"><h1>Contents</h1><ol>{nav}</ol></nav>')
    if ncx:
        parts["OEBPS/toc.ncx"] = f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{ncx}</navMap></ncx>'
    parts |= {name.replace("__", "/"): text for name, text in more.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def parse(data: bytes) -> ParsedDocument:
    return parse_epub(data, Path("book.epub"))


def texts(document: ParsedDocument) -> list[tuple[str, int, str, tuple[str, ...]]]:
    return [(b.kind, b.level, document.text[b.start : b.end], b.section) for b in document.blocks]


CHAPTERS = {
    "two": page('<p class="t" id="start">II. The Storm</p><p>Wind.</p><p id="in"><b>At night</b></p><p>Dark.</p>'),
    "part": page("<h1>Part One</h1>"),
    "one": page(
        '<h1>I. The Harbour</h1><p>Caf&eacute;&nbsp;&amp; quay<a epub:type="noteref" href="#n1"><sup>1</sup></a>.</p><h2>Boats</h2>'
        "<script>track()</script><table><tr><th>Boat</th><th>Crew</th></tr><tr><td>Gull</td><td>3</td></tr></table>"
        '<aside epub:type="footnote" id="n1"><p>1. Built in 1900.</p></aside>'
    ),
}
NAV = (
    '<li><a href="part.xhtml">Part One</a><ol><li><a href="one.xhtml">The Harbour</a></li>'
    '<li><a href="two.xhtml#start">II. The Storm</a>'
    '<ol><li><a href="two.xhtml#in">At night</a></li></ol></li></ol></li>'
)
NCX = (
    '<navPoint><navLabel><text>Part One</text></navLabel><content src="part.xhtml"/>'
    '<navPoint><navLabel><text>The Harbour</text></navLabel><content src="one.xhtml"/></navPoint><navPoint><navLabel><text>II. The Storm</text></navLabel><content src="two.xhtml#start"/>'
    '<navPoint><navLabel><text>At night</text></navLabel><content src="two.xhtml#in"/></navPoint></navPoint></navPoint>'
)


@pytest.mark.parametrize("contents", [{"nav": NAV}, {"ncx": NCX}])
def test_chapters_in_order_under_the_titles_of_the_contents(contents: dict[str, str], check_invariants: Check) -> None:
    more = {"more": page("<h1>Later</h1><p>On.</p>")}  # no line of the contents: the chapter before goes on
    document = parse(book(CHAPTERS | more, order="part one two more", **contents))
    check_invariants(document)
    harbour = ("Part One", "I. The Harbour")
    assert texts(document) == [
        ("heading", 1, "Part One", ()),
        ("heading", 2, "I. The Harbour", ("Part One",)),
        ("paragraph", 0, "Café & quay[1].", harbour),
        ("heading", 3, "Boats", harbour),
        ("table", 0, "Boat | Crew\nGull | 3", (*harbour, "Boats")),
        ("footnote", 0, "[1] Built in 1900.", (*harbour, "Boats")),
        ("heading", 2, "II. The Storm", ("Part One",)),
        ("paragraph", 0, "Wind.", ("Part One", "II. The Storm")),
        ("heading", 3, "At night", ("Part One", "II. The Storm")),
        ("paragraph", 0, "Dark.", ("Part One", "II. The Storm", "At night")),
        ("heading", 3, "Later", ("Part One", "II. The Storm")),
        ("paragraph", 0, "On.", ("Part One", "II. The Storm", "Later")),
    ]
    assert document.title == "The Sea"
    assert document.metadata == {"author": "Ann, Bo", "date": "2020", "language": "en"}


def test_without_contents_headings_say_where_one_is() -> None:
    document = parse(book(CHAPTERS, order="one part"))
    assert [(level, text) for kind, level, text, _ in texts(document) if kind == "heading"] == [
        (1, "I. The Harbour"),
        (2, "Boats"),
        (1, "Part One"),
    ]


def test_pages_that_are_no_xml_are_read_as_html() -> None:
    document = parse(book({"a": "<html><head><title/></head><body><p>one <br> & two<p>three</body>"}))
    assert document.text == "one\n& two\n\nthree"
    odd = parse(book({"a": "<p>one\x01 <x'y\">two</p><p>three</p>"}))
    assert "one" in odd.text and "three" in odd.text


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    document = parse(book({"a": page("<p>safe &b;</p>").replace("<!DOCTYPE html>", bomb)}))
    assert "aaaa" not in document.text and "safe" in document.text


ENCRYPTION = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
    '<e:EncryptionMethod Algorithm="{}"/><e:CipherData><e:CipherReference URI="{}"/></e:CipherData></e:EncryptedData></encryption>'
)


def test_protected_books_are_refused_and_protected_fonts_are_not() -> None:
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    with pytest.raises(ParseError, match="Protected by DRM") as caught:
        parse(book(CHAPTERS, **{"META-INF__encryption.xml": ENCRYPTION.format(aes, "OEBPS/one.xhtml")}))
    assert caught.value.hint
    fonts = ENCRYPTION.format("http://www.idpf.org/2008/embedding", "OEBPS/font.otf")
    assert "quay" in parse(book(CHAPTERS, **{"META-INF__encryption.xml": fonts})).text


def test_missing_chapters_and_names_that_lead_out_of_the_book() -> None:
    data = book(
        {"a": page("<p>here</p>"), "..%2F..%2Fetc%2Fpasswd": page("<p>elsewhere</p>")}, order="a ..%2F..%2Fetc%2Fpasswd"
    )
    document = parse(data)
    assert document.text == "here"
    assert any("1 of 2 chapters" in warning for warning in document.warnings)


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"no zip", "Damaged EPUB"),
        (book({"a": page("<img src='x.png'/>")}), "No text"),
        (book({}), "No text"),
        (book(CHAPTERS, **{"META-INF__container.xml": "<x/>", "OEBPS__book.opf": ""}), "Not an EPUB"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_cannot_be_read_says_why(data: bytes, title: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.title == title and caught.value.message and caught.value.hint


def test_a_book_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "book.docx").write_bytes(book(CHAPTERS))
    assert parse_file(tmp_path / "book.docx").kind == "epub"
