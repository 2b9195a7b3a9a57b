"""Ranking metrics, one query at a time, as trec_eval defines them (NIST, https://trec.nist.gov/trec_eval/).

Every function takes `ranked`, document ids best first and each once, and `relevance`, the judged grade of each document
(0 or below: judged and not relevant; absent: not judged, counts as not relevant). All results lie in [0, 1], higher is
better. A query without a relevant document scores 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2


def ndcg(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """nDCG@k: sum of grade / log2(rank + 1) over the first k, divided by that of the best possible order.

    The gain is the grade itself (Jarvelin & Kekalainen 2002; trec_eval's ndcg_cut), not 2^grade - 1.
    """
    gains = [max(relevance.get(document, 0), 0) for document in ranked[:k]]
    best = sorted((grade for grade in relevance.values() if grade > 0), reverse=True)[:k]
    return _dcg(gains) / _dcg(best) if best else 0.0


def recall(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Recall@k: the share of the relevant documents that stands among the first k."""
    relevant = _relevant(relevance)
    return sum(document in relevant for document in ranked[:k]) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """1 / rank of the first relevant document, 0 when none is among the first k. Its mean is MRR@k."""
    relevant = _relevant(relevance)
    return next((1.0 / rank for rank, document in enumerate(ranked[:k], start=1) if document in relevant), 0.0)


def average_precision(ranked: Sequence[str], relevance: Mapping[str, int]) -> float:
    """The mean, over all relevant documents, of the precision at their rank (0 for one that is not listed). Its mean is MAP."""
    relevant = _relevant(relevance)
    found, total = 0, 0.0
    for rank, document in enumerate(ranked, start=1):
        if document in relevant:
            found += 1
            total += found / rank
    return total / len(relevant) if relevant else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _relevant(relevance: Mapping[str, int]) -> set[str]:
    return {document for document, grade in relevance.items() if grade > 0}
