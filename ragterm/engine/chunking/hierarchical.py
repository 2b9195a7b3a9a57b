"""Small chunks are matched, what stands around them is read: document > section > paragraph > sentence.

A sentence or two make a sharp embedding, but an answer needs what stands around them. So the document is cut twice. The parents are
its sections or, where a section is longer than the model's window, runs of its paragraphs; each parent is cut into chunks of a
quarter of the window, at paragraphs before sentences. Only these are embedded, and each carries the span of its parent, which is
what a language model is handed. A parent stays within the window, so that whatever judges an answer reads all of it.

Source of the idea: retrieval of small units with their surroundings, as in "small-to-big" retrieval and in Chen et al. 2023, "Dense X
Retrieval: What Retrieval Granularity Should We Use?", section 2; Sarthi et al. 2024 (RAPTOR) for the tree of levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ragterm.engine.chunking.recursive import packed
from ragterm.engine.chunking.sections import Section, sections_of
from ragterm.engine.chunking.spans import MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings

CHILD_SHARE = 0.25
"""Of the window: a chunk of MiniLM's 256 tokens has about 60, two or three sentences."""


def chunk_hierarchical(
    document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings
) -> list[Chunk]:
    """The chunks of the lowest level in reading order, disjoint; every one has `parent` and `parent_id`. Parents are disjoint."""
    measured = MeasuredDocument(document, build_id, tools, settings)
    return measured.chunks(_children(measured))


def _children(measured: MeasuredDocument) -> Iterator[Span]:
    most = max(1, round(CHILD_SHARE * measured.room))
    for section in sections_of(measured.text, measured.blocks, measured.ruler, measured.left):
        for parent in _parents(section, measured):
            inside = Section(measured.clipped(parent.start, parent.end))
            for child in packed(inside, measured, 0.0, most):
                yield replace(child, header=parent.header or child.header, parent=(parent.start, parent.end))


def _parents(section: Section, measured: MeasuredDocument) -> Iterator[Span]:
    if measured.ruler.count(section.start, section.end) <= measured.left(section.path):
        yield Span(section.start, section.end, section.blocks)
    else:
        yield from packed(section, measured, 0.0)
