"""PDF files made to exhaust whoever reads them: each is refused in time, with the limit that it passes."""

from __future__ import annotations

import io
import sys
import zlib
from pathlib import Path

import pypdf
import pytest

from ragterm.engine.documents.pdf import parse_pdf
from ragterm.engine.documents.workers import ParserPool
from ragterm.engine.types.errors import ParseError, wants_password

PAGE = b"<</Type/Page/MediaBox[0 0 99 99]>>"


def pdf(*objects: bytes) -> bytes:
    """A file of these objects, numbered from 1; the first is the catalogue."""
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
    return bytes(out + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, start))


CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"


def refused(data: bytes) -> str:
    with pytest.raises(ParseError) as caught:
        parse_pdf(data, Path("hostile.pdf"))
    assert caught.value.hint
    return str(caught.value)


def test_a_tree_of_a_hundred_thousand_pages_is_refused() -> None:
    kids = b"3 0 R " * 100_000
    assert refused(pdf(CATALOGUE, b"<</Type/Pages/Count 100000/Kids[%b]>>" % kids, PAGE)) == (
        "Too many pages: 100,000 pages; the limit is 20,000"
    )


def test_a_tree_that_doubles_at_each_level_is_refused() -> None:
    levels = 17
    nodes = [
        b"<</Type/Pages/Count %d/Kids[%d 0 R %d 0 R]>>" % (2 ** (levels - level), level + 3, level + 3)
        for level in range(levels)
    ]
    assert "131,072 pages; the limit is 20,000" in refused(pdf(CATALOGUE, *nodes, PAGE))
    uncounted = [b"<</Type/Pages/Kids[%d 0 R %d 0 R]>>" % (level + 3, level + 3) for level in range(40)]
    assert "limit" in refused(pdf(CATALOGUE, *uncounted, PAGE))


def test_a_count_that_lies_costs_nothing() -> None:
    assert "the limit is 20,000" in refused(pdf(CATALOGUE, b"<</Type/Pages/Count 100000/Kids[3 0 R]>>", PAGE))


@pytest.mark.parametrize("count", [5, 2_147_483_647])
def test_a_tree_that_holds_itself_ends(count: int) -> None:
    around = b"<</Type/Pages/Count %d/Parent 2 0 R/Kids[2 0 R]>>" % count
    assert "yclic" in refused(pdf(CATALOGUE, b"<</Type/Pages/Count %d/Kids[3 0 R]>>" % count, around))


def test_a_damaged_file_after_a_locked_one_is_not_taken_for_locked() -> None:
    """pdfium keeps the reason of its last failure and does not always set a new one."""
    writer, locked = pypdf.PdfWriter(), io.BytesIO()
    writer.add_blank_page(99, 99)
    writer.encrypt(user_password="secret", algorithm="RC4-128")
    writer.write(locked)
    assert wants_password(refused(locked.getvalue()))
    assert not wants_password(refused(pdf(CATALOGUE, b"<</Type/Pages/Count 2147483647/Kids[2 0 R]>>")))


def test_a_tree_without_end_downwards_ends() -> None:
    levels = 20_000
    nodes = [b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (level + 3) for level in range(levels)]
    assert refused(pdf(CATALOGUE, *nodes, PAGE))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces the memory limit")
def test_a_stream_that_unpacks_to_gigabytes_costs_its_own_row_and_names_the_limit(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(200)) + packer.flush()
    twice = zlib.compress(packed, 9)
    contents = b"<</Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n%b\nendstream" % (len(twice), twice)
    page = b"<</Type/Page/MediaBox[0 0 99 99]/Contents 4 0 R>>"
    bomb, fine = tmp_path / "bomb.pdf", tmp_path / "fine.md"
    bomb.write_bytes(pdf(CATALOGUE, b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page, contents))
    fine.write_text("# Still here\n\nWords.")
    with ParserPool(1, 30, 300) as pool:
        with pytest.raises(ParseError, match=r"limit of 300 MB|more than 300 MB"):
            pool.submit(bomb).result(timeout=60)
        assert pool.submit(fine).result(timeout=60).title == "Still here"
