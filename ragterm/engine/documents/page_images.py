"""What a page of a PDF looks like, as PNG: drawn by pdfium in a process of its own, one per picture.

PDFs are hostile and drawing one takes more of pdfium than reading its text: the process bounds its memory, is killed at its deadline,
and what crashes is that picture alone. It hashes the very bytes it draws, so a picture always belongs to the version that was
indexed. The request is one line of JSON on its standard input; the answer a line of JSON, then the PNG.
"""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from ragterm.engine.types.errors import ParseError, RagtermError

MAX_WIDTH = 2400
"""Pixels. A page is drawn this wide at most, and so high that it has no more than `MAX_PIXELS`."""
MAX_PIXELS = 6_000_000
MAX_FILE = 1_000_000_000
TIMEOUT_SECONDS = 20.0
_HINT = "open the file in its own program"


def page_image(
    file: Path, content_hash: str, page: int, width: int, *, memory_mb: int = 0, timeout: float = TIMEOUT_SECONDS
) -> bytes:
    """The page (from 1) of the PDF in `file` as PNG, `width` pixels wide unless a limit says less.

    Raises ParseError when the file is not there, is another version than `content_hash`, has no such page or cannot be drawn."""
    if not file.is_file():
        raise ParseError(
            "The file is no longer there", str(file), "put it back, or ingest its folder again", stage="read"
        )
    from ragterm.engine.documents.workers import _spawn

    request = {"path": str(file), "hash": content_hash, "page": page, "width": width, "memory_mb": memory_mb}
    process = _spawn([sys.executable, "-m", __name__])
    try:
        answer, _ = process.communicate(json.dumps(request).encode("ascii") + b"\n", timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise ParseError("Drawing the page took too long", f"stopped after {timeout:g} seconds", _HINT) from None
    head, _, png = answer.partition(b"\n")
    try:
        fields = json.loads(head)
    except ValueError:
        raise ParseError("The page could not be drawn", "the PDF library crashed on it", _HINT) from None
    if "title" in fields:
        raise ParseError(*(str(fields.get(key, "")) for key in ("title", "message", "hint")))
    if not png.startswith(b"\x89PNG"):
        raise ParseError("The page could not be drawn", "the PDF library gave no picture", _HINT)
    return png


def draw(data: bytes, page: int, width: int) -> bytes:
    """Raises ParseError."""
    import io

    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        what = "it asks for a password" if "password" in str(error).lower() else str(error)
        raise ParseError("The page could not be drawn", what, _HINT) from error
    if not 1 <= page <= len(document):
        raise ParseError("No such page", f"page {page} of {len(document)}", "")
    try:
        sheet = document[page - 1]
        points_wide, points_high = sheet.get_size()
        scale = min(width, MAX_WIDTH) / max(points_wide, 1.0)
        pixels = points_wide * points_high * scale * scale
        if pixels > MAX_PIXELS:
            scale *= (MAX_PIXELS / pixels) ** 0.5
        picture = sheet.render(scale=scale).to_pil().convert("RGB")
    except pypdfium2.PdfiumError as error:
        raise ParseError("The page could not be drawn", str(error), _HINT) from error
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def answer(request: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """What the process says to a request: a header, and the PNG or nothing."""
    try:
        path = Path(request["path"])
        if path.stat().st_size > MAX_FILE:
            raise ParseError("The page could not be drawn", f"more than {MAX_FILE // 10**6:,} MB", _HINT)
        data = path.read_bytes()
        if sha256(data).hexdigest() != request["hash"]:
            raise ParseError(
                "The file has changed since it was indexed",
                "its pages are no longer those of this text",
                "ingest it again",
            )
        return {}, draw(data, int(request["page"]), int(request["width"]))
    except RagtermError as error:
        return {"title": error.title, "message": error.message, "hint": error.hint}, b""
    except OSError as error:
        return {"title": "The file cannot be read", "message": error.strerror or str(error), "hint": ""}, b""
    except MemoryError:
        return {"title": "The page could not be drawn", "message": "it needs too much memory", "hint": _HINT}, b""


def main() -> int:
    from ragterm.engine.documents.worker import limit_memory, take_over_streams

    requests, answers = take_over_streams("")
    request = json.loads(requests.readline())
    limit_memory(int(request.get("memory_mb", 0)))
    header, png = answer(request)
    answers.write(json.dumps(header).encode("ascii") + b"\n" + png)
    answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
