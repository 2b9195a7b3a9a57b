"""Spans to chunks: what every strategy shares.

A strategy says where the chunks of a document begin and end. Everything else is done here, once: the context before the text, the
section path, the page, the id, and the promise that nothing is truncated. At the end every chunk is counted again with its context
by the tokenizer itself; what came out longer than it was measured (tokenizers do not promise that parts add up) is halved until it
fits.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ragterm.engine.chunking.context import ContextWriter
from ragterm.engine.chunking.sections import Section, common_path, complete, trimmed
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.chunking.tokens import TokenRuler
from ragterm.engine.types.documents import Block, Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings

_LEAST_WINDOW = 16
# How much of a chunk's text can repeat the last heading of its path.
_OPENING = 200


RUNNING_TEXT_TOKENS = 160
"""Tokens of a chunk of running text, context and special tokens included, where the settings say nothing: a paragraph or two. On 472
questions over five long texts 1,200 tokens of such chunks held 0.05 more of the evidence than chunks of 256; smaller ones held no
more, and cut more of it in two."""


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk to be: its place, the blocks it touches, the table header that its context repeats.

    `path` is the section path where the strategy knows better than the blocks (a class, a clause, a question); `parent` the span
    that a language model is handed in its place.
    """

    start: int
    end: int
    blocks: Sequence[Block]
    header: tuple[int, int] | None = None
    path: tuple[str, ...] | None = None
    parent: tuple[int, int] | None = None


class MeasuredDocument:
    """A document with everything that a strategy measures it by.

    `room` is the model's window in tokens less its special tokens, narrowed by `settings.max_tokens`, or where that is 0 by
    `usual` (0: not at all); context and text of a chunk share it.
    """

    def __init__(
        self, document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings, usual: int = 0
    ) -> None:
        window = max(_LEAST_WINDOW, min(tools.max_tokens, settings.max_tokens or usual or tools.max_tokens))
        self.document = document
        self.text = document.text
        self.overlap = settings.overlap
        self.room = window - tools.tokenizer.special_tokens
        self.ruler = TokenRuler(document.text, tools.tokenizer)
        # On a narrow window the context must leave most of the room to the text.
        self.writer = ContextWriter(document.title, tools.tokenizer, min(settings.context_tokens, self.room // 3))
        self._tokenizer = tools.tokenizer
        self._build_id = build_id

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The document's blocks, trimmed and disjoint, with paragraphs for what its parser left out: every character but white
        space lies in exactly one."""
        return tuple(complete(self.text, self.document.blocks))

    @cached_property
    def _ends(self) -> list[int]:
        return [block.end for block in self.blocks]

    @cached_property
    def _starts(self) -> list[int]:
        return [block.start for block in self.blocks]

    def blocks_in(self, start: int, end: int) -> tuple[Block, ...]:
        """The blocks that `[start, end)` touches."""
        return self.blocks[bisect_right(self._ends, start) : bisect_left(self._starts, end)]

    def clipped(self, start: int, end: int) -> tuple[Block, ...]:
        """The same, less what of them lies outside."""
        return tuple(
            replace(block, start=max(block.start, start), end=min(block.end, end))
            for block in self.blocks_in(start, end)
        )

    def left(self, path: tuple[str, ...], header: tuple[int, int] | None = None) -> int:
        """Tokens that a chunk under this path of headings (and this table header) has for its text."""
        above = self.writer.write(path, header=self.text[slice(*header)]) if header else self.writer.write(path)
        return self.room - self.writer.tokens(above)

    def least_left(self, path: tuple[str, ...]) -> int:
        """The same for a chunk that may reach out of the section, to where fewer headings stand above it."""
        return min(self.left(path[:depth]) for depth in range(len(path) + 1))

    def span(self, start: int, end: int, path: tuple[str, ...] | None = None) -> Span:
        """A span with the blocks that it touches."""
        return Span(start, end, self.blocks_in(start, end), path=path)

    def chunks(self, spans: Iterable[Span]) -> list[Chunk]:
        """Chunks of the spans in reading order, each counted by the tokenizer; a span that is too long after all loses its repeated
        header, then is halved until its parts fit."""
        text = self.text
        ready: list[tuple[Span, str, int]] = []
        pending = list(spans)
        while pending:
            placed = [t for span in pending if (t := _trim(text, span)) is not None]
            contexts = [self._context(span) for span in placed]
            counts = self._tokenizer.count(
                [
                    f"{c}\n{text[s.start : s.end]}" if c else text[s.start : s.end]
                    for s, c in zip(placed, contexts, strict=True)
                ]
            )
            pending = []
            for span, context, count in zip(placed, contexts, counts, strict=True):
                if count <= self.room or span.end - span.start < 2:
                    ready.append((span, context, count))
                elif span.header is not None:
                    pending.append(replace(span, header=None))
                else:
                    pending += self._halved(span)
        return [
            self._chunk(n, span, context, count) for n, (span, context, count) in enumerate(_without_repeats(ready))
        ]

    def _chunk(self, ordinal: int, span: Span, context: str, count: int) -> Chunk:
        parent = trimmed(self.text, *span.parent) if span.parent else None
        return Chunk(
            id=self._id(span.start, span.end),
            document_id=self.document.id,
            build_id=self._build_id,
            ordinal=ordinal,
            start=span.start,
            end=span.end,
            text=self.text[span.start : span.end],
            context=context,
            page=next((b.page for b in span.blocks if b.end > span.start), None),
            section=Section(tuple(span.blocks)).path if span.path is None else span.path,
            tokens=count + self._tokenizer.special_tokens,
            parent_id=self._id(*parent) if parent else None,
            parent=parent,
        )

    def _context(self, span: Span) -> str:
        # Only headings that stand above all of the span: those inside it are in its text.
        path = common_path([block.section for block in span.blocks]) if span.path is None else span.path
        opening = self.text[span.start : min(span.end, span.start + _OPENING)]
        return self.writer.write(path, opening, self.text[slice(*span.header)] if span.header else "")

    def _halved(self, span: Span) -> list[Span]:
        """Two parts, cut at the word (else the token, else the character) nearest to the middle."""
        low, high = self.ruler.index(span.start + 1), self.ruler.index(span.end)
        inner = self.ruler.starts[low:high]
        words = [s for s in inner if self.text[s - 1].isspace()] or inner
        middle = words[len(words) // 2] if words else (span.start + span.end) // 2
        before = [b for b in span.blocks if b.start < middle] or list(span.blocks)
        after = [b for b in span.blocks if b.end > middle] or list(span.blocks)
        return [replace(span, end=middle, blocks=before), replace(span, start=middle, blocks=after, header=None)]

    def _id(self, start: int, end: int) -> str:
        name = "\0".join((self.document.id, self.document.content_hash, self._build_id, str(start), str(end)))
        return hashlib.sha256(name.encode()).hexdigest()[:20]


def _without_repeats(ready: list[tuple[Span, str, int]]) -> list[tuple[Span, str, int]]:
    """In reading order, less what lies inside another chunk: halving two chunks that overlap can give the same half twice."""
    kept: list[tuple[Span, str, int]] = []
    for item in sorted(ready, key=lambda item: (item[0].start, -item[0].end)):
        if not kept or item[0].end > kept[-1][0].end:
            kept.append(item)
    return kept


def _trim(text: str, span: Span) -> Span | None:
    inside = trimmed(text, span.start, span.end)
    return replace(span, start=inside[0], end=inside[1]) if inside else None
