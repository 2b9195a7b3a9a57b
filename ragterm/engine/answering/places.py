"""Where a cited span stands: page and section of the very span, from the blocks of its document.

A chunk may cover several short sections and two pages; a citation is one sentence, and a reader who turns to the page
must find it there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from ragterm.engine.types.answers import Answer
from ragterm.engine.types.documents import Block


def with_places(answer: Answer, blocks_of: Callable[[str, str], Sequence[Block]]) -> Answer:
    """`answer` with each citation's page and section taken from the block its span begins in.

    `blocks_of(document id, content hash)` gives a version's blocks, empty when that version is gone: the chunk's own
    page and section stay then.
    """
    return replace(
        answer,
        citations=tuple(
            replace(citation, page=block.page, section=block.section)
            if (block := block_at(blocks_of(citation.document_id, citation.content_hash), citation.start)) is not None
            else citation
            for citation in answer.citations
        ),
    )


def block_at(blocks: Sequence[Block], offset: int) -> Block | None:
    """The block that holds `offset`, or the last one before it; None before the first."""
    at = bisect_right(blocks, offset, key=lambda block: block.start) - 1
    return blocks[at] if at >= 0 else None
