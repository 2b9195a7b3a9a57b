"""Plain text: the text as it is, in paragraphs.

Headings are only taken where the writer left no doubt: a line underlined in reStructuredText's way
(https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections), a lone numbered line before text, and a lone line in
capitals. A wrong heading costs more than a missed one: everything below it carries its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ragterm.engine.documents.builder import Sections, one_line
from ragterm.engine.types.documents import Block, BlockKind, ParsedDocument

_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*$")
_NUMBERED = re.compile(
    r"(?:(?:chapter|section|part|appendix|article|kapitel)\s+)?((?:\d{1,2}|[A-Z])(?:\.\d{1,2})*)[.):]?\s+\S",
    re.IGNORECASE,
)
_ITEM = re.compile(r"\s*(?:[-*+•◦▪–]|\(?\d{1,3}[.)]|[a-z][.)])\s+\S")


@dataclass(frozen=True, slots=True)
class _Lines:
    """A paragraph: neighbouring lines that are not blank, each with its offset."""

    lines: tuple[str, ...]
    starts: tuple[int, ...]

    @property
    def span(self) -> tuple[int, int]:
        return self.starts[0], self.starts[-1] + len(self.lines[-1].rstrip())


def parse_text(text: str, path: Path) -> ParsedDocument:
    """`text` is canonical and becomes the document unchanged."""
    paragraphs = list(_paragraphs(text))
    blocks = list(_blocks(paragraphs))
    first = next((b for b in blocks if b.kind == "heading"), None)
    early = first is not None and first.start < 400
    title = _title(text[first.start : first.end]) if first and early else path.stem
    return ParsedDocument(text, tuple(blocks), one_line(title) or path.stem, "text", "lines")


def _title(heading: str) -> str:
    return next((line for line in heading.split("\n") if not _UNDERLINE.match(line)), heading).lstrip("=*# ")


def _paragraphs(text: str) -> Iterator[_Lines]:
    lines: list[str] = []
    starts: list[int] = []
    place = 0
    for line in text.split("\n"):
        if line.strip():
            lines.append(line)
            starts.append(place)
        elif lines:
            yield _Lines(tuple(lines), tuple(starts))
            lines, starts = [], []
        place += len(line) + 1
    if lines:
        yield _Lines(tuple(lines), tuple(starts))


def _blocks(paragraphs: list[_Lines]) -> Iterator[Block]:
    sections = Sections()
    underlines: list[str] = []

    def heading(start: int, end: int, level: int, title: str) -> Block:
        level = min(level, 6)
        block = Block("heading", start, end, section=sections.above(level), level=level)
        sections.enter(level, " ".join(title.split()))
        return block

    for at, paragraph in enumerate(paragraphs):
        following = paragraphs[at + 1] if at + 1 < len(paragraphs) else None
        lines, starts = paragraph.lines, paragraph.starts
        if len(lines) == 1 and following is not None and (level := _lone_heading(lines[0], following)):
            yield heading(*paragraph.span, level, lines[0])
            continue
        done = 0
        while done < len(lines):
            if found := _heading_at(lines, done, underlines):
                count, level, title = found
                last = done + count - 1
                yield heading(starts[done], starts[last] + len(lines[last].rstrip()), level, title)
            else:
                count = len(lines) - done
                last = len(lines) - 1
                # A line of its own may be indented; in several, the indentation is part of what they say.
                indent = len(lines[done]) - len(lines[done].lstrip()) if count == 1 else 0
                end = starts[last] + len(lines[last].rstrip())
                yield Block(_kind(lines[done : done + count]), starts[done] + indent, end, section=sections.path)
            done += count


def _heading_at(lines: tuple[str, ...], at: int, underlines: list[str]) -> tuple[int, int, str] | None:
    """(lines it takes, level, title) of a heading that begins at line `at` of a paragraph."""
    over = 1 if _UNDERLINE.match(lines[at]) else 0
    if at + over + 1 >= len(lines):
        return None
    title, under = lines[at + over], lines[at + over + 1]
    found = _UNDERLINE.match(under)
    if (
        not found
        or _UNDERLINE.match(title)
        or len(title) > 120
        or len(under.rstrip()) < min(len(title.rstrip()) * 0.75, 60)
    ):
        return None
    if over and lines[at].strip()[0] != under.strip()[0]:
        return None
    if not over and (title[0].isspace() or at):
        return None
    style = found.group(1) * (over + 1)
    if style not in underlines:
        underlines.append(style)
    return over + 2, underlines.index(style) + 1, title


def _lone_heading(line: str, following: _Lines) -> int:
    """The level of a line that stands alone before text; 0 when it is no heading."""
    text = line.strip()
    if len(text) > 80 or text[-1] in ".,;:!?|" or _UNDERLINE.match(text) or "\t" in text or "  " in text:
        return 0
    numbered = _NUMBERED.match(text)
    if numbered and len(text.split()) > 1 and not _NUMBERED.match(following.lines[0].strip()):
        label = numbered.group(1)
        words = text[numbered.end() - 1 :]
        deep = label.count(".") + 1
        if words[0].isupper() and len(words) >= 3 and (deep > 1 or not _ITEM.match(following.lines[0])):
            return deep
    letters = [c for c in text if c.isalpha()]
    if (
        len(letters) >= 4
        and len(letters) * 2 > len(text)
        and text.upper() == text
        and text.lower() != text
        and len(text) <= 60
    ):
        return 1
    return 0


def _kind(lines: tuple[str, ...]) -> BlockKind:
    if _ITEM.match(lines[0]) and sum(bool(_ITEM.match(line)) for line in lines) * 2 >= len(lines) and len(lines) > 1:
        return "list"
    if all(line.startswith(("    ", "\t")) for line in lines) and len(lines) > 1:
        return "code"
    if all(line.startswith(">") for line in lines):
        return "quote"
    bars = sum(line.count("|") >= 2 or line.startswith("+-") for line in lines)
    return "table" if len(lines) > 1 and bars == len(lines) else "paragraph"
