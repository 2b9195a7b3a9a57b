"""Pages drawn as pictures: real PDFs, the version that was indexed and no other, limits, what crashes or hangs."""

from __future__ import annotations

import io
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpdf import FPDF
from PIL import Image

from ragterm.engine.documents import page_images
from ragterm.engine.documents.page_images import MAX_PIXELS, draw, page_image
from ragterm.engine.types.errors import ParseError

COLOURS = ((200, 0, 0), (0, 0, 200))


def pdf(size: tuple[float, float] = (100, 140), **options: Any) -> bytes:
    """Two pages (millimetres), filled red and blue."""
    made = FPDF(unit="mm", format=size)
    for colour in COLOURS:
        made.add_page()
        made.set_fill_color(*colour)
        made.rect(0, 0, *size, style="F")
    if options:
        made.set_encryption(**options)
    return bytes(made.output())


@pytest.fixture
def file(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "two pages.pdf"
    path.write_bytes(pdf())
    return path, sha256(path.read_bytes()).hexdigest()


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def test_a_page_is_drawn_at_the_width_asked_for(file: tuple[Path, str]) -> None:
    picture = opened(page_image(*file, 2, 300, memory_mb=1500))
    assert abs(picture.width - 300) <= 1 and abs(picture.height - 420) <= 1
    assert picture.getpixel((150, 200)) == COLOURS[1]


def test_only_the_version_that_was_indexed_is_drawn(file: tuple[Path, str]) -> None:
    file[0].write_bytes(pdf((90, 90)))
    with pytest.raises(ParseError, match="has changed since it was indexed"):
        page_image(*file, 1, 300)
    file[0].unlink()
    with pytest.raises(ParseError, match="no longer there"):
        page_image(*file, 1, 300)


@pytest.mark.parametrize("page", [0, 3, -1])
def test_pages_that_are_not_there(page: int) -> None:
    with pytest.raises(ParseError, match=f"page {page} of 2"):
        draw(pdf(), page, 300)


def test_what_is_no_pdf_and_what_is_locked() -> None:
    with pytest.raises(ParseError, match="could not be drawn"):
        draw(b"no PDF", 1, 300)
    with pytest.raises(ParseError, match="asks for a password"):
        draw(pdf(owner_password="o", user_password="u"), 1, 300)


@pytest.mark.parametrize("size", [(5, 5000), (5000, 5), (4000, 4000), (1, 1)])
def test_pictures_are_bounded(size: tuple[float, float]) -> None:
    picture = opened(draw(pdf(size), 1, 10**9))
    assert picture.width * picture.height <= MAX_PIXELS * 1.01 + 5000
    assert picture.width >= 1 and picture.height >= 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.abort()", "could not be drawn"),
        ("print('nonsense')", "could not be drawn"),
        ("print('{}')", "gave no picture"),
        ("import time; time.sleep(60)", "took too long"),
    ],
)
def test_a_process_that_fails_costs_that_picture_alone(
    file: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    from ragterm.engine.documents import workers

    spawn = workers._spawn
    monkeypatch.setattr(workers, "_spawn", lambda command: spawn([sys.executable, "-c", code]))
    with pytest.raises(ParseError, match=said):
        page_image(*file, 1, 300, timeout=0.5 if "took" in said else 20)


def test_a_page_that_needs_too_much_memory_is_said(file: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(page_images, "draw", greedy)
    header, png = page_images.answer({"path": str(file[0]), "hash": file[1], "page": 1, "width": 10})
    assert header["message"] == "it needs too much memory" and png == b""


def test_the_facade_draws_the_indexed_version_of_files_and_of_members(file: tuple[Path, str], tmp_path: Path) -> None:
    from ragterm.engine.documents.places import Places
    from ragterm.engine.engine import Engine
    from ragterm.engine.types.settings import Settings

    engine = Engine(tmp_path, Settings())
    found = {
        "d1": SimpleNamespace(path=str(file[0]), content_hash=file[1]),
        "d2": SimpleNamespace(path="/mail/a.zip!/two.pdf", content_hash=file[1]),
    }
    store = SimpleNamespace(folder=tmp_path, documents=SimpleNamespace(document=found.__getitem__))
    engine._shelf = SimpleNamespace(get=lambda name: SimpleNamespace(store=store))  # type: ignore[assignment]
    assert opened(engine.page_image("d1", 1, 120)).getpixel((60, 60)) == COLOURS[0]
    unpacked = Places(tmp_path).file_of("/mail/a.zip!/two.pdf")
    unpacked.parent.mkdir(parents=True)
    unpacked.write_bytes(file[0].read_bytes())
    assert opened(engine.page_image("d2", 2, 120)).getpixel((60, 60)) == COLOURS[1]
