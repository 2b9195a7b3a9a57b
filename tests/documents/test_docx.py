"""DOCX: documents made by another library and by hand, whole and damaged."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx as python_docx
import pytest

from ragterm.engine.documents.docx import parse_docx
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"


def parse(raw: bytes) -> ParsedDocument:
    return parse_docx(raw, Path("file.docx"))


def package(body: str, namespace: str = W, **parts: str) -> bytes:
    """A minimal document around the XML of a body; further parts by name (footnotes="...")."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>')
        for name, xml in parts.items():
            archive.writestr(f"word/{name}.xml", f'<w:{name} xmlns:w="{namespace}">{xml}</w:{name}>')
    return out.getvalue()


def p(*runs: str) -> str:
    return "<w:p>" + "".join(run if run.startswith("<") else f"<w:r><w:t>{run}</w:t></w:r>" for run in runs) + "</w:p>"


def texts(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(b.kind, document.text[b.start : b.end]) for b in document.blocks]


def by_python_docx() -> bytes:
    document = python_docx.Document()
    document.core_properties.title = "Handbook"
    document.core_properties.author = "Ann"
    document.add_heading("Staff handbook", 0)
    document.add_heading("Holidays", 1)
    document.add_paragraph("Everyone has 25 days.")
    document.add_paragraph("spring", style="List Bullet")
    document.add_paragraph("autumn", style="List Bullet")
    document.add_heading("Details", 2)
    document.add_paragraph("ask", style="List Number")
    document.add_paragraph("wait", style="List Number")
    table = document.add_table(2, 2)
    for cell, text in zip(table.rows[0].cells + table.rows[1].cells, ("Year", "Days", "2024", "25"), strict=True):
        cell.text = text
    document.add_paragraph("Quoted.", style="Quote")
    document.add_paragraph("Table 1", style="Caption")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def test_headings_lists_and_tables_of_a_usual_document(check_invariants: Check) -> None:
    document = parse(by_python_docx())
    check_invariants(document)
    assert document.title == "Handbook"
    assert document.metadata["author"] == "Ann"
    assert texts(document) == [
        ("heading", "Staff handbook"),
        ("heading", "Holidays"),
        ("paragraph", "Everyone has 25 days."),
        ("list", "- spring\n- autumn"),
        ("heading", "Details"),
        ("list", "1. ask\n2. wait"),
        ("table", "Year | Days\n2024 | 25"),
        ("quote", "Quoted."),
        ("caption", "Table 1"),
    ]
    assert document.blocks[-1].section[-2:] == ("Holidays", "Details")


@pytest.mark.parametrize("namespace", [W, STRICT])
def test_tracked_changes_are_shown_as_accepted(namespace: str) -> None:
    body = (
        p("keep ", "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>", "<w:ins><w:r><w:t>new</w:t></w:r></w:ins>")
        + "<w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom>"
        + p(
            "<w:moveFrom><w:r><w:t>moved away</w:t></w:r></w:moveFrom>",
            "<w:moveTo><w:r><w:t>moved here</w:t></w:r></w:moveTo>",
        )
    )
    assert parse(package(body, namespace)).text == "keep new\n\nmoved here"


def test_fields_breaks_and_content_controls() -> None:
    body = (
        p("a", "<w:r><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r>")
        + p(
            "see ",
            "<w:r><w:instrText>HYPERLINK x</w:instrText></w:r>",
            "<w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink>",
        )
        + f"<w:sdt><w:sdtContent>{p('controlled')}</w:sdtContent></w:sdt>"
    )
    assert parse(package(body)).text == "a\tb\nc-d\n\nsee link\n\ncontrolled"


def test_text_boxes_are_read_once() -> None:
    box = f"<w:txbxContent>{p('in the box')}</w:txbxContent>"
    body = p(
        "before", f"<w:AlternateContent><w:Choice>{box}</w:Choice><w:Fallback>{box}</w:Fallback></w:AlternateContent>"
    ) + p("after")
    assert parse(package(body)).text == "before\n\nin the box\n\nafter"


def test_notes_stand_under_the_number_of_their_reference() -> None:
    body = p("One", '<w:r><w:footnoteReference w:id="7"/></w:r>', " two", '<w:r><w:endnoteReference w:id="7"/></w:r>')
    foot = f'<w:footnote w:type="separator" w:id="0">{p("----")}</w:footnote><w:footnote w:id="7">{p("foot note")}</w:footnote>'
    end = f'<w:endnote w:id="7">{p("end note")}</w:endnote><w:endnote w:id="8">{p("never referred to")}</w:endnote>'
    document = parse(package(body, footnotes=foot, endnotes=end))
    assert texts(document) == [
        ("paragraph", "One[1] two[2]"),
        ("footnote", "[1] foot note"),
        ("footnote", "[2] end note"),
    ]


