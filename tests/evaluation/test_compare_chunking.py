"""The comparison as a whole, on documents small enough to be counted in the test; and each text embedded once."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from math import log2

import numpy as np
import pytest
from support.cheap_embedder import CheapEmbedder
from support.chunk_strategies import lines, windows

from ragterm.engine.chunking import ChunkingTools, registry
from ragterm.engine.chunking.tokens import TokenRuler
from ragterm.engine.evaluation import EmbeddedTexts, SpanQuestion, chosen_strategies, compare, rank_chunks
from ragterm.engine.evaluation.compare_chunking import bin_width, length_distribution
from ragterm.engine.types.comparing import ComparisonOptions, histogram_blocks
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Document
from ragterm.engine.types.errors import Cancelled, ConfigError, UsageError
from ragterm.engine.types.settings import ChunkingSettings

TEXT = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
DOCUMENTS = [Document(name, f"/{name}", name, "text", "0" * 64, TEXT, ()) for name in ("one", "two")]


@pytest.fixture(autouse=True)
def _strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.STRATEGIES, "windows", windows)
    monkeypatch.setitem(registry.STRATEGIES, "lines", lines)


def starts() -> dict[str, Sequence[int]]:
    return {d.id: array("q", TokenRuler(d.text, CheapEmbedder().tokenizer).starts) for d in DOCUMENTS}


def place(words: str, document: str = "one") -> tuple[str, int, int]:
    at = TEXT.index(words)
    return document, at, at + len(words)


def run(written: list[str], questions, rankings, options=None, control=None):
    tools = ChunkingTools(CheapEmbedder().tokenizer, 64)
    chosen = chosen_strategies(written, ChunkingSettings(overlap=0.0))
    return compare(
        DOCUMENTS,
        chosen,
        questions,
        starts(),
        lambda one, document: (registry.chunk_with(one.name, document, "b", tools, one.settings), 0),
        lambda chunks, reporter: rankings,
        options or ComparisonOptions(retrieve=2, budget=5),
        control=control,
    )


def test_figures_of_one_strategy_by_hand() -> None:
    # Chunks of "one" are 0, 1, 2 (4, 4, 2 words), of "two" 3, 4, 5.
    question = SpanQuestion("?", (place("gamma delta epsilon"), place("kappa")))
    (report,) = run(["windows:max_tokens=4"], [question], [[1, 3, 0, 2]])
    assert report.chunks == 6
    assert report.boundaries["one"][0] == (0, TEXT.index("epsilon"))
    gold = len("gamma delta epsilon") + len("kappa")
    first, second, third = "alpha beta gamma delta ", "epsilon zeta eta theta ", "iota kappa"
    m = report.measures
    assert m is not None
    assert m.token_recall == pytest.approx(len("epsilon") / gold)
    assert m.token_precision == pytest.approx(len("epsilon") / (len(second) + len(first)))
    assert m.token_iou == pytest.approx(len("epsilon") / (len(second) + len(first) + gold - len("epsilon")))
    assert m.precision_omega == pytest.approx(gold / len(TEXT)), "all three chunks of the document hold some"
    # Five tokens: the second chunk, then one word of a chunk of the other document.
    assert m.recall_in_budget == pytest.approx(len("epsilon") / gold)
    gains = [len("epsilon") / gold, 0, len("gamma delta ") / gold, len("kappa") / gold]
    best = sorted(gains, reverse=True)
    dcg = [sum(g / log2(r + 2) for r, g in enumerate(order)) for order in (gains, best)]
    assert m.ndcg_at_10 == pytest.approx(dcg[0] / dcg[1])
    assert (m.evidence, m.evidence_split) == (2, 1)
    assert len(third) == report.boundaries["one"][2][1] - report.boundaries["one"][2][0]


def test_a_chunk_is_read_up_to_the_end_of_the_budget() -> None:
    question = SpanQuestion("?", (place("zeta eta theta"),))
    (report,) = run(["windows:max_tokens=8"], [question], [[0]], ComparisonOptions(retrieve=1, budget=7))
    assert report.measures is not None
    assert report.measures.recall_in_budget == pytest.approx(len("zeta eta ") / len("zeta eta theta"))
    assert report.measures.token_recall == 1


def test_a_chunk_with_a_parent_stands_for_it_and_a_parent_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(document, build_id, tools, settings):
        chunks = windows(document, build_id, tools, replace(settings, max_tokens=2))
        halves = ((0, TEXT.index("zeta")), (TEXT.index("zeta"), len(TEXT)))
        return [replace(c, parent=next(h for h in halves if h[0] <= c.start < h[1])) for c in chunks]

    monkeypatch.setitem(registry.STRATEGIES, "small", small)
    # Chunks of "one": 0, 1, 2 (it begins with epsilon) in the first half, 3 and 4 in the second.
    question = SpanQuestion("?", (place("beta"), place("kappa")))
    options = ComparisonOptions(retrieve=1, budget=100)
    (report,) = run(["small"], [question], [[2, 0, 1, 3, 4]], options)
    assert report.measures is not None and report.boundaries["one"][0] == (0, TEXT.index("gamma"))
    first, gold = TEXT[: TEXT.index("zeta")], len("beta") + len("kappa")
    assert report.measures.token_recall == pytest.approx(len("beta") / gold)
    assert report.measures.token_precision == pytest.approx(len("beta") / len(first))
    assert report.measures.precision_omega == pytest.approx(gold / len(TEXT))
    assert report.measures.recall_in_budget == 1
    gains = [len("beta") / gold, len("kappa") / gold]
    assert report.measures.ndcg_at_10 == pytest.approx(
        (gains[0] + gains[1] / log2(3)) / (gains[1] + gains[0] / log2(3))
    )
    assert report.measures.evidence_split == 0


def test_without_questions_nothing_is_ranked() -> None:
    reports = run(["windows:max_tokens=4", "windows:max_tokens=4,overlap=0.5"], [], None)
    assert [report.measures for report in reports] == [None, None]
    assert reports[0].repeated == 0 and 0.3 < reports[1].repeated < 0.5
    assert reports[0].lengths.bin_width == reports[1].lengths.bin_width
    assert reports[0].tokens == 2 * (10 + 3 * 2), "two special tokens a chunk"


def test_cancel_is_obeyed_between_documents() -> None:
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        run(["windows"], [], None, control=control)


def test_strategies_as_a_person_writes_them() -> None:
    settings = ChunkingSettings()
    chosen = chosen_strategies(["windows:max_tokens=64,overlap=0, recursive", "recursive", "lines"], settings)
    assert [one.label for one in chosen] == ["windows:max_tokens=64,overlap=0", "recursive", "lines"]
    assert chosen[0].settings == ChunkingSettings(max_tokens=64, overlap=0.0, strategy="windows")
    assert chosen[1].settings == replace(settings, strategy="recursive")
    assert chosen_strategies(["windows:overlap=0:max_tokens=64"], settings)[0] == chosen[0]
    assert {one.name for one in chosen_strategies([], settings)} == {"auto", *registry.STRATEGIES}


def test_patterns_are_those_of_an_ingest_and_of_no_strategy_by_name() -> None:
    settings = ChunkingSettings(patterns={"*.md": "markdown"})
    auto, markdown = chosen_strategies(["auto,markdown"], settings)
    assert (auto.settings.strategy, auto.settings.patterns) == ("auto", {"*.md": "markdown"})
    assert (markdown.settings.strategy, markdown.settings.patterns) == ("markdown", {})


@pytest.mark.parametrize(
    ("written", "kind", "said"),
    [
        ("nonsense", UsageError, "nonsense"),
        ("recursve", UsageError, "did you mean recursive?"),
        ("recursive:strategy=fixed", UsageError, "strategy=fixed"),
        ("recursive:max_token=3", ConfigError, "max_tokens"),
        ("recursive:max_tokens", UsageError, "max_tokens"),
        ("recursive:overlap=0.9", ConfigError, "0.5"),
    ],
)
def test_a_strategy_that_is_none_says_what_there_is(written: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as caught:
        chosen_strategies([written], ChunkingSettings())
    assert said in " ".join(caught.value.args)


def test_every_text_is_embedded_once() -> None:
    embedder = CheapEmbedder()
    known = {"known": np.full(32, 0.5, np.float32)}
    memory = EmbeddedTexts(embedder, lambda texts: {t: known[t] for t in texts if t in known})
    texts = [f"text number {n % 400}" for n in range(500)] + ["known"]
    counted: list[tuple[int, int]] = []
    vectors = memory.vectors(texts, lambda done, total: counted.append((done, total)))
    assert (memory.embedded, embedder.texts, memory.reused) == (400, 400, 101)
    assert max(embedder.calls) <= 128 and counted[-1] == (400, 400)
    assert memory.tokens == 400 * 5
    for text, vector in list(zip(texts, vectors, strict=True))[:500:37]:
        assert np.array_equal(vector, embedder.embed_query(text))
    assert np.array_equal(vectors[-1], known["known"])
    again = memory.vectors(list(reversed(texts[:500])))
    assert np.array_equal(again[::-1], vectors[:500]) and embedder.texts == 400


def test_an_embedding_that_is_cancelled_keeps_what_it_has() -> None:
    control, embedder = Control(), CheapEmbedder()
    embedder.on_call = lambda number: control.cancel()
    memory = EmbeddedTexts(embedder)
    with pytest.raises(Cancelled):
        memory.vectors([str(n) for n in range(300)], control=control)
    assert memory.embedded == 128


def test_ranking_by_cosine_and_fused() -> None:
    class Keyword:
        def search(self, query: str, k: int) -> list[tuple[int, float]]:
            return [(2, 9.0), (1, 3.0)]

        def scores(self, query: str, keys: Sequence[int]) -> list[float]:
            return [{2: 9.0, 1: 3.0}.get(key, 0.0) for key in keys]

    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [0.6, 0.8]], np.float32)
    asked = np.array([[1, 0]], np.float32)
    assert list(rank_chunks(vectors, ["q"], asked)) == [[0, 1, 3, 2]], "equal cosines in reading order"
    # By hand: cosine' 1, .6, 0, .6 and BM25' 0, 1/3, 1, 0, half and half.
    assert list(rank_chunks(vectors, ["q"], asked, keyword=Keyword(), weight=0.5)) == [[0, 2, 1, 3]]
    assert list(rank_chunks(vectors, ["q"], asked, keyword=Keyword(), weight=0.1)) == [[2, 1, 0, 3]]


def test_lengths_and_their_picture() -> None:
    lengths = length_distribution([1, 2, 3, 4, 100], bin_width(100))
    assert (lengths.minimum, lengths.lower_quartile, lengths.median, lengths.upper_quartile, lengths.maximum) == (
        1, 2, 3, 4, 100,
    )  # fmt: skip
    assert [n for n in lengths.histogram if n] == [4, 1] and lengths.histogram[100 // lengths.bin_width] == 1
    picture = histogram_blocks(lengths)
    assert picture[0] == "█" and picture.count("▂") == 1 and len(picture) == 16
    assert histogram_blocks(length_distribution([], 1)).strip() == ""
