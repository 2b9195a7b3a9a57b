"""The one retrieval path, on a real keyword index and an exact scan, with an embedder small enough to reason about."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ragterm.engine.keyword import TantivyIndex
from ragterm.engine.retrieval import RetrievalRooms, retrieve
from ragterm.engine.retrieval.rerank import BLENDS, RERANKED
from ragterm.engine.types.answers import StageDone
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Chunk
from ragterm.engine.types.errors import Cancelled, StoreError
from ragterm.engine.types.protocols import IndexChanges, IndexEntry
from ragterm.engine.types.tracing import RetrievalSettings, Trace

FloatArray = npt.NDArray[np.float32]
KeyArray = npt.NDArray[np.int64]

TEXTS = {
    1: "Refunds are given within 30 days of purchase.",
    2: "The warehouse opens at eight.",
    3: "A refund needs the receipt; refunds without one go to the manager.",
    4: "Holidays are requested in the calendar.",
    5: "Money is returned to customers who ask for it.",
    6: "The calendar of the warehouse.",
}
NONE = RetrievalSettings(rerank="none")


@dataclass
class WordTokenizer:
    special_tokens: int = 2

    def spans(self, text: str) -> list[tuple[int, int]]:
        raise NotImplementedError

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class WordEmbedder:
    """Each word is a fixed random direction; a text is their sum. "money" and "returned" point where "refund" does."""

    model_id = "words"
    dimensions = 64
    max_tokens = 12
    tokenizer = WordTokenizer()

    def embed_query(self, text: str) -> FloatArray:
        return self.embed_documents([text])[0]

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        rows = [np.sum([self._word(word) for word in text.lower().split() or ["?"]], axis=0) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)

    def token_vectors(self, texts: Sequence[str]) -> list[FloatArray]:
        raise NotImplementedError

    def _word(self, word: str) -> FloatArray:
        word = {"money": "refund", "returned": "refund", "refunds": "refund"}.get(
            word.strip(".,;?"), word.strip(".,;?")
        )
        vector = np.random.default_rng(zlib.crc32(word.encode())).normal(size=self.dimensions)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


class ExactScan:
    def __init__(self, keys: Sequence[int], vectors: FloatArray, generation: int = 1) -> None:
        self.keys, self.vectors, self.generation = list(keys), vectors, generation

    def apply(self, changes: IndexChanges) -> None:
        raise NotImplementedError

    def search(self, vector: FloatArray, k: int, allowed: KeyArray | None = None) -> tuple[KeyArray, FloatArray]:
        keys = [key for key in self.keys if allowed is None or key in set(allowed.tolist())]
        scores = self.scores(vector, np.array(keys, dtype=np.int64))
        order = np.argsort(-scores, kind="stable")[:k]
        return np.array(keys, dtype=np.int64)[order], scores[order]

    def scores(self, vector: FloatArray, keys: KeyArray) -> FloatArray:
        found = [float(self.vectors[self.keys.index(k)] @ vector) if k in self.keys else -1.0 for k in keys.tolist()]
        return np.array(found, dtype=np.float32)


@dataclass(frozen=True)
class Found:
    chunk: Chunk
    title: str
    path: str
    content_hash: str = "hash"


class LengthReranker:
    """Longer is better."""

    name = "length"
    scale = "characters"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, query: str, texts: Sequence[str]) -> FloatArray:
        self.asked = list(texts)
        return np.array([len(text) for text in texts], dtype=np.float32)


def rooms_of(folder: Path, texts: Mapping[int, str], held: Sequence[int] | None = None) -> RetrievalRooms:
    """A collection of one chunk a document, document `d<key>`; the vector index holds `held` (all)."""
    embedder = WordEmbedder()
    keyword = TantivyIndex(folder)
    keyword.apply(IndexChanges([IndexEntry(key, f"d{key}", "", "", text) for key, text in texts.items()], [], 1))
    held = list(texts) if held is None else list(held)
    vectors = embedder.embed_documents([texts[key] for key in held]) if held else np.empty((0, 64), np.float32)
    stored = {
        key: Found(
            Chunk(f"c{key}", f"d{key}", "b1", 0, 0, len(text), text, page=key if key % 2 else None, key=key),
            f"Title {key}",
            f"/docs/{key}.md",
        )
        for key, text in texts.items()
    }
    return RetrievalRooms(
        collection="default",
        build_id="b1",
        generation=1,
        embedder=embedder,
        dense=ExactScan(held, vectors),
        keyword=keyword,
        chunks=lambda keys: {key: stored[key] for key in keys if key in stored},
        keys_of=lambda ids: np.array([key for key in stored if f"d{key}" in ids], dtype=np.int64),
        describe_dense=lambda: f"exact scan of {len(held)} vectors",
    )


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> RetrievalRooms:
    return rooms_of(tmp_path_factory.mktemp("rooms") / "k", TEXTS)


def keys(trace: Trace) -> list[int]:
    return [candidate.chunk.key for candidate in trace.candidates]


def test_a_trace_says_what_was_done(rooms: RetrievalRooms) -> None:
    trace = retrieve("How do refunds work?", NONE, rooms)
    assert (trace.collection, trace.build_id, trace.generation, trace.model_id) == ("default", "b1", 1, "words")
    assert trace.question == trace.query == "How do refunds work?"
    assert [t.name for t in trace.timings] == ["embed question", "dense", "keyword", "exact scores", "fuse"]
    assert "exact scan of 6 vectors" in trace.timings[1].detail
    assert all(t.ms >= 0 for t in trace.timings)
    assert trace.scales == {"dense": "cosine", "keyword": "BM25", "fused": "convex: 0.6 x cosine' + 0.4 x BM25'"}
    assert trace.matched_terms == ("refund", "refunds") or set(trace.matched_terms) == {"refund", "refunds"}
    first = trace.candidates[0]
    assert (first.document_title, first.document_path, first.content_hash) == (
        f"Title {first.chunk.key}",
        f"/docs/{first.chunk.key}.md",
        "hash",
    )
    assert {c.chunk.key: c.page_label for c in trace.candidates} == {
        1: "page 1",
        2: "",
        3: "page 3",
        4: "",
        5: "page 5",
        6: "",
    }
    assert len({retrieve("refunds", NONE, rooms).id for _ in range(5)}) == 5


def test_every_candidate_has_both_exact_scores_and_only_real_ranks(rooms: RetrievalRooms) -> None:
    question = "money for the calendar"
    trace = retrieve(question, replace(NONE, depth=2), rooms)
    vector = rooms.embedder.embed_query(question)
    assert len(trace.candidates) >= 3
    for candidate in trace.candidates:
        key = candidate.chunk.key
        assert candidate.stages["dense"].score == pytest.approx(
            float(vector @ rooms.embedder.embed_documents([TEXTS[key]])[0]), abs=1e-6
        )
        assert candidate.stages["keyword"].score == pytest.approx(rooms.keyword.scores(question, [key])[0])
    for stage in ("dense", "keyword"):
        ranked = sorted(
            (c.stages[stage].rank, -c.stages[stage].score) for c in trace.candidates if c.stages[stage].rank
        )
        assert [rank for rank, _ in ranked] == [1, 2]
        assert ranked[0][1] <= ranked[1][1]
    assert [c.stages["fused"].rank for c in trace.candidates] == list(range(1, len(trace.candidates) + 1))


def test_the_fused_score_is_the_formula(rooms: RetrievalRooms) -> None:
    trace = retrieve("refund for customers", replace(NONE, weight=0.3), rooms)
    cosines = [c.stages["dense"].score for c in trace.candidates]
    bm25 = [c.stages["keyword"].score for c in trace.candidates]
    for c, cosine, words in zip(trace.candidates, cosines, bm25, strict=True):
        expected = 0.3 * (cosine - min(cosines)) / (max(cosines) - min(cosines)) + 0.7 * (words - min(bm25)) / (
            max(bm25) - min(bm25)
        )
        assert c.stages["fused"].score == pytest.approx(expected)


def test_rrf_sees_ranks_only(rooms: RetrievalRooms) -> None:
    trace = retrieve("refund for customers", replace(NONE, fusion="rrf"), rooms)
    assert trace.scales["fused"] == "RRF, k = 60"
    for c in trace.candidates:
        ranks = [c.stages[stage].rank for stage in ("dense", "keyword")]
        assert c.stages["fused"].score == pytest.approx(sum(1 / (60 + rank) for rank in ranks if rank))


@pytest.mark.parametrize(("mode", "stages"), [("dense", {"dense"}), ("keyword", {"keyword"})])
def test_one_retriever_alone(rooms: RetrievalRooms, mode: str, stages: set[str]) -> None:
    trace = retrieve("refund for customers", replace(NONE, mode=mode), rooms)  # type: ignore[arg-type]
    assert all(set(c.stages) == stages for c in trace.candidates)
    if mode == "keyword":
        assert keys(trace) == [key for key, _ in rooms.keyword.search("refund for customers", 100)]
        assert len(trace.candidates) < len(TEXTS)
    else:
        assert keys(trace) == rooms.dense.search(rooms.embedder.embed_query("refund for customers"), 100)[0].tolist()


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("what is it?", "stop words"),
        ("?!", "stop words"),
        ("zeppelin", "No word"),
    ],
)
def test_questions_with_nothing_to_match_say_so(rooms: RetrievalRooms, question: str, note: str) -> None:
    trace = retrieve(question, NONE, rooms)
    assert len(trace.notes) == 1
    assert note in trace.notes[0]
    assert len(trace.candidates) == (0 if "empty" in note else len(TEXTS))
    assert retrieve(question, replace(NONE, mode="keyword"), rooms).candidates == ()


@pytest.mark.parametrize("mode", ["hybrid", "dense", "keyword"])
def test_an_empty_collection_answers_with_nothing(tmp_path: Path, mode: str) -> None:
    trace = retrieve(
        "refund", RetrievalSettings(mode=mode), replace(rooms_of(tmp_path / "k", {}), reranker=LengthReranker())
    )  # type: ignore[arg-type]
    assert trace.candidates == ()
    assert trace.notes


def test_a_long_question_says_how_much_of_it_was_used(rooms: RetrievalRooms) -> None:
    trace = retrieve("refund " * 11, NONE, rooms)
    assert any("11 tokens" in note and "first 10" in note for note in trace.notes)
    assert not retrieve("refund " * 10, NONE, rooms).notes


def test_a_search_can_be_limited_to_documents(rooms: RetrievalRooms) -> None:
    trace = retrieve("refund for customers", replace(NONE, documents=("d3", "d4")), rooms)
    assert sorted(keys(trace)) == [3, 4]
    assert retrieve("refund", replace(NONE, documents=()), rooms).candidates == ()


def test_what_the_store_no_longer_has_is_left_out_of_every_stage(rooms: RetrievalRooms) -> None:
    lookup = rooms.chunks
    trace = retrieve(
        "refund for customers", NONE, replace(rooms, chunks=lambda ks: {k: v for k, v in lookup(ks).items() if k != 3})
    )
    assert sorted(keys(trace)) == [1, 2, 4, 5, 6]
    assert sorted(c.stages["dense"].rank or 0 for c in trace.candidates) == [1, 2, 3, 4, 5]


def test_a_chunk_that_the_vector_index_does_not_hold_yet_is_found_by_its_words(tmp_path: Path) -> None:
    trace = retrieve("refund receipt", NONE, rooms_of(tmp_path / "k", TEXTS, held=[1, 2, 4, 5, 6]))
    late = next(c for c in trace.candidates if c.chunk.key == 3)
    assert "dense" not in late.stages
    assert late.stages["fused"].score == pytest.approx(0.4)


def test_a_damaged_keyword_index_costs_only_the_words(rooms: RetrievalRooms) -> None:
    class Damaged(TantivyIndex):
        def search(self, query: str, k: int, documents: Sequence[str] | None = None) -> list[tuple[int, float]]:
            raise StoreError("The keyword index is damaged", "", "ask again")

        def scores(self, query: str, keys: Sequence[int]) -> list[float]:
            raise StoreError("The keyword index is damaged", "", "ask again")

    broken = replace(rooms, keyword=Damaged(Path("nowhere")))
    trace = retrieve("refund for customers", NONE, broken)
    assert keys(trace) == keys(retrieve("refund for customers", replace(NONE, mode="dense"), rooms))
    assert len(trace.notes) == 1
    assert "damaged" in trace.notes[0]
    assert "ask again" in trace.notes[0]
    with pytest.raises(StoreError):
        retrieve("refund", replace(NONE, mode="keyword"), broken)


def test_a_reranker_that_judges_decides_alone(rooms: RetrievalRooms) -> None:
    reranker = LengthReranker()
    settings = RetrievalSettings(rerank="length")
    trace = retrieve("refund for customers", settings, replace(rooms, reranker=reranker))
    assert keys(trace) == sorted(TEXTS, key=lambda key: -len(TEXTS[key]))
    assert [c.stages["rerank"].rank for c in trace.candidates] == [1, 2, 3, 4, 5, 6]
    assert [c.stages["rerank"].score for c in trace.candidates] == sorted(map(len, TEXTS.values()), reverse=True)
    assert trace.scales["rerank"] == "characters"
    assert trace.timings[-1].name == "rerank"
    before = retrieve("refund for customers", NONE, rooms)
    assert {c.chunk.key: c.stages["fused"] for c in trace.candidates} == {
        c.chunk.key: c.stages["fused"] for c in before.candidates
    }


def test_reranking_can_be_switched_off(rooms: RetrievalRooms) -> None:
    trace = retrieve("refund", NONE, replace(rooms, reranker=LengthReranker()))
    assert "rerank" not in trace.scales


def test_late_interaction_is_blended_with_the_stage_before(rooms: RetrievalRooms) -> None:
    class Late(LengthReranker):
        name = "late-interaction"

    share = BLENDS["late-interaction"]
    trace = retrieve("refund for customers", RetrievalSettings(), replace(rooms, reranker=Late()))
    scores = [c.stages["rerank"].score for c in trace.candidates]
    fused = [c.stages["fused"].score for c in trace.candidates]

    def scaled(values: list[float], value: float) -> float:
        return (value - min(values)) / (max(values) - min(values))

    final = [share * scaled(scores, r) + (1 - share) * scaled(fused, f) for r, f in zip(scores, fused, strict=True)]
    assert final == sorted(final, reverse=True)
    assert f"{share:g} x" in trace.scales["rerank"]


def test_only_the_first_candidates_are_reranked_and_the_rest_follow(tmp_path: Path) -> None:
    texts = {key: f"refund number {'x' * (key % 7)} {key}" for key in range(1, RERANKED + 21)}
    rooms = rooms_of(tmp_path / "k", texts)
    reranker = LengthReranker()
    before = retrieve("refund", NONE, rooms)
    trace = retrieve("refund", RetrievalSettings(rerank="length"), replace(rooms, reranker=reranker))
    assert len(reranker.asked) == RERANKED
    assert keys(trace)[RERANKED:] == keys(before)[RERANKED:]
    assert set(keys(trace)) == set(keys(before))
    assert all("rerank" not in c.stages for c in trace.candidates[RERANKED:])


def test_the_same_question_gives_the_same_trace(rooms: RetrievalRooms) -> None:
    first, second = (retrieve("refund for customers", NONE, rooms) for _ in range(2))
    assert first.candidates == second.candidates
    assert first.matched_terms == second.matched_terms


def test_a_rewritten_question_is_what_is_searched(rooms: RetrievalRooms) -> None:
    trace = retrieve("and for customers?", NONE, rooms, query="refund for customers")
    assert (trace.question, trace.query) == ("and for customers?", "refund for customers")
    assert keys(trace) == keys(retrieve("refund for customers", NONE, rooms))


def test_stages_are_told_as_they_end_and_a_person_can_stop(rooms: RetrievalRooms) -> None:
    heard: list[StageDone] = []
    trace = retrieve("refund", NONE, rooms, on_stage=heard.append)
    assert [(s.name, s.ms) for s in heard] == [(t.name, t.ms) for t in trace.timings]
    control = Control()

    def stop(stage: StageDone) -> None:
        if stage.name == "dense":
            control.cancel()

    with pytest.raises(Cancelled):
        retrieve("refund", NONE, rooms, control=control, on_stage=stop)


def test_the_two_searches_run_at_the_same_time(rooms: RetrievalRooms) -> None:
    """Each waits for the other to have begun: one after the other would never end."""
    meeting = threading.Barrier(2, timeout=20)

    class MeetingIndex(TantivyIndex):
        def search(self, query: str, k: int, documents: Sequence[str] | None = None) -> list[tuple[int, float]]:
            meeting.wait()
            return []

    class MeetingEmbedder(WordEmbedder):
        def embed_query(self, text: str) -> FloatArray:
            meeting.wait()
            return super().embed_query(text)

    trace = retrieve("refund", NONE, replace(rooms, keyword=MeetingIndex(Path("nowhere")), embedder=MeetingEmbedder()))
    assert len(trace.candidates) == len(TEXTS)
