"""Markdown as styled lines of a given width: what a conversation draws instead of a tree of widgets.

Textual's Markdown widget makes a widget of every block and mounts them while text streams in; a conversation needs thousands of
cheap lines that hold citation marks and can be scrolled at once. Parsing is markdown-it's (CommonMark plus tables and
strikethrough). The text is foreign: raw HTML stays text, images and links are shown and never followed, and nothing is markup.

*Atoms* are single characters that stand for ready-made content (a citation mark, a verdict): Markdown cannot take them apart,
and wrapping keeps them whole. A growing text is parsed from its last top-level block on (`MarkdownStream`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.ui.safe_text import plain

if TYPE_CHECKING:
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode

Atoms = Mapping[str, Content]
BULLETS = "•◦▪"
CODE = "$text-warning"
LINK = "$text-accent underline"
MUTED = "$text-muted"
HEADINGS = ("bold underline $text-primary", "bold $text-primary", "bold $text-secondary", "bold", "bold", "bold")
_INLINE_STYLES = {"em": "italic", "strong": "bold", "s": "strike"}
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,24}\Z")


def parse(source: str) -> list[Token]:
    """Tokens of `source`; the parser is made once."""
    return _parser().parse(plain(source))  # type: ignore[no-any-return]


_made: list[object] = []


def _parser():  # type: ignore[no-untyped-def]
    if not _made:
        from markdown_it import MarkdownIt

        # linkify would make links of bare addresses; html would drop what looks like a tag from an answer.
        _made.append(MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]))
    return _made[0]


def markdown_lines(source: str, width: int, atoms: Atoms | None = None, *, highlight: bool = True) -> list[Content]:
    """The lines of a whole text, none wider than `width` cells."""
    return _lines_of(parse(source), width, atoms or {}, highlight)


class MarkdownStream:
    """Lines of a text that grows. What stands before the last top-level block cannot change any more and is kept."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._settled: list[Content] = []
        self._settled_characters = 0

    def lines(self, source: str) -> list[Content]:
        """`source` starts with what was given before."""
        tail = plain(source[self._settled_characters :])
        tokens = parse(tail)
        starts = [t.map[0] for t in tokens if t.level == 0 and t.nesting >= 0 and t.map]
        if len(starts) > 1 and starts[-1] > 0:
            rows = tail.splitlines(keepends=True)
            before = "".join(rows[: starts[-1]])
            lines = _lines_of(parse(before), self.width, {}, False)
            self._settled = [*self._settled, *([Content("")] if self._settled else []), *lines]
            self._settled_characters += len(before)
            tokens = parse(tail[len(before) :])
        fresh = _lines_of(tokens, self.width, {}, False)
        between = [Content("")] if self._settled and fresh else []
        return [*self._settled, *between, *fresh]


def _lines_of(tokens: Sequence[Token], width: int, atoms: Atoms, highlight: bool) -> list[Content]:
    from markdown_it.tree import SyntaxTreeNode

    # Lists within lists need a few cells each: in a very narrow column what sticks out is cut.
    lines = _Writer(atoms, highlight).blocks(SyntaxTreeNode(tokens).children, max(8, width))
    return [line.truncate(width) if line.cell_length > width else line for line in lines]


