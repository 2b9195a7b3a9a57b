"""OpenDocument: texts, presentations and spreadsheets built by hand after the specification, packed and flat."""

# ruff: noqa: E501
# XML is not cut where a line of code would be.

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ragterm.engine.documents import tables
from ragterm.engine.documents.open_document import parse_open_document
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]

NAMES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style", "meta": "meta", "presentation":
        "presentation", "svg": "svg-compatible", "manifest": "manifest",
    }.items()
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip
STYLES = (
    '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Quotations"/>'
    '<style:style style:name="P2" style:family="paragraph" style:parent-style-name="Title"/>'
    '<style:style style:name="P3" style:family="paragraph" style:parent-style-name="Preformatted_20_Text"/>'
    '<style:style style:name="Illustration" style:family="paragraph" style:parent-style-name="Caption"/>'
    '<text:list-style style:name="Bullets"><text:list-level-style-bullet text:level="1"/><text:list-level-style-number text:level="2" '
    'style:num-format="1"/></text:list-style>'
)


def content(body: str, form: str = "text", head: str = "") -> str:
    return (
        f"<office:document-content {NAMES}>{head}<office:automatic-styles>{STYLES}</office:automatic-styles>"
        f"<office:body><office:{form}>{body}</office:{form}></office:body></office:document-content>"
    )


def packed(xml: str, mimetype: str = "text", **parts: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{mimetype}")
        archive.writestr("content.xml", xml)
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/") + ".xml", text)
    return out.getvalue()


def parse(body: str, form: str = "text", **parts: str) -> ParsedDocument:
    return parse_open_document(packed(content(body, form), form, **parts), Path("file.odt"))


def texts(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(b.kind, document.text[b.start : b.end]) for b in document.blocks]


def cells(*values: str) -> str:
    row = "".join(f"<table:table-cell><text:p>{value}</text:p></table:table-cell>" for value in values)
    return f"<table:table-row>{row}</table:table-row>"


def test_structure_and_properties_of_a_text(check_invariants: Check) -> None:
    body = (
        '<text:p text:style-name="P2">Handbook</text:p><text:h text:outline-level="1">Holidays</text:h><text:p>Everyone has\n  25<text:s '
        'text:c="2"/>days<text:line-break/>a<text:tab/>year.</text:p><text:h text:outline-level="2">Asking</text:h>'
        '<text:list text:style-name="Bullets"><text:list-item><text:p>early</text:p><text:list><text:list-item><text:p>by mail</text:p>'
        "</text:list-item><text:list-item><text:p>by phone</text:p></text:list-item></text:list></text:list-item><text:list-item>"
        "<text:p>late</text:p></text:list-item></text:list>"
        '<text:p text:style-name="P1">Said.</text:p><text:p text:style-name="P3">x = 1</text:p>'
        '<text:p text:style-name="Illustration">Figure <text:sequence>1</text:sequence>: a map</text:p>'
    )
    meta = (
        f"<office:document-meta {NAMES}><office:meta><dc:title>Rules</dc:title><meta:initial-creator>Ann</meta:initial-creator><dc:creator>"
        "Bo</dc:creator><meta:keyword>rest</meta:keyword><meta:keyword>work</meta:keyword><dc:date>2024-05-01</dc:date></office:meta>"
        "</office:document-meta>"
    )
    document = parse(body, meta=meta)
    check_invariants(document)
    assert document.title == "Rules"
    assert document.metadata == {"author": "Ann", "keywords": "rest, work", "date": "2024-05-01"}
    assert texts(document) == [
        ("heading", "Handbook"),
        ("heading", "Holidays"),
        ("paragraph", "Everyone has 25  days\na\tyear."),
        ("heading", "Asking"),
        ("list", "- early\n  1. by mail\n  2. by phone\n- late"),
        ("quote", "Said."),
        ("code", "x = 1"),
        ("caption", "Figure 1: a map"),
    ]
    assert document.blocks[-1].section == ("Holidays", "Asking")


def test_notes_changes_and_comments() -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion></text:changed-region>"
        '</text:tracked-changes><text:p>One<text:note text:note-class="footnote"><text:note-citation>i</text:note-citation>'
        "<text:note-body><text:p>first</text:p></text:note-body></text:note> two<text:change/><office:annotation><text:p>comment</text:p>"
        '</office:annotation><text:span> <text:a>link</text:a></text:span><text:note text:note-class="endnote"><text:note-citation>ii'
        "</text:note-citation><text:note-body><text:p>last</text:p></text:note-body></text:note></text:p>"
        "<text:table-of-content><text:index-body><text:p>Contents 1</text:p></text:index-body></text:table-of-content>"
    )
    assert texts(parse(body)) == [
        ("paragraph", "One[1] two link[2]"),
        ("footnote", "[1] first"),
        ("footnote", "[2] last"),
    ]


