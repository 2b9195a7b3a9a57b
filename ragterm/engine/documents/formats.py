"""Which formats are read, by which parser, with which library.

One row a format. A parser is named, not imported: its libraries are loaded when its first file arrives. One that `takes` "text" is
handed canonical text, decoded already, and yields it as it is (or, of delimited files, as a table); one that takes "bytes" is
handed the file; one that takes a "container" is told besides where its members go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, cast

from ragterm.engine.documents.languages import CODE_ENDINGS, DATA_ENDINGS
from ragterm.engine.types.documents import DocumentKind, ParsedDocument
from ragterm.engine.types.members import ARCHIVE_ENDINGS, EMAIL_ENDINGS

Parser = Callable[..., ParsedDocument]


@dataclass(frozen=True, slots=True)
class Format:
    """`parser` is `module:function` of this room, called with (text or bytes, path), of a container with (bytes, path, staging)."""

    kind: DocumentKind
    endings: tuple[str, ...]
    parser: str
    takes: Literal["text", "bytes", "container"]

    def load(self) -> Parser:
        """Import the parser. Raises ImportError where a library that it needs is not installed."""
        module, _, function = self.parser.partition(":")
        return cast(Parser, getattr(import_module(f"ragterm.engine.documents.{module}"), function))


_TEXT_ENDINGS = ".txt .text .log .textile .me .nfo .diz .pod .man .po .changes"

FORMATS: tuple[Format, ...] = (
    Format("markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx"), "markdown:parse_markdown", "text"),
    Format("text", (*_TEXT_ENDINGS.split(), *DATA_ENDINGS), "text:parse_text", "text"),
    Format("code", tuple(CODE_ENDINGS), "code:parse_code", "text"),
    Format("pdf", (".pdf",), "pdf:parse_pdf", "bytes"),
    Format("html", (".html", ".htm", ".xhtml"), "html:parse_html", "bytes"),
    Format("email", EMAIL_ENDINGS, "mail:parse_email", "container"),
    Format("archive", ARCHIVE_ENDINGS, "archives:parse_archive", "container"),
    Format("docx", (".docx", ".docm", ".dotx"), "docx:parse_docx", "bytes"),
    Format("pptx", (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"), "slides:parse_slides", "bytes"),
    Format("xlsx", (".xlsx", ".xlsm", ".xltx", ".xlsb", ".xls", ".ods", ".ots"), "sheets:parse_sheets", "bytes"),
    Format("csv", (".csv", ".tsv", ".tab"), "delimited:parse_delimited", "text"),
    Format("epub", (".epub",), "epub:parse_epub", "bytes"),
    Format("odt", (".odt", ".ott", ".fodt", ".odp", ".fodp", ".otp"), "open_document:parse_open_document", "bytes"),
    Format("rtf", (".rtf",), "rtf:parse_rtf", "bytes"),
    Format("notebook", (".ipynb",), "notebooks:parse_notebook", "bytes"),
    Format("json", (".json", ".jsonl", ".ndjson", ".jsonc", ".geojson"), "json_files:parse_json", "bytes"),
    Format("subtitles", (".srt", ".vtt", ".ass", ".ssa"), "subtitles:parse_subtitles", "bytes"),
    Format("rst", (".rst", ".rest"), "restructured_text:parse_rst", "bytes"),
    Format("asciidoc", (".adoc", ".asciidoc", ".asc"), "asciidoc:parse_asciidoc", "bytes"),
    Format("latex", (".tex", ".latex", ".bib"), "latex:parse_latex", "bytes"),
    Format("org", (".org",), "org:parse_org", "text"),
)

BY_KIND: dict[str, Format] = {one.kind: one for one in FORMATS}
BY_ENDING: dict[str, DocumentKind] = {}
for _one in FORMATS:
    for _ending in _one.endings:
        BY_ENDING[_ending] = _one.kind

_UNPACK = "unpack it, or pack it as .zip"
ADVICE: dict[str, str] = {
    ".doc": "save it as .docx", ".dot": "save it as .docx", ".ppt": "save it as .pptx", ".pps": "save it as .pptx",
    ".msg": "save it as .eml", ".p7s": "a signature, without text of its own", ".pages": "export it as .docx or PDF",
    ".numbers": "export it as .xlsx",
    ".key": "export it as .pptx or PDF",
    ".wpd": "save it as .docx", ".wps": "save it as .docx", ".sxw": "save it as .odt", ".mobi": "convert it to EPUB",
    ".azw": "convert it to EPUB", ".azw3": "convert it to EPUB", ".fb2": "convert it to EPUB", ".djvu": "convert it to PDF",
    ".p7m": "save the message as .eml from the program that can open it", ".rar": _UNPACK, ".7z": _UNPACK, ".zst": _UNPACK,
    ".lz": _UNPACK, ".cab": _UNPACK,
    ".xps": "convert it to PDF", ".mdb": "export its tables as .csv", ".accdb": "export its tables as .csv",
}  # fmt: skip
"""What to do with endings that nothing here reads, where there is something to do."""
