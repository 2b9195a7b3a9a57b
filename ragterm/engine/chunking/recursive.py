"""Recursive, structure-aware chunking by the embedding model's own tokens.

Sections that fit are one chunk. A longer one is cut at the best places near equal parts: between blocks before between sentences
(rows, lines) before between words, and each part begins with the last sentences of the one before (overlap), so that what a cut
separated is together once. Title and headings go before the text as context, inside the window. At the end every chunk is counted
again with its context by the tokenizer itself; what came out longer than it was measured (tokenizers do not promise that
parts add up) is cut once more. Nothing is truncated.

The idea of descending separators is that of the recursive splitters in common use; equal parts and graded cuts follow text tiling's
observation that where one cuts matters more than how long the parts are (Hearst 1997).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragterm.engine.chunking.context import ContextWriter
from ragterm.engine.chunking.pieces import Cut, Piece, pieces_of
from ragterm.engine.chunking.sections import Section, common_path, sections_of
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.chunking.tokens import TokenRuler
from ragterm.engine.types.documents import Block, Chunk, Document
from ragterm.engine.types.protocols import Tokenizer
from ragterm.engine.types.settings import ChunkingSettings

# What a cut costs against being off the target length by the same share of it.
_COST = {Cut.BLOCK: 0.0, Cut.SENTENCE: 0.15, Cut.WORD: 0.8, Cut.TOKEN: 1.6, Cut.NEVER: 2.4}
_SHORTEST = 0.3
_LEAST_WINDOW = 16


@dataclass(frozen=True, slots=True)
class _Span:
    """A chunk to be: its place, the blocks it touches, the table header that its context repeats."""

    start: int
    end: int
    blocks: Sequence[Block]
    header: tuple[int, int] | None = None


def chunk_recursive(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """The chunks of a document in reading order; none for one without text.

    `settings.max_tokens` may narrow the model's window. Deterministic.
    `chunk.text == document.text[chunk.start:chunk.end]`, every character but white space is in at least one chunk, and
    `chunk.tokens`, the count of `chunk.embedding_text` with special tokens, never exceeds the window.
    """
    tokenizer, max_tokens = tools.tokenizer, tools.max_tokens
    window = max(_LEAST_WINDOW, min(max_tokens, settings.max_tokens or max_tokens))
    room = window - tokenizer.special_tokens
    ruler = TokenRuler(document.text, tokenizer)
    # On a narrow window the context must leave most of the room to the text.
    writer = ContextWriter(document.title, tokenizer, min(settings.context_tokens, room // 3))
    spans = list(_spans(document, ruler, writer, room, settings.overlap))
    return _checked(document, build_id, tokenizer, ruler, writer, spans, room)


def _spans(document: Document, ruler: TokenRuler, writer: ContextWriter, room: int, overlap: float) -> Iterator[_Span]:
    def left(path: tuple[str, ...]) -> int:
        return room - writer.tokens(writer.write(path))

    for section in sections_of(document.text, document.blocks, ruler, left):
        if ruler.count(section.start, section.end) <= left(section.path):
            yield _Span(section.start, section.end, section.blocks)
        else:
            yield from _packed(section, ruler, writer, room, overlap)


def _packed(section: Section, ruler: TokenRuler, writer: ContextWriter, room: int, overlap: float) -> Iterator[_Span]:
    """Cut a section that is too long into parts of like length."""
    above = writer.tokens(writer.write(section.path))
    pieces = pieces_of(section, ruler, room - above)
    at = [ruler.index(piece.start) for piece in pieces] + [ruler.index(section.end)]
    allowance = overlap * (room - above)
    new = 0  # the first piece that is in no chunk yet
    while new < len(pieces):
        first = _overlap_start(pieces, at, new, allowance) if new else 0
        header = pieces[new].header if first == new else None
        taken = room - (_tokens_above(section, header, ruler, writer) if header else above) - (at[new] - at[first])
        stop = _best_stop(pieces, at, new, taken, allowance)
        blocks = [piece.block for piece in pieces[first:stop]]
        yield _Span(pieces[first].start, pieces[stop - 1].end, blocks, header)
        new = stop


def _tokens_above(section: Section, header: tuple[int, int], ruler: TokenRuler, writer: ContextWriter) -> int:
    return writer.tokens(writer.write(section.path, header=ruler.text[slice(*header)]))


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


def _checked(
    document: Document,
    build_id: str,
    tokenizer: Tokenizer,
    ruler: TokenRuler,
    writer: ContextWriter,
    spans: list[_Span],
    room: int,
) -> list[Chunk]:
    """Chunks of the spans, each counted by the tokenizer; a span that is too long after all is halved until its parts fit."""
    text = document.text
    ready: list[tuple[_Span, str, int]] = []
    pending = spans
    while pending:
        trimmed = [t for span in pending if (t := _trim(text, span)) is not None]
        contexts = [_context(text, span, writer) for span in trimmed]
        counts = tokenizer.count(
            [
                f"{c}\n{text[s.start : s.end]}" if c else text[s.start : s.end]
                for s, c in zip(trimmed, contexts, strict=True)
            ]
        )
        pending = []
        for span, context, count in zip(trimmed, contexts, counts, strict=True):
            if count <= room or span.end - span.start < 2:
                ready.append((span, context, count))
            else:
                pending += _halved(span, ruler)
    ready = _without_repeats(ready)
    return [
        Chunk(
            id=_chunk_id(document, build_id, span.start, span.end),
            document_id=document.id,
            build_id=build_id,
            ordinal=ordinal,
            start=span.start,
            end=span.end,
            text=text[span.start : span.end],
            context=context,
            page=next((b.page for b in span.blocks if b.end > span.start), None),
            section=Section(tuple(span.blocks)).path,
            tokens=count + tokenizer.special_tokens,
        )
        for ordinal, (span, context, count) in enumerate(ready)
    ]


def _without_repeats(ready: list[tuple[_Span, str, int]]) -> list[tuple[_Span, str, int]]:
    """In reading order, less what lies inside another chunk: halving two chunks that overlap can give the same half twice."""
    kept: list[tuple[_Span, str, int]] = []
    for item in sorted(ready, key=lambda item: (item[0].start, -item[0].end)):
        if not kept or item[0].end > kept[-1][0].end:
            kept.append(item)
    return kept


def _trim(text: str, span: _Span) -> _Span | None:
    start, end = span.start, span.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return _Span(start, end, span.blocks, span.header) if start < end else None


def _context(text: str, span: _Span, writer: ContextWriter) -> str:
    # Only headings that stand above all of the span: those inside it are in its text.
    path = common_path([block.section for block in span.blocks])
    opening = text[span.start : min(span.end, span.start + 200)]
    return writer.write(path, opening, text[slice(*span.header)] if span.header else "")


def _halved(span: _Span, ruler: TokenRuler) -> list[_Span]:
    """Two parts, cut at the word (else the token, else the character) nearest to the middle."""
    low, high = ruler.index(span.start + 1), ruler.index(span.end)
    inner = ruler.starts[low:high]
    words = [s for s in inner if ruler.text[s - 1].isspace()] or inner
    middle = words[len(words) // 2] if words else (span.start + span.end) // 2
    before = [b for b in span.blocks if b.start < middle] or list(span.blocks)
    after = [b for b in span.blocks if b.end > middle] or list(span.blocks)
    return [_Span(span.start, middle, before, span.header), _Span(middle, span.end, after, None)]


def _chunk_id(document: Document, build_id: str, start: int, end: int) -> str:
    name = "\0".join((document.id, document.content_hash, build_id, str(start), str(end)))
    return hashlib.sha256(name.encode()).hexdigest()[:20]