def test_tables_frames_and_pictures() -> None:
    note = "<text:note><text:note-body><text:p>on average</text:p></text:note-body></text:note>"
    body = (
        f"<table:table><table:table-header-rows>{cells('Year', 'Days')}</table:table-header-rows>{cells('2024', '25' + note)}"
        '<table:table-row><table:table-cell table:number-columns-spanned="2"><text:p>both</text:p></table:table-cell>'
        "<table:covered-table-cell/></table:table-row></table:table>"
        f"<table:table>{cells('only a frame')}</table:table>"
        "<text:p>before<draw:frame><draw:text-box><text:p>in the box</text:p></draw:text-box></draw:frame> after</text:p>"
        "<text:p><draw:frame><draw:image/><svg:title>A map</svg:title><svg:desc>of the town</svg:desc></draw:frame></text:p>"
    )
    assert texts(parse(body)) == [
        ("table", "Year | Days\n2024 | 25[1]\nboth |"),
        ("paragraph", "only a frame"),
        ("paragraph", "before after"),
        ("paragraph", "in the box"),
        ("caption", "A map. of the town"),
        ("footnote", "[1] on average"),
    ]


def test_slides_are_pages(check_invariants: Check) -> None:
    def frame(text: str, kind: str) -> str:
        return f'<draw:frame presentation:class="{kind}"><draw:text-box>{text}</draw:text-box></draw:frame>'

    points = "<text:list><text:list-item><text:p>grow</text:p></text:list-item></text:list>"
    body = (
        f"<draw:page>{frame(points, 'outline')}{frame('<text:p>Aims</text:p>', 'title')}{frame('<text:p>3 May</text:p>', 'date-time')}"
        f"<presentation:notes>{frame('<text:p>Smile.</text:p>', 'notes')}</presentation:notes></draw:page>"
        f"<draw:page><draw:custom-shape><text:p>shape</text:p></draw:custom-shape></draw:page>"
    )
    document = parse(body, "presentation")
    check_invariants(document)
    assert (document.pages, document.title) == (2, "Aims")
    assert [(b.kind, b.page, b.section) for b in document.blocks] == [
        ("heading", 1, ()),
        ("list", 1, ("Aims",)),
        ("paragraph", 1, ("Aims",)),
        ("paragraph", 2, ("Slide 2",)),
    ]
    assert document.text == "Aims\n\n- grow\n\nSpeaker notes: Smile.\n\nshape"


def test_sheets_show_what_a_person_sees(tmp_path: Path) -> None:
    share = (
        '<table:table-cell office:value-type="percentage" office:value="0.25"><text:p>25 %</text:p></table:table-cell>'
    )
    body = (
        f'<table:table table:name="Costs">{cells("What", "Share", "Note")}<table:table-row><table:table-cell><text:p>Rent</text:p>'
        f'</table:table-cell>{share}<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        "</table:table>"
    )
    (tmp_path / "costs.ods").write_bytes(packed(content(body, "spreadsheet"), "spreadsheet"))
    document = parse_file(tmp_path / "costs.ods")
    assert document.kind == "xlsx"
    assert texts(document) == [("heading", "Costs"), ("table", "What | Share | Note\nRent | 25 % |")]


def test_cells_that_repeat_beyond_measure_end_at_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 50)
    row = (
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384"><text:p>x</text:p>'
        "</table:table-cell></table:table-row>"
    )
    document = parse(f'<table:table table:name="Bomb">{row * 3}</table:table>', "spreadsheet")
    assert len(document.text) < 300_000
    assert any("only the first 50 rows" in warning for warning in document.warnings)


def test_flat_files(tmp_path: Path) -> None:
    xml = content("<text:p>flat</text:p>").replace("document-content", "document")
    (tmp_path / "flat.fodt").write_text('<?xml version="1.0"?>' + xml)
    assert parse_file(tmp_path / "flat.fodt").text == "flat"


def test_entities_are_not_expanded_and_what_is_left_of_a_damaged_part_is_read() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    assert parse_open_document(packed(bomb + content("<text:p>safe &b;</text:p>")), Path("x")).text == "safe"
    xml = content("".join(f"<text:p>Sentence {n}.</text:p>" for n in range(100)))
    document = parse_open_document(packed(xml[: len(xml) * 3 // 4]), Path("x"))
    assert document.text.startswith("Sentence 0.") and document.warnings


MANIFEST = f'<manifest:manifest {NAMES}><manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry></manifest:manifest>'


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"no zip", "Damaged OpenDocument file"),
        (packed(content("")), "No text"),
        (packed(""), "Not an OpenDocument file"),
        (packed(content("<text:p>x</text:p>"), **{"META-INF__manifest": MANIFEST}), "Password protected"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, title: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_open_document(data, Path("x.odt"))
    assert caught.value.title == title and caught.value.message and caught.value.hint


@pytest.mark.data
def test_a_real_text(data: Path, check_invariants: Check) -> None:
    document = parse_file(data / "files" / "other" / "fake.odt")
    check_invariants(document)
    assert texts(document) == [
        ("paragraph", "Lorem ipsum dolor sit amet."),
        (
            "table",
            "Header row | Mon | Wed | Fri\nColor | Blue | Red | Green\nTime | 1pm | 2pm | 3pm\nLeader | Sarah | Mark | Ryan",
        ),
    ]
