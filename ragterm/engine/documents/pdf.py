"""PDF: text from pdfium (12 to 18 times faster than pypdf on 2,900 real files, and it opens 54 more), pypdf where pdfium cannot.

This module opens the file and goes through its pages; what a page says and in which order is found by `pdf_text`, `reading_order`
and `pdf_layout`, what is wrong with it by `page_quality`. Pages that are pictures are read by `ocr` where it is installed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import MAX_TEXT, DocumentBuilder
from ragterm.engine.documents.page_quality import readable_lines, reads_wrongly, rubbish
from ragterm.engine.documents.page_report import PageReport
from ragterm.engine.documents.passwords import offered
from ragterm.engine.documents.pdf_extras import Links, outline, page_labels, properties, property_of, usable_title
from ragterm.engine.documents.pdf_layout import Page, add_pages
from ragterm.engine.documents.pdf_text import read_lines
from ragterm.engine.documents.reading_order import in_reading_order, rows_joined
from ragterm.engine.documents.running_lines import drop_running_lines
from ragterm.engine.types.errors import ParseError, password_needed

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

MAX_PAGES = 20_000
LETTER = re.compile(r"[^\W_]")
_DRAWINGS = 20
"""Shapes on a page without text from which on they may be letters drawn as outlines."""


def parse_pdf(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError: damaged, password, too many pages, no text layer."""
    import pypdfium2

    try:
        document = _open(data)
    except pypdfium2.PdfiumError as error:
        from ragterm.engine.documents.pdf_fallback import parse_with_pypdf

        return parse_with_pypdf(data, path, str(error))
    try:
        return _parse(document, data, path)
    finally:
        document.close()


def _open(data: bytes) -> Any:
    """Without a password, then with each that was offered. Raises PdfiumError, ParseError when none of them fits."""
    import pypdfium2

    passwords = (None, *offered())
    for password in passwords:
        try:
            return pypdfium2.PdfDocument(data, password=password)
        except pypdfium2.PdfiumError as error:
            if "assword" not in str(error):
                raise
            if b"/Encrypt" not in data:  # pdfium gave no reason of its own: this is its last one, of another file
                raise pypdfium2.PdfiumError("Failed to load document") from None
            if password == passwords[-1] and password is not None:
                raise password_needed(wrong=True) from None
            if len(passwords) == 1:
                raise
    raise AssertionError("one of the passwords decides")


def _parse(document: Any, data: bytes, path: Path) -> ParsedDocument:
    count = len(document)
    check_pages(count)
    builder, entries, report = DocumentBuilder(), outline(document, count), PageReport(count)
    pages: list[Page] = []
    links, size = Links(document), 0
    for number in range(1, count + 1):
        page, pictures = _page(document, number, links, weights=not entries)
        if page is None:
            report.damaged.append(number)
            continue
        text = "\n".join([line.text for line in page.lines])
        size += len(text)
        check_size(size)
        if LETTER.search(text) is None:
            (report.scanned if pictures else report.blank).append(number)
        elif 3 * (bad := rubbish(text)) > len(text) or reads_wrongly(text):
            report.garbled.append(number)
        else:
            readable = readable_lines(page.lines) if bad else page.lines
            if len(readable) < len(page.lines):
                report.mended.append(number)
                page.lines = readable
            pages.append(page)
    used = ["pypdfium2"]
    if report.for_recognition:
        used += _recognise(document, pages, report)
    if not pages:
        if not report.for_recognition and count <= 50:
            from ragterm.engine.documents.pdf_fallback import parse_with_pypdf

            return parse_with_pypdf(data, path, "no text", quiet=True)
        raise report.error()
    builder.warnings += report.warnings()
    drop_running_lines(pages)
    add_pages(builder, pages, entries)
    metadata = properties(document)
    metadata["page labels"] = page_labels(document, count)
    metadata["links"] = str(links)
    title = usable_title(property_of(document, "Title")) or first_heading(builder) or path.stem
    return builder.finish(title=title, kind="pdf", parser=" + ".join(used), pages=count, metadata=metadata)


def _recognise(document: Any, pages: list[Page], report: PageReport) -> list[str]:
    """Read the pages that are pictures, where something is installed that can: its name, and the pages among the others."""
    from ragterm.engine.documents import ocr

    reader = ocr.available()
    if not reader:
        return []
    wanted = report.for_recognition
    report.beyond = wanted[ocr.MAX_PAGES :]
    for at, number in enumerate(wanted[: ocr.MAX_PAGES]):
        try:
            page = ocr.recognise(document, number)
        except MemoryError:
            if not pages:
                raise
            report.beyond = wanted[at:]  # what is there is worth keeping
            break
        if page is None:
            report.wordless.append(number)
        else:
            report.recognised.append(number)
            pages.append(page)
    pages.sort(key=lambda page: page.number)
    return [reader] if report.recognised else []


def check_pages(count: int) -> None:
    if count > MAX_PAGES:
        raise ParseError("Too many pages", f"{count:,} pages; the limit is {MAX_PAGES:,}", "split the file")


def check_size(size: int) -> None:
    if size > MAX_TEXT:
        raise ParseError(
            "Too much text",
            f"more than {MAX_TEXT // 1_000_000} million characters came out of this file",
            "split the file",
        )


def first_heading(builder: DocumentBuilder) -> str:
    """The highest heading of the first page, where it looks like a title rather than the start of chapter one."""
    headings = [b for b in builder.blocks if b.kind == "heading" and b.page == 1]
    best = min(headings, key=lambda b: b.level, default=None)
    text = builder.text[best.start : best.end] if best else ""
    return "" if text[:1].isdigit() or len(text) > 150 else text


def _page(document: Any, number: int, links: Links, *, weights: bool) -> tuple[Page | None, bool]:
    """A page's lines in reading order, and whether it shows pictures, when it has no text. None when pdfium cannot load it.

    Handles are opened and closed here rather than by pypdfium2's objects, which cost a twentieth of a page's time."""
    from pypdfium2 import raw

    page = raw.FPDF_LoadPage(document, number - 1)
    if not page:
        return None, False
    text_page = raw.FPDFText_LoadPage(page)
    if not text_page:
        raw.FPDF_ClosePage(page)
        return None, False
    try:
        width, height = raw.FPDF_GetPageWidthF(page), raw.FPDF_GetPageHeightF(page)
        rotation = 90 * raw.FPDFPage_GetRotation(page)
        links.look(number, page, text_page)
        lines = rows_joined(in_reading_order(read_lines(text_page, rotation, width, height, weights=weights)))
    finally:
        raw.FPDFText_ClosePage(text_page)
        raw.FPDF_ClosePage(page)
    return Page(number, height, lines), not lines and _shows_pictures(document[number - 1])


def _shows_pictures(page: Any) -> bool:
    from pypdfium2 import raw

    for shapes, drawn in enumerate(page.get_objects(max_depth=3), 1):
        if drawn.type == raw.FPDF_PAGEOBJ_IMAGE or shapes >= _DRAWINGS:
            return True
    return False
