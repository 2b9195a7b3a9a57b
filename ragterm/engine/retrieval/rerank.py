"""Reranking: a slower, closer look at the first of the fused candidates.

A cross-encoder (Nogueira & Cho 2019) reads question and text together and its order stands. Late interaction (Khattab &
Zaharia 2020, "ColBERT") compares token vectors of a model that was never trained for it: good evidence, but no
judge. Its score is therefore blended with the fused one, both min-max scaled over the candidates that were looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragterm.engine.retrieval.fusion import best_first, min_max

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import Reranker

RERANKED = 12
"""How many of the first candidates are looked at. Each costs the encoding of its chunk, most of a search's time; the first ten that a
reader sees come from these. Between 20 and 50 the figures below differ by at most 0.002."""

BLENDS = {"late-interaction": 0.5}
"""By reranker: the share of its own score in the final order. A reranker that is not here decides alone.

nDCG@10 over the first 20, without reranking, with half, with the reranker's score alone: scifact .730, .742, .738; squad .915,
.932, .936; cranfield .563, .564, .542
(`tests/benchmarks/retrieval_quality.py --rerank`)."""


@dataclass(frozen=True, slots=True)
class Reranking:
    """`order` are the reranked keys in their new order, `scores` the reranker's raw scores, `scale` says what they are and how
    the order came about."""

    order: tuple[int, ...]
    scores: Mapping[int, float]
    scale: str


def rerank(reranker: Reranker, query: str, texts: Mapping[int, str], before: Mapping[int, float]) -> Reranking:
    """Order the keys of `texts` anew. `before` are their scores in the stage before, higher is better (they break ties too)."""
    keys = list(texts)
    scores = {
        key: float(score) for key, score in zip(keys, reranker.score(query, [texts[k] for k in keys]), strict=True)
    }
    share = BLENDS.get(reranker.name, 1.0)
    earlier = {key: before[key] for key in keys}
    if share >= 1.0:
        return Reranking(tuple(best_first(scores, earlier)), scores, reranker.scale)
    final = blend(scores, earlier, share)
    scale = f"{reranker.scale}; order: {share:g} x MaxSim' + {1 - share:g} x fused'"
    return Reranking(tuple(best_first(final, scores)), scores, scale)


def blend(scores: Mapping[int, float], before: Mapping[int, float], share: float) -> dict[int, float]:
    """share x scores' + (1 - share) x before', ' = min-max over these keys; in [0, 1], higher is better."""
    ours, theirs = min_max(scores), min_max(before)
    return {key: share * ours[key] + (1 - share) * theirs[key] for key in scores}


def after(order: Sequence[int], reranked: Sequence[int]) -> list[int]:
    """The whole order once its first part has been reranked: the others follow as they stood."""
    moved = set(reranked)
    return [*reranked, *(key for key in order if key not in moved)]
