"""Files that waited for something: text recognition, a password. They are read again when it is there, and only then."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pypdf
import pytest
from fpdf import FPDF
from PIL import Image
from support.ingesting import SETTINGS, Library, counts

from ragterm.engine.documents import ocr
from ragterm.engine.ingest import audit, ingest, reingest
from ragterm.engine.types.errors import wants_password

logging.getLogger("fontTools").setLevel(logging.ERROR)
PASSWORD = "open-sesame-4711"


def scanned(path: Path, *, text_page: bool) -> None:
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    if text_page:
        pdf.add_page()
        pdf.text(20, 40, f"The file {path.stem} has a page of text.")
    pdf.add_page()
    pdf.image(Image.new("L", (40, 40), 128), 10, 10, 50, 50 + text_page)
    path.write_bytes(bytes(pdf.output()))


def locked(path: Path) -> None:
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    pdf.add_page()
    pdf.text(20, 40, "Nobody reads this without the word.")
    writer = pypdf.PdfWriter(io.BytesIO(bytes(pdf.output())))
    writer.encrypt(user_password=PASSWORD, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    path.write_bytes(out.getvalue())


def test_scans_are_read_when_text_recognition_is_there(library: Library, docs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ocr, "available", lambda: "")
    scanned(docs / "half.pdf", text_page=True)
    scanned(docs / "whole.pdf", text_page=False)
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"added": 1, "failed": 1}
    half, whole = library.store.documents.rows()
    assert half.warnings[-1] == "1 page waits for OCR: 2" and "1 page waits for OCR: 1" in whole.error
    for _ in range(2):  # tried twice, a failed file is let alone
        ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    ingest([docs], library.rooms(), SETTINGS)
    assert library.parsed == []

    monkeypatch.setattr(ocr, "available", lambda: "rapidocr")
    monkeypatch.setattr(ocr, "_reader", lambda: lambda picture: [("Seen by the machine", 100, 100, 700, 140)])
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"updated": 1, "added": 1}
    assert sorted(library.parsed) == ["half.pdf", "whole.pdf"]
    assert all("Seen by the machine" in library.store.documents.document(one.id).text for one in (half, whole))
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 2}
    assert audit(library.store, library.dense, library.keyword) == []


def test_a_password_opens_what_failed_for_want_of_one_and_is_kept_nowhere(library: Library, docs: Path):
    locked(docs / "locked.pdf")
    for _ in range(3):
        assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"failed": 1}
    report = ingest([docs], library.rooms(), SETTINGS, passwords=["wrong"])
    assert counts(report) == {"failed": 1}
    (row,) = library.store.documents.rows()
    assert wants_password(row.error) and "none of the passwords given opens it" in row.error
    assert counts(reingest([row.id], library.rooms(), SETTINGS, passwords=["wrong again"])) == {"failed": 1}
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"failed": 1}
    assert counts(ingest([docs], library.rooms(), SETTINGS, passwords=["wrong", PASSWORD])) == {"added": 1}
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 1}
    for path in library.store.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
