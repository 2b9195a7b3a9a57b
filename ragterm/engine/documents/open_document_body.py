"""The body of an OpenDocument file: paragraphs, headings, lists, tables, notes, pages of a presentation, sheets."""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents import tables
from ragterm.engine.documents.builder import DocumentBuilder, Sections
from ragterm.engine.documents.open_document_styles import Styles, attribute, local_name

if TYPE_CHECKING:
    from ragterm.engine.types.documents import BlockKind

    Element = Any

MAX_DEPTH = 150
MAX_REPEAT = 1_000
"""Times that a filled cell or row is repeated; spaces and empty columns too."""
MAX_CELLS = 1_000_000
"""Cells that are read of one file, repeated ones counted."""

_GONE = frozenset(
    "tracked-changes annotation annotation-end sequence-decls variable-decls user-field-decls forms table-of-content "
    "illustration-index table-index object-index user-index alphabetical-index ruby-text hidden-text script bookmark "
    "binary-data settings event-listeners table-of-content-source notes-configuration".split()
)
"""What is deleted, said again elsewhere, or no text."""
_APART = frozenset(
    "frame custom-shape rect ellipse line connector g text-box polyline path polygon circle page-thumbnail object".split()
)
"""Drawings within a paragraph: their text follows it."""

_RUNNING = ("footer", "header", "date-time", "page-number")


