"""Blocks to sections: what stands under one heading belongs together; what is tiny joins its neighbour.

A chunk is best when it is about one thing, and a heading says where a thing begins. But documentation is full of sections of one
line, and an embedding of ten tokens is noise. So neighbours on one page are merged while one of them is small and they are kin
(siblings, or a section and its first child).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ragterm.engine.chunking.tokens import TokenRuler
from ragterm.engine.types.documents import Block

Room = Callable[[tuple[str, ...]], int]

# Shares of the room that a chunk has. Below the first a section takes in its kin, below the second anything that fits.
_SMALL = 0.35
_TINY = 0.1


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under one heading (or several tiny sections), in reading order, gaps filled. Never empty."""

    blocks: tuple[Block, ...]

    @property
    def start(self) -> int:
        return self.blocks[0].start

    @property
    def end(self) -> int:
        return self.blocks[-1].end

    @property
    def path(self) -> tuple[str, ...]:
        """The headings that all its content is under, its own heading included."""
        return common_path([b.section for b in self.blocks if b.kind != "heading"] or [self.blocks[-1].section])


def common_path(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The longest common beginning."""
    shortest = min(paths, key=len, default=())
    for depth, name in enumerate(shortest):
        if any(path[depth] != name for path in paths):
            return shortest[:depth]
    return shortest


def sections_of(text: str, blocks: Sequence[Block], ruler: TokenRuler, room: Room) -> list[Section]:
    """Every character of `text` but white space lies in exactly one block of one section. `room` gives the tokens that a chunk has
    under a path of headings."""
    return _merged(list(grouped(complete(text, blocks))), ruler, room)


def complete(text: str, blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks, trimmed, with what lies between them as paragraphs: a parser may leave text out of its blocks, a chunk may not."""
    at = 0
    section: tuple[str, ...] = ()
    page: int | None = None
    for block in [*sorted(blocks, key=lambda b: (b.start, b.end)), None]:
        start = min(max(block.start, at), len(text)) if block else len(text)
        gap = trimmed(text, at, start)
        if gap:
            yield Block("paragraph", *gap, page=page, section=section)
        if block is None:
            return
        inside = trimmed(text, start, min(block.end, len(text)))
        at = max(start, min(block.end, len(text)))
        section, page = block.section, block.page
        if inside:
            yield Block(block.kind, *inside, page=page, section=section, level=block.level)
        if block.kind == "heading":
            section = (*section, text[block.start : block.end].strip("# \n\t"))


def trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span without white space at its ends; None when nothing else is in it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def grouped(blocks: Iterable[Block]) -> Iterator[Section]:
    """One section for each heading that has text of its own, in reading order. `blocks` are complete."""
    group: list[Block] = []
    path: tuple[str, ...] | None = None  # of the group's content, once it has some
    for block in blocks:
        # Headings that follow each other directly open one section: "# Handbook", "## Leave", text.
        if group and path is not None and (block.kind == "heading" or block.section != path):
            yield Section(tuple(group))
            group, path = [], None
        group.append(block)
        if block.kind != "heading":
            path = block.section
    if group:
        yield Section(tuple(group))


def _merged(sections: list[Section], ruler: TokenRuler, room: Room) -> list[Section]:
    result: list[Section] = []
    for section in sections:
        if result:
            before = result[-1]
            a, b = ruler.count(before.start, before.end), ruler.count(section.start, section.end)
            both = Section(before.blocks + section.blocks)
            limit, smaller = room(both.path), min(a, b)
            # A chunk names one page, so that a citation can: only what is tiny crosses to the next.
            related = before.blocks[-1].page == section.blocks[0].page and _kin(before, section)
            if a + b <= limit and (smaller < _TINY * limit or (smaller < _SMALL * limit and related)):
                result[-1] = both
                continue
        result.append(section)
    return result


def _kin(a: Section, b: Section) -> bool:
    """Siblings, or one the parent of the other."""
    shared = len(common_path([a.path, b.path]))
    return shared >= min(len(a.path), len(b.path)) - 1 and max(len(a.path), len(b.path)) - shared <= 1
