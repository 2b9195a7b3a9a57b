"""From a docutils tree to blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.listings import fenced
from ragterm.engine.documents.tables import table_text

if TYPE_CHECKING:
    from ragterm.engine.types.documents import BlockKind

_SKIPPED = (
    nodes.comment, nodes.substitution_definition, nodes.target, nodes.system_message, nodes.raw, nodes.pending, nodes.transition,
    nodes.decoration, nodes.meta, nodes.generated,
)  # fmt: skip
KEPT = frozenset({
    "title", "author", "authors", "date", "version", "tags", "keywords", "category", "description", "language", "lang", "status",
    "organization", "slug", "summary",
})  # fmt: skip
"""Fields at the head of a file that are metadata."""
_LISTS = (nodes.bullet_list, nodes.enumerated_list, nodes.definition_list, nodes.field_list, nodes.option_list)
_APART = (nodes.literal_block, nodes.doctest_block, nodes.table, nodes.figure)
"""What stays a block of its own within a list."""


class Walk:
    """Appends a tree's blocks; recurses as deep as the tree, which docutils built by recursion itself."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self._before = ""
        self._level = 0

    def document(self, tree: Any) -> None:
        title = next((child for child in tree.children if isinstance(child, nodes.title)), None)
        self._level = 1 if title is not None else 0
        self._children(tree)

    def _children(self, node: Any) -> None:
        for child in node.children:
            self._one(child)

    def _one(self, node: Any) -> None:
        if isinstance(node, _SKIPPED):
            return
        if isinstance(node, nodes.section):
            self._level += 1
            self._children(node)
            self._level -= 1
        elif isinstance(node, nodes.title) and isinstance(node.parent, (nodes.section, nodes.document)):
            self.builder.add("heading", " ".join(inline(node).split()), level=min(max(self._level, 1), 6))
        elif isinstance(node, nodes.subtitle):
            self.builder.add("heading", " ".join(inline(node).split()), level=2)
        elif isinstance(node, nodes.docinfo):
            self._docinfo(node)
        elif isinstance(node, nodes.topic) and "contents" in node["classes"]:
            return
        elif isinstance(node, (nodes.literal_block, nodes.doctest_block)):
            self._code(node)
        elif isinstance(node, nodes.math_block):
            self._add("paragraph", f"$$\n{node.astext()}\n$$")
        elif isinstance(node, _LISTS):
            self._list(node)
        elif isinstance(node, nodes.table):
            self._table(node)
        elif isinstance(node, (nodes.footnote, nodes.citation)):
            label = next((child.astext() for child in node.children if isinstance(child, nodes.label)), "")
            words = [inline(child) for child in node.children if not isinstance(child, nodes.label)]
            self._add("footnote", f"[{label}] {' '.join(words)}")
        elif isinstance(node, nodes.block_quote) and all(
            isinstance(child, (nodes.paragraph, nodes.attribution, nodes.line_block, *_SKIPPED))
            for child in node.children
        ):
            lines = [
                f"— {inline(child)}" if isinstance(child, nodes.attribution) else inline(child)
                for child in node.children
                if not isinstance(child, _SKIPPED)
            ]
            self._add("quote", "\n".join(lines))
        elif isinstance(node, (nodes.caption, nodes.rubric)):
            self._add("caption" if isinstance(node, nodes.caption) else "paragraph", inline(node))
        elif isinstance(node, nodes.figure):
            if not any(isinstance(child, nodes.caption) for child in node.children):
                self._add("caption", inline(node))
            else:
                self._children_but(node, (nodes.image, nodes.reference))
        elif isinstance(node, nodes.image):
            self._add("caption", node.get("alt", ""))
        elif isinstance(node, nodes.Admonition) or "said_before" in getattr(node, "attributes", {}):
            self._admonition(node)
        elif isinstance(node, nodes.line_block):
            self._add("paragraph", "\n".join(_line_block(node)))
        elif isinstance(node, (nodes.paragraph, nodes.title, nodes.attribution, nodes.term, nodes.Text, nodes.Inline)):
            self._add("paragraph", inline(node))
        else:
            self._children(node)

    def _docinfo(self, node: Any) -> None:
        """Fields at the head that are no metadata are still text."""
        lines = [
            f"- {inline(child.children[0])}: {' '.join(inline(child.children[-1]).split())}"
            for child in node.children
            if isinstance(child, nodes.field) and child.children[0].astext().strip().lower() not in KEPT
        ]
        self.builder.add("list", "\n".join(lines))

    def _children_but(self, node: Any, left_out: tuple[Any, ...]) -> None:
        for child in node.children:
            if not isinstance(child, left_out):
                self._one(child)

    def _add(self, kind: BlockKind, text: str) -> None:
        before, self._before = self._before, ""
        if before and kind in ("paragraph", "list", "quote"):
            text = f"{before}:{chr(10) if kind == 'list' else ' '}{text}"
        elif before:
            self.builder.add("paragraph", before)
        self.builder.add(kind, text)

    def _admonition(self, node: Any) -> None:
        title = next((inline(child) for child in node.children if isinstance(child, nodes.title)), "")
        self._before = node.get("said_before") or title or node.tagname.capitalize()
        self._children_but(node, (nodes.title,))
        if self._before:
            self._add("paragraph", "")

    def _code(self, node: Any) -> None:
        classes = [name for name in node["classes"] if name not in ("code", "literal-block")]
        language = "python" if isinstance(node, nodes.doctest_block) else next(iter(classes), "")
        self._add("code", fenced(node.astext(), language))

    def _table(self, table: Any) -> None:
        for child in table.children:
            if isinstance(child, nodes.title):
                self._add("caption", inline(child))
        rows = [row for row in table.findall(nodes.row) if _owner(row) is table]
        cells = [[cell for entry in row.children for cell in _cells(entry)] for row in rows]
        self._add("table", table_text(cells))

    def _list(self, node: Any) -> None:
        """A list is one block, interrupted where an item holds a listing or a table."""
        lines: list[str] = []
        for line in self._item_lines(node, ""):
            if isinstance(line, str):
                lines.append(line)
            else:
                self._add_list(lines)
                self._one(line)
        self._add_list(lines)

    def _add_list(self, lines: list[str]) -> None:
        if lines:
            self._add("list", "\n".join(lines))
            lines.clear()

    def _item_lines(self, node: Any, indent: str) -> Any:
        """Lines of text, and the nodes that interrupt them."""
        number = int(node.get("start", 1)) if isinstance(node, nodes.enumerated_list) else 0
        for item in node.children:
            if isinstance(item, _SKIPPED):
                continue
            mark, body = "- ", [item]
            if isinstance(item, nodes.list_item):
                mark = f"{number}. " if isinstance(node, nodes.enumerated_list) else "- "
                body = item.children
                number += 1
            elif isinstance(item, nodes.definition_list_item):
                terms = [inline(child) for child in item.children if isinstance(child, (nodes.term, nodes.classifier))]
                yield f"{indent}{' : '.join(terms)}"
                mark = "  "
                body = [
                    below for child in item.children if isinstance(child, nodes.definition) for below in child.children
                ]
            elif isinstance(item, (nodes.field, nodes.option_list_item)) and len(item.children) > 1:
                name = item.children[0]
                options = name.children if isinstance(name, nodes.option_group) else [name]
                mark = f"- {', '.join(inline(option) for option in options)}: "
                body = item.children[1].children
            yield from self._body_lines(body, indent, mark)

    def _body_lines(self, body: Any, indent: str, mark: str) -> Any:
        deeper = indent + "  "
        first = True
        for child in body:
            if isinstance(child, _SKIPPED):
                continue
            if isinstance(child, _LISTS):
                if first and mark.strip("- "):
                    yield indent + mark.rstrip()
                yield from self._item_lines(child, deeper)
            elif isinstance(child, _APART):
                if first and mark.strip("- "):
                    yield indent + mark.rstrip()
                yield child
            else:
                for line in inline(child).split("\n"):
                    if line.strip():
                        yield f"{indent}{mark}{line.strip()}" if first else f"{deeper}{line.strip()}"
                        first = False
            first = False
        if first and mark.strip("- "):
            yield indent + mark.rstrip()


