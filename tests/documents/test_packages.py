"""Archives of office programs and books: what is refused, and which limit says so."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from ragterm.engine.documents import packages
from ragterm.engine.documents.packages import Package, Wording, kind_of_package
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.types.errors import ParseError

WORDING = Wording("PPTX", "a presentation", "PowerPoint")
MEGABYTE = 1024 * 1024


def archive(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def opened(data: bytes) -> Package:
    return Package(data, WORDING, [])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_parts_are_read_as_they_were_written(method: int) -> None:
    parts = {"a.xml": b"<a/>", "deep/b.bin": bytes(range(256)) * 9000, "empty": b""}
    package = opened(archive(parts, method))
    assert {name: package.read(name) for name in package.names} == parts
    assert package.read("not there") == b""


def test_a_part_that_is_too_large_is_refused_by_what_it_says_and_by_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_PART", 2 * MEGABYTE)
    honest = archive({"slide.xml": b"x" * (3 * MEGABYTE)})
    with pytest.raises(ParseError, match=r"slide\.xml is larger than 2 MB"):
        opened(honest)
    lying = bytearray(honest)  # the directory says that the part unpacks to seven bytes
    at = lying.index(b"PK\x01\x02")
    lying[at + 24 : at + 28] = struct.pack("<I", 7)
    package = opened(bytes(lying))
    with pytest.raises(ParseError, match=r"slide\.xml is larger than 2 MB"):
        package.read("slide.xml")
    with pytest.raises(ParseError, match=r"slide\.xml is larger than 2 MB"):
        opened(bytes(lying)).verify()


def test_the_sum_of_all_parts_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_TOTAL", 3 * MEGABYTE)
    package = opened(archive({f"{n}.xml": b"x" * MEGABYTE for n in range(5)}))
    with pytest.raises(ParseError, match="larger than 3 MB together"):
        package.verify()
    again = opened(archive({"a.xml": b"x" * MEGABYTE}))
    for _ in range(9):  # reading one part often is no bomb
        assert len(again.read("a.xml")) == MEGABYTE


def test_the_number_of_parts_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_PARTS", 50)
    opened(archive({f"{n}": b"" for n in range(50)}))
    with pytest.raises(ParseError, match="more than 50 parts"):
        opened(archive({f"{n}": b"" for n in range(51)}))


def test_what_shrinks_beyond_measure_is_a_bomb() -> None:
    with pytest.raises(ParseError, match="unpacks to more than 400 times its size"):
        opened(archive({"word/document.xml": b" " * (40 * MEGABYTE)})).verify()
    opened(archive({"small.xml": b" " * MEGABYTE})).verify()


def test_encrypted_parts_and_other_formats_say_so() -> None:
    data = bytearray(archive({"a.xml": b"<a/>"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ParseError) as caught:
        opened(bytes(data)).read("a.xml")
    assert caught.value.title == "Password protected"
    for stream, title in (
        ("PowerPoint Document", "Old PowerPoint format"),
        ("__properties_version1.0", "Outlook message"),
    ):
        with pytest.raises(ParseError) as caught:
            opened(b"\xd0\xcf\x11\xe0" + bytes(600) + stream.encode("utf-16-le"))
        assert caught.value.title == title and "save it as" in caught.value.hint


def test_a_lost_directory_is_made_good_by_the_parts_own_headers() -> None:
    data = archive({"a.xml": b"<a>one</a>", "b.xml": b"<b>two</b>"})
    warnings: list[str] = []
    package = Package(data[: data.index(b"PK\x01\x02")], WORDING, warnings)
    assert package.read("b.xml") == b"<b>two</b>" and warnings


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ({"word/document.xml": b""}, "docx"),
        ({"[Content_Types].xml": b"", "ppt/presentation.xml": b""}, "pptx"),
        ({"xl/workbook.bin": b""}, "xlsx"),
        ({"META-INF/container.xml": b""}, "epub"),
        ({"readme.txt": b"word/document.xml"}, None),
    ],
)
def test_kinds_by_what_is_inside(parts: dict[str, bytes], kind: str | None) -> None:
    assert kind_of_package(archive(parts)) == kind


@pytest.mark.parametrize(
    ("mimetype", "kind"),
    [("application/epub+zip", "epub"), ("application/vnd.oasis.opendocument.text", "odt"),
     ("application/vnd.oasis.opendocument.spreadsheet", "xlsx"), ("application/other", None)],
)  # fmt: skip
def test_kinds_by_what_the_archive_declares(mimetype: str, kind: str | None) -> None:
    data = archive({"mimetype": mimetype.encode(), "content.xml": b""}, zipfile.ZIP_STORED)
    assert kind_of_package(data) == kind


@pytest.mark.parametrize(
    ("name", "content", "kind", "text"),
    [
        ("prices.xls", b"item;price\nbook;3\npen;1\n", "csv", "item | price\nbook | 3\npen | 1"),
        ("export.xls", b"<html><body><table><tr><td>a</td><td>b</td></tr></table></body></html>", "html", "a | b"),
        ("letter.docx", rb"{\rtf1 Dear all}", "rtf", "Dear all"),
        ("plain.rtf", b"Dear all, this is no RTF.", "text", "Dear all, this is no RTF."),
    ],
)
def test_a_wrong_ending_does_not_matter(tmp_path: Path, name: str, content: bytes, kind: str, text: str) -> None:
    (tmp_path / name).write_bytes(content)
    document = parse_file(tmp_path / name)
    assert (document.kind, document.text.strip()) == (kind, text)


@pytest.mark.parametrize("ending", [".doc", ".msg"])
def test_old_formats_say_what_to_save_them_as(tmp_path: Path, ending: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_file(tmp_path / f"old{ending}")
    assert caught.value.hint.startswith("save it as .")