class Body:
    def __init__(self, builder: DocumentBuilder, styles: Styles) -> None:
        self.builder = builder
        self.title = ""
        self._styles = styles
        self._notes: dict[Element, int] = {}
        self._page: int | None = None
        self._cells = 0

    def add(self, root: Element) -> None:
        """Append what stands below `root` in reading order."""
        self._children(root, 0)

    def add_notes(self) -> None:
        """Append the notes that the text refers to, each under its number."""
        for note, number in self._notes.items():
            body = next((one for one in note if local_name(one) == "note-body"), None)
            if body is not None:
                text = " ".join(filter(None, (self._text(p) for p in body.iter("{*}p"))))
                self._write("footnote", f"[{number}] {text}" if text else "")

    def add_pages(self, root: Element) -> int:
        """Append the pages of a presentation or drawing; their number. Speaker notes stand behind their page."""
        pages = [one for one in root if local_name(one) == "page"]
        hidden: list[str] = []
        for number, page in enumerate(pages, 1):
            self._page = number
            self.builder.sections = Sections()
            if attribute(page, "visibility") == "hidden":
                hidden.append(str(number))
            frames = [one for one in page if local_name(one) != "notes" and attribute(one, "class") not in _RUNNING]
            title = next((one for one in frames if attribute(one, "class") == "title"), None)
            text = " ".join(" ".join(self._text(p) for p in title.iter("{*}p")).split()) if title is not None else ""
            if text:
                self._heading(text, 1)
                self.title = self.title or text
            else:
                self.builder.sections.enter(1, f"Slide {number}")
            for one in frames:
                if one is not title or not text:
                    self._one(one, 0)
            for notes in page.iterchildren("{*}notes"):
                said = "\n".join(filter(None, (self._text(p) for p in notes.iter("{*}p"))))
                self._write("paragraph", f"Speaker notes: {said}" if said else "")
        if hidden:
            self.builder.warnings.append(f"hidden in the presentation, and read: slide {', '.join(hidden[:20])}")
        return len(pages)

    def add_sheets(self, root: Element) -> None:
        """Append the sheets of a workbook, each a section."""
        for sheet in root.iterchildren("{*}table"):
            name = " ".join(attribute(sheet, "name").split())
            found = list(tables.regions(self._rows(sheet, name)))
            if found and name:
                self.builder.add("heading", name, level=1)
            for region in found:
                self.builder.sections = Sections()
                self.builder.sections.enter(1, name)
                tables.add_table(self.builder, region, level=2)

    def _write(self, kind: BlockKind, text: str) -> None:
        self.builder.add(kind, text, page=self._page)

    def _heading(self, text: str, level: int) -> None:
        self.builder.add("heading", text, page=self._page, level=level)

    def _children(self, element: Element, depth: int) -> None:
        if depth <= MAX_DEPTH:
            for below in element:
                self._one(below, depth)

    def _one(self, element: Element, depth: int) -> None:
        name = local_name(element)
        if not name or name in _GONE:
            return
        if name in ("p", "h"):
            self._paragraph(element, depth)
        elif name == "list":
            self._end_list(self._list_lines(element, 0, attribute(element, "style-name"), [None] * 11))
        elif name == "table":
            self._table(element, depth)
        elif name == "frame":
            self._frame(element, depth)
        elif name != "image":
            self._children(element, depth + 1)

    def _frame(self, frame: Element, depth: int) -> None:
        """A text box, a table, or a picture with the words that describe it."""
        self._children(frame, depth + 1)
        described = [" ".join((one.text or "").split()) for one in frame if local_name(one) in ("title", "desc")]
        self._write("caption", ". ".join(filter(None, dict.fromkeys(described))))

    def _paragraph(self, element: Element, depth: int) -> None:
        style = attribute(element, "style-name")
        text = self._text(element)
        level = attribute(element, "outline-level")
        heading = int(level) if level.isdigit() else self._styles.level(style)
        if local_name(element) == "h":
            heading = heading or 1
        if not text.strip():
            pass
        elif heading and len(text) <= 300:
            self._heading(" ".join(text.split()), min(heading, 6))
        elif self._styles.is_title(style) and not self.title and self._page is None:
            self.title = " ".join(text.split())
            self._heading(self.title, 1)
        else:
            self._write(self._styles.kind(style), text)
        for drawing in _drawings(element):
            self._one(drawing, depth + 1)

    def _list_lines(self, element: Element, depth: int, style: str, counters: list[int | None]) -> list[str | Element]:
        """Lines of a list, and between them the headings, tables and drawings that stand in its items."""
        lines: list[str | Element] = []
        if depth >= 10:
            return lines
        counters[depth] = None if attribute(element, "continue-numbering") != "true" else counters[depth]
        for item in element:
            if local_name(item) not in ("list-item", "list-header"):
                continue
            first = local_name(item) == "list-item"
            for below in item:
                name = local_name(below)
                if name == "p" and not self._styles.level(attribute(below, "style-name")):
                    text = self._text(below)
                    mark = "-"
                    if first and text.strip() and self._styles.is_numbered(style, depth + 1):
                        counters[depth] = (counters[depth] or 0) + 1
                    if self._styles.is_numbered(style, depth + 1):
                        mark = f"{counters[depth] or 1}."
                    for at, line in enumerate(filter(str.strip, text.split("\n"))):
                        head = f"{mark} " if first and at == 0 else " " * (len(mark) + 1)
                        lines.append("  " * depth + head + line.strip())
                    first = first and not text.strip()
                    lines += _drawings(below)
                elif name == "list":
                    lines += self._list_lines(below, depth + 1, attribute(below, "style-name") or style, counters)
                elif name:
                    lines.append(below)
        return lines

    def _end_list(self, lines: list[str | Element]) -> None:
        text: list[str] = []
        for line in lines:
            if isinstance(line, str):
                text.append(line)
                continue
            self._write("list", "\n".join(text))
            text = []
            self._one(line, 1)
        self._write("list", "\n".join(text))

    def _table(self, table: Element, depth: int) -> None:
        """Rows as lines. A table of one column is a frame around text."""
        rows = list(self._rows(table, attribute(table, "name")))
        if all(sum(map(bool, row)) < 2 for row in rows) and max(map(len, rows), default=0) < 2:
            for cell in table.iter("{*}table-cell"):
                if next(cell.iterancestors("{*}table")) is table:
                    self._children(cell, depth + 1)
            return
        width = max(map(len, rows), default=0)
        self._write("table", tables.table_text([row + [""] * (width - len(row)) for row in rows]))

    def _rows(self, table: Element, name: str) -> Iterator[list[str]]:
        """The rows of a table as texts; merged cells say their text once, repeated ones as often as they should, within limits."""
        filled = 0
        for row in _rows_of(table):
            cells: list[str] = []
            for cell in row:
                kind = local_name(cell)
                if kind not in ("table-cell", "covered-table-cell"):
                    continue
                text = self._cell(cell) if kind == "table-cell" else ""
                cells += [text] * min(_count(cell, "number-columns-repeated"), MAX_REPEAT)
            while cells and not cells[-1] and len(cells) > 1:
                cells.pop()
            count = sum(map(bool, cells))
            repeated = min(_count(row, "number-rows-repeated"), MAX_REPEAT) if count else 1
            for _ in range(repeated):
                filled += bool(count)
                self._cells += len(cells)
                if filled > tables.MAX_ROWS or self._cells > MAX_CELLS:
                    limit = (
                        f"{tables.MAX_ROWS:,} rows" if filled > tables.MAX_ROWS else f"{MAX_CELLS:,} cells of the file"
                    )
                    self.builder.warnings.append(f"table {name!r}: only the first {limit} were read")
                    return
                yield cells

    def _cell(self, cell: Element) -> str:
        texts = (self._text(p) for p in cell.iter("{*}p", "{*}h") if not _within(p, cell))
        text = " ".join(" ".join(filter(None, texts)).split())
        return text or (attribute(cell, "value") if attribute(cell, "value-type") in ("float", "string") else "")

    def _text(self, element: Element) -> str:
        parts: list[str] = [element.text or ""]
        self._gather(element, parts, 0)
        return _collapse("".join(parts))

    def _gather(self, element: Element, parts: list[str], depth: int) -> None:
        if depth > MAX_DEPTH:
            return
        for below in element:
            name = local_name(below)
            if name == "s":
                parts.append("\x00" * min(_count(below, "c"), MAX_REPEAT))
            elif name == "tab":
                parts.append("\t")
            elif name == "line-break":
                parts.append("\x01")
            elif name == "note":
                parts.append(f"[{self._notes.setdefault(below, len(self._notes) + 1)}]")
            elif name and name not in _GONE and name not in _APART and name not in ("p", "h", "list", "table"):
                parts.append(below.text or "")
                self._gather(below, parts, depth + 1)
            parts.append(below.tail or "")