def test_merged_nested_and_framing_tables() -> None:
    def cell(content: str, merge: str = "") -> str:
        return f"<w:tc><w:tcPr>{merge}</w:tcPr>{content}</w:tc>"

    start = '<w:vMerge w:val="restart"/>'
    inner = f"<w:tbl><w:tr>{cell(p('x'))}{cell(p('y'))}</w:tr></w:tbl>"
    body = (
        f"<w:tbl><w:tr>{cell(p('a'), start)}{cell(p('b') + p('c'))}</w:tr>"
        f"<w:tr>{cell(p('hidden'), '<w:vMerge/>')}{cell(p('d'))}</w:tr></w:tbl>"
        f"<w:tbl><w:tr>{cell(p('frame') + inner)}</w:tr></w:tbl>"
    )
    found = texts(parse(package(body)))
    assert found[0][0] == "table" and found[0][1].split("\n")[0] == "a | b c"
    assert found[1:] == [("paragraph", "frame"), ("table", "x | y")]


def test_entities_are_not_expanded(check_invariants: Check) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    xml = f'{bomb}<w:document xmlns:w="{W}"><w:body>{p("safe &b;")}</w:body></w:document>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", xml)
    document = parse(out.getvalue())
    check_invariants(document)
    assert document.text == "safe"


def cut(raw: bytes, name: str) -> bytes:
    """The package as it is when a copy broke off behind half of one part."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        info = archive.getinfo(name)
    return raw[: info.header_offset + 30 + len(name) + info.compress_size // 2]


def test_a_file_that_broke_off_is_read_as_far_as_it_goes(check_invariants: Check) -> None:
    words = [f"Sentence number {n} of a document that was cut." for n in range(2000)]
    document = parse(cut(package("".join(map(p, words))), "word/document.xml"))
    check_invariants(document)
    assert document.warnings
    found = [text for _, text in texts(document)]
    assert 500 < len(found) < 2000
    assert found[:-1] == words[: len(found) - 1]


def test_a_damaged_side_part_does_not_cost_the_text() -> None:
    document = parse(package(p("text"), footnotes="<w:unclosed>"))
    assert document.text == "text"
    assert any("footnotes" in warning for warning in document.warnings)


def _other(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "<x/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("raw", "title", "message"),
    [
        (b"not a zip at all", "Damaged DOCX", "not a Word document"),
        (b"PK\x03\x04 and then nothing", "Damaged DOCX", "nothing can be unpacked"),
        (b"\xd0\xcf\x11\xe0" + b"\x00" * 600, "Old Word format", ".doc"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "Password protected", "encrypted"),
        (_other("xl/workbook.xml"), "Not a Word document", "Excel"),
        (_other("content.xml"), "Not a Word document", "OpenDocument"),
        (_other("word/styles.xml"), "Damaged DOCX", "missing"),
        (package(""), "No text", "empty"),
    ],
)
def test_what_cannot_be_read_says_why(raw: bytes, title: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(raw)
    assert caught.value.title == title
    assert message in caught.value.message
    assert caught.value.hint


def test_a_bomb_is_stopped_by_the_size_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.engine.documents.packages.MAX_PART", 1_000_000)
    with pytest.raises(ParseError, match="Unpacks to too much"):
        parse(package(p("x" * 2_000_000)))


@pytest.mark.data
def test_every_word_of_real_documents_is_found(data: Path, check_invariants: Check) -> None:
    """Against the raw XML: every text run of body and notes that is not deleted or a fallback stands in the canonical text."""
    read = 0
    for path in sorted((data / "files" / "docx").rglob("*.docx")):
        with zipfile.ZipFile(path) as archive:
            xml = archive.read("word/document.xml").decode()
        xml = re.sub(r"<mc:Fallback.*?</mc:Fallback>|<w:del .*?</w:del>", "", xml, flags=re.DOTALL)
        wanted = [w for run in re.findall(r"<w:t(?: [^>]*)?>([^<]*)</w:t>", xml) for w in run.split() if w.isalnum()]
        try:
            document = parse_docx(path.read_bytes(), path)
        except ParseError as error:
            assert error.title == "No text" and not wanted, path
            continue
        check_invariants(document)
        read += 1
        squeezed = "".join(document.text.split())
        assert [word for word in wanted if word not in squeezed] == [], path
    assert read >= 53
