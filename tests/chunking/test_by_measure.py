"""The strategies that cut by length or meaning: fixed windows, sentences, topic shifts, small chunks with parents."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest
from support.cheap_embedder import vector_of
from support.hostile_documents import build, document, promises
from support.minilm import minilm_tokenizer
from support.real_documents import FAQ, parsed

from ragterm.engine.chunking import ChunkingTools, chunk_with
from ragterm.engine.chunking.semantic import boundaries, depth_scores
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.sentences import sentence_spans
from ragterm.engine.types.settings import ChunkingSettings

PROSE = "The pump moves water through the filter. Every filter is cleaned once a week with warm water. Dr. Weber signs the list. "


def chunk(name: str, doc: Document, window: int = 128, embed: object = None, **changes: object) -> list[Chunk]:
    tools = ChunkingTools(minilm_tokenizer(), window, embed)  # type: ignore[arg-type]
    found = chunk_with(name, doc, "b", tools, ChunkingSettings(**changes))  # type: ignore[arg-type]
    promises(doc, found, window)
    return found


def test_fixed_windows_have_the_same_number_of_tokens_and_the_same_overlap() -> None:
    doc = document(PROSE * 30, title="")
    tokenizer = minilm_tokenizer()
    starts = [s for s, _ in tokenizer.spans(doc.text)]
    chunks = chunk("fixed", doc, window=102, overlap=0.2)
    assert {c.tokens for c in chunks[:-1]} == {102}  # 100 and the two special ones
    assert [c.start for c in chunks] == [starts[80 * n] for n in range(len(chunks))]
    assert chunks[-1].end == len(doc.text.rstrip())
    apart = chunk("fixed", doc, window=102, overlap=0.0)
    assert all(a.end <= b.start for a, b in itertools.pairwise(apart))


def test_sentences_are_whole_and_as_many_as_fit() -> None:
    doc = document(PROSE * 30)
    chunks = chunk("sentences", doc)
    spans = sentence_spans(doc.text)
    assert {c.start for c in chunks} <= {s for s, _ in spans} and {c.end for c in chunks} <= {e for _, e in spans}
    count = minilm_tokenizer().count
    for c in chunks[:-1]:
        following = next((s, e) for s, e in spans if s >= c.end)
        assert c.tokens + count([doc.text[slice(*following)]])[0] > 128, "the next sentence would have fitted"
    items = document("Things to do:\n\n- Clean the filter.\n- Call Dr. Weber.\n\n3. Ring the bell.", title="")
    assert [c.text for c in chunk("sentences", items, window=16, overlap=0.0)][-1].endswith("3. Ring the bell.")


def test_a_sentence_as_long_as_the_window_is_not_cut_for_the_sake_of_an_overlap() -> None:
    long = "A long sentence names " + ", ".join(["a pump"] * 38) + " and ends."
    doc = document(f"It is short. {long} It is over.", title="")
    assert any(long in c.text for c in chunk("sentences", doc, overlap=0.5))


def test_a_document_of_any_length_is_compared_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.engine.chunking.semantic._AT_ONCE", 7)
    chunk("semantic", document(PROSE * 20), embed=lambda texts: np.stack([vector_of(t) for t in texts]))


def test_the_depth_of_a_gap_is_its_distance_to_the_peaks_on_both_sides() -> None:
    """By hand, from the definition in section 5.3 of the paper."""
    assert depth_scores([0.5, 0.3, 0.1, 0.3, 0.6, 0.2, 0.4]) == pytest.approx([0.0, 0.2, 0.9, 0.3, 0.0, 0.6, 0.0])
    assert depth_scores([]) == []
    rng = random.Random(5)
    scores = [rng.random() for _ in range(60)]
    for at, depth in enumerate(depth_scores(scores)):
        left = right = at
        while left > 0 and scores[left - 1] >= scores[left]:
            left -= 1
        while right < 59 and scores[right + 1] >= scores[right]:
            right += 1
        assert depth == pytest.approx(scores[left] + scores[right] - 2 * scores[at])


def test_boundaries_are_deep_and_apart() -> None:
    assert boundaries([0.0] * 20) == []
    depths = [0.0] * 20
    depths[6], depths[7], depths[14] = 0.9, 1.0, 0.8
    assert boundaries(depths) == [7, 14]


TOPICS = {
    "tank": "The tank holds water. Water enters the tank by a valve. The valve of the tank leaks. A level sensor watches the tank.",
    "music": "The orchestra plays on Sunday. A violin leads the orchestra. The conductor of the orchestra is ill. Her violin is old.",
    "tax": "The tax is due in May. Late tax costs interest. The interest on tax is four per cent. A tax office may waive interest.",
}  # fmt: skip


@pytest.mark.parametrize("with_embedder", [True, False])
def test_chunks_end_where_the_topic_shifts(with_embedder: bool) -> None:
    doc = document(" ".join(TOPICS.values()), title="")
    seen: list[int] = []

    def embed(texts: Sequence[str]) -> np.ndarray:
        """A vector for each topic, with a little of the words."""
        seen.append(len(texts))
        topic = [next(n for n, whole in enumerate(TOPICS.values()) if text.strip() in whole) for text in texts]
        vectors = np.stack(
            [np.concatenate([np.eye(3)[n], 0.3 * vector_of(t)]) for n, t in zip(topic, texts, strict=True)]
        )
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    chunks = chunk("semantic", doc, window=64, embed=embed if with_embedder else None)
    assert [c.text for c in chunks] == list(TOPICS.values())
    assert bool(seen) == with_embedder


def test_a_long_stretch_about_one_thing_still_fits_the_window() -> None:
    chunks = chunk("semantic", document(PROSE * 40), embed=lambda texts: np.stack([vector_of(t) for t in texts]))
    ends = {e for _, e in sentence_spans(PROSE * 40)}
    assert all(c.end in ends for c in chunks) and min(c.tokens for c in chunks) > 20


def test_small_chunks_have_the_section_as_parent_and_long_sections_their_paragraphs() -> None:
    doc = build(
        ("heading", "# Leave", ()),
        ("paragraph", PROSE.strip(), ("Leave",)),
        ("heading", "# Travel", ()),
        *[("paragraph", PROSE.strip(), ("Travel",))] * 9,
    )
    chunks = chunk("hierarchical", doc, window=128)
    border = doc.text.index("# Travel")
    assert chunks[0].parent == (0, len(doc.text[:border].rstrip()))
    parents = sorted({c.parent for c in chunks if c.parent})
    count = minilm_tokenizer().count
    assert len(parents) > 3 and all(count([doc.text[s:e]])[0] <= 126 for s, e in parents)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(parents))
    assert all(doc.text[s:e].startswith(("# ", "The pump")) and doc.text[s:e].endswith(".") for s, e in parents)
    assert len(chunks) >= 2 * len(parents) and max(c.tokens for c in chunks) <= 50
    ids = {c.parent: c.parent_id for c in chunks}
    assert len(set(ids.values())) == len(parents) and all(ids[c.parent] == c.parent_id for c in chunks)
    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))


def test_a_table_in_parts_keeps_its_own_header_in_every_small_chunk() -> None:
    table = "| Part | Price |\n|---|---|\n" + "\n".join(f"| P-{n} | {n} EUR |" for n in range(80))
    for c in chunk("hierarchical", build(("table", table, ())), window=128)[1:]:
        assert "| Part | Price |" in c.embedding_text


def test_faq_answers_are_found_by_sentence_and_handed_over_whole() -> None:
    doc = parsed(FAQ, "faq.md")
    toilet = next(c for c in chunk("hierarchical", doc, window=100) if "ink" in c.text)
    assert toilet.parent is not None
    assert "rose in May" in doc.text[slice(*toilet.parent)] and "rose in May" not in toilet.text
