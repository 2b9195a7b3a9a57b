"""What became of the pages of a PDF that yielded no text, as the ledger says it: which pages, and what would help."""

from __future__ import annotations

from dataclasses import dataclass, field

from ragterm.engine.documents.page_quality import page_ranges
from ragterm.engine.types.documents import waiting_for_ocr
from ragterm.engine.types.errors import ParseError

_SCAN_HINT = (
    'pip install "ragterm[ocr]" (or install tesseract) and ingest again; '
    "or run ocrmypdf in.pdf out.pdf and ingest the result"
)


@dataclass(slots=True)
class PageReport:
    """Numbers of pages (from 1) out of `count`: without text (`blank`: with nothing on them, `scanned`: with pictures), `garbled`,
    `damaged`. Of scanned and garbled ones `recognised` were read by text recognition, `wordless` held no words for it, and
    `beyond` were too many for one document, or took too much memory. On `mended` ones single lines were left out."""

    count: int
    blank: list[int] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)
    garbled: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    mended: list[int] = field(default_factory=list)
    recognised: list[int] = field(default_factory=list)
    wordless: list[int] = field(default_factory=list)
    beyond: list[int] = field(default_factory=list)

    @property
    def for_recognition(self) -> list[int]:
        """The pages that text recognition may read."""
        return sorted([*self.scanned, *self.garbled])

    @property
    def waiting(self) -> list[int]:
        """The pages that nothing here has tried to read."""
        return sorted({*self.for_recognition} - {*self.recognised, *self.wordless, *self.beyond})

    def warnings(self) -> list[str]:
        shown = [
            self._line("no text layer", [*self.blank, *self.scanned]),
            self._line("garbled fonts, not indexed,", self.garbled),
            self._line("lines in garbled fonts left out", self.mended),
            self._line("damaged", self.damaged),
            self._line("read by text recognition (OCR)", self.recognised),
            self._line("no words found by text recognition (OCR)", self.wordless),
            self._line("too much for text recognition (OCR) in the time and memory of one document,", self.beyond),
            waiting_for_ocr(len(self.waiting), page_ranges(self.waiting)) if self.waiting else "",
        ]
        return [line for line in shown if line]

    def _line(self, what: str, pages: list[int]) -> str:
        if not pages:
            return ""
        return f"{what} on {len(pages)} of {self.count} page{'' if self.count == 1 else 's'}: {page_ranges(pages)}"

    def error(self) -> ParseError:
        """Why a document without a page of text cannot be read."""
        pages = "its page holds" if self.count == 1 else f"its {self.count} pages hold"
        waits = f"; {waiting_for_ocr(len(self.waiting), page_ranges(self.waiting))}" if self.waiting else ""
        if self.for_recognition and not self.waiting:
            hint = "look at it in a PDF viewer: pictures without words, or too faint a print, cannot be searched"
            return ParseError("No text", f"text recognition (OCR) found no words on the {self._counted()} of it", hint)
        if self.garbled:
            why = "its fonts do not say which letters they draw"
            return ParseError("No readable text", f"{why} (pages {page_ranges(self.garbled)}){waits}", _SCAN_HINT)
        if self.scanned:
            return ParseError("No text layer", f"{pages} only pictures: probably a scan{waits}", _SCAN_HINT)
        if self.damaged and not self.blank:
            hint = "open it in a PDF viewer and save or print it again"
            which = "its page cannot" if self.count == 1 else f"none of its {self.count} pages can"
            return ParseError("Damaged PDF", f"{which} be loaded", hint)
        return ParseError("No text layer", f"{pages} no text: drawings, form fields, or nothing at all", _SCAN_HINT)

    def _counted(self) -> str:
        return "page" if self.count == 1 else f"{self.count} pages"