def _collapse(text: str) -> str:
    """White space in XML is one space (ODF 1.3 part 3, 6.1.2); spaces and line ends that the author asked for stay."""
    lines = (" ".join(line.split(" ")) for line in "".join(" " if c in "\n\r" else c for c in text).split("\x01"))
    return "\n".join(_single(line).replace("\x00", " ").strip() for line in lines).strip()


def _single(line: str) -> str:
    while "  " in line:
        line = line.replace("  ", " ")
    return line


def _count(element: Element, name: str) -> int:
    text = attribute(element, name)
    return int(text) if text.isdigit() and len(text) < 10 else 1


def _rows_of(table: Element) -> Iterator[Element]:
    """Rows in order, those in header rows, row groups and soft page breaks' neighbours too, not those of nested tables."""
    waiting = [iter(table)]
    while waiting:
        one = next(waiting[-1], None)
        if one is None:
            waiting.pop()
        elif local_name(one) == "table-row":
            yield one
        elif local_name(one) in ("table-header-rows", "table-rows", "table-row-group") and len(waiting) < MAX_DEPTH:
            waiting.append(iter(one))


def _within(element: Element, root: Element) -> bool:
    """Whether a paragraph below `root` is part of a note or of what is left out."""
    above = element.getparent()
    while above is not None and above is not root:
        if local_name(above) in _GONE or local_name(above) == "note":
            return True
        above = above.getparent()
    return False


def _drawings(paragraph: Element) -> list[Element]:
    """The outermost drawings in a paragraph."""
    found: list[Element] = []
    waiting = [*reversed(paragraph)]
    while waiting:
        one = waiting.pop()
        name = local_name(one)
        if name in _APART:
            found.append(one)
        elif name and name not in _GONE and name not in ("note", "p", "h"):
            waiting.extend(reversed(one))
    return found
