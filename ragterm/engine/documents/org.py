"""Org: the canonical text stays the source, lines say what they are.

Org is written to be read as it stands, its tables are rows of text, so blocks are spans of the file and a citation quotes
what the writer sees. Headlines lose only in the section's name what is no word of theirs: the TODO keyword, priority, cookie and tags.
Keywords, drawers, planning lines and comments are blocks of metadata. `#+INCLUDE` is not followed, no block is executed.

After the Org syntax specification (https://orgmode.org/worg/org-syntax.html). One pass over the lines; where a block or drawer ends is
looked up in tables made beforehand, so that a thousand open ones cost no more than one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ragterm.engine.documents.builder import Sections, one_line
from ragterm.engine.types.documents import Block, BlockKind, ParsedDocument

_HEADLINE = re.compile(r"\*+ +\S")
_PRIORITY = re.compile(r"\[#[A-Z0-9]{1,2}\][ \t]*")
_TAGS = re.compile(r"(?:^|[ \t])(:[\w@#%:]+:)[ \t]*$")
_COOKIE = re.compile(r"\[\d*(?:%|/\d*)\]")
_KEYWORD = re.compile(r"[ \t]*#\+([A-Za-z_]{1,40})(?:\[[^\]\n]{0,80}\])?:[ \t]*(.*)")
_BEGIN = re.compile(r"[ \t]*#\+begin_([A-Za-z]{1,40})(?=[ \t]|$)", re.IGNORECASE)
_END = re.compile(r"[ \t]*#\+end_([A-Za-z]{1,40})[ \t]*$", re.IGNORECASE)
_DRAWER = re.compile(r"[ \t]*:([\w-]{1,60}):[ \t]*$")
_PLANNING = re.compile(r"[ \t]*(?:SCHEDULED|DEADLINE|CLOSED|CLOCK):[ \t]")
_ITEM = re.compile(r"([ \t]*)(?:[-+]|(?<=[ \t])\*|(?:\d{1,4}|[A-Za-z])[.)])(?:[ \t]|$)")
_FOOTNOTE = re.compile(r"\[fn:[\w-]{1,60}\]")
_COMMENT = re.compile(r"[ \t]*#(?:[ \t]|$)")
_FIXED = re.compile(r"[ \t]*:(?:[ \t]|$)")
_RULE = re.compile(r"[ \t]*-{5,}[ \t]*$")
_LINK = re.compile(r"\[\[([^\[\]\n]{1,2000})\](?:\[([^\[\]\n]{1,2000})\])?\]")
_EMPHASIS = re.compile(r"(?<![\w*/=~+_])([*/=~+_])([^\s*/=~+_](?:[^*/=~+\n]{0,300}[^\s*/=~+])?)\1(?![\w*/=~+_])")
_TODO = frozenset({"TODO", "NEXT", "DONE", "WAITING", "WAIT", "HOLD", "CANCELED", "CANCELLED", "STARTED", "COMMENT"})
_BLOCK_KINDS: dict[str, BlockKind] = {
    "src": "code", "example": "code", "export": "code", "quote": "quote", "verse": "quote", "comment": "metadata",
}  # fmt: skip
_ABOUT = {"title": "title", "subtitle": "subtitle", "author": "author", "date": "date", "email": "email", "language": "language",
          "description": "description", "keywords": "keywords", "filetags": "tags"}  # fmt: skip


def parse_org(text: str, path: Path) -> ParsedDocument:
    """`text` is canonical and becomes the document unchanged."""
    reader = _Reader(text)
    blocks = tuple(reader.blocks())
    about = reader.about
    if reader.tags:
        about["tags"] = ", ".join(list(reader.tags)[:50])
    first = next((block for block in blocks if block.kind == "heading"), None)
    title = about.pop("title", "") or (reader.names[first.start] if first and first.start < 400 else "") or path.stem
    warnings = (f"files that it includes are not followed ({reader.includes})",) if reader.includes else ()
    metadata = {key: value for key, value in about.items() if value}
    return ParsedDocument(text, blocks, one_line(title), "org", "lines", metadata=metadata, warnings=warnings)


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.about: dict[str, str] = {}
        self.tags: dict[str, None] = {}
        self.names: dict[int, str] = {}
        self.includes = 0
        self._todo = set(_TODO)
        self._sections = Sections()
        self._ends: dict[str, list[int]] = defaultdict(list)
        self._headlines: list[int] = []
        for at, line in enumerate(self.lines):
            if found := _END.match(line):
                self._ends[found.group(1).lower()].append(at)
            elif line.strip().upper() == ":END:":
                self._ends[":"].append(at)
            elif _HEADLINE.match(line):
                self._headlines.append(at)

    def blocks(self) -> Iterator[Block]:
        """Neighbouring lines of metadata are one block."""
        about: tuple[int, int] | None = None
        at = 0
        while at < len(self.lines):
            line = self.lines[at]
            kind: BlockKind | None
            if not line.strip() or _RULE.match(line) or _END.match(line):
                kind, end = None, at + 1
            elif _HEADLINE.match(line):
                kind, end = "heading", at + 1
            else:
                kind, end = self._block(at)
            if about and (kind != "metadata" or about[1] != at):
                yield self._span("metadata", *about)
                about = None
            if kind == "metadata":
                about = (about[0] if about else at, end)
            elif kind == "heading":
                yield self._headline(at)
            elif kind is not None:
                yield self._span(kind, at, end)
            at = end
        if about:
            yield self._span("metadata", *about)

    def _block(self, at: int) -> tuple[BlockKind | None, int]:
        """The kind of the block that begins in line `at`, and the line after it. None: the line only opens something."""
        line = self.lines[at]
        if found := _BEGIN.match(line):
            name = found.group(1).lower()
            end = self._closed(name, at)
            if end is None or name not in _BLOCK_KINDS:
                return None, at + 1  # what stands in a centred or special block is read line by line
            return _BLOCK_KINDS[name], end + 1
        if found := _KEYWORD.match(line):
            return self._keyword(found), at + 1
        if _DRAWER.match(line) and (closed := self._closed(":", at)) is not None:
            return "metadata", closed + 1
        for kind, pattern in _RUNS:
            if pattern.match(line):
                end = at + 1
                while end < len(self.lines) and pattern.match(self.lines[end]):
                    end += 1
                return kind, end
        if found := _ITEM.match(line):
            return "list", self._list(at, _indent(line))
        return "footnote" if _FOOTNOTE.match(line) else "paragraph", self._paragraph(at)

    def _headline(self, at: int) -> Block:
        stars, _, title = self.lines[at].partition(" ")
        level = min(len(stars), 6)
        title = title.strip()
        if tagged := _TAGS.search(title):
            self.tags.update(dict.fromkeys(filter(None, tagged.group(1).split(":"))))
            title = title[: tagged.start()]
        word, _, rest = title.partition(" ")
        if word in self._todo and rest.strip():
            title = rest
        title = plain(_COOKIE.sub("", _PRIORITY.sub("", title, count=1)))
        start, end = self.starts[at], self.starts[at] + len(self.lines[at].rstrip())
        block = Block("heading", start, end, section=self._sections.above(level), level=level)
        self.names[start] = title
        self._sections.enter(level, title)
        return block

    def _keyword(self, found: re.Match[str]) -> BlockKind:
        key, value = found.group(1).lower(), found.group(2).strip()
        if key == "caption":
            return "caption"
        if key == "include":
            self.includes += 1
        elif key in ("todo", "seq_todo", "typ_todo"):
            self._todo.update(word.partition("(")[0] for word in value.split() if word != "|")
        elif key == "filetags":
            self.tags.update(dict.fromkeys(filter(None, re.split(r"[:\s]+", value))))
        elif key in _ABOUT and value:
            name = _ABOUT[key]
            said = self.about.get(name, "")
            if len(said) < 1000:
                self.about[name] = f"{said} {plain(value)}".strip()
        return "metadata"

    def _closed(self, name: str, at: int) -> int | None:
        """The line that closes what line `at` opens, if it comes before the next headline."""
        ends = self._ends.get(name, [])
        place = bisect_right(ends, at)
        following = bisect_right(self._headlines, at)
        limit = self._headlines[following] if following < len(self._headlines) else len(self.lines)
        return ends[place] if place < len(ends) and ends[place] < limit else None

    def _list(self, at: int, indent: int) -> int:
        """Items, and what is indented below them; two blank lines, or text at the margin, end a list."""
        end = last = at + 1
        while end < len(self.lines) and end - last < 2:
            line = self.lines[end]
            end += 1
            if not line.strip():
                continue
            inside = _indent(line) > indent or (_indent(line) == indent and _ITEM.match(line) is not None)
            if not inside or _HEADLINE.match(line):
                break
            last = end
        return last

    def _paragraph(self, at: int) -> int:
        end = at + 1
        while (
            end < len(self.lines) and (line := self.lines[end]).strip() and not any(p.match(line) for p in _BEGINNINGS)
        ):
            end += 1
        return end

    def _span(self, kind: BlockKind, at: int, end: int) -> Block:
        while not self.lines[end - 1].strip():
            end -= 1
        first = self.lines[at]
        indent = 0 if kind in ("code", "list", "table") else len(first) - len(first.lstrip())
        return Block(
            kind,
            self.starts[at] + indent,
            self.starts[end - 1] + len(self.lines[end - 1].rstrip()),
            section=self._sections.path,
        )


def plain(text: str) -> str:
    """Words without Org's marks: a link's description, emphasised text."""
    text = _LINK.sub(lambda found: found.group(2) or found.group(1), text)
    return " ".join(_EMPHASIS.sub(lambda found: found.group(2), text).split())


def _indent(line: str) -> int:
    return len(line.expandtabs()) - len(line.expandtabs().lstrip())


_TABLE = re.compile(r"[ \t]*\|")
_RUNS: tuple[tuple[BlockKind, re.Pattern[str]], ...] = (
    ("metadata", _PLANNING), ("metadata", _COMMENT), ("code", _FIXED), ("table", _TABLE),
)  # fmt: skip
_BEGINNINGS = (
    _HEADLINE, _BEGIN, _END, _KEYWORD, _DRAWER, _PLANNING, _COMMENT, _FIXED, _TABLE, _FOOTNOTE, _ITEM, _RULE,
)  # fmt: skip