def inline(node: Any) -> str:
    """The words of a node. Paragraphs within it stand on lines of their own."""
    parts: list[str] = []
    _gather(node, parts)
    return "".join(parts).strip()


def _gather(node: Any, parts: list[str]) -> None:
    if isinstance(node, nodes.Text):
        parts.append(str(node))
    elif isinstance(node, (nodes.footnote_reference, nodes.citation_reference)):
        parts.append(f"[{node.astext()}]")
    elif isinstance(node, nodes.image):
        parts.append(node.get("alt", ""))
    elif isinstance(node, nodes.math):
        parts.append(f"${node.astext()}$")
    elif isinstance(node, nodes.line_block):
        parts.append("\n".join(_line_block(node)) + "\n")
    elif not isinstance(node, _SKIPPED):
        if "said_before" in getattr(node, "attributes", {}):
            parts.append(f"{node['said_before']}: ")
        elif isinstance(node, nodes.Admonition):
            parts.append(f"{node.tagname.capitalize()}: ")
        for child in node.children:
            _gather(child, parts)
        if isinstance(node, (nodes.Body, nodes.Part, nodes.title, nodes.term)) and not isinstance(node, nodes.Inline):
            parts.append("\n")


def _line_block(node: Any, indent: str = "") -> list[str]:
    lines: list[str] = []
    for child in node.children:
        if isinstance(child, nodes.line_block):
            lines += _line_block(child, indent + "  ")
        else:
            lines.append(indent + inline(child))
    return lines


def _cells(entry: Any) -> list[str]:
    return [" ".join(inline(entry).split()), *[""] * min(int(entry.get("morecols", 0)), 100)]


def _owner(node: Any) -> Any:
    above = node.parent
    while above is not None and not isinstance(above, nodes.table):
        above = above.parent
    return above
