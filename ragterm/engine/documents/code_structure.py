"""Source code as tree-sitter sees it: a block for each function, with the classes around it as its section path.

A class is its head and its members; a function is one block or, where it is long, its statements in groups. Decorators, attributes and
the comments right above a definition stay with it. It is the parse tree that says where code may be cut (as in cAST: Zhang et al. 2025,
"cAST: Enhancing Code Retrieval-Augmented Generation with Structural Chunking via Abstract Syntax Tree", section 3); how much of it goes
into one chunk is left to the chunking.

tree-sitter keeps the interpreter to itself while it parses, and some grammars take quadratic time and memory on hostile input: this
runs in the parsers' worker processes and nowhere else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ragterm.engine.documents.grammars import (
    BODIES,
    DEFINITIONS,
    DESCRIPTIONS,
    FUNCTION_VALUES,
    WORDS,
    WRAPPERS,
    parser_of,
)
from ragterm.engine.types.documents import Block

LONGEST = 300_000
"""Characters of a file that is parsed: a longer one is generated, or data."""

_LONG = 300
"""Characters of a function from which on its statements become blocks of their own."""
_GROUP = 120
"""Characters of neighbouring statements in one block."""
_DEEPEST = 40
_NAME = 80


def structure_of(text: str, language: str) -> list[Block] | None:
    """The blocks of a source file in order, disjoint, all its code in them; None where no grammar knows the language or the file is
    too long."""
    if len(text) > LONGEST or (parser := parser_of(language)) is None:
        return None
    data = text.encode("utf-8", "surrogatepass")
    tree = parser.parse(data)
    if tree is None:
        return None
    return _Structure(text, data, language).blocks(tree.root_node)


@dataclass(slots=True)
class _Item:
    """A child that begins a line, with the descriptions above it: `text[start:end]`, where the next item begins."""

    start: int
    end: int
    node: Any


@dataclass(slots=True)
class _Structure:
    text: str
    data: bytes
    language: str
    _lines: list[int] = field(default_factory=list)  # where each line begins, in bytes
    _places: list[int] = field(default_factory=list)  # the same in characters
    _found: list[Block] = field(default_factory=list)

    def blocks(self, root: Any) -> list[Block]:
        at = place = 0
        for line in self.data.split(b"\n"):
            self._lines.append(at)
            self._places.append(place)
            at += len(line) + 1
            place += (len(line) if line.isascii() else len(line.decode("utf-8", "surrogatepass"))) + 1
        self._region(root, 0, len(self.text), (), 0)
        return self._found

    def _offset(self, byte: int) -> int:
        """The character at which a byte offset lies."""
        line = bisect_right(self._lines, byte) - 1
        inside = self.data[self._lines[line] : byte]
        return self._places[line] + (len(inside) if inside.isascii() else len(inside.decode("utf-8", "replace")))

    def _region(self, node: Any, start: int, end: int, path: tuple[str, ...], depth: int) -> None:
        """Blocks for `text[start:end]`, whose structure is `node`'s."""
        items = self._items(node, start, end)
        if not items or depth > _DEEPEST:
            self._add(start, end, path)
            return
        open_ = start  # the statements that wait to become a block
        for item in items:
            name, node = self._definition(item.node)
            long = item.end - item.start > _LONG
            blank = "\n\n" in self.text[self._last_word(open_, item.start) : item.start]
            if open_ < item.start and (name or long or blank or item.end - open_ > _GROUP):
                self._add(open_, item.start, path)
                open_ = item.start
            if name and (long or self._holds_definitions(node, item)):
                self._region(node, item.start, item.end, (*path, name), depth + 1)
            elif name:
                self._add(item.start, item.end, (*path, name))
            elif long and item.node.child_count:
                self._region(item.node, item.start, item.end, path, depth + 1)
            else:
                continue
            open_ = item.end
        self._add(open_, end, path)

    def _last_word(self, start: int, end: int) -> int:
        return start + len(self.text[start:end].rstrip())

    def _holds_definitions(self, node: Any, item: _Item) -> bool:
        return any(self._definition(inner.node)[0] for inner in self._items(node, item.start, item.end))

    def _items(self, node: Any, start: int, end: int) -> list[_Item]:
        """The children of a node that begin a line, bodies opened; what stands between two of them goes with the first."""
        items: list[_Item] = []
        describing: int | None = None  # where the descriptions of the next item begin
        for child in _lines_of(node, 0):
            at = self._offset(child.start_byte)
            if at < start or at >= end or (items and at <= items[-1].start):
                continue
            if child.type in DESCRIPTIONS:
                # A comment after code on its line describes that line; one before a blank line describes nothing below.
                if self.text[self.text.rfind("\n", 0, at) + 1 : at].strip():
                    continue
                if self._blank_follows(self._offset(child.end_byte)):
                    describing = None
                    items.append(_Item(at, end, child))
                    continue
                describing = at if describing is None else describing
                continue
            items.append(_Item(at if describing is None else describing, end, child))
            describing = None
        for item, following_item in pairwise(items):
            item.end = following_item.start
        # Nothing to cut: a single child as large as what it stands in.
        return [] if len(items) == 1 and items[0].start <= start and not items[0].node.child_count else items

    def _blank_follows(self, end: int) -> bool:
        end -= self.text[end - 1 : end] == "\n"  # some grammars count the line end to a comment
        gap = self.text[end : end + _NAME]
        return gap[: len(gap) - len(gap.lstrip())].count("\n") > 1

    def _definition(self, node: Any, depth: int = 0) -> tuple[str, Any]:
        """What a node defines ("class Pump", "def start"), "" where it defines nothing, and the node inside wrappers that does."""
        if not node.is_named or depth > 4:
            return "", node
        if node.type in DEFINITIONS:
            return self._named(node), node
        if node.type == "variable_declarator":
            value = node.child_by_field_name("value")
            if value is None or value.type not in FUNCTION_VALUES:
                return "", node
            return f"{'class' if value.type == 'class' else 'function'} {_one_line(_name_of(node))}", value
        if node.type in WRAPPERS:
            for child in node.named_children[:8]:
                name, core = self._definition(child, depth + 1)
                if name:
                    return name, core
        return "", node

    def _named(self, node: Any) -> str:
        word = WORDS.get((self.language, node.type), DEFINITIONS[node.type])
        if node.type == "impl_item":
            body = node.child_by_field_name("body")
            return _one_line(self.data[node.start_byte : body.start_byte if body else node.end_byte])
        name = _one_line(_name_of(node))
        if not name or (node.type.endswith("_specifier") and node.child_by_field_name("body") is None):
            return ""  # `struct S x;` only uses S
        if (receiver := node.child_by_field_name("receiver")) is not None:
            # Of `func (s *Server[T]) Run()`: Server.Run
            name = f"{_one_line(receiver.text).split('[')[0].strip('()').split(' ')[-1].lstrip('*')}.{name}"
        return f"{word} {name}" if word else f"{name}()"

    def _add(self, start: int, end: int, path: tuple[str, ...]) -> None:
        while start < end and self.text[start].isspace():
            start += 1
        end = start + len(self.text[start:end].rstrip())
        if end > start:
            self._found.append(Block("code", start, end, section=path))