class _Writer:
    def __init__(self, atoms: Atoms, highlight: bool) -> None:
        self.atoms = atoms
        self.highlight = highlight
        self._depth = 0
        self._cut = re.compile("([" + "".join(map(re.escape, atoms)) + "])") if atoms else None

    def blocks(self, nodes: Sequence[SyntaxTreeNode], width: int) -> list[Content]:
        """Blocks one below the other, a blank line between them but for the paragraphs of a tight list."""
        lines: list[Content] = []
        for i, node in enumerate(nodes):
            made = self.block(node, width)
            if lines and made and not self._tight(nodes[i - 1], node):
                lines.append(Content(""))
            lines.extend(made)
        return lines

    @staticmethod
    def _tight(before: SyntaxTreeNode, node: SyntaxTreeNode) -> bool:
        hidden = before.type == "paragraph" and before.hidden
        return hidden or (node.type == "paragraph" and node.hidden)

    def block(self, node: SyntaxTreeNode, width: int) -> list[Content]:
        kind = node.type
        if kind == "heading":
            style = HEADINGS[min(int(node.tag[1:]), 6) - 1]
            return self._wrapped([c.stylize_before(style) for c in self._inline(node.children)], width)
        if kind == "paragraph":
            return self._wrapped(self._inline(node.children), width)
        if kind in ("bullet_list", "ordered_list"):
            return self._list(node, width)
        if kind == "blockquote":
            bar = Content.styled("▌ ", MUTED)
            return [Content.assemble(bar, line) for line in self.blocks(node.children, width - 2)]
        if kind in ("fence", "code_block"):
            return self._code(node, width)
        if kind == "table":
            return self._table(node, width)
        if kind == "hr":
            return [Content.styled("─" * width, MUTED)]
        return self._wrapped([Content(self._bare(node.content))], width)

    def _wrapped(self, lines: Sequence[Content], width: int) -> list[Content]:
        return [piece for line in lines for piece in line.wrap(width)]

    # --- Inline ---------------------------------------------------------------------------------------------------------------

    def _inline(self, nodes: Sequence[SyntaxTreeNode]) -> list[Content]:
        """The hard lines of inline content."""
        lines: list[list[Content]] = [[]]

        def walk(children: Sequence[SyntaxTreeNode], style: str) -> None:
            for child in children:
                kind = child.type
                if kind == "inline":
                    walk(child.children, style)
                elif kind == "hardbreak":
                    lines.append([])
                elif kind == "softbreak":
                    lines[-1].append(Content(" "))
                elif kind in _INLINE_STYLES:
                    walk(child.children, f"{style} {_INLINE_STYLES[kind]}".strip())
                elif kind == "code_inline":
                    lines[-1].append(Content.styled(self._bare(child.content), f"{style} {CODE}".strip()))
                elif kind == "link":
                    self._link(child, style, lines[-1])
                elif kind == "image":
                    label = self._bare(child.content) or "image"
                    lines[-1].append(Content.styled(f"(image: {label})", f"{style} {MUTED}".strip()))
                else:
                    lines[-1].extend(self._text(child.content, style))

        walk(nodes, "")
        return [Content("").join(line) for line in lines]

    def _link(self, node: SyntaxTreeNode, style: str, line: list[Content]) -> None:
        label = Content("").join(self._inline(node.children))
        address = self._bare(str(node.attrs.get("href", "")))
        line.append(label.stylize_before(f"{style} {LINK}".strip()))
        if address and address != label.plain:
            line.append(Content.styled(f" ({address})", MUTED))

    def _text(self, text: str, style: str) -> list[Content]:
        if self._cut is None:
            return [Content.styled(text, style)]
        return [
            self.atoms[piece] if piece in self.atoms else Content.styled(piece, style)
            for piece in self._cut.split(text)
            if piece
        ]

    def _bare(self, text: str) -> str:
        """Text where no styling is wanted: atoms as their plain text."""
        if self._cut is None:
            return text
        return self._cut.sub(lambda m: self.atoms[m[0]].plain, text)

    # --- Blocks -----------------------------------------------------------------------------------------------------------------

    def _list(self, node: SyntaxTreeNode, width: int) -> list[Content]:
        ordered = node.type == "ordered_list"
        first = int(node.attrs.get("start", 1) or 1) if ordered else 1
        broad = len(str(first + len(node.children) - 1)) + 2 if ordered else 2
        bullet = BULLETS[self._depth % len(BULLETS)]
        loose = any(c.type == "paragraph" and not c.hidden for item in node.children for c in item.children)
        lines: list[Content] = []
        self._depth += 1
        for number, item in enumerate(node.children, first):
            mark = f"{number}. ".rjust(broad) if ordered else f"{bullet} "
            inside = self.blocks(item.children, max(8, width - broad)) or [Content("")]
            if loose and lines:
                lines.append(Content(""))
            lines.append(Content.assemble(Content.styled(mark, "$text-accent"), inside[0]))
            lines.extend(Content.assemble(" " * broad, rest) for rest in inside[1:])
        self._depth -= 1
        return lines

    def _code(self, node: SyntaxTreeNode, width: int) -> list[Content]:
        code = self._bare(node.content.rstrip("\n")).expandtabs(4)
        language = node.info.split()[0] if node.info.strip() else ""
        body = Content(code)
        if self.highlight and _LANGUAGE.match(language):
            from textual.highlight import highlight

            shown = highlight(code, language=language)
            body = shown if shown.plain == code else body
        inner = max(1, width - 3)
        lines: list[Content] = []
        for line in body.split(allow_blank=True):
            lines.extend(line.fold(inner) if line.cell_length > inner else [line])
        edge = Content.styled("│  ", MUTED)
        return [Content.assemble(edge, line) for line in lines]

    def _table(self, node: SyntaxTreeNode, width: int) -> list[Content]:
        rows: list[list[Content]] = []
        for part in node.children:
            for row in part.children:
                rows.append([Content(" ").join(self._inline(cell.children)) for cell in row.children])
        columns = max(map(len, rows))
        rows = [row + [Content("")] * (columns - len(row)) for row in rows]
        aligned = [str(cell.attrs.get("style", ""))[11:] for cell in node.children[0].children[0].children]
        room = width - 3 * (columns - 1)
        if room < 4 * columns:
            return self._records(rows, width)
        widths = fit_columns([max(row[i].cell_length for row in rows) for i in range(columns)], room)
        lines: list[Content] = []
        for number, row in enumerate(rows):
            cells = [cell.wrap(w) for cell, w in zip(row, widths, strict=True)]
            for height in range(max(map(len, cells))):
                pieces = []
                for cell, w, align in zip(cells, widths, aligned, strict=False):
                    piece = cell[height] if height < len(cell) else Content("")
                    gap = max(0, w - piece.cell_length)
                    left = gap if align == "right" else gap // 2 if align == "center" else 0
                    pieces.append(piece.pad(left, gap - left).stylize_before("bold" if number == 0 else ""))
                lines.append(Content.styled(" │ ", MUTED).join(pieces))
            if number == 0:
                lines.append(Content.styled("─┼─".join("─" * w for w in widths), MUTED))
        return lines

    def _records(self, rows: list[list[Content]], width: int) -> list[Content]:
        """A table too wide for its columns: one "heading: value" a line."""
        lines: list[Content] = []
        for row in rows[1:]:
            for head, cell in zip(rows[0], row, strict=True):
                lines.extend(Content.assemble(head.stylize_before("bold"), ": ", cell).wrap(width))
            lines.append(Content(""))
        return lines[:-1]


def fit_columns(natural: Sequence[int], room: int) -> list[int]:
    """Widths that add up to at most `room`: narrow columns keep what they need, wide ones share the rest evenly."""
    widths = [max(1, n) for n in natural]
    if sum(widths) <= room:
        return widths
    done: dict[int, int] = {}
    while len(done) < len(widths):
        left = room - sum(done.values())
        share = max(1, left // (len(widths) - len(done)))
        small = {i: w for i, w in enumerate(widths) if i not in done and w <= share}
        if not small:
            rest = [i for i in range(len(widths)) if i not in done]
            spare = max(0, left - share * len(rest))
            done |= {i: share + (1 if n < spare else 0) for n, i in enumerate(rest)}
            break
        done |= small
    return [done[i] for i in range(len(widths))]
