"""What every strategy promises, on hostile text and with hostile tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.cheap_embedder import vector_of
from support.hostile_documents import document, documents, promises
from support.minilm import minilm_tokenizer

from ragterm.engine.chunking import DESCRIPTIONS, STRATEGIES, ChunkingTools, chunk_with
from ragterm.engine.types.documents import Block, Document
from ragterm.engine.types.modes import StrategyName
from ragterm.engine.types.settings import ChunkingSettings

NAMES = sorted(STRATEGIES)
# What the rules look for, broken in every way.
MARKS = st.lists(
    st.sampled_from(
        ["Q: ", "A: ", "**Q:** why?", "Why is it so?", "Anna Smith: ", "\n", "\n\n", "Article 5 ", "§ 3a ", "1. ", "1.2.3 ", "(a) ",
         "(i) ", "(iv) ", "(ii) ", "SCHEDULE 1\n", "shall pay ", '"', "a,b\n", "| x | y |\n", "|---|---|\n", "## Is?\n", "word " * 30,
         "漢字か。", "x" * 120, "\n(a) ", "\n1. ", "\nQ: ", "\nA: "]
    ),
    max_size=50,
).map("".join)  # fmt: skip


@st.composite
def marked(draw: st.DrawFn) -> Document:
    text = draw(MARKS)
    at, blocks = 0, []
    for line in text.split("\n"):
        kind = draw(st.sampled_from(["heading", "paragraph", "table", "code"]))
        path = tuple(draw(st.lists(st.sampled_from(["class A", "def f", "B"]), max_size=2)))
        if line.strip():
            blocks.append(Block(kind, at, at + len(line), section=path, level=draw(st.integers(1, 3))))
        at += len(line) + 1
    return document(text, blocks)


def embed(texts: Sequence[str]) -> np.ndarray:
    assert 0 < len(texts) <= 64, "sentences are embedded in bounded batches"
    return np.stack([vector_of(text) for text in texts])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=35, deadline=None)
@given(
    documents() | marked(), st.sampled_from([16, 40, 256]), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0, 64])
)
@example(document("a" * 3000), 256, 0.1, 64)
@example(document("😀" * 1000), 40, 0.5, 64)
@example(document("漢" * 1000), 256, 0.1, 64)
@example(document("y" * 101 + " "), 16, 0.5, 0)
@example(document("Q: a?\nA: " + "b " * 900), 64, 0.1, 64)
@example(document('a,"b\n' * 300, [Block("table", 0, 1499)]), 40, 0.1, 64)
def test_every_strategy_keeps_every_promise(
    name: str, doc: Document, window: int, overlap: float, context_tokens: int
) -> None:
    tools = ChunkingTools(minilm_tokenizer(), window, embed)
    chosen = ChunkingSettings(overlap=overlap, context_tokens=context_tokens)
    chunks = chunk_with(name, doc, "build1", tools, chosen)
    promises(doc, chunks, window, context_tokens)
    assert chunks == chunk_with(name, doc, "build1", tools, chosen)
    for chunk in chunks:
        assert (chunk.parent is None) == (chunk.parent_id is None) == (name != "hierarchical")
        if chunk.parent is not None:
            assert chunk.parent[0] <= chunk.start < chunk.end <= chunk.parent[1]


class _Characters:
    """A tokenizer whose parts do not add up."""

    special_tokens = 2

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [(i, min(i + 3, len(text))) for i in range(0, len(text), 3)]

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(self.spans(t)) + t.count("\n") for t in texts]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(documents() | marked(), st.sampled_from([16, 64]))
def test_a_tokenizer_that_does_not_add_up_is_counted_again(name: str, doc: Document, window: int) -> None:
    tokenizer = _Characters()
    chunks = chunk_with(name, doc, "b", ChunkingTools(tokenizer, window), ChunkingSettings())
    assert all(tokenizer.count([c.embedding_text])[0] + 2 == c.tokens <= window for c in chunks)
    covered = {i for c in chunks for i in range(c.start, c.end)}
    assert all(doc.text[i].isspace() for i in range(len(doc.text)) if i not in covered)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_no_text_no_chunks(name: str, text: str) -> None:
    assert (
        chunk_with(name, document(text), "b", ChunkingTools(minilm_tokenizer(), 256, embed), ChunkingSettings()) == []
    )


def test_the_names_of_the_settings_are_those_of_the_registry() -> None:
    assert set(get_args(StrategyName)) == {"auto", *STRATEGIES} == set(DESCRIPTIONS)
