"""The strategies by name, and which one a document gets."""

from __future__ import annotations

import difflib
import functools
from typing import Any

from ragterm.engine.chunking.code import chunk_code
from ragterm.engine.chunking.detection import detected
from ragterm.engine.chunking.fixed import chunk_fixed
from ragterm.engine.chunking.hierarchical import chunk_hierarchical
from ragterm.engine.chunking.legal import chunk_legal
from ragterm.engine.chunking.markdown import chunk_markdown
from ragterm.engine.chunking.qa import chunk_qa
from ragterm.engine.chunking.recursive import chunk_recursive
from ragterm.engine.chunking.sections import complete
from ragterm.engine.chunking.semantic import chunk_semantic
from ragterm.engine.chunking.sentences import chunk_sentences
from ragterm.engine.chunking.strategy import ChunkingStrategy, ChunkingTools
from ragterm.engine.chunking.table import chunk_table
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.errors import UsageError
from ragterm.engine.types.modes import StrategyName
from ragterm.engine.types.settings import ChunkingSettings

STRATEGIES: dict[str, ChunkingStrategy] = {
    "recursive": chunk_recursive,
    "fixed": chunk_fixed,
    "sentences": chunk_sentences,
    "semantic": chunk_semantic,
    "hierarchical": chunk_hierarchical,
    "markdown": chunk_markdown,
    "code": chunk_code,
    "table": chunk_table,
    "qa": chunk_qa,
    "legal": chunk_legal,
}

DESCRIPTIONS: dict[str, str] = {
    "auto": "by kind and content: code by function, tables by rows, contracts by clause, marked questions by pair; else hierarchical",
    "recursive": "sections that fit; longer ones at the best places between blocks, sentences, words, with an overlap",
    "fixed": "windows of equally many tokens with an overlap: the baseline",
    "sentences": "whole sentences, as many as fit",
    "semantic": "ends where the topic shifts, by embedding distance between neighbouring sentences (TextTiling)",
    "hierarchical": "matches two or three sentences, hands the model the section or paragraphs around them",
    "markdown": "one chunk for each heading",
    "code": "one chunk for each function, or class where it fits",
    "table": "groups of whole rows, the header before each",
    "qa": "one chunk for each question with its answer",
    "legal": "one chunk for each clause, its number in the section path",
}
"""One line on each strategy, for lists and help."""


def chunk_document(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """The chunks of a document by the strategy that the settings and its kind ask for. An archive has none: as a passage its listing
    would stand before the files that it lists."""
    if document.kind == "archive":
        return []
    return chunk_with(strategy_for(document, settings), document, build_id, tools, settings)


def chunk_with(
    name: str, document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings
) -> list[Chunk]:
    """The chunks by the strategy of this name; "auto" chooses by kind and content. Raises UsageError for an unknown one."""
    if name == "auto":
        name = detected(document, list(complete(document.text, document.blocks)))
    strategy = STRATEGIES.get(name)
    if strategy is None:
        near = difflib.get_close_matches(name, DESCRIPTIONS, n=1, cutoff=0.5)
        known = f"choose one of: {', '.join(sorted(DESCRIPTIONS))}"
        hint = f"did you mean {near[0]}? {known}" if near else known
        raise UsageError(f"Unknown chunking strategy {name!r}", "", hint)
    return strategy(document, build_id, tools, settings)


def strategy_for(document: Document, settings: ChunkingSettings) -> StrategyName:
    """Which strategy the settings give a document, "auto" resolved: the longest pattern that matches its path, else the strategy of
    all."""
    # By length, then by letter: the order in which patterns were written does not survive every file that they are kept in.
    matching = [pattern for pattern in settings.patterns if _matches(pattern, document.path)]
    name = settings.patterns[max(matching, key=lambda p: (len(p), p))] if matching else settings.strategy
    return detected(document, list(complete(document.text, document.blocks))) if name == "auto" else name


def _matches(pattern: str, path: str) -> bool:
    return bool(_spec(pattern).match_file(path.lstrip("/")))


@functools.lru_cache(maxsize=256)
def _spec(pattern: str) -> Any:
    """A glob as in .gitignore (gitignore(5)), at any depth: documents have absolute paths, patterns name what lies in a folder."""
    from pathspec import GitIgnoreSpec

    anchored = pattern.removeprefix("./")
    if anchored.startswith("/"):
        anchored = anchored.rstrip("/")
    elif "/" in anchored.rstrip("/"):
        anchored = f"**/{anchored}"
    return GitIgnoreSpec.from_lines([f"\\{anchored}" if anchored[:1] in ("!", "#") else anchored])
