"""From a PDF's lines to blocks: paragraphs, headings, lists, table rows.

A PDF knows characters and places, no paragraphs. The rules are few and local: a line that reaches its column's edge goes on in
the next; a wider gap, a changed size or an indented first line begins a block; larger or bold short lines are headings; wide
gaps inside neighbouring lines make a table. When a rule is wrong the text is still there and in order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.hyphens import MARK, Vocabulary
from ragterm.engine.types.documents import BlockKind

GAP = "   "
"""Between the cells of a table row."""
_BULLET = re.compile(r"(?:[•◦▪‣●○■□➢➤✓✔*–—-]|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)])\s+\S")
_NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,2})*)\.?\s+[^\W\d_]")
_CAPTION = re.compile(r"(?:figure|fig\.|table|abbildung|tabelle)\s+\d", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:(?:chapter|section|part|appendix|kapitel)\s+)?(?:\d{1,3}|[A-Z])(?:\.\d{1,3})*[.:)]?\s+", re.IGNORECASE
)
_PAGE_END = re.compile(rf"[^\W\d_][-‐{MARK}]$")
_NO_LETTER = re.compile(r"[\W_]+")
_NO_LETTER_IN_ASCII = {code: None for code in range(128) if not chr(code).isalnum()}


@dataclass(slots=True)
class Line:
    """One line of a page. `text` has a U+0002 at its end where a hyphen stood; coordinates are in points, y upwards; `size` is the
    height of its first character's box; `cells` are the texts between wide gaps (one: no gap); `pieces` are text, left and right
    of what stands between gaps that are as wide as a gutter may be (none: no such gap); `at` is its place among the page's
    lines, as they were drawn or as they are read."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool
    cells: tuple[str, ...]
    pieces: tuple[tuple[str, float, float], ...] = ()
    at: int = 0


