"""Password-protected PDFs: opened with what a person gives, which is kept nowhere; and what a PDF says about itself."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pypdf
import pytest
from fpdf import FPDF
from pypdf.generic import NameObject, NumberObject

from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.passwords import offered, offering
from ragterm.engine.documents.pdf import parse_pdf
from ragterm.engine.documents.workers import ParserPool
from ragterm.engine.types.errors import ParseError, wants_password

SECRET = "ängström-4711"


def plain() -> FPDF:
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    pdf.add_page()
    pdf.text(20, 40, "Nobody reads this without the word.")
    return pdf


def locked(password: str, algorithm: str) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(bytes(plain().output())))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def refusal(data: bytes) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_pdf(data, Path("locked.pdf"))
    return caught.value


@pytest.mark.parametrize(("algorithm", "password"), [("RC4-128", "secret"), ("AES-256", SECRET)])
def test_a_password_opens_and_a_wrong_one_says_so(algorithm: str, password: str) -> None:
    try:
        data = locked(password, algorithm)
    except pypdf.errors.DependencyError:
        pytest.skip("pypdf writes this encryption with the cryptography package only")
    error = refusal(data)
    assert wants_password(str(error)) and "wrong" not in str(error) and "--password" in error.hint
    with offering(["nothing", "else"]):
        wrong = refusal(data)
    assert wants_password(str(wrong)) and "none of the passwords given opens it" in wrong.message
    with offering(["nothing", password]):
        assert parse_pdf(data, Path("locked.pdf")).text == "Nobody reads this without the word."
    assert offered() == ()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at the processes in /proc")
def test_a_password_reaches_the_worker_and_nothing_else(tmp_path: Path) -> None:
    path, log = tmp_path / "locked.pdf", tmp_path / "log"
    path.write_bytes(locked("open-sesame", "RC4-128"))
    with ParserPool(1, 30, 1024, log, passwords=["open-sesame"]) as pool:
        document = pool.submit(path).result(timeout=60)
        started = [Path(f"/proc/{pid}/{name}").read_bytes() for pid in pool.pids() for name in ("cmdline", "environ")]
    assert "Nobody reads this" in document.text
    assert started and not any(b"sesame" in one for one in started)
    assert b"sesame" not in (log.read_bytes() if log.exists() else b"")
    assert all("sesame" not in str(value) for value in (document.metadata, document.warnings, document.title))
    assert "open-sesame" not in os.environ.values()


@pytest.mark.data
def test_the_real_locked_files_open(data: Path) -> None:
    paths = [
        one
        for one in sorted((data / "files" / "pdf").glob("*.pdf"))
        if "user-password" in one.name or "no-key" in one.name
    ]
    with offering(["wrong", "foo", "asdfzxcv"]):
        assert len([parse_file(path).text for path in paths]) == len(paths) > 3


def test_labels_and_properties_are_metadata() -> None:
    pdf = plain()
    pdf.set_author("Ann")
    pdf.set_subject("Words and pages")
    for _ in range(3):
        pdf.add_page()
        pdf.text(20, 40, "Another page of it.")
    writer = pypdf.PdfWriter(io.BytesIO(bytes(pdf.output())))
    writer.set_page_label(0, 1, style="/r")
    writer.set_page_label(2, 3, style="/D", prefix="A-")
    out = io.BytesIO()
    writer.write(out)
    document = parse_pdf(out.getvalue(), Path("labels.pdf"))
    assert document.metadata["page labels"] == "1: i, 2: ii, 3-4: A-1-A-2"
    assert (document.metadata["author"], document.metadata["subject"]) == ("Ann", "Words and pages")
    ordinary = parse_pdf(bytes(plain().output()), Path("plain.pdf"))
    assert "page labels" not in ordinary.metadata


def test_a_page_that_is_turned_reads_as_it_is_shown() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    for at, line in enumerate(("Item Days", "Book 14", "Film 7")):
        for x, word in zip((30, 90), line.split(), strict=True):
            pdf.text(x, 40 + 7 * at, word)
    upright = parse_pdf(bytes(pdf.output()), Path("upright.pdf")).text
    assert upright == "Item   Days\nBook   14\nFilm   7"
    for angle in (90, 180, 270):
        writer = pypdf.PdfWriter(io.BytesIO(bytes(pdf.output())))
        page = writer.pages[0]
        width, height = page.mediabox.width, page.mediabox.height
        # Drawn turned one way and displayed turned the other: what a scanner's software writes.
        turned = pypdf.Transformation().rotate(angle)
        page.add_transformation(turned.translate(*{90: (height, 0), 180: (width, height), 270: (0, width)}[angle]))
        if angle != 180:
            page.mediabox.upper_right = (height, width)
        page[NameObject("/Rotate")] = NumberObject(angle)
        out = io.BytesIO()
        writer.write(out)
        assert parse_pdf(out.getvalue(), Path("turned.pdf")).text == upright, angle
