"""Strategies for tests: windows of so many tokens, on any tokenizer."""

from __future__ import annotations

from ragterm.engine.chunking import ChunkingTools
from ragterm.engine.chunking.tokens import TokenRuler
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings


def windows(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """`max_tokens` tokens each (16 when 0), every chunk repeating the share `overlap` of the one before."""
    width = settings.max_tokens or 16
    starts = TokenRuler(document.text, tools.tokenizer).starts
    step = max(1, width - int(width * settings.overlap))
    chunks: list[Chunk] = []
    for ordinal, first in enumerate(range(0, len(starts), step)):
        last = first + width
        end = starts[last] if last < len(starts) else len(document.text)
        text = document.text[starts[first] : end]
        chunks.append(
            Chunk(
                f"{document.id}-{ordinal}",
                document.id,
                build_id,
                ordinal,
                starts[first],
                end,
                text,
                tokens=tools.tokenizer.count([text])[0] + tools.tokenizer.special_tokens,
            )
        )
        if last >= len(starts):
            break
    return chunks


def lines(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """A line that is not blank is a chunk; what each line means is asked of the model, as semantic chunking does."""
    found, at = [], 0
    for line in document.text.split("\n"):
        if line.strip():
            found.append((at, at + len(line), line))
        at += len(line) + 1
    if tools.embed is not None:
        tools.embed([line for _, _, line in found])
    return [
        Chunk(
            f"{document.id}-{n}",
            document.id,
            build_id,
            n,
            start,
            end,
            line,
            tokens=tools.tokenizer.count([line])[0] + tools.tokenizer.special_tokens,
        )
        for n, (start, end, line) in enumerate(found)
    ]