@dataclass(slots=True)
class Page:
    number: int
    height: float
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A bookmark: `level` from 1; `page` from 1; `top` is the y it points at, None when unknown."""

    level: int
    title: str
    page: int
    top: float | None = None


def add_pages(builder: DocumentBuilder, pages: Sequence[Page], outline: Sequence[OutlineEntry]) -> None:
    """Append all pages. With an outline the sections are its entries; without one, headings are found by size and weight."""
    _mend_page_ends(pages)
    words = Vocabulary(line.text for page in pages for line in page.lines)
    levels = {} if outline else _heading_sizes(pages)
    entries = list(outline)
    for page in pages:
        pitch = _pitch(page.lines)
        due = [entry for entry in entries if entry.page <= page.number]
        entries = entries[len(due) :]
        _Writer(builder, page, words, levels, pitch, due).write()


def _mend_page_ends(pages: Sequence[Page]) -> None:
    """A word that a page end breaks moves whole to the page where it begins. (pdfium marks hyphens before another line only.)"""
    for page, following in pairwise(pages):
        if following.number != page.number + 1 or not page.lines or not following.lines:
            continue
        last, first = page.lines[-1], following.lines[0]
        if _PAGE_END.search(last.text) and first.text[:1].islower() and len(first.cells) == 1:
            half, _, rest = first.text.partition(" ")
            last.text = last.text[:-1] + MARK + half
            first.text, first.cells = rest, (rest,)
            if not rest:
                del following.lines[0]


class _Writer:
    def __init__(
        self,
        builder: DocumentBuilder,
        page: Page,
        words: Vocabulary,
        levels: Mapping[float, int],
        pitch: float,
        due: list[OutlineEntry],
    ) -> None:
        self.builder, self.page, self.words, self.levels, self.pitch = builder, page, words, levels, pitch
        self.due = due
        self.farthest = 0.0
        for at, line in enumerate(page.lines):
            line.at = at
            if line.right > self.farthest:
                self.farthest = line.right
        # A line may be a bookmark's only when its letters end with the bookmark's.
        self.letters = [_squeezed(line.text) for line in page.lines] if due else []
        self.page_letters = "".join(self.letters)
        self.looked_for: OutlineEntry | None = None
        self.found = "", -1
        self.open: list[Line] = []
        self.text = ""
        self.kind: BlockKind = "paragraph"
        self.level = 0

    def write(self) -> None:
        lines = self.page.lines
        at = 0
        while at < len(lines):
            line = lines[at]
            if self.due and (taken := self._outline_heading(at)):
                at += taken
                continue
            level = self._level(line) if self.levels else 0
            if level and at + 1 < len(lines) and self._heads_table(line, lines[at + 1]):
                self._flush()
                self.kind = "table"
                self._append(line, "\n", GAP.join(line.cells))
            elif level:
                if not (
                    self.kind == "heading" and self.level == level and self.open and self._close_by(self.open[-1], line)
                ):
                    self._flush()
                    self.kind, self.level = "heading", level
                self._append(line, " ")
            elif len(line.cells) > 1 and (
                self.kind == "table" or (at + 1 < len(lines) and len(lines[at + 1].cells) > 1)
            ):
                if self.kind != "table":
                    self._flush()
                    self.kind = "table"
                self._append(line, "\n", GAP.join(line.cells))
            else:
                self._prose(line)
            at += 1
        self._flush()
        for entry in self.due:
            self.builder.sections.enter(min(entry.level, 6), entry.title)

    def _heads_table(self, line: Line, following: Line) -> bool:
        """At least as many words as the row below has cells are a table's header, no heading."""
        return len(line.text.split()) >= len(following.cells) >= 3 and self._close_by(line, following)

    def _prose(self, line: Line) -> None:
        if self.kind in ("heading", "table"):
            self._flush()
        previous = self.open[-1] if self.open else None
        bullet = _BULLET.match(line.text) is not None
        if previous is None or self._begins_block(previous, line, bullet):
            self._flush()
            self.kind = "list" if bullet else "caption" if _CAPTION.match(line.text) else "paragraph"
            self._append(line, "")
        elif bullet and self.kind == "list":
            self._append(line, "\n")
        else:
            full = line.text[0].islower() or previous.text.endswith(MARK) or self._reaches(previous, 3.0 * line.size)
            self._append(line, " " if full else "\n")

    def _begins_block(self, previous: Line, line: Line, bullet: bool) -> bool:
        if previous.text.endswith(MARK):
            return False
        drop = previous.bottom - line.bottom
        size = previous.size if previous.size > line.size else line.size
        if line.left > previous.left and abs(drop) < 0.7 * size:
            return False  # the same row: a formula's parts
        if abs(previous.size - line.size) > 0.18 * size and min(len(previous.text), len(line.text)) > 20:
            return True
        if bullet and self.kind != "list":
            return True
        if drop < -0.5 * line.size:  # the next column, or a part of the page that was drawn later
            return _ends(previous.text) or not line.text[0].islower()
        if drop > max(1.45 * self.pitch, 1.2 * line.size):
            return True
        if not _ends(previous.text):
            return False
        if (
            line.left > previous.left + 0.8 * line.size
            and self.kind == "paragraph"
            and len(self.open) > 1
            and previous.left <= min([entry.left for entry in self.open]) + 1.0
        ):
            return True  # indented
        return not line.text[0].islower() and not self._reaches(previous, 6.0 * line.size)

    def _close_by(self, previous: Line, line: Line) -> bool:
        return 0 <= previous.bottom - line.bottom < 2.0 * max(previous.size, line.size)

    def _level(self, line: Line) -> int:
        level = self.levels.get(_rounded(line.size), 0)
        if not (level or line.bold) or len(line.text) > 150 or not any(c.isalpha() for c in line.text):
            return 0
        if level:
            return level
        edge = self._edge(line)
        alone = line.right < edge - 2.0 * line.size or edge <= line.right
        starts = line.text[0].isupper() or line.text[0].isdigit()
        if (
            alone
            and starts
            and len(line.text) < 90
            and len(line.cells) == 1
            and not line.text.endswith((".", ",", ";"))
        ):
            number = _NUMBER.match(line.text)
            deepest = max(self.levels.values(), default=0)
            return min(6, number.group(1).count(".") + 2) if number else min(6, deepest + 1)
        return 0

    def _reaches(self, line: Line, room: float) -> bool:
        """Whether no more than `room` is left between the line's end and its column's edge."""
        farther = line.right + room
        if farther >= self.farthest:
            return True
        similar = 3 * line.size
        near = self._near(line)
        return not [one for one in near if one.right > farther and -similar < one.left - line.left < similar]

    def _edge(self, line: Line) -> float:
        """The line's column edge: the farthest right that its neighbours with a similar left reach."""
        if line.right > self.farthest - 0.5:
            return line.right
        similar = 3 * line.size
        near = [other.right for other in self._near(line) if -similar < other.left - line.left < similar]
        return max([line.right, *near])

    def _near(self, line: Line) -> list[Line]:
        return self.page.lines[max(0, line.at - 8) : line.at + 9]

    def _outline_heading(self, at: int) -> int:
        """Lines that the next bookmark names (0: none). Bookmarks above this place that nothing on the page repeats just open
        their section."""
        while self.due:
            entry = self.due[0]
            wanted, last = self._named(entry)
            here = bool(wanted) and wanted in self.page_letters
            text = ""
            for count in range(1, 4):
                if at + count > len(self.page.lines) or not here:
                    break
                text += " " + self.page.lines[at + count - 1].text
                if "".join(self.letters[at : at + count]).endswith(wanted) and wanted in _names(text.strip()):
                    self._flush()
                    self.kind, self.level = "heading", min(entry.level, 6)
                    for line in self.page.lines[at : at + count]:
                        self._append(line, " ")
                    self._flush()
                    self.due.pop(0)
                    return count
            later = entry.page == self.page.number and last > at
            passed = entry.page < self.page.number or entry.top is None or self.page.lines[at].bottom <= entry.top
            if later or not passed:
                return 0
            self._flush()
            self.builder.sections.enter(min(entry.level, 6), entry.title)
            self.due.pop(0)
        return 0

    def _named(self, entry: OutlineEntry) -> tuple[str, int]:
        """A bookmark's letters, and the last line of the page that repeats them (-1: none)."""
        if self.looked_for is not entry:
            self.looked_for = entry
            wanted = _squeezed(entry.title)
            lines = zip(self.letters, self.page.lines, strict=True) if wanted and wanted in self.page_letters else ()
            named = [line.at for letters, line in lines if letters.endswith(wanted) and wanted in _names(line.text)]
            self.found = wanted, named[-1] if named else -1
        return self.found

    def _append(self, line: Line, separator: str, text: str | None = None) -> None:
        text = line.text if text is None else text
        if not self.open:
            self.text = text
        elif self.text.endswith(MARK):
            self.text += text
        else:
            self.text += separator + text
        self.open.append(line)

    def _flush(self) -> None:
        if self.open:
            text = self.text[:-1] + "-" if self.text.endswith(MARK) else self.text
            self.builder.add(self.kind, self.words.mend(text), page=self.page.number, level=self.level)
        self.open, self.text, self.kind, self.level = [], "", "paragraph", 0


