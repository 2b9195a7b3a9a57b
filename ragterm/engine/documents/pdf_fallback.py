"""PDF, second try: pypdf, which mends what pdfium refuses (broken cross references, odd encryption), at a tenth of the speed."""

from __future__ import annotations

import logging
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.hyphens import MARK, Vocabulary
from ragterm.engine.documents.page_quality import is_garbled
from ragterm.engine.documents.page_report import PageReport
from ragterm.engine.documents.passwords import offered
from ragterm.engine.documents.pdf import LETTER, check_pages, check_size, first_heading
from ragterm.engine.documents.pdf_extras import usable_title
from ragterm.engine.types.errors import ParseError, password_needed

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

_BREAKAGE = (
    *(
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        ZeroDivisionError,
        OverflowError,
        struct.error,
        zlib.error,
    ),
    *(OSError, EOFError, NotImplementedError, RecursionError, AssertionError),
)
"""What pypdf lets through on damaged files."""


def parse_with_pypdf(data: bytes, path: Path, reason: str, *, quiet: bool = False) -> ParsedDocument:
    """`reason` is pdfium's complaint. `quiet`: pdfium opened the file and found no text, so none here means the same.

    Raises ParseError."""
    import io

    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not any(reader.decrypt(password) for password in ("", *offered())):
            raise password_needed(wrong=bool(offered()))
        count = len(reader.pages)
        check_pages(count)
        texts: list[str | None] = [_text(reader, index) for index in range(count)]
    except DependencyError as error:
        raise password_needed() if "assword" in reason else _damaged(reason, error) from error
    except (PyPdfError, *_BREAKAGE) as error:
        raise _damaged(reason, error) from error
    if all(text is None for text in texts) and texts and not quiet:
        raise _damaged(reason, None)
    return _build(texts, reader, path)


def _build(texts: list[str | None], reader: Any, path: Path) -> ParsedDocument:
    from pypdf.errors import PyPdfError

    builder = DocumentBuilder()
    words = Vocabulary(line for text in texts if text for line in text.split("\n"))
    report = PageReport(len(texts))
    size = 0
    for number, text in enumerate(texts, 1):
        if text is None:
            report.damaged.append(number)
        elif LETTER.search(text) is None:
            report.blank.append(number)
        elif is_garbled(text):
            report.garbled.append(number)
        else:
            size += len(text)
            check_size(size)
            for paragraph in text.split("\n\n"):
                builder.add("paragraph", words.mend(paragraph), page=number)
    if not builder.blocks:
        raise report.error()
    builder.warnings += report.warnings()
    builder.warnings.append("pdfium could not read this file; pypdf did, without layout")
    try:
        info = reader.metadata or {}
        title, author = str(info.get("/Title") or ""), str(info.get("/Author") or "")
    except (PyPdfError, *_BREAKAGE):
        title = author = ""
    metadata = {"author": author} if author else {}
    return builder.finish(
        title=usable_title(title) or first_heading(builder) or path.stem,
        kind="pdf",
        parser="pypdf",
        pages=len(texts),
        metadata=metadata,
    )


def _text(reader: Any, index: int) -> str | None:
    """A page's text; None when it is damaged."""
    from pypdf.errors import PyPdfError

    try:
        text: str = reader.pages[index].extract_text() or ""
    except (PyPdfError, *_BREAKAGE):
        return None
    lines = [line.rstrip() for line in text.replace("\xad\n", MARK).split("\n")]
    whole = ""
    for line in lines:
        # pypdf keeps the hyphen: the same decision, from the same evidence.
        whole += line[:-1] + MARK if line.endswith("-") and line[-2:-1].isalpha() else line + "\n"
    return whole.rstrip(MARK)


def _damaged(reason: str, error: Exception | None) -> ParseError:
    if "assword" in reason:
        return password_needed()
    why = reason.rstrip(".") + (f"; pypdf: {error}" if error and str(error) else "")
    return ParseError("Damaged PDF", why[:300], "open it in a PDF viewer and save or print it again")
