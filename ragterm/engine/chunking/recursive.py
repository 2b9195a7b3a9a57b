"""Recursive, structure-aware chunking by the embedding model's own tokens.

Sections that fit are one chunk. A longer one is cut at the best places near equal parts: between blocks before between sentences
(rows, lines) before between words, and each part begins with the last sentences of the one before (overlap), so that what a cut
separated is together once. Title and headings go before the text as context, inside the window.

The idea of descending separators is that of the recursive splitters in common use; equal parts and graded cuts follow text tiling's
observation that where one cuts matters more than how long the parts are (Hearst 1997).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragterm.engine.chunking.pieces import Cut, Piece, pieces_of
from ragterm.engine.chunking.sections import Section, sections_of
from ragterm.engine.chunking.spans import RUNNING_TEXT_TOKENS, MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings

# What a cut costs against being off the target length by the same share of it.
_COST = {Cut.BLOCK: 0.0, Cut.SENTENCE: 0.15, Cut.WORD: 0.8, Cut.TOKEN: 1.6, Cut.NEVER: 2.4}
_SHORTEST = 0.3


def chunk_recursive(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """The chunks of a document in reading order; none for one without text.

    `settings.max_tokens` may narrow the model's window. Deterministic.
    `chunk.text == document.text[chunk.start:chunk.end]`, every character but white space is in at least one chunk, and
    `chunk.tokens`, the count of `chunk.embedding_text` with special tokens, never exceeds the window.
    """
    measured = MeasuredDocument(document, build_id, tools, settings, RUNNING_TEXT_TOKENS)
    sections = sections_of(document.text, measured.blocks, measured.ruler, measured.left)
    return measured.chunks(span for section in sections for span in section_spans(section, measured))


def section_spans(section: Section, measured: MeasuredDocument) -> Iterator[Span]:
    """The section as one span if it fits, else in parts."""
    if measured.ruler.count(section.start, section.end) <= measured.left(section.path):
        yield Span(section.start, section.end, section.blocks)
    else:
        yield from packed(section, measured, measured.overlap)


def packed(section: Section, measured: MeasuredDocument, overlap: float, most: int | None = None) -> Iterator[Span]:
    """Cut a section that is too long into parts of like length. `overlap` is a share of a part's length; `most` bounds the tokens of
    a part's text below what the window allows."""

    def bounded(left: int) -> int:
        return left if most is None else min(left, most)

    ruler = measured.ruler
    room = bounded(measured.left(section.path))
    pieces = pieces_of(section, ruler, room)
    at = [ruler.index(piece.start) for piece in pieces] + [ruler.index(section.end)]
    allowance = overlap * room
    new = 0  # the first piece that is in no chunk yet
    while new < len(pieces):
        first = _overlap_start(pieces, at, new, allowance) if new else 0
        header = pieces[new].header if first == new else None
        left = bounded(measured.left(section.path, header)) if header else room
        stop = _best_stop(pieces, at, new, left - (at[new] - at[first]), allowance)
        blocks = [piece.block for piece in pieces[first:stop]]
        yield Span(pieces[first].start, pieces[stop - 1].end, blocks, header)
        new = stop


def _overlap_start(pieces: Sequence[Piece], at: Sequence[int], new: int, allowance: float) -> int:
    """The piece with which a chunk begins whose new text begins at `new`: whole sentences of the same block or the one before,
    about `allowance` tokens; a single sentence may be twice that. Tables repeat their header instead."""
    if pieces[new].block.kind == "code" and pieces[new].cut is Cut.BLOCK:
        return new  # a function is not continued by the next one
    first = new
    while first > 0 and pieces[first - 1].header is None and pieces[first - 1].block.kind not in ("heading", "table"):
        if pieces[first - 1].block.page != pieces[new].block.page:
            break  # a chunk goes by the page that it begins on
        length = at[new] - at[first - 1]
        if length > (allowance if first < new else 2 * allowance):
            break
        first -= 1
    # Inside a sentence an overlap would begin in mid-sentence: go on to where one begins.
    while first < new and pieces[first].cut in (Cut.TOKEN, Cut.WORD):
        first += 1
    return first


def _best_stop(pieces: Sequence[Piece], at: Sequence[int], new: int, room: int, allowance: float) -> int:
    """The end of the chunk whose new text begins at piece `new`: the cheapest cut within `room` tokens."""
    remaining = at[-1] - at[new]
    if remaining <= room:
        return len(pieces)
    parts = max(2, -(-remaining // max(1, int(room - allowance))))
    target = remaining / parts
    best, best_cost = new + 1, float("inf")
    for stop in range(new + 1, len(pieces)):
        length = at[stop] - at[new]
        if length > room:
            break
        cost = abs(length - target) / target + _COST[pieces[stop].cut]
        if length < _SHORTEST * target:
            cost += 1.0
        if cost <= best_cost:
            best, best_cost = stop, cost
    return best
