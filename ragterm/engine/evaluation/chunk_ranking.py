"""Which chunks a question finds, outside of any collection: exact cosines over the chunks of one strategy, alone or fused with BM25
as retrieval does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ragterm.engine.retrieval.fusion import best_first, convex
from ragterm.engine.types.control import Control

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray

FUSED_DEPTH = 100
"""Of each list, as in a search."""


class KeywordScores(Protocol):
    """The two questions that fusion asks of a keyword index (`protocols.KeywordIndex`); a chunk's key is its place in the list."""

    def search(self, query: str, k: int) -> list[tuple[int, float]]: ...

    def scores(self, query: str, keys: Sequence[int]) -> list[float]: ...


def rank_chunks(
    vectors: FloatArray,
    questions: Sequence[str],
    question_vectors: FloatArray,
    *,
    keyword: KeywordScores | None = None,
    weight: float = 0.6,
    on_progress: Callable[[int, int], None] | None = None,
    control: Control | None = None,
) -> Iterator[Sequence[int]]:
    """For each question the indices of all chunks, best first, equal scores in reading order.

    `vectors` float32 (chunks, dimensions) and `question_vectors` float32 (questions, dimensions) are L2-normalised. With `keyword`
    the union of both top 100 is ordered by convex fusion of exact scores (`weight` on the cosine); behind it comes what only the
    cosine ranks. Raises Cancelled.
    """
    import numpy as np

    for number, question in enumerate(questions):
        if number % 32 == 0:
            if control is not None:
                control.checkpoint()
            if on_progress is not None:
                on_progress(number, len(questions))
        cosines = vectors @ question_vectors[number]  # (chunks,)
        order: list[int] = np.argsort(-cosines, kind="stable").tolist()
        if keyword is not None:
            order = _fused(order, cosines, question, keyword, weight)
        yield order
    if on_progress is not None:
        on_progress(len(questions), len(questions))


def _fused(order: list[int], cosines: FloatArray, question: str, keyword: KeywordScores, weight: float) -> list[int]:
    union = dict.fromkeys([*order[:FUSED_DEPTH], *(key for key, _ in keyword.search(question, FUSED_DEPTH))])
    keys = list(union)
    dense = {key: float(cosines[key]) for key in keys}
    bm25 = dict(zip(keys, keyword.scores(question, keys), strict=True))
    first = best_first(convex(dense, bm25, weight), dense)
    return [*first, *(key for key in order if key not in union)]
