"""AsciiDoc: the text is rendered, block by block, after the language's description (https://docs.asciidoctor.org/asciidoc/latest/).

The source would do to read, but its tables put each cell on a line of its own, which no chunker could keep as rows, and attributes
(`{version}`) stand for words. There is no maintained parser for Python, so the block grammar is read by hand: headings, the document's
header, delimited blocks, lists, tables, admonitions, block titles as captions, conditionals, comments. `include::` is not followed.
One pass over the lines; delimited blocks stand on a stack of bounded depth, and where a verbatim block ends is looked up
beforehand, so that open ones cost no more than closed ones.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path
from textwrap import dedent

from ragterm.engine.documents.asciidoc_inline import Inline
from ragterm.engine.documents.asciidoc_tables import table_rows
from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.encodings import decoded_text
from ragterm.engine.documents.listings import fenced
from ragterm.engine.documents.tables import table_text
from ragterm.engine.types.documents import BlockKind, ParsedDocument
from ragterm.engine.types.errors import ParseError

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_ENTRY = re.compile(r":(!?[\w-]{1,80}!?):(?:[ \t]+(.*))?$")
_REVISION = re.compile(r"v?\d[\w.]{0,20}(?:,[ ]*([^:\n]{1,60}))?(?::.*)?$|(\d{4}-\d\d-\d\d)$")
_AUTHOR = re.compile(r"[^\W\d_][^<>\n:=\[\]]{0,100}(?:<[^<>\n]{0,100}>)?(?:;[^\n:=]{0,300})?$")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```)(\S{0,30})[ \t]*$")
_TABLE = re.compile(r"([|,:!])={3,}[ \t]*$")
_ATTRIBUTES = re.compile(r"\[([^\[\]\n]{0,1000})\][ \t]*$")
_ANCHOR = re.compile(r"\[\[[^\[\]\n]{1,200}\]\][ \t]*$")
_TITLE = re.compile(r"\.([^\s.].{0,500})$")
_ITEM = re.compile(r"[ \t]*(\*{1,6}|-|\.{1,6}|\d{1,4}\.|[a-zA-Z]\.|<(?:\d{1,3}|\.)>)[ \t]+(\S.*)")
_TERM = re.compile(r"[ \t]*(\S(?:[^\n]{0,300}?\S)?)(:{2,4}|;;)(?:[ \t]+(\S.*))?$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(\S.*)")
_MACRO = re.compile(
    r"(image|video|audio|include|toc|ifdef|ifndef|ifeval|endif|link|stem)::([^\s\[\]]{0,1000})\[([^\n]{0,2000})\][ \t]*$"
)
_CHECK = re.compile(r"\[([ xX*])\][ \t]+")
_VERBATIM = "-.+/`"
_DEEPEST = 40
_NAMES = {"author": "author", "authors": "author", "revdate": "date", "date": "date", "docdate": "date", "keywords": "keywords",
          "description": "description", "tags": "tags", "page-tags": "tags", "revnumber": "version", "lang": "language"}  # fmt: skip
_ARMOUR = ("-----BEGIN PGP", "-----BEGIN SSH", "-----BEGIN CERT")


def parse_asciidoc(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError where there is no text."""
    text, warnings = decoded_text(data, path)
    if text.lstrip().startswith(_ARMOUR):
        raise ParseError(
            "No text", "this is a key or a signature in letters", "nothing to do: it says nothing to a reader"
        )
    reader = _Reader(text)
    reader.read()
    builder = reader.builder
    if reader.includes:
        builder.warnings.append(f"files that it includes are not followed ({reader.includes})")
    builder.warnings[:0] = warnings
    if not builder.blocks:
        raise ParseError(
            "No text", "the file holds only comments and definitions", "nothing to do, or restore the file"
        )
    metadata: dict[str, str] = {}
    for name, key in _NAMES.items():
        if value := reader.inline.attributes.get(name, "").strip():
            metadata.setdefault(key, value[:500])
    first = next((b for b in builder.blocks if b.kind == "heading"), None)
    title = builder.text[first.start : first.end] if first and first.start < 400 else path.stem
    return builder.finish(title=title, kind="asciidoc", parser="lines", metadata=metadata)


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.builder = DocumentBuilder()
        self.inline = Inline()
        self.includes = 0
        self._ends: dict[str, list[int]] = defaultdict(list)
        for at, line in enumerate(self.lines):
            if found := _DELIMITER.match(line) or _TABLE.match(line):
                self._ends[found.group(0).rstrip() if found.re is _TABLE else found.group(1)].append(at)
        self._open: list[tuple[str, str]] = []  # delimiters of compound blocks, and their style
        self._title = ""
        self._style: list[str] = []
        self._before = ""
        self._list: list[str] = []
        self._numbers: dict[int, int] = {}
        self._skipping: list[bool] = []

    def read(self) -> None:
        at = self._header()
        while at < len(self.lines):
            at = self._line(at)
        self._end_list()
        for number, words in enumerate(self.inline.footnotes, 1):
            self.builder.add("footnote", f"[{number}] {self.inline.plain(words)}")

    def _header(self) -> int:
        """The title, the author and revision below it, attributes."""
        at = 0
        while at < len(self.lines) and (
            not self.lines[at].strip() or _is_comment(self.lines[at]) or _ENTRY.match(self.lines[at])
        ):
            self._entry(self.lines[at])
            at += 1
        if at == len(self.lines) or not self.lines[at].startswith(("= ", "# ")):
            return at
        self.builder.add("heading", self.inline.plain(self.lines[at][2:]), level=1)
        at += 1
        plain = 0
        while at < len(self.lines) and (line := self.lines[at]).strip():
            if self._entry(line) or _is_comment(line):
                pass
            elif plain == 0 and _AUTHOR.match(line):
                self.inline.attributes.setdefault("author", re.sub(r"\s*<[^<>]*>", "", line).replace(";", ","))
                plain += 1
            elif plain <= 1 and (found := _REVISION.match(line)):
                self.inline.attributes.setdefault("revdate", (found.group(1) or found.group(2) or "").strip())
                plain += 2
            else:
                break
            at += 1
        return at

    def _entry(self, line: str) -> bool:
        found = _ENTRY.match(line)
        if found is None:
            return False
        name, value = found.group(1), found.group(2) or ""
        if name.startswith("!") or name.endswith("!"):
            self.inline.undefine(name.strip("!"))
        else:
            self.inline.define(name, value.rstrip(" \\+"))
        return True

    def _line(self, at: int) -> int:
        """Read what begins in line `at`; returns the line after it."""
        line = self.lines[at].rstrip()
        found = _MACRO.match(line)
        if found and found.group(1) in ("ifdef", "ifndef", "ifeval", "endif"):
            self._condition(found)
            return at + 1
        if not line or any(self._skipping):
            return at + 1
        if found:
            self._macro(found)
        elif _is_comment(line) or self._entry(line) or _ANCHOR.match(line):
            pass
        elif end := self._enclosed(at, line):
            return end
        elif found := _ATTRIBUTES.match(line):
            self._end_list()
            self._style = [part.strip().strip('"') for part in found.group(1).split(",", 50)]
        elif (found := _TITLE.match(line)) and not _ITEM.match(line):
            self._end_list()
            self._title = found.group(1)
        elif found := _HEADING.match(line):
            self._heading(found)
        elif line == "+" and self._list:
            pass
        elif line in ("'''", "***", "---", "<<<") or set(line) == {"'"}:
            self._end_list()
        else:
            return self._text(at)
        return at + 1

    def _enclosed(self, at: int, line: str) -> int:
        """The line after a block that a delimiter in line `at` opens or closes; 0 where there is none."""
        if found := _DELIMITER.match(line):
            return self._delimited(at, found)
        return self._table(at, line) if _TABLE.match(line) else 0

    def _condition(self, found: re.Match[str]) -> None:
        """Of `ifdef` and its kin, what the attributes of this document decide; conditions of other kinds hold."""
        kind, names, content = found.group(1, 2, 3)
        if kind == "endif":
            if self._skipping:
                self._skipping.pop()
            return
        given = [name.lower() in self.inline.attributes for name in re.split(r"[,+]", names) if name]
        holds = (
            (all(given) if "+" in names else any(given))
            if kind == "ifdef"
            else not any(given)
            if kind == "ifndef"
            else True
        )
        if content and kind != "ifeval":
            if holds and not any(self._skipping):
                self._add("paragraph", self.inline.plain(content))
            return
        self._skipping.append(not holds)

    def _macro(self, found: re.Match[str]) -> None:
        kind, content = found.group(1, 3)
        if kind == "include":
            self.includes += 1
        elif kind in ("image", "video", "audio"):
            words = content.partition(",")[0].strip().strip('"')
            title, self._title = self._title, ""
            self._end_list()
            self._add("caption", self.inline.plain(title or ("" if "=" in words else words)))
        elif kind == "stem":
            self._add("paragraph", content)

    def _heading(self, found: re.Match[str]) -> None:
        self._end_list()
        self._style, self._title = [], ""
        self.builder.add("heading", self.inline.plain(found.group(2)), level=len(found.group(1)))

    def _delimited(self, at: int, found: re.Match[str]) -> int:
        """A delimiter line: a verbatim block whole, the beginning or end of a compound one; 0 where it opens nothing."""
        mark, language = found.group(1), found.group(2)
        if self._open and self._open[-1][0] == mark and not language:
            self._end_list()
            self._open.pop()
            return at + 1
        ends = self._ends[mark]
        place = bisect_right(ends, at)
        end = ends[place] if place < len(ends) else None
        if language and mark != "```":
            return 0
        if mark[0] in _VERBATIM and mark != "--":
            if end is None:
                return at + 1 if len(mark) > 3 else 0
            self._verbatim(mark, language, self.lines[at + 1 : end])
            return end + 1
        style = self._style[0] if self._style else ""
        if end is None or len(self._open) >= _DEEPEST:
            return at + 1
        if (mark == "--" or style in ("source", "listing", "literal", "verse", "comment", "stem")) and style in _STYLES:
            self._verbatim("////" if style == "comment" else "----", "", self.lines[at + 1 : end])
            return end + 1
        self._end_list()
        self._open.append((mark, "quote" if mark[0] == "_" else ""))
        self._caption()
        self._before = style.capitalize() if style.isupper() else ""
        if mark[0] == "_":
            return self._quote(at, end)
        self._style = []
        return at + 1

    def _quote(self, at: int, end: int) -> int:
        """A quotation of paragraphs is one block; one that holds more is read as what it holds."""
        inside = self.lines[at + 1 : end]
        by = ", ".join(part for part in self._style[1:3] if part and "=" not in part)
        self._style = []
        if any(_ITEM.match(line) or _DELIMITER.match(line) or _TABLE.match(line) for line in inside):
            return at + 1
        self._open.pop()
        words = self.inline.plain("\n".join(inside))
        self._add("quote", f"{words}\n— {self.inline.plain(by)}" if by else words)
        return end + 1

    def _verbatim(self, mark: str, language: str, lines: list[str]) -> None:
        style, self._style = self._style, []
        if mark[0] == "/":
            return
        if self._list:
            self._end_list()
        self._caption()
        if mark[0] == "+" and (not style or style[0] not in ("stem", "latexmath", "asciimath")):
            return  # passed through to HTML
        if style and style[0] in ("source", "") and len(style) > 1 and "=" not in style[1]:
            language = style[1]
        elif style and style[0] == "source":
            language = self.inline.attributes.get("source-language", "")
        code = dedent("\n".join(lines))
        if style and "attributes" in "".join(style):
            code = self.inline.substituted(code)
        if style and style[0] in ("mermaid", "plantuml", "graphviz", "ditaa"):
            language = style[0]
        self._add("code", fenced(code, language))

    def _table(self, at: int, line: str) -> int:
        ends = self._ends[line]
        place = bisect_right(ends, at)
        if place == len(ends):
            return 0
        self._end_list()
        self._caption()
        style, self._style = self._style, []
        options = {part.partition("=")[0].strip(): part.partition("=")[2].strip(' "') for part in style if "=" in part}
        columns = options.get("cols", "")
        if columns and "," not in columns:  # a list within quotes was cut at its commas
            rest = style[next(i for i, part in enumerate(style) if part.startswith("cols")) + 1 :]
            columns += "".join(f",{part}" for part in rest if re.fullmatch(r'[\d*<>^.~aehlmsd ]{1,12}"?', part))
        rows = table_rows(self.lines[at + 1 : ends[place]], line[0], columns, options.get("format", ""))
        cells = [[self.inline.plain(cell) for cell in row] for row in rows]
        self._add("table", table_text(cells))
        return ends[place] + 1

    def _text(self, at: int) -> int:
        """A paragraph or an item: lines up to a blank one or the beginning of something else."""
        first = self.lines[at]
        style, self._style = self._style, []
        item = _ITEM.match(first)
        term = None if item else _TERM.match(first)
        end = at + 1
        listed = bool(item or term or self._list)
        while end < len(self.lines) and (line := self.lines[end]).strip() and not self._begins(line, listed):
            end += 1
        lines = self.lines[at:end]
        if item:
            self._item(item, lines[1:])
        elif term:
            self._caption()
            words = self.inline.plain("\n".join(filter(None, [term.group(3) or "", *lines[1:]])))
            self._list.append(self.inline.plain(term.group(1)))
            self._list += [f"  {line.strip()}" for line in words.split("\n") if line.strip()]
        elif self._list and self.lines[at - 1].strip() == "+":
            self._list += [f"  {line.strip()}" for line in self.inline.plain("\n".join(lines)).split("\n")]
        elif first[0] in " \t" or (style and style[0] in ("source", "listing", "literal")):
            self._style = style
            self._verbatim("----", "", lines)
        else:
            self._end_list()
            self._caption()
            self._paragraph(lines, style)
        return end

    def _begins(self, line: str, listed: bool) -> bool:
        """Whether a line inside a paragraph begins something else."""
        if line[0] not in " \t*-.0123456789<[=#|,!:_+/`'" and "::" not in line and not line[:2].endswith("."):
            return False
        return bool(
            _ITEM.match(line) or _DELIMITER.match(line) or _TABLE.match(line) or _ATTRIBUTES.match(line) or _MACRO.match(line)
            or line.rstrip() == "+" or line.startswith("//") or (listed and _TERM.match(line))
        )  # fmt: skip

    def _item(self, found: re.Match[str], rest: list[str]) -> None:
        mark, words = (
            found.group(1),
            _CHECK.sub(lambda box: "[x] " if box.group(1) != " " else "[ ] ", found.group(2), count=1),
        )
        self._caption()
        depth = len(mark) - 1 if mark[0] in "*." else 0
        self._numbers = {at: number for at, number in self._numbers.items() if at <= depth} if self._list else {}
        self._numbers[depth] = self._numbers.get(depth, 0) + 1
        sign = "-" if mark[0] in "*-" else f"{self._numbers[depth]}." if mark[0] == "." else mark
        lines = self.inline.plain("\n".join([words, *(line.strip() for line in rest)])).split("\n")
        self._list.append(f"{'  ' * depth}{sign} {lines[0]}")
        self._list += [f"{'  ' * (depth + 1)}{line}" for line in lines[1:] if line.strip()]

    def _paragraph(self, lines: list[str], style: list[str]) -> None:
        kind: BlockKind = "paragraph"
        name = style[0] if style else ""
        if found := _ADMONITION.match(lines[0]):
            self._before, lines = found.group(1).capitalize(), [found.group(2), *lines[1:]]
        elif name in ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"):
            self._before = name.capitalize()
        words = self.inline.plain("\n".join(lines))
        if name in ("quote", "verse"):
            kind = "quote"
            by = ", ".join(part for part in style[1:3] if part and "=" not in part)
            words = f"{words}\n— {self.inline.plain(by)}" if by else words
        self._add(kind, words)

    def _caption(self) -> None:
        title, self._title = self._title, ""
        if title:
            self._end_list()
            self.builder.add("caption", self.inline.plain(title))

    def _end_list(self) -> None:
        lines, self._list = self._list, []
        if lines:
            self._add("list", "\n".join(lines))

    def _add(self, kind: BlockKind, text: str) -> None:
        before, self._before = self._before, ""
        if before and kind in ("code", "table", "caption"):
            self.builder.add("paragraph", before)
        elif before:
            text = f"{before}:{chr(10) if kind == 'list' else ' '}{text}"
        self.builder.add(kind, text)


def _is_comment(line: str) -> bool:
    return line.startswith("//") and not line.startswith("////")


_STYLES = frozenset({"source", "listing", "literal", "verse", "comment", "stem"})
