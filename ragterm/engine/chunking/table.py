"""By row groups: a table is cut between rows only, and every part says what its columns are.

Groups are of like length; the header stands before each as context. A row is parted from itself only where it is longer than the
window alone. The heading or caption right above a table goes with its first rows; what else stands in the document is cut as the
recursive strategy cuts it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ragterm.engine.chunking.recursive import section_spans
from ragterm.engine.chunking.sections import Section, grouped
from ragterm.engine.chunking.spans import MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.chunking.tables import table_header, table_rows
from ragterm.engine.types.documents import Block, Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings


def chunk_table(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """Row groups for every table block, the recursive strategy's chunks for the rest."""
    measured = MeasuredDocument(document, build_id, tools, settings)
    return measured.chunks(span for section in grouped(measured.blocks) for span in _spans(section, measured))


def _spans(section: Section, measured: MeasuredDocument) -> Iterator[Span]:
    before: list[Block] = []
    for block in section.blocks:
        if block.kind != "table":
            before.append(block)
            continue
        above: list[Block] = []
        while before and before[-1].kind in ("heading", "caption"):
            above.insert(0, before.pop())
        if before:
            yield from section_spans(Section(tuple(before)), measured)
        yield from _row_groups(block, above, measured)
        before = []
    if before:
        yield from section_spans(Section(tuple(before)), measured)


def _row_groups(table: Block, above: list[Block], measured: MeasuredDocument) -> Iterator[Span]:
    count = measured.ruler.count
    rows = table_rows(measured.text, table.start, table.end)
    header = table_header(measured.text, rows)
    start = above[0].start if above else table.start
    opening = measured.left(above[0].section if above else table.section)
    if count(start, table.end) <= opening:
        yield Span(start, table.end, (*above, table))
        return
    following = measured.left(table.section, header)
    parts = -(-count(start, table.end) // max(1, following))
    target = count(start, table.end) / parts
    first, room, blocks = start, opening, (*above, table)
    below: tuple[int, int] | None = None  # the header, once the group no longer begins with it
    for (row, row_end), (_, previous) in zip(rows[1:], rows, strict=False):
        headed = header is not None and row < header[1]  # a group is never the header alone
        if not headed and (count(first, row_end) > room or count(first, previous) >= target):
            if header is not None and first == start and previous == header[1]:
                continue
            yield Span(first, previous, blocks, below)
            first, room, blocks, below = row, following, (table,), header
    yield Span(first, table.end, blocks, below)
