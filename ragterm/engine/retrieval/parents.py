"""Match small, hand over large: a chunk with a parent stands in the prompt as its parent.

A chunk of a few sentences is found more exactly, and says less, than the section around it. Where the chunking kept that section's
span, the language model reads the section. What it is handed is still a span of the document, so a citation is too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ragterm.engine.chunking.sections import Section

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Chunk, Document
    from ragterm.engine.types.protocols import Tokenizer
    from ragterm.engine.types.tracing import Candidate


class Parents:
    """Widens chunks to their parents, reading each document once.

    `version` gives a document by (id, content hash), None when that version is gone. `tokenizer` counts what comes out.
    """

    def __init__(self, version: Callable[[str, str], Document | None], tokenizer: Tokenizer) -> None:
        self._version = version
        self._tokenizer = tokenizer
        self._documents: dict[tuple[str, str], Document | None] = {}

    def handed_over(self, candidate: Candidate) -> Chunk:
        """The candidate's chunk with start, end, text, page and section of its parent; its id stays that of the chunk that was
        found. The chunk itself when it has no parent or its document's version is gone."""
        chunk = candidate.chunk
        if chunk.parent is None:
            return chunk
        place = (chunk.document_id, candidate.content_hash)
        if place not in self._documents:
            self._documents[place] = self._version(*place)
        document = self._documents[place]
        if document is None:
            return chunk
        start, end = chunk.parent
        blocks = tuple(block for block in document.blocks if block.end > start and block.start < end)
        whole = replace(
            chunk,
            start=start,
            end=end,
            text=document.text[start:end],
            page=blocks[0].page if blocks else chunk.page,
            section=Section(blocks).path if blocks else chunk.section,
        )
        counted = self._tokenizer.count([whole.embedding_text])[0] + self._tokenizer.special_tokens
        return replace(whole, tokens=counted)