def _lines_of(node: Any, depth: int) -> Iterator[Any]:
    """The named descendants that are cut at: children, those of bodies, and those of children that begin in mid-line and go on."""
    row = node.start_point[0] if depth else -1
    for child in node.named_children:
        spread = child.end_point[0] > child.start_point[0]
        opened = child.type in BODIES or child.type in DEFINITIONS or child.type in WRAPPERS
        if depth < _DEEPEST and (child.type in BODIES or (child.start_point[0] == row and spread and not opened)):
            yield from _lines_of(child, depth + 1)
        elif child.start_point[0] > row or child.type in DEFINITIONS:
            yield child
            row = child.start_point[0] if child.type in DESCRIPTIONS else child.end_point[0]


def _name_of(node: Any) -> bytes:
    """The name's bytes; that of a function of C or C++ lies inside its declarators."""
    name = node.child_by_field_name("name")
    depth = 0
    while name is None and depth < 6:
        inner = node.child_by_field_name("declarator")
        if inner is None:
            return bytes(node.text) if depth else b""
        node, depth = inner, depth + 1
        name = node.child_by_field_name("name")
    return bytes(name.text) if name is not None else b""


def _one_line(data: bytes) -> str:
    return " ".join(data.decode("utf-8", "replace").split())[:_NAME]
