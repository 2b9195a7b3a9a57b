"""Legal text by clause: a clause is a chunk, and its number is in the section path.

A clause that fits, with all its sub-clauses, is one chunk. A longer one is cut at its sub-clauses, each under the path of the clauses
around it ("Article 5 Term > 5.2 > (b)"), so that a citation names the clause; its introductory words ("The Supplier shall:") are a
chunk with the first of them where they fit. Tiny neighbours of one level stand together. What is not numbered is cut as the recursive
strategy cuts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ragterm.engine.chunking.clauses import Clause, clauses_of
from ragterm.engine.chunking.recursive import packed, section_spans
from ragterm.engine.chunking.sections import Section, grouped
from ragterm.engine.chunking.spans import MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings

TINY = 0.15
"""Of the room: shorter clauses join the next of their level."""


def chunk_legal(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """One chunk for each clause that fits, more for longer ones; disjoint."""
    measured = MeasuredDocument(document, build_id, tools, settings)
    return measured.chunks(_spans(measured))


def _spans(measured: MeasuredDocument) -> Iterator[Span]:
    top = clauses_of(measured.text)
    for section in grouped(measured.clipped(0, top[0].start if top else len(measured.text))):
        yield from section_spans(section, measured)
    yield from _siblings(top, (), measured)


def _siblings(clauses: Sequence[Clause], path: tuple[str, ...], measured: MeasuredDocument) -> Iterator[Span]:
    """Clauses of one level: tiny ones together, the others each for itself."""
    count, room = measured.ruler.count, measured.left(path)
    group: list[Clause] = []
    for clause in clauses:
        length = count(clause.start, clause.end)
        if group and (
            count(group[0].start, clause.end) > room or min(length, count(group[0].start, group[-1].end)) >= TINY * room
        ):
            yield from _of_group(group, path, measured)
            group = []
        group.append(clause)
    if group:
        yield from _of_group(group, path, measured)


def _of_group(group: Sequence[Clause], path: tuple[str, ...], measured: MeasuredDocument) -> Iterator[Span]:
    if len(group) > 1:
        yield Span(group[0].start, group[-1].end, measured.clipped(group[0].start, group[-1].end), path=path)
        return
    (clause,) = group
    here = (*path, clause.label)
    if measured.ruler.count(clause.start, clause.end) <= measured.left(here):
        yield Span(clause.start, clause.end, measured.clipped(clause.start, clause.end), path=here)
        return
    if not clause.within:
        yield from _by_sentences(clause.start, clause.end, here, measured)
        return
    first = clause.within[0]
    fits = measured.ruler.count(clause.start, first.end) <= measured.left((*here, first.label))
    introduction = measured.ruler.count(clause.start, first.start) <= TINY * measured.room
    if fits and introduction:
        yield Span(clause.start, first.end, measured.clipped(clause.start, first.end), path=(*here, first.label))
        yield from _siblings(clause.within[1:], here, measured)
    else:
        yield from _by_sentences(clause.start, first.start, here, measured)
        yield from _siblings(clause.within, here, measured)


def _by_sentences(start: int, end: int, path: tuple[str, ...], measured: MeasuredDocument) -> Iterator[Span]:
    blocks = tuple(replace(block, section=path) for block in measured.clipped(start, end))
    if blocks:
        for span in packed(Section(blocks), measured, measured.overlap):
            yield replace(span, path=path)
