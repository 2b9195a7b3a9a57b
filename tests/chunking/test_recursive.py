"""Chunks: every promise of the design, on made documents, on hostile text, with the real tokenizer."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.hostile_documents import WINDOW, build, document, documents, promises
from support.minilm import minilm_tokenizer

from ragterm.engine.chunking import ChunkingStrategy, ChunkingTools, chunk_document
from ragterm.engine.types.documents import Block, BlockKind, Chunk, Document
from ragterm.engine.types.sentences import sentence_spans
from ragterm.engine.types.settings import ChunkingSettings

PROSE = (
    "The pump moves water through the filter. Every filter is cleaned once a week with warm water. "
    "Dr. Weber signs the list, and the night shift keeps it for 3.5 years. Who is late pays nothing. "
)


def chunk(doc: Document, window: int = WINDOW, **changes: object) -> list[Chunk]:
    return chunk_document(
        doc, "build1", ChunkingTools(minilm_tokenizer(), window), ChunkingSettings(strategy="recursive", **changes)
    )  # type: ignore[arg-type]


def test_a_short_document_is_one_chunk() -> None:
    doc = document("  Water boils.\n")
    (only,) = chunk(doc)
    promises(doc, [only])
    assert only.text == "Water boils." and only.context == "Handbook"
    assert only.id == hashlib.sha256(f"doc1\0hash1\0build1\0{2}\0{14}".encode()).hexdigest()[:20]


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_no_text_no_chunks(text: str) -> None:
    assert chunk(document(text)) == []


def test_it_is_deterministic_and_the_id_names_what_it_is_made_from() -> None:
    doc = document(PROSE * 40)
    first = chunk(doc)
    assert first == chunk(doc)
    ids = {c.id for c in first}
    for other in (dataclasses.replace(doc, id="doc2"), dataclasses.replace(doc, content_hash="hash2")):
        assert ids.isdisjoint(c.id for c in chunk(other))
    assert ids.isdisjoint(
        c.id
        for c in chunk_document(
            doc, "build2", ChunkingTools(minilm_tokenizer(), WINDOW), ChunkingSettings(strategy="recursive")
        )
    )


def test_long_prose_is_cut_between_sentences_with_an_overlap() -> None:
    doc = document(PROSE * 60)
    chunks = chunk(doc)
    promises(doc, chunks)
    starts = {s for s, _ in sentence_spans(doc.text)}
    ends = {e for _, e in sentence_spans(doc.text)}
    assert all(c.start in starts and c.end in ends for c in chunks)
    shared = [a.end - b.start for a, b in itertools.pairwise(chunks)]
    assert all(s > 0 for s in shared)
    assert 0.04 <= sum(shared) / len(doc.text) <= 0.2
    assert min(c.tokens for c in chunks) >= 0.6 * max(c.tokens for c in chunks)  # no crumb at the end


def test_without_overlap_chunks_do_not_touch() -> None:
    chunks = chunk(document(PROSE * 40), overlap=0.0)
    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))


def test_sections_are_not_mixed() -> None:
    doc = build(
        ("heading", "# Leave", ()),
        ("paragraph", PROSE * 3, ("Leave",)),
        ("heading", "# Travel", ()),
        ("paragraph", PROSE * 12, ("Travel",)),
    )
    chunks = chunk(doc)
    promises(doc, chunks)
    border = doc.text.index("# Travel")
    assert all(c.end <= border or c.start >= border for c in chunks)
    assert [c.section for c in chunks] == [("Leave",)] + [("Travel",)] * (len(chunks) - 1)
    assert len(chunks) > 2
    # The heading stands in the first chunk's text and in the context of the others.
    assert chunks[1].text.startswith("# Travel") and chunks[1].context == "Handbook"
    assert {c.context for c in chunks[2:]} == {"Handbook > Travel"}


def test_tiny_siblings_are_merged_and_strangers_are_not() -> None:
    parts: list[tuple[BlockKind, str, tuple[str, ...]]] = []
    for name in ("get", "put", "post", "delete", "head", "patch"):
        parts += [("heading", f"## {name}", ("Methods",)), ("paragraph", f"Sends a {name} request.", ("Methods", name))]
    doc = build(("heading", "# Methods", ()), *parts)
    (only,) = chunk(doc)
    promises(doc, [only])
    assert only.section == ("Methods",)
    far = build(
        ("heading", "# A", ()),
        ("heading", "## B", ("A",)),
        ("paragraph", PROSE, ("A", "B")),
        ("heading", "# C", ()),
        ("heading", "## D", ("C",)),
        ("paragraph", PROSE, ("C", "D")),
    )
    chunks = chunk(far)
    promises(far, chunks)
    assert [c.section for c in chunks] == [("A", "B"), ("C", "D")]


def test_headings_stay_with_what_they_head() -> None:
    doc = build(
        ("paragraph", PROSE * 5, ()),
        ("heading", "# Cleaning", ()),
        ("heading", "## Weekly", ("Cleaning",)),
        ("paragraph", PROSE * 9, ("Cleaning", "Weekly")),
    )
    for c in chunk(doc):
        assert not re.search(r"#+ \w+$", c.text)
    promises(doc, chunk(doc))


def test_a_long_table_keeps_its_rows_and_repeats_its_header() -> None:
    rows = "\n".join(f"| P-{i:03d} | pump with {i} litres | {i}.50 EUR |" for i in range(80))
    table = f"| Part | What it is | Price |\n|---|---|---|\n{rows}"
    doc = build(("heading", "# Parts", ()), ("table", table, ("Parts",)))
    chunks = chunk(doc)
    promises(doc, chunks)
    assert len(chunks) > 4
    for c in chunks[1:]:
        assert c.context == "Handbook > Parts\n| Part | What it is | Price |"
        assert all(line.startswith("| P-") and line.endswith("EUR |") for line in c.text.splitlines())
    assert "| Part |" not in chunks[0].context
    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))


def test_code_is_cut_at_blank_lines_before_lines() -> None:
    functions = [f"def f{i}(x):\n" + "\n".join(f"    x = x + {j} * {i}" for j in range(6)) for i in range(20)]
    doc = build(("code", "\n\n".join(functions), ()), title="pump.py")
    chunks = chunk(doc, max_tokens=WINDOW)
    promises(doc, chunks)
    assert len(chunks) > 3
    assert all(c.text.startswith("def ") for c in chunks)


def test_text_outside_all_blocks_is_kept() -> None:
    text = "Lost at the start.\n\nA paragraph.\n\nLost in the middle.\n\nAnother.\n\nLost at the end."
    blocks = [Block("paragraph", text.index(p), text.index(p) + len(p)) for p in ("A paragraph.", "Another.")]
    overlapping = [*blocks, Block("quote", 0, 30), Block("list", 5, 10_000)]
    for some in (blocks, overlapping):
        doc = document(text, some)
        promises(doc, chunk(doc))


def test_pages_are_those_of_the_first_content() -> None:
    text = "\n\n".join(PROSE * 4 for _ in range(4))
    length = len(PROSE * 4)
    blocks = [Block("paragraph", i * (length + 2), i * (length + 2) + length, page=i + 1) for i in range(4)]
    doc = document(text, blocks)
    chunks = chunk(doc)
    promises(doc, chunks)
    for c in chunks:
        assert c.page == next(b.page for b in blocks if b.end > c.start)
    assert chunks[-1].page == 4


def test_contexts_say_nothing_twice_and_stay_within_their_limit() -> None:
    same = build(("heading", "# Handbook", ()), ("paragraph", PROSE, ("Handbook",)))
    assert [c.context for c in chunk(same)] == [""]
    long_path = tuple(f"Chapter {i} about the extraordinarily complicated machinery of part {i}" for i in range(9))
    doc = build(("paragraph", PROSE * 20, long_path), title="The complete handbook of everything " * 8)
    chunks = chunk(doc)
    promises(doc, chunks)
    assert all("…" in c.context or c.context.startswith("The complete") for c in chunks)
    deep = build(("paragraph", PROSE, long_path))
    (only,) = chunk(deep)
    assert only.context.startswith("Handbook > … > ") and only.context.endswith(long_path[-1])
    assert [c.context for c in chunk(deep, context_tokens=0)] == [""]


def test_a_blob_without_spaces_is_cut_so_that_all_of_it_is_read() -> None:
    doc = document("A key: " + "QmFzZTY0" * 1500 + " ends.")
    chunks = chunk(doc)
    promises(doc, chunks)
    assert len(chunks) > 5


@pytest.mark.parametrize("window", [16, 32, 64, 128, 256])
def test_any_window_is_kept(window: int) -> None:
    doc = build(("heading", "# Leave of absence", ()), ("paragraph", PROSE * 10, ("Leave of absence",)))
    promises(doc, chunk(doc, window), window)
    promises(doc, chunk(doc, 256, max_tokens=window), window)


@settings(max_examples=150, deadline=None)
@given(documents(), st.sampled_from([16, 40, 256]), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0, 20, 64]))
@example(document("a" * 5000), 256, 0.1, 64)
@example(document("y" * 101 + " "), 16, 0.5, 0)  # halves of overlapping chunks coincide
@example(document("漢" * 3000), 256, 0.1, 64)
@example(document("😀" * 3000), 40, 0.5, 64)
def test_hostile_text_keeps_every_promise(doc: Document, window: int, overlap: float, context_tokens: int) -> None:
    chunks = chunk(doc, window, overlap=overlap, context_tokens=context_tokens)
    promises(doc, chunks, window, context_tokens)


class _Characters:
    """A tokenizer whose parts do not add up: a token is up to three characters from where one happens to begin, and a line
    break counts as well."""

    special_tokens = 2

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [(i, min(i + 3, len(text))) for i in range(0, len(text), 3)]

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(self.spans(t)) + t.count("\n") for t in texts]


@settings(max_examples=60, deadline=None)
@given(documents(), st.sampled_from([16, 64]))
def test_a_tokenizer_that_does_not_add_up_is_counted_again(doc: Document, window: int) -> None:
    tokenizer = _Characters()
    strategy: ChunkingStrategy = chunk_document
    chunks = strategy(doc, "b", ChunkingTools(tokenizer, window), ChunkingSettings())
    assert all(tokenizer.count([c.embedding_text])[0] + 2 == c.tokens <= window for c in chunks)
    covered = {i for c in chunks for i in range(c.start, c.end)}
    assert all(doc.text[i].isspace() for i in range(len(doc.text)) if i not in covered)
