"""Source code by function and class.

The parser's blocks say what is defined where: their section path is class > function (`documents.code_structure`, by tree-sitter, or
what begins at the margin in other languages). A class that fits is one chunk; a longer one is cut into its functions, the head of the
class with the first of them; a function too long for the window is cut between statements, its path before each part. Tiny neighbours
stand together, as in the merging step of cAST (Zhang et al. 2025, "cAST: Enhancing Code Retrieval-Augmented Generation with Structural
Chunking via Abstract Syntax Tree", section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ragterm.engine.chunking.recursive import packed
from ragterm.engine.chunking.sections import Section
from ragterm.engine.chunking.spans import MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.types.documents import Block, Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings

TINY = 0.12
"""Of the room: a getter of three lines is no chunk of its own."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Neighbouring blocks of one definition, or (with the path of what they stand in) the statements between two."""

    blocks: tuple[Block, ...]
    path: tuple[str, ...]

    @property
    def start(self) -> int:
        return self.blocks[0].start

    @property
    def end(self) -> int:
        return self.blocks[-1].end


def chunk_code(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """One chunk for each function, or class where it fits; disjoint."""
    measured = MeasuredDocument(document, build_id, tools, settings)
    return measured.chunks(_spans(measured.blocks, (), measured))


def _spans(blocks: Sequence[Block], path: tuple[str, ...], measured: MeasuredDocument) -> Iterator[Span]:
    """Chunks for what stands under `path`."""
    count, room = measured.ruler.count, measured.left(path)
    group: list[_Part] = []
    for part in _parts(blocks, path):
        if group:
            length = count(group[0].start, part.end)
            # The head of a class belongs to what follows it; elsewhere only what is tiny joins a neighbour.
            head = bool(path) and group[0].start == blocks[0].start and group[0].path == path and len(group) == 1
            tiny = max(count(group[0].start, group[-1].end), count(part.start, part.end)) < TINY * room
            if length > room or not (tiny or (head and count(group[0].start, group[0].end) < TINY * room)):
                yield from _of_group(group, path, measured)
                group = []
        group.append(part)
    if group:
        yield from _of_group(group, path, measured)


def _of_group(group: Sequence[_Part], path: tuple[str, ...], measured: MeasuredDocument) -> Iterator[Span]:
    blocks = tuple(block for part in group for block in part.blocks)
    if len(group) > 1:
        # A head with its first function goes by the function, several tiny ones by what they stand in.
        two = len(group) == 2 and group[0].path == path != ()
        yield Span(blocks[0].start, blocks[-1].end, blocks, path=group[1].path if two else path)
        return
    (part,) = group
    if measured.ruler.count(part.start, part.end) <= measured.left(part.path):
        yield Span(part.start, part.end, blocks, path=part.path)
    elif any(len(block.section) > len(part.path) for block in blocks):
        yield from _spans(blocks, part.path, measured)
    else:
        yield from _statements(part, measured)


def _statements(part: _Part, measured: MeasuredDocument) -> Iterator[Span]:
    """Groups of whole statements of about one length; a statement too long for the window is cut between its lines."""
    count, room = measured.ruler.count, measured.left(part.path)
    whole = count(part.start, part.end)
    target = whole / -(-whole // max(1, room))
    group: list[Block] = []
    for block in part.blocks:
        if group:
            taken = count(group[0].start, group[-1].end)
            if count(group[0].start, block.end) > room or taken + count(block.start, block.end) / 2 > target:
                yield from _whole_or_lines(group, part.path, measured)
                group = []
        group.append(block)
    yield from _whole_or_lines(group, part.path, measured)


def _whole_or_lines(blocks: Sequence[Block], path: tuple[str, ...], measured: MeasuredDocument) -> Iterator[Span]:
    if measured.ruler.count(blocks[0].start, blocks[-1].end) <= measured.left(path):
        yield Span(blocks[0].start, blocks[-1].end, blocks, path=path)
        return
    for span in packed(Section(tuple(replace(block, section=path) for block in blocks)), measured, 0.0):
        yield replace(span, path=path)


def _parts(blocks: Sequence[Block], path: tuple[str, ...]) -> Iterator[_Part]:
    """The definitions directly under `path`, and what stands between them."""
    depth = len(path)
    part: list[Block] = []
    name: str | None = None
    for block in blocks:
        own = block.section[depth] if len(block.section) > depth else None
        if part and own != name:
            yield _Part(tuple(part), path if name is None else (*path, name))
            part = []
        name = own
        part.append(block)
    if part:
        yield _Part(tuple(part), path if name is None else (*path, name))
