"""One file in, one parsed document out: the dispatch by kind.

Each parser's libraries are imported when its first file arrives, so a worker that only sees Markdown never loads a PDF library.
What comes from a library that nobody expected becomes a ParseError here: this is the border between foreign bytes and the engine.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.formats import ADVICE, BY_KIND
from ragterm.engine.documents.language import LANGUAGE_WARNING, looks_foreign
from ragterm.engine.documents.sources import kind_of
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.documents.places import Staging
    from ragterm.engine.types.documents import DocumentKind, ParsedDocument

log = logging.getLogger(__name__)

_PACKED = ("docx", "pptx", "xlsx", "epub", "odt")


def parse_file(path: Path, staging: Staging | None = None) -> ParsedDocument:
    """Parse by the file's name, and by its first bytes where they contradict the name. `staging` says where the bytes lie when not
    at `path`, and where what a container holds is unpacked to; without it members are looked at and not kept.

    Raises ParseError (stage "read" when the bytes cannot be had, "parse" when nothing can be made of them), always with a
    reason and a hint; MemoryError passes through."""
    kind = kind_of(path)
    if kind is None:
        raise ParseError(
            "Unsupported kind of file",
            f"nothing here reads {path.suffix or 'files without an ending'}",
            ADVICE.get(path.suffix.lower(), "convert it to PDF, DOCX, HTML, Markdown or text"),
            stage="read",
        )
    try:
        data = (Path(staging.file) if staging else path).read_bytes()
    except OSError as error:
        raise ParseError(
            "The file cannot be read", error.strerror or str(error), _read_hint(error), stage="read"
        ) from error
    if not data:
        raise ParseError(
            "Empty file", "the file has no content (0 bytes)", "nothing to do, or restore the file", stage="read"
        )
    try:
        return _with_language(_parse(data, path, _by_content(data, kind), staging))
    except ParseError as error:  # reasons quote names and bytes of the document
        raise ParseError(error.title, canonical(error.message), canonical(error.hint), stage=error.stage) from error
    except MemoryError:
        raise
    except RecursionError as error:
        raise ParseError(
            "Too deeply nested", f"the {kind} parser gave up", "open the file in its own program and save it again"
        ) from error
    except Exception as error:
        log.exception("parser for %s failed", kind)
        raise ParseError(
            "The file could not be parsed",
            canonical(f"{type(error).__name__}: {error}")[:300],
            "open the file in its own program and save it again",
        ) from error


def _with_language(parsed: ParsedDocument) -> ParsedDocument:
    if parsed.kind in ("code", "archive") or not looks_foreign(parsed.text):
        return parsed
    return replace(parsed, warnings=(*parsed.warnings, LANGUAGE_WARNING))


def _parse(data: bytes, path: Path, kind: DocumentKind, staging: Staging | None) -> ParsedDocument:
    chosen = BY_KIND[kind]
    try:
        parser = chosen.load()
    except ImportError as error:
        raise ParseError(
            "A library is missing",
            f"{kind} files are read with {error.name or error}, which is not installed",
            f"pip install {error.name or 'ragterm'}, then ingest again",
        ) from error
    if chosen.takes == "container":
        return parser(data, path, staging)
    if chosen.takes == "bytes":
        return parser(data, path)
    from ragterm.engine.documents.encodings import decoded_text

    text, warnings = decoded_text(data, path)
    document = parser(text, path)
    return replace(document, warnings=(*warnings, *document.warnings)) if warnings else document


def _by_content(data: bytes, kind: DocumentKind) -> DocumentKind:
    """A file saved under a wrong ending is still what it is: a presentation named .docx, a web page or a list of values named .xls
    (as many programs export them)."""
    if data.startswith(b"%PDF-"):
        return "pdf"
    if kind in ("archive", "email"):
        return kind
    if data.startswith(b"PK\x03\x04"):
        from ragterm.engine.documents.packages import kind_of_package

        return kind_of_package(data) or kind
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"{\\rtf"):
        return "rtf"
    if kind in _PACKED or kind in ("pdf", "rtf", "text", "markdown", "json", "csv"):
        if start.startswith((b"<!doctype html", b"<html")):
            return "html"
        if kind in ("xlsx", "rtf") and not start.startswith((b"<?xml", b"\xd0\xcf\x11\xe0")):
            from ragterm.engine.documents.encodings import is_binary

            return kind if is_binary(data) else "csv" if kind == "xlsx" else "text"
        if data.startswith(b"\xd0\xcf\x11\xe0") and "Workbook".encode("utf-16-le") in data:
            return "xlsx"
    return kind


def _read_hint(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "allow yourself to read it (chmod u+r), then ingest again"
    if isinstance(error, FileNotFoundError):
        return "it was there a moment ago: ingest the folder again"
    return "copy the file to a local disk and try again"
