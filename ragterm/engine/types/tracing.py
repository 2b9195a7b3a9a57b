"""The trace: everything that one query did. Every view of the app, every command and every evaluation is a picture of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ragterm.engine.types.answers import Answer
from ragterm.engine.types.documents import Chunk
from ragterm.engine.types.modes import Fusion, SearchMode

StageName = Literal["dense", "keyword", "fused", "rerank"]
STAGES: tuple[StageName, ...] = ("dense", "keyword", "fused", "rerank")


@dataclass(frozen=True, slots=True)
class StageScore:
    """A candidate's place in one stage. `rank` is 1-based, None when the stage did not list it (its exact score was computed
    only so that it could be fused). `score` is on the stage's own scale, higher is better: dense = cosine in [-1, 1],
    keyword = BM25 (>= 0, unbounded), fused = convex in [0, 1] or RRF, rerank = as `RetrievalSettings.rerank` says."""

    rank: int | None
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk in a query, with its rank and raw score in each stage it passed.

    `marker` is the citation number under which it stood in the prompt, itself or within the parent of a sibling; None when it did not.
    Document path, title and
    content hash are copied here, so that a trace outlives re-ingestion.
    """

    chunk: Chunk
    document_title: str
    document_path: str
    content_hash: str
    stages: Mapping[StageName, StageScore]
    marker: int | None = None
    page_label: str = ""


@dataclass(frozen=True, slots=True)
class StageTiming:
    """One step with its own clock: wall time in milliseconds; `detail` says how it was done ("exact scan of 812 vectors")."""

    name: str
    ms: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """How a query is searched. `depth` candidates per retriever; `k` results kept; `weight` is the dense share of the convex
    fusion; `rerank` is "none", "late-interaction", "cross-encoder" or a checkpoint's name; `documents` limits the search to
    these document ids (None: all)."""

    mode: SearchMode = "hybrid"
    fusion: Fusion = "convex"
    weight: float = 0.6
    rerank: str = "late-interaction"
    depth: int = 100
    k: int = 10
    documents: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """One question, from the words typed to the citations. `candidates` are in final order (the order of the last stage that
    ran), all of them, not only the first k. `scales` names each stage's score ("cosine", "BM25", "convex 0.6", ...)."""

    id: str
    created: str
    collection: str
    build_id: str
    generation: int
    model_id: str
    question: str
    query: str
    settings: RetrievalSettings
    candidates: tuple[Candidate, ...]
    timings: tuple[StageTiming, ...]
    scales: Mapping[str, str] = field(default_factory=dict)
    matched_terms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    prompt: str = ""
    answer: Answer | None = None

    @property
    def results(self) -> tuple[Candidate, ...]:
        """The first `settings.k` candidates."""
        return self.candidates[: self.settings.k]
