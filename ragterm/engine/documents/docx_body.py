"""The body of a Word document: paragraphs, headings, lists, tables, notes, as Word shows them with all changes accepted."""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.markup import table_line

if TYPE_CHECKING:
    from ragterm.engine.types.documents import BlockKind

    Element = Any

_GONE = frozenset(
    "del moveFrom delText delInstrText instrText pPr rPr tblPr tblGrid trPr tcPr sectPr Fallback fldData".split()
)
"""Deleted text, field codes and properties; `Fallback` says again what `Choice` said."""
_BREAKS = {"br": "\n", "cr": "\n", "tab": "\t", "noBreakHyphen": "-", "softHyphen": "", "ptab": "\t"}
_HEADING = re.compile(r"(?:heading|überschrift|titre|título|kop|otsikko|rubrik|заголовок)\s*(\d)", re.IGNORECASE)
_CODE = re.compile(r"code|source|listing|preformatted|console", re.IGNORECASE)
MAX_DEPTH = 200
"""Tables in tables in text boxes: deeper is an attack."""


def local_name(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element | None, name: str) -> str:
    """An attribute by its local name."""
    if element is None:
        return ""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""


def child(element: Element | None, *path: str) -> Element | None:
    """The first descendant along a path of local names."""
    for name in path:
        if element is None:
            return None
        element = next((below for below in element if local_name(below) == name), None)
    return element


class Body:
    def __init__(self, builder: DocumentBuilder, *, styles: Element | None, numbering: Element | None) -> None:
        self.builder = builder
        self.title = ""
        self._styles = _Styles(styles)
        self._bullets = _bullets(numbering)
        self._list: list[str] = []
        self._counters: dict[tuple[str, int], int] = {}
        self._notes: list[tuple[str, str]] = []

    def add(self, root: Element) -> None:
        """Append the paragraphs and tables below `root` in reading order."""
        self._children(root, 0)
        self._end_list()

    def add_notes(self, footnotes: Element | None, endnotes: Element | None) -> None:
        """Append the notes that the text refers to, each under its number, in the order of the references."""
        trees = {"footnote": footnotes, "endnote": endnotes}
        by_id = {
            (kind, attribute(note, "id")): note
            for kind, tree in trees.items()
            if tree is not None
            for note in tree
            if local_name(note) == kind and attribute(note, "type") in ("", "normal")
        }
        for number, key in enumerate(self._notes, 1):
            note = by_id.get(key)
            if note is not None:
                text = " ".join(filter(None, (self._text(p).strip() for p in _paragraphs(note))))
                if text:
                    self.builder.add("footnote", f"[{number}] {text}")

    def _children(self, element: Element, depth: int) -> None:
        if depth > MAX_DEPTH:
            return
        for below in element:
            match local_name(below):
                case "p":
                    self._paragraph(below, depth)
                case "tbl":
                    self._end_list()
                    self._table(below, depth)
                case name if name in _GONE or not name:
                    pass
                case _:
                    self._children(below, depth + 1)

    def _paragraph(self, element: Element, depth: int) -> None:
        properties = child(element, "pPr")
        style = self._styles.of(attribute(child(properties, "pStyle"), "val"))
        text = self._text(element).strip("\n")
        level = _outline_level(properties) or style.level
        numbering = child(properties, "numPr")
        list_id = attribute(child(numbering, "numId"), "val") if numbering is not None else style.list_id
        if not text.strip():
            pass
        elif level and len(text) <= 300:
            self._end_list()
            self.builder.add("heading", " ".join(text.split()), level=level)
        elif style.is_title and not self.title:
            self._end_list()
            self.title = " ".join(text.split())
            self.builder.add("heading", self.title, level=1)
            self.builder.sections.enter(1, self.title)
        elif list_id not in ("", "0") or style.is_list:
            self._item(text, list_id, attribute(child(numbering, "ilvl"), "val") or style.list_level)
        else:
            self._end_list()
            self.builder.add(style.kind, text)
        for box in _text_boxes(element):
            self._end_list()
            self._children(box, depth + 1)
            self._end_list()

    def _item(self, text: str, list_id: str, level_text: str) -> None:
        level = min(int(level_text), 8) if level_text.isdigit() else 0
        mark = "-"
        if self._bullets.get((list_id, level)) is False:
            self._counters[list_id, level] = self._counters.get((list_id, level), 0) + 1
            mark = f"{self._counters[list_id, level]}."
        for deeper in range(level + 1, 9):
            self._counters.pop((list_id, deeper), None)
        indent = "  " * level
        lines = text.strip().split("\n")
        self._list.append(f"{indent}{mark} {lines[0]}")
        self._list += [f"{indent}{' ' * (len(mark) + 1)}{line}" for line in lines[1:]]

    def _end_list(self) -> None:
        if self._list:
            self.builder.add("list", "\n".join(self._list))
            self._list = []

    def _table(self, table: Element, depth: int) -> None:
        """Rows as lines. A table of one cell is a frame around text, and a table within one is written after its row's table."""
        rows: list[list[Element]] = [
            [cell for cell in _below(row, "tc") if attribute(child(cell, "tcPr", "vMerge"), "val") in ("", "restart")]
            for row in _below(table, "tr")
            if child(row, "trPr", "del") is None
        ]
        if all(len(row) < 2 for row in rows):
            for row in rows:
                for cell in row:
                    self._children(cell, depth + 1)
            self._end_list()
            return
        lines = [
            table_line([" ".join(filter(None, (self._text(p).strip() for p in _paragraphs(cell)))) for cell in row])
            for row in rows
        ]
        self.builder.add("table", "\n".join(line for line in lines if line.strip(" |")))

    def _text(self, element: Element) -> str:
        parts: list[str] = []
        self._gather(element, parts, 0)
        return "".join(parts)

    def _gather(self, element: Element, parts: list[str], depth: int) -> None:
        if depth > MAX_DEPTH:
            return
        for below in element:
            name = local_name(below)
            if name == "t":
                parts.append(below.text or "")
            elif name in _BREAKS:
                parts.append(_BREAKS[name])
            elif name in ("footnoteReference", "endnoteReference"):
                key = (name.removesuffix("Reference"), attribute(below, "id"))
                if key not in self._notes:
                    self._notes.append(key)
                parts.append(f"[{self._notes.index(key) + 1}]")
            elif name == "sym":
                code = attribute(below, "char")
                parts.append("•" if code.upper().startswith("F0") else "")
            elif name and name not in _GONE and name not in ("txbxContent", "p", "tbl", "rt"):
                self._gather(below, parts, depth + 1)


