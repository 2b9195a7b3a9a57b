"""A section too long for one chunk, as the pieces between which it may be cut.

Recursive: blocks, then sentences (rows of a table, lines of code), then words, then single tokens, each only where the level above
did not yield pieces that fit. A piece knows how good the cut before it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from ragterm.engine.chunking.sections import Section
from ragterm.engine.chunking.tables import table_header, table_rows
from ragterm.engine.chunking.tokens import TokenRuler
from ragterm.engine.types.documents import Block
from ragterm.engine.types.sentences import sentence_spans


class Cut(IntEnum):
    """How good it is to cut before a piece."""

    NEVER = 0  # after a heading: it belongs to what follows
    TOKEN = 1
    WORD = 2
    SENTENCE = 3
    BLOCK = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """`text[start:end]` and white space after it. `header` is the span of the table header above a table's row, None elsewhere."""

    start: int
    end: int
    cut: Cut
    block: Block
    header: tuple[int, int] | None = None


_LINE = re.compile(r"[^\n]*\S[^\n]*")
_PARAGRAPH = re.compile(r"\S(?:[^\n]|\n(?![^\S\n]*\n))*")


def pieces_of(section: Section, ruler: TokenRuler, room: int) -> list[Piece]:
    """The pieces of a section in order, none above `room` tokens but a single token; together they cover its blocks."""
    pieces: list[Piece] = []
    glued = False
    for block in section.blocks:
        first = True
        for piece in _of_block(block, ruler, room):
            # NEVER yields when the heading alone is as long as a chunk; packing sees to that.
            cut = Cut.NEVER if first and glued else Cut.BLOCK if first else piece.cut
            pieces.append(Piece(piece.start, piece.end, cut, block, piece.header))
            first = False
        glued = block.kind == "heading"
    return pieces


def _of_block(block: Block, ruler: TokenRuler, room: int) -> Iterator[Piece]:
    text = ruler.text
    if block.kind == "table":
        rows = table_rows(text, block.start, block.end)
        header = table_header(text, rows)
        for i, (start, end) in enumerate(rows):
            below = header if header and start >= header[1] else None
            cut = Cut.BLOCK if i == 0 else Cut.SENTENCE
            if ruler.count(start, end) <= room:  # a row is cut only where it is longer than a chunk
                yield Piece(start, end, cut, block, below)
            else:
                yield from _down(start, end, cut, block, ruler, room, below)
    elif ruler.count(block.start, block.end) <= room // 3:
        # A short paragraph is a good piece as it stands.
        yield Piece(block.start, block.end, Cut.BLOCK, block)
    elif block.kind == "code":
        for start, end in (m.span() for m in _PARAGRAPH.finditer(text, block.start, block.end)):
            cut = Cut.BLOCK
            for line in _LINE.finditer(text, start, end):
                yield from _down(line.start(), line.end(), cut, block, ruler, room, None)
                cut = Cut.SENTENCE
    else:
        for start, end in (m.span() for m in _PARAGRAPH.finditer(text, block.start, block.end)):
            cut = Cut.BLOCK
            for s, e in _sentences(text, start, end):
                yield from _down(s, e, cut, block, ruler, room, None)
                cut = Cut.SENTENCE


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans that cover `[start, end)`: a sentence with all that follows it up to the next."""
    begins = [start + s for s, _ in sentence_spans(text[start:end])]
    begins = [start, *begins[1:]] if begins else [start]
    yield from zip(begins, [*begins[1:], end], strict=True)


def _down(
    start: int, end: int, cut: Cut, block: Block, ruler: TokenRuler, room: int, header: tuple[int, int] | None
) -> Iterator[Piece]:
    """The span as one piece if it fits, else word by word."""
    if ruler.count(start, end) <= room // 2:
        yield Piece(start, end, cut, block, header)
        return
    text = ruler.text
    at = start
    for index in range(ruler.index(start), ruler.index(end)):
        token = ruler.starts[index]
        if token > at:
            yield Piece(at, token, cut, block, header)
            cut = Cut.WORD if text[token - 1].isspace() else Cut.TOKEN
            at = token
    yield Piece(at, end, cut, block, header)
