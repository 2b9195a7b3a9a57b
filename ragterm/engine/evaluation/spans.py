"""How well chunks hold and retrieval finds evidence that is known as spans of text.

The measures are those of Smith & Troynikov, "Evaluating Chunking Strategies for Retrieval" (Chroma Technical Report, July 2024,
section 2): with t_e the tokens of a question's evidence and t_r the tokens of the retrieved chunks,

    recall = |t_e n t_r| / |t_e|      precision = |t_e n t_r| / |t_r|      IoU = |t_e n t_r| / (|t_e| + |t_r| - |t_e n t_r|)

What is counted is characters, as in the study's published program: every length is a difference of offsets into the canonical
text, so the figures do not depend on a tokenizer. t_e is a set: evidence that a question names twice counts once. t_e n t_r is a
set as well: evidence that two retrieved chunks hold counts once. |t_r| in precision and IoU counts what overlapping chunks repeat as
often as it was retrieved, because that is what a model has to read. Only precision omega, the precision of a retriever that returns
exactly the chunks with evidence in them, counts repeats once, as the published program does: it speaks of the cuts, not of the
ranking.

Everything here works on spans: (document id, start, end), `[start, end)`. Functions are pure and take one question at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log2

from ragterm.engine.types.comparing import Span

Place = tuple[str, int, int]
"""(document id, start, end)."""


def united(places: Iterable[Place]) -> dict[str, list[Span]]:
    """The union of the places: per document disjoint spans in order. Empty places are left out."""
    by_document: dict[str, list[Span]] = defaultdict(list)
    for document, start, end in sorted(places):
        if end <= start:
            continue
        spans = by_document[document]
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return dict(by_document)


def size(spans: Mapping[str, Sequence[Span]]) -> int:
    """Characters in a union."""
    return sum(end - start for each in spans.values() for start, end in each)


def shared(a: Mapping[str, Sequence[Span]], b: Mapping[str, Sequence[Span]]) -> int:
    """Characters in both of two unions."""
    total = 0
    for document in a.keys() & b.keys():
        left, right = iter(a[document]), iter(b[document])
        one, other = next(left, None), next(right, None)
        while one is not None and other is not None:
            total += max(0, min(one[1], other[1]) - max(one[0], other[0]))
            if one[1] < other[1]:
                one = next(left, None)
            else:
                other = next(right, None)
    return total


def token_recall(evidence: Sequence[Place], retrieved: Sequence[Place]) -> float:
    """The share of the evidence that the retrieved chunks hold."""
    gold = united(evidence)
    return _ratio(shared(gold, united(retrieved)), size(gold))


def token_precision(evidence: Sequence[Place], retrieved: Sequence[Place]) -> float:
    """The share of what was retrieved, repeats included, that is evidence; evidence counts once."""
    return _ratio(shared(united(evidence), united(retrieved)), _length(retrieved))


def token_iou(evidence: Sequence[Place], retrieved: Sequence[Place]) -> float:
    """Intersection over union; the union counts what was retrieved twice, twice."""
    gold = united(evidence)
    both = shared(gold, united(retrieved))
    return _ratio(both, size(gold) + _length(retrieved) - both)


def precision_omega(evidence: Sequence[Place], chunks: Iterable[Place]) -> float:
    """Precision when exactly the chunks with evidence in them are retrieved; what overlaps counts once."""
    gold = united(evidence)
    holding = united(chunk for chunk in chunks if held(gold, chunk))
    return _ratio(shared(gold, holding), size(holding))


def held(gold: Mapping[str, Sequence[Span]], chunk: Place) -> int:
    """Characters of a union that a chunk holds."""
    document, start, end = chunk
    return sum(max(0, min(end, last) - max(start, first)) for first, last in gold.get(document, ()))


def ndcg_of_gains(ranked: Sequence[float], every: Iterable[float], k: int) -> float:
    """nDCG@k with graded gains: `ranked` are the gains of the chunks in the order of retrieval, `every` those of all chunks that have
    one. As `metrics.ndcg`, the gain is not exponentiated (Järvelin & Kekäläinen 2002). 0 when no chunk has a gain."""
    best = sorted((gain for gain in every if gain > 0), reverse=True)[:k]
    return _dcg(ranked[:k]) / _dcg(best) if best else 0.0


def split(text: str, evidence: Place, chunks: Iterable[Place]) -> bool:
    """Whether no single chunk holds the evidence whole. White space at its ends does not count: chunks are cut without."""
    document, start, end = evidence
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return not any(chunk[0] == document and chunk[1] <= start and end <= chunk[2] for chunk in chunks)


def within_budget(retrieved: Iterable[Place], starts: Mapping[str, Sequence[int]], budget: int) -> Iterator[Place]:
    """What of the retrieved chunks lies within the first `budget` tokens: whole chunks, and the beginning of the one in which the
    budget ends, so that all strategies are given the same amount of text whatever the size of their chunks.

    `starts` holds, per document, where its tokens begin, in order. Text alone counts, without context; a token that two chunks
    hold counts twice.
    """
    from bisect import bisect_left

    left = budget
    for document, start, end in retrieved:
        if left <= 0:
            return
        tokens = starts[document]
        first, last = bisect_left(tokens, start), bisect_left(tokens, end)
        if last - first <= left:
            yield document, start, end
        else:
            yield document, start, min(end, tokens[first + left])
        left -= last - first


def _length(places: Iterable[Place]) -> int:
    return sum(max(0, end - start) for _, start, end in places)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))