class _Style:
    """What a paragraph style means for structure."""

    def __init__(self) -> None:
        self.level = 0
        self.is_title = False
        self.is_list = False
        self.list_id = ""
        self.list_level = ""
        self.kind: BlockKind = "paragraph"


class _Styles:
    """Paragraph styles with what they inherit. Names are English in every Word; ids are not."""

    def __init__(self, tree: Element | None) -> None:
        self._elements = (
            {attribute(style, "styleId"): style for style in tree if local_name(style) == "style"}
            if tree is not None
            else {}
        )
        self._known: dict[str, _Style] = {}

    def of(self, style_id: str) -> _Style:
        if style_id not in self._known:
            self._known[style_id] = self._resolve(style_id)
        return self._known[style_id]

    def _resolve(self, style_id: str) -> _Style:
        style = _Style()
        at, seen = style_id, set[str]()
        while at and at not in seen:
            seen.add(at)
            element = self._elements.get(at)
            name = (attribute(child(element, "name"), "val") or at).lower()
            found = _HEADING.match(name)
            properties = child(element, "pPr")
            style.level = (
                style.level or _outline_level(properties) or (min(6, int(found.group(1)) or 1) if found else 0)
            )
            style.is_title = style.is_title or name == "title"
            style.is_list = style.is_list or (name.startswith("list ") and name != "list paragraph")
            numbering = child(properties, "numPr")
            style.list_id = style.list_id or attribute(child(numbering, "numId"), "val")
            style.list_level = style.list_level or attribute(child(numbering, "ilvl"), "val")
            if style.kind == "paragraph":
                style.kind = (
                    "caption"
                    if name == "caption"
                    else "quote"
                    if "quote" in name
                    else "code"
                    if _CODE.search(name)
                    else "paragraph"
                )
            at = attribute(child(element, "basedOn"), "val")
        return style


def _outline_level(properties: Element | None) -> int:
    """1 to 6 for the levels that the navigation pane shows; 0 for text."""
    value = attribute(child(properties, "outlineLvl"), "val")
    return min(6, int(value) + 1) if value.isdigit() and int(value) < 9 else 0


def _bullets(numbering: Element | None) -> dict[tuple[str, int], bool]:
    """(list, level) -> whether it has bullets rather than numbers."""
    if numbering is None:
        return {}
    abstract = {attribute(one, "abstractNumId"): one for one in numbering if local_name(one) == "abstractNum"}
    found: dict[tuple[str, int], bool] = {}
    for one in numbering:
        if local_name(one) != "num":
            continue
        for level in _below(abstract.get(attribute(child(one, "abstractNumId"), "val")), "lvl"):
            at = attribute(level, "ilvl")
            if at.isdigit():
                form = attribute(child(level, "numFmt"), "val")
                found[attribute(one, "numId"), int(at)] = form in ("bullet", "none", "")
    return found


def _below(element: Element | None, name: str) -> Iterator[Element]:
    """Children of a name, through the wrappers that Word puts around them (content controls, inserted rows)."""
    for one in element if element is not None else ():
        found = local_name(one)
        if found == name:
            yield one
        elif found in ("sdt", "sdtContent", "ins", "customXml", "moveTo", "AlternateContent", "Choice"):
            yield from _below(one, name)


def _paragraphs(element: Element) -> Iterator[Element]:
    """Every paragraph below, those in nested tables and text boxes too, each once."""
    for one in element.iter():
        if local_name(one) == "p" and not any(local_name(above) in _GONE for above in one.iterancestors()):
            yield one


def _text_boxes(paragraph: Element) -> Iterator[Element]:
    for one in paragraph.iter():
        if local_name(one) == "txbxContent":
            owner = next((above for above in one.iterancestors() if local_name(above) == "p"), None)
            if owner is paragraph and not any(local_name(above) in _GONE for above in one.iterancestors()):
                yield one
