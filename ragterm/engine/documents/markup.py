"""From an element tree to blocks: one walk for HTML and for the TEI-like tree that trafilatura returns.

Block elements become blocks, text between them becomes paragraphs; white space collapses as a browser collapses it. Lists
are written as `- item` lines, indented by depth, tables as one line a row with ` | ` between cells: plain text that reads well
in a terminal and that a chunker can split at line ends.
"""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder

if TYPE_CHECKING:
    from ragterm.engine.types.documents import BlockKind

    Element = Any  # lxml has no type information

SKIPPED = frozenset(
    "script style noscript template svg iframe button select option textarea input object embed canvas audio video map "
    "math".split()
)
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite data del dfn em font hi i img ins kbd label mark meter nobr output q ref ruby rb rt rp s samp "
    "small span strike strong sub sup time tt u var wbr graphic link meta".split()
)
_LISTS = frozenset("ul ol menu dir list".split())
_ITEMS = frozenset("li item".split())


def is_hidden(element: Element) -> bool:
    """Whether a reader of the page would not see it."""
    if element.get("hidden") is not None:
        return True
    style = element.get("style")
    return style is not None and "display:none" in style.replace(" ", "").lower()


def add_blocks(builder: DocumentBuilder, root: Element) -> None:
    """Append everything readable below `root` in document order."""
    walk = _Walk(builder)
    walk.children(root)
    walk.flush()


class _Walk:
    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.inline: list[str] = []

    def flush(self, kind: BlockKind = "paragraph", level: int = 0) -> None:
        text = collapse("".join(self.inline))
        self.inline.clear()
        self.builder.add(kind, text, level=level)

    def children(self, element: Element) -> None:
        if element.text:
            self.inline.append(element.text)
        for child in element:
            self.one(child)
            if child.tail:
                self.inline.append(child.tail)

    def one(self, element: Element) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in SKIPPED or is_hidden(element):
            return
        if tag in ("br", "lb"):
            self.inline.append("\v")
        elif tag in _INLINE or (tag == "code" and "\n" not in (text_of(element)).strip("\n")):
            self.children(element)
        elif tag in _HEADINGS or tag == "head":
            self.flush()
            level = tag if tag in _HEADINGS else (element.get("rend") or "h2")
            self.inline.append(text_of(element).replace("\v", " "))
            self.flush("heading", int(level[1]) if level[1:2].isdigit() else 2)
        elif tag in ("pre", "code"):
            self.flush()
            self.builder.add("code", text_of(element, collapse_space=False).replace("\v", "\n"))
        elif tag == "table":
            self.flush()
            self.table(element)
        elif tag in _LISTS:
            self.flush()
            self.builder.add("list", "\n".join(_list_lines(element, 0)))
        elif tag == "dl":
            self.flush()
            self.builder.add("list", "\n".join(_definition_lines(element)))
        elif tag in ("blockquote", "quote"):
            self.flush()
            self.builder.add("quote", "\n".join(_block_lines(element)))
        else:
            self.flush()
            self.children(element)
            self.flush("caption" if tag in ("figcaption", "caption") else "paragraph")

    def table(self, element: Element) -> None:
        """A table of data is one block; one that only arranges the page (a single column, or tables within it) is walked through."""
        rows = [row for row in element.iter("tr", "row") if _owner(row) is element]
        cells = [[cell for cell in row if cell.tag in ("td", "th", "cell")] for row in rows]
        nested = next(element.iterdescendants("table"), None) is not None
        if nested or all(len(row) < 2 for row in cells):
            for row in cells:
                for cell in row:
                    self.children(cell)
                    self.flush()
            return
        for caption in element.iterchildren("caption"):
            self.builder.add("caption", collapse(text_of(caption)))
        lines = [table_line([collapse(" ".join(_block_lines(cell))) for cell in row]) for row in cells]
        self.builder.add("table", "\n".join(line for line in lines if line.strip(" |")))


def table_line(cells: list[str]) -> str:
    """One row as text; cells never hold a line end."""
    return " | ".join(" ".join(cell.split()) for cell in cells)


def collapse(text: str) -> str:
    """White space as a browser shows it; `\\v` stands for a line break that the author asked for."""
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\v"))))


def text_of(element: Element, *, collapse_space: bool = True) -> str:
    """All readable text below an element; a line break is `\\v`."""
    parts: list[str] = []
    _gather(element, parts)
    text = "".join(parts)
    return text if not collapse_space else text.replace("\xa0", " ")


def _gather(element: Element, parts: list[str]) -> None:
    if element.text:
        parts.append(element.text)
    for child in element:
        tag = child.tag
        if isinstance(tag, str) and tag not in SKIPPED and not is_hidden(child):
            if tag in ("br", "lb"):
                parts.append("\v")
            else:
                block = tag not in _INLINE and tag != "code"
                if block:
                    parts.append("\v")
                _gather(child, parts)
                if block:
                    parts.append("\v")
        if child.tail:
            parts.append(child.tail)


def _block_lines(element: Element) -> list[str]:
    return [line for line in collapse(text_of(element)).split("\n") if line]


def _list_lines(element: Element, depth: int) -> list[str]:
    lines: list[str] = []
    ordered, number = element.tag == "ol" or element.get("rend") == "ol", 0
    for item in element:
        if item.tag in _LISTS:  # a list directly inside a list: wrong, and common
            lines += _list_lines(item, depth + 1)
            continue
        if item.tag not in _ITEMS or is_hidden(item):
            continue
        number += 1
        own, below = _split_item(item)
        indent = "  " * depth
        marker = f"{number}. " if ordered else "- "
        for place, line in enumerate(own):
            lines.append(indent + (marker if place == 0 else " " * len(marker)) + line)
        for sublist in below:
            lines += _list_lines(sublist, depth + 1)
    return lines


def _split_item(item: Element) -> tuple[list[str], list[Element]]:
    """An item's own lines, and the lists nested in it, wherever they hide."""
    below = [sub for sub in item.iter(*_LISTS) if _nearest_item(sub) is item]
    parts: list[str] = []
    _gather_but(item, set(below), parts)
    return [line for line in collapse("".join(parts)).split("\n") if line], below


def _gather_but(element: Element, left_out: set[Element], parts: list[str]) -> None:
    if element.text:
        parts.append(element.text)
    for child in element:
        tag = child.tag
        if child in left_out:
            parts.append("\v")
        elif isinstance(tag, str) and tag not in SKIPPED and not is_hidden(child):
            edge = "\v" if tag in ("br", "lb") or (tag not in _INLINE and tag != "code") else ""
            parts.append(edge)
            _gather_but(child, left_out, parts)
            parts.append(edge)
        if child.tail:
            parts.append(child.tail)


def _nearest_item(element: Element) -> Element | None:
    """The item that directly holds a list: None when another list lies between."""
    above = element.getparent()
    while above is not None and above.tag not in _ITEMS and above.tag not in _LISTS:
        above = above.getparent()
    return above


def _definition_lines(element: Element) -> list[str]:
    lines: list[str] = []
    for child in element.iter("dt", "dd"):
        text = " ".join(_block_lines(child))
        if text:
            lines.append(text if child.tag == "dt" else f"  {text}")
    return lines


def _owner(row: Element) -> Element | None:
    """The table a row belongs to."""
    above = row.getparent()
    while above is not None and above.tag != "table":
        above = above.getparent()
    return above
