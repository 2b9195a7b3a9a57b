"""Documents by the hand and by the hundred for tests of chunking, and what is true of every chunking."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from support.minilm import minilm_tokenizer

from ragterm.engine.types.documents import Block, BlockKind, Chunk, Document

WINDOW = 256


def document(text: str, blocks: Sequence[Block] = (), title: str = "Handbook") -> Document:
    return Document("doc1", "/docs/a.md", title, "markdown", "hash1", text, tuple(blocks))


def build(*parts: tuple[BlockKind, str, tuple[str, ...]], title: str = "Handbook", page: int | None = None) -> Document:
    """A document of blocks with a blank line between them."""
    text, blocks = "", []
    for kind, body, section in parts:
        text += "\n\n" if text else ""
        level = len(section) + 1 if kind == "heading" else 0
        blocks.append(Block(kind, len(text), len(text) + len(body), page, section, level))
        text += body
    return document(text, blocks, title)


def promises(doc: Document, chunks: Sequence[Chunk], window: int = WINDOW, context_tokens: int = 64) -> None:
    """What is true of every chunking."""
    tokenizer = minilm_tokenizer()
    covered: set[int] = set()
    for chunk_ in chunks:
        assert chunk_.text == doc.text[chunk_.start : chunk_.end]
        assert chunk_.text and chunk_.text == chunk_.text.strip()
        covered.update(range(chunk_.start, chunk_.end))
    assert [i for i, c in enumerate(doc.text) if not c.isspace() and i not in covered] == []
    # Counted by the tokenizer as the model will be given it, independently of what chunking measured.
    encoded = tokenizer._whole.encode_batch([c.embedding_text for c in chunks]) if chunks else []
    assert [len(e) for e in encoded] == [c.tokens for c in chunks]
    assert all(c.tokens <= window for c in chunks)
    assert all(n <= context_tokens for n in tokenizer.count([c.context for c in chunks]))
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))
    assert [(c.start, c.end) for c in chunks] == sorted({(c.start, c.end) for c in chunks})
    assert len({c.id for c in chunks}) == len(chunks)


# fmt: off
WORDS = st.sampled_from([
    "the", "Refund", "3.14", "e.g.", "U.S.", "naïve", "漢字", "かな", "한국어", "नमस्ते", "😀", "👩\u200d👩\u200d👧", "x" * 99, "y" * 101,
    "z" * 700, "http://a.b/c?d=e&f", "#", "##", "|", "-", "...", "。", "!?", "\u200b", "\u0301", "ﬁ", "ß", "İ", "\xad", "\ufeff",
])
# fmt: on
SPACES = st.sampled_from([" ", "  ", "\n", "\n\n", "\t", ". ", "! ", "。", "", "\u00a0", "\u2003", "\n- ", "\n| "])
HOSTILE = st.lists(st.tuples(WORDS, SPACES, st.integers(1, 12)), max_size=60).map(
    lambda parts: "".join((word + space) * times for word, space, times in parts)
)
KINDS: list[BlockKind] = ["heading", "paragraph", "list", "table", "code", "quote", "caption", "footnote", "metadata"]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(HOSTILE | st.text(max_size=400))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    blocks = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        section = tuple(draw(st.lists(st.sampled_from(["A", "B", "漢", "long " * 40]), max_size=3)))
        blocks.append(Block(draw(st.sampled_from(KINDS)), start, end, draw(st.none() | st.integers(1, 9)), section))
    return document(text, blocks, draw(st.sampled_from(["", "T", "漢字" * 60, "x" * 500, "# ", "a b " * 90])))
