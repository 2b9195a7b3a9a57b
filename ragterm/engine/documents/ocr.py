"""Text recognition of pages that are pictures: RapidOCR where `ragterm[ocr]` is installed (its models come inside the package), else
Tesseract where it is on the PATH.

It runs in the worker process, under its memory limit and on one core, as parsing does. Each page asks for PAGE_SECONDS more than the
document's time limit, so a long scan is not killed for its length; MAX_PAGES bounds what one document may take.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.pdf_layout import Line, Page
from ragterm.engine.documents.reading_order import in_reading_order, rows_joined
from ragterm.engine.documents.time_limit import more_time

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

PAGE_SECONDS = 30.0
MAX_PAGES = 300
_RESOLUTION = 150
"""Dots per inch: enough for 8-point print, and at 200 a page takes half as much memory again."""
_MAX_PIXELS = 2_500_000
_MIN_SCORE = 0.5

Found = tuple[str, float, float, float, float]
"""A line's text and its left, top, right and bottom in pixels from the top left corner."""


def available() -> str:
    """ "rapidocr", "tesseract" or "": what a scan is read with here. Nothing is imported."""
    if find_spec("rapidocr_onnxruntime") is not None and find_spec("cv2") is not None:
        return "rapidocr"
    return "tesseract" if shutil.which("tesseract") else ""


def recognise(document: Any, number: int) -> Page | None:
    """A page (from 1) of a pypdfium2 document, read from its picture. None when there is no text on it.

    Raises MemoryError; whatever else goes wrong is logged and leaves the page unread."""
    more_time(PAGE_SECONDS)
    page = document[number - 1]
    try:
        width, height = page.get_size()
        if width <= 0 or height <= 0:
            return None
        scale = min(_RESOLUTION / 72, (_MAX_PIXELS / (width * height)) ** 0.5)
        bitmap = page.render(scale=scale, may_draw_forms=False, rev_byteorder=True)
        try:
            found = _reader()(bitmap.to_numpy())
        finally:
            bitmap.close()
    except MemoryError:
        raise
    except Exception as error:
        if "alloc" in str(error).lower():  # onnxruntime and OpenCV say it in their own words
            raise MemoryError from error
        log.exception("text recognition of page %d failed", number)
        return None
    finally:
        page.close()
    lines = _lines([one for one in found if one[0].strip()], scale, height)
    return Page(number, height, rows_joined(in_reading_order(lines))) if lines else None


def _lines(found: list[Found], scale: float, height: float) -> list[Line]:
    """In points, y upwards. A box is as high as the letters that happen to be in it, so most lines get the page's usual height:
    only what is much larger is a heading."""
    if not found:
        return []
    usual = median(bottom - top for _, _, top, _, bottom in found)
    lines = []
    for text, left, top, right, bottom in found:
        times = (bottom - top) / usual if usual else 1.0
        size = usual / scale * (1.0 if times < 1.4 else round(2 * times) / 2)
        text = " ".join(text.split())
        lines.append(
            Line(text, left / scale, right / scale, height - bottom / scale, height - top / scale, size, False, (text,))
        )
    return lines


@cache
def _reader() -> Callable[[NDArray[uint8]], list[Found]]:
    return _rapidocr() if available() == "rapidocr" else _tesseract


def _rapidocr() -> Callable[[NDArray[uint8]], list[Found]]:
    import cv2
    from rapidocr_onnxruntime import RapidOCR

    cv2.setNumThreads(1)
    engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1, rec_batch_num=2)

    def read(picture: NDArray[uint8]) -> list[Found]:
        result, _ = engine(picture[:, :, ::-1])  # it expects blue first
        lines = []
        for corners, text, score in result or ():
            if float(score) >= _MIN_SCORE:
                across, down = [x for x, _ in corners], [y for _, y in corners]
                lines.append((str(text), min(across), min(down), max(across), max(down)))
        return lines

    return read


def _tesseract(picture: NDArray[uint8]) -> list[Found]:
    height, width = picture.shape[:2]
    header = f"P6 {width} {height} 255\n".encode("ascii")  # portable pixmap: no library needed to write it
    done = subprocess.run(
        ["tesseract", "stdin", "stdout", "--dpi", str(_RESOLUTION), "tsv"],
        input=header + picture[:, :, :3].tobytes(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=4 * PAGE_SECONDS,
        check=True,
    )
    return lines_of_tsv(done.stdout.decode("utf-8", "replace"))


def lines_of_tsv(table: str) -> list[Found]:
    """The lines of Tesseract's table of words: level, page, block, paragraph, line, word, left, top, width, height,
    confidence, text."""
    lines: dict[tuple[str, ...], list[Found]] = {}
    for row in table.split("\n")[1:]:
        fields = row.rstrip("\r").split("\t")
        if len(fields) == 12 and fields[0] == "5" and fields[11].strip():
            left, top, width, height = map(float, fields[6:10])
            lines.setdefault(tuple(fields[1:5]), []).append((fields[11], left, top, left + width, top + height))
    return [
        (
            " ".join(word[0] for word in words),
            min(word[1] for word in words),
            min(word[2] for word in words),
            max(word[3] for word in words),
            max(word[4] for word in words),
        )
        for words in lines.values()
    ]
