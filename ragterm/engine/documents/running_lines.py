"""What a PDF repeats on every page: headers, footers, page numbers. They would cut sentences in two and match every query."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median

from ragterm.engine.documents.pdf_layout import Line, Page

_DIGITS = re.compile(r"\d+")
_LONE_NUMBER = re.compile(
    r"(?:(?:page|seite|p\.)\s*)?[-–—]?\s*\d{1,4}\s*[-–—]?(?:\s*(?:of|/|von)\s*\d{1,4})?", re.IGNORECASE
)
_FIRST_NUMBER = re.compile(r"(?:page\s+|seite\s+|[-–—]\s*)?(\d{1,4})(?=\s|$)", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"(?:^|[\s.|])(\d{1,4})\s*[-–—]?$")


def drop_running_lines(pages: Sequence[Page]) -> int:
    """Remove lines at the edges of pages that come back, digits apart, on at least half of the pages and at least three (all but the
    first: what they say must stay findable), lines there that begin or end with a number which counts along with the pages
    ("41 2.3 Complexes"), and lone page numbers. Lines larger than usual are headings and stay; so does what is alone on its
    page. Returns how many lines went."""
    usual = median(line.size for page in pages for line in page.lines) if any(page.lines for page in pages) else 0.0
    edges = [[(line, _key(line), _numbers(line)) for line in _at_edges(page, 1.2 * usual)] for page in pages]
    seen: Counter[tuple[str, int]] = Counter()
    offsets: Counter[int] = Counter()
    for page, edge in zip(pages, edges, strict=True):
        seen.update({key for _, key, _ in edge})
        offsets.update({number - page.number for _, _, numbers in edge for number in numbers})
    # Facing pages alternate: on long documents a third of the pages is no coincidence either.
    needed = max(3, len(pages) // (3 if len(pages) >= 12 else 2))
    running = {key for key, count in seen.items() if count >= needed}
    counting = {offset for offset, count in offsets.items() if count >= max(3, len(pages) // 2)}
    shown: set[tuple[str, int]] = set()
    dropped = 0
    for page, edge in zip(pages, edges, strict=True):
        gone = set[int]()
        for line, key, numbers in edge:
            numbered = any(number - page.number in counting for number in numbers)
            if numbered or _LONE_NUMBER.fullmatch(line.text.strip()) or (key in running and key in shown):
                gone.add(id(line))
            elif key in running:
                shown.add(key)
        kept = [line for line in page.lines if id(line) not in gone]
        if kept:
            dropped += len(page.lines) - len(kept)
            page.lines = kept
    return dropped


def _at_edges(page: Page, largest: float) -> list[Line]:
    low, high = page.height * 0.1, page.height * 0.9
    return [
        line for line in page.lines if not low < line.bottom < high and len(line.text) <= 150 and line.size <= largest
    ]


def _key(line: Line) -> tuple[str, int]:
    """A line's words and its height on the page, in steps of 6 points."""
    return _DIGITS.sub("#", line.text.strip()), round(line.bottom / 6)


def _numbers(line: Line) -> set[int]:
    """The numbers at the two ends of a line."""
    text = line.text.strip()
    return {int(found.group(1)) for found in (_FIRST_NUMBER.match(text), _LAST_NUMBER.search(text)) if found}
