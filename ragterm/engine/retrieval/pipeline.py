"""The one way from a question to a trace: chat, inspector, command line and evaluation all come through `retrieve`.

    question -> embedding -> dense top 100 --.
             '-> terms -> keyword top 100 ---+-> exact scores of the union -> fuse -> rerank -> Trace

The two searches run at the same time. Then every chunk that either of them found gets both of its exact scores, so that
fusion compares what is the case with what is the case, not with a zero for "was not in the list".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from ragterm.engine.keyword import surface_forms
from ragterm.engine.retrieval.fusion import RRF_K, best_first, convex, reciprocal_rank
from ragterm.engine.retrieval.rerank import RERANKED, after, rerank
from ragterm.engine.types.answers import StageDone
from ragterm.engine.types.errors import StoreError
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, StageName, StageScore, StageTiming, Trace

if TYPE_CHECKING:
    from ragterm.engine.types.control import Control
    from ragterm.engine.types.documents import Chunk
    from ragterm.engine.types.protocols import DenseIndex, Embedder, KeyArray, KeywordIndex, Reranker

_MATCHED_TEXTS = 30  # candidates whose words are looked through for the ones that matched


class FoundChunk(Protocol):
    """A chunk with what a candidate shows of its document, as the store hands it out."""

    @property
    def chunk(self) -> Chunk: ...
    @property
    def title(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def content_hash(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RetrievalRooms:
    """What a search needs of one collection, all of the same build.

    `chunks` gives the chunks of these keys (one that the store no longer has is left out), `keys_of` the chunk keys of these
    document ids (int64). `describe_dense` says how the vectors are searched ("exact scan of 812 vectors").
    `generation` is the store's; the indexes should have caught up with it.
    """

    collection: str
    build_id: str
    generation: int
    embedder: Embedder
    dense: DenseIndex
    keyword: KeywordIndex
    chunks: Callable[[Sequence[int]], Mapping[int, FoundChunk]]
    keys_of: Callable[[Sequence[str]], KeyArray]
    reranker: Reranker | None = None
    describe_dense: Callable[[], str] | None = None


def retrieve(
    question: str,
    settings: RetrievalSettings,
    rooms: RetrievalRooms,
    *,
    query: str | None = None,
    control: Control | None = None,
    on_stage: Callable[[StageDone], None] | None = None,
) -> Trace:
    """Search one collection and return the trace, candidates in final order.

    `query` is what is searched when it is not the question as typed (a follow-up made whole). An empty question, an empty
    collection or a question of stop words is no error: the trace is shorter and its `notes` say why. `on_stage` hears of
    every stage as it ends; `control` can stop between stages (raises Cancelled).
    """
    search = _Search(question if query is None else query, settings, rooms, control, on_stage)
    candidates = search.run()
    return Trace(
        id=secrets.token_hex(8),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        collection=rooms.collection,
        build_id=rooms.build_id,
        generation=rooms.generation,
        model_id=rooms.embedder.model_id,
        question=question,
        query=search.query,
        settings=settings,
        candidates=tuple(candidates),
        timings=tuple(search.timings),
        scales=search.scales,
        matched_terms=surface_forms((c.chunk.embedding_text for c in candidates[:_MATCHED_TEXTS]), search.terms),
        notes=tuple(search.notes),
    )


@dataclass
class _Search:
    """One question on its way: the stages in their order, and what they leave behind."""

    query: str
    settings: RetrievalSettings
    rooms: RetrievalRooms
    control: Control | None
    on_stage: Callable[[StageDone], None] | None
    timings: list[StageTiming] = field(default_factory=list)
    scales: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)
    stages: dict[int, dict[StageName, StageScore]] = field(default_factory=dict)

    def run(self) -> list[Candidate]:
        if not self.query.strip():
            self.notes.append("The question is empty.")
            return []
        mode = self.settings.mode
        dense_list, cosines, keyword_list, bm25 = self._find()
        pieces = self.rooms.chunks(list(dict.fromkeys((*dense_list, *keyword_list))))
        dense_list, keyword_list = [k for k in dense_list if k in pieces], [k for k in keyword_list if k in pieces]
        cosines = {k: s for k, s in cosines.items() if k in pieces}
        bm25 = {k: s for k, s in bm25.items() if k in pieces}
        if mode != "keyword":
            self._keep("dense", cosines, dense_list, "cosine")
        if mode != "dense":
            self._keep("keyword", bm25, keyword_list, "BM25")

        if mode == "hybrid":
            order, scores = self._fuse(dense_list, cosines, keyword_list, bm25)
        else:
            order, scores = (dense_list, cosines) if mode == "dense" else (keyword_list, bm25)
        if not order and not self.notes:
            self.notes.append("Nothing in this collection matches.")
        if self.rooms.reranker is not None and self.settings.rerank != "none" and order:
            order = self._rerank(self.rooms.reranker, order, scores, pieces)
        return [_candidate(pieces[key], self.stages[key]) for key in order]

    def _find(self) -> tuple[list[int], dict[int, float], list[int], dict[int, float]]:
        """Both lists, best first, and the exact scores of every chunk in either."""
        import numpy as np

        settings, rooms = self.settings, self.rooms
        mode, depth = settings.mode, settings.depth
        dense_list: list[int] = []
        keyword_list: list[int] = []
        cosines: dict[int, float] = {}
        bm25: dict[int, float] = {}
        vector = None
        with ThreadPoolExecutor(1, thread_name_prefix="keyword") as beside:
            words = beside.submit(self._find_words) if mode != "dense" else None
            if mode != "keyword":
                self._note_long_question()
                with self._stage("embed question") as detail:
                    vector = rooms.embedder.embed_query(self.query)
                    detail.append(rooms.embedder.model_id)
                with self._stage("dense") as detail:
                    allowed = None if settings.documents is None else rooms.keys_of(settings.documents)
                    keys, found = rooms.dense.search(vector, depth, allowed)
                    dense_list = [int(key) for key in keys]
                    cosines = dict(zip(dense_list, map(float, found), strict=True))
                    how = f"; {rooms.describe_dense()}" if rooms.describe_dense else ""
                    detail.append(f"{len(dense_list)} nearest of top {depth}{how}")
            if words is not None:
                hits, timing = words.result()
                keyword_list = [key for key, _ in hits]
                bm25 = dict(hits)
                self._done(timing)
        if mode == "hybrid":
            with self._stage("exact scores") as detail:
                union = list(dict.fromkeys((*dense_list, *keyword_list)))
                detail.append(f"cosine and BM25 of {len(union)} chunks")
                if union and vector is not None:
                    exact = rooms.dense.scores(vector, np.asarray(union, dtype=np.int64))
                    # -1 is the index's word for a key it does not hold (yet): fusion then takes the lowest.
                    cosines = {key: float(score) for key, score in zip(union, exact, strict=True) if score > -1.0}
                    bm25 = self._exact_bm25(union)
        return dense_list, cosines, keyword_list, bm25

    def _find_words(self) -> tuple[list[tuple[int, float]], StageTiming]:
        """The keyword search; runs beside the dense one, so it reports its time instead of noting it."""
        start = perf_counter()
        hits: list[tuple[int, float]] = []
        try:
            self.terms = self.rooms.keyword.terms(self.query)
            hits = self.rooms.keyword.search(self.query, self.settings.depth, self.settings.documents)
            detail = f"{len(hits)} chunks match {len(self.terms)} terms"
        except StoreError as error:
            if self.settings.mode == "keyword":
                raise
            self._note_lost_words(error)
            detail = error.title
        else:
            if not self.terms:
                self.notes.append("The question holds no word to search for, only stop words or signs.")
            elif not hits:
                self.notes.append("No word of the question stands in what was searched.")
        return hits, StageTiming("keyword", (perf_counter() - start) * 1e3, detail)

    def _exact_bm25(self, keys: Sequence[int]) -> dict[int, float]:
        try:
            return dict(zip(keys, self.rooms.keyword.scores(self.query, keys), strict=True))
        except StoreError as error:
            self._note_lost_words(error)
            return {}

    def _fuse(
        self, dense_list: list[int], cosines: dict[int, float], keyword_list: list[int], bm25: dict[int, float]
    ) -> tuple[list[int], dict[int, float]]:
        with self._stage("fuse") as detail:
            if self.settings.fusion == "rrf":
                fused = reciprocal_rank([dense_list, keyword_list])
                scale = f"RRF, k = {RRF_K}"
            else:
                fused = convex(cosines, bm25, self.settings.weight)
                scale = f"convex: {self.settings.weight:g} x cosine' + {1 - self.settings.weight:g} x BM25'"
            order = best_first(fused, cosines, bm25)
            both = len(set(dense_list) & set(keyword_list))
            detail.append(f"{len(order)} chunks, {both} in both lists; {scale}")
        self._keep("fused", fused, order, scale)
        return order, fused

    def _rerank(
        self, reranker: Reranker, order: list[int], scores: Mapping[int, float], pieces: Mapping[int, FoundChunk]
    ) -> list[int]:
        with self._stage("rerank") as detail:
            first = order[:RERANKED]
            texts = {key: pieces[key].chunk.embedding_text for key in first}
            reranking = rerank(reranker, self.query, texts, scores)
            detail.append(f"{reranker.name}: {len(first)} of {len(order)} chunks")
        self._keep("rerank", reranking.scores, reranking.order, reranking.scale)
        return after(order, reranking.order)

    def _keep(self, stage: StageName, scores: Mapping[int, float], ranking: Sequence[int], scale: str) -> None:
        """Note rank and raw score of every chunk in a stage."""
        self.scales[stage] = scale
        ranks = {key: rank for rank, key in enumerate(ranking, start=1)}
        for key, score in scores.items():
            self.stages.setdefault(key, {})[stage] = StageScore(ranks.get(key), score)

    def _note_lost_words(self, error: StoreError) -> None:
        note = f"{error.title}: this was found by meaning alone. {error.hint}"
        if note not in self.notes:
            self.notes.append(note)

    def _note_long_question(self) -> None:
        embedder = self.rooms.embedder
        window = embedder.max_tokens - embedder.tokenizer.special_tokens
        # A word piece is at least one character: most questions need no counting.
        if len(self.query) > window and (tokens := embedder.tokenizer.count([self.query])[0]) > window:
            self.notes.append(f"The question has {tokens} tokens; the search by meaning used the first {window}.")

    @contextmanager
    def _stage(self, name: str) -> Iterator[list[str]]:
        if self.control is not None:
            self.control.checkpoint()
        start = perf_counter()
        detail: list[str] = []
        yield detail
        self._done(StageTiming(name, (perf_counter() - start) * 1e3, "; ".join(detail)))

    def _done(self, timing: StageTiming) -> None:
        self.timings.append(timing)
        if self.on_stage is not None:
            self.on_stage(StageDone(timing.name, timing.ms, timing.detail))


def _candidate(found: FoundChunk, stages: Mapping[StageName, StageScore]) -> Candidate:
    page = found.chunk.page
    return Candidate(
        chunk=found.chunk,
        document_title=found.title,
        document_path=found.path,
        content_hash=found.content_hash,
        stages=stages,
        page_label="" if page is None else f"page {page}",
    )
