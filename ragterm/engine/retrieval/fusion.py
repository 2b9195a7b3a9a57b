"""Fusing two rankings into one: functions from scores to scores.

Convex fusion (Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval") weighs the two exact scores
of every chunk after min-max scaling, so that a clear winner in one list stays a clear winner. Reciprocal rank fusion
(Cormack, Clarke & Buettcher 2009) sees ranks only: nothing to tune, and nothing known about by how much a chunk won.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RRF_K = 60
"""The constant of Cormack et al.: how much a first place outweighs the next."""


def min_max(scores: Mapping[int, float]) -> dict[int, float]:
    """Scores scaled to [0, 1] over this set; a constant list is all 1, so that it moves nobody."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}


def convex(dense: Mapping[int, float], keyword: Mapping[int, float], weight: float) -> dict[int, float]:
    """weight x cosine' + (1 - weight) x BM25', in [0, 1], higher is better.

    Both maps hold the exact score of every chunk of the union of the two lists; ' is min-max scaling over that union. A chunk
    that one of the maps does not know counts as that side's lowest.
    """
    cosine, bm25 = min_max(dense), min_max(keyword)
    return {key: weight * cosine.get(key, 0.0) + (1 - weight) * bm25.get(key, 0.0) for key in (*dense, *keyword)}


def reciprocal_rank(rankings: Sequence[Sequence[int]], k: int = RRF_K) -> dict[int, float]:
    """The sum over the rankings that list a chunk of 1 / (k + rank), rank from 1; higher is better, at most 2 / (k + 1) for two."""
    fused: dict[int, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            fused[key] = fused.get(key, 0.0) + 1.0 / (k + rank)
    return fused


def best_first(scores: Mapping[int, float], *tie_breaks: Mapping[int, float]) -> list[int]:
    """Keys by falling score. Equal ones by each of `tie_breaks` in turn (falling), at last by key: always the same order."""
    return sorted(scores, key=lambda key: (-scores[key], *(-further.get(key, 0.0) for further in tie_breaks), key))