def _ends(text: str) -> bool:
    """Whether a sentence ends here."""
    return text.rstrip("\"')]”’")[-1:] in {".", "!", "?", ":", "…"}


def _names(text: str) -> tuple[str, str]:
    """What a line may be called by: its letters and digits, and those without its number."""
    return _squeezed(text), _squeezed(_LABEL.sub("", text, count=1))


def _squeezed(text: str) -> str:
    return text.lower().translate(_NO_LETTER_IN_ASCII) if text.isascii() else _NO_LETTER.sub("", text.lower())


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _heading_sizes(pages: Sequence[Page]) -> dict[float, int]:
    """Line heights that are headings, with their level: larger than the body by an eighth, and rarer than it."""
    amount: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            amount[_rounded(line.size)] += len(line.text)
    body = max(amount, key=amount.__getitem__, default=0.0)
    total = sum(amount.values())
    larger = sorted((size for size in amount if size >= body * 1.125 and amount[size] < 0.2 * total), reverse=True)
    levels: dict[float, int] = {}
    level, last = 0, 0.0
    for size in larger:
        if level == 0 or size < last * 0.93:
            level, last = level + 1, size
        levels[size] = min(level, 4)
    return levels or {-1.0: 0}


def _pitch(lines: Sequence[Line]) -> float:
    """The usual distance from one line to the next."""
    drops = [
        drop
        for a, b in pairwise(lines)
        if 0 < (drop := a.bottom - b.bottom) < 3 * (a.size if a.size > b.size else b.size)
    ]
    return median(drops) if drops else 0.0
