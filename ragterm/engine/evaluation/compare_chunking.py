"""Several chunking strategies over the same documents: how long their chunks are, what they cost, and, with questions whose
evidence is known as spans, how well they hold it and how well it is found.

Chunking and ranking are handed in: this module counts. What the measures are is in `spans`.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from statistics import fmean

from ragterm.engine.evaluation.span_questions import SpanQuestion
from ragterm.engine.evaluation.spans import (
    Place,
    held,
    ndcg_of_gains,
    precision_omega,
    size,
    split,
    token_iou,
    token_precision,
    token_recall,
    united,
    within_budget,
)
from ragterm.engine.types.comparing import (
    HISTOGRAM_BINS,
    ChosenStrategy,
    ComparisonOptions,
    ComparisonProgress,
    ComparisonStage,
    Lengths,
    SpanMeasures,
    StrategyReport,
)
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Chunk, Document

NDCG_DEPTH = 10

Report = Callable[[int, int], None]
ChunkOf = Callable[[ChosenStrategy, Document], tuple[list[Chunk], int]]
"""A document's chunks by a strategy, and the tokens that the strategy embedded to find them."""
Ranker = Callable[[Sequence[Chunk], Callable[[ComparisonStage], Report]], Iterable[Sequence[int]]]
"""For each question, in order, the indices of all chunks, best first. The last argument gives a stage's reporter."""


def compare(
    documents: Sequence[Document],
    strategies: Sequence[ChosenStrategy],
    questions: Sequence[SpanQuestion],
    starts: Mapping[str, Sequence[int]],
    chunk_of: ChunkOf,
    rank: Ranker,
    options: ComparisonOptions,
    *,
    on_progress: Callable[[ComparisonProgress], None] | None = None,
    control: Control | None = None,
) -> tuple[StrategyReport, ...]:
    """One report a strategy, in their order. `starts` holds per document id where its tokens begin, in order. `rank` is called only
    when there are questions. Raises Cancelled when `control` says so."""
    control = control or Control()
    reports, lengths = [], []
    for number, strategy in enumerate(strategies, start=1):
        reporter = partial(_reporter, on_progress, strategy.label, number, len(strategies))
        began = time.monotonic()
        chunks: list[Chunk] = []
        strategy_tokens = 0
        report = reporter("chunking")
        for done, document in enumerate(documents):
            control.checkpoint()
            report(done, len(documents))
            made, embedded = chunk_of(strategy, document)
            chunks += made
            strategy_tokens += embedded
        seconds = time.monotonic() - began
        lengths.append([chunk.tokens for chunk in chunks])
        measures = None
        if questions:
            measures = measure(documents, chunks, questions, rank(chunks, reporter), starts, options, control)
        reports.append(
            StrategyReport(
                strategy=strategy,
                chunks=len(chunks),
                lengths=Lengths(),
                tokens=sum(lengths[-1]),
                strategy_tokens=strategy_tokens,
                repeated=repeated(chunks),
                seconds=seconds,
                boundaries=boundaries(documents, chunks),
                measures=measures,
            )
        )
    width = bin_width(max((max(each, default=0) for each in lengths), default=0))
    return tuple(
        replace(report, lengths=length_distribution(each, width)) for report, each in zip(reports, lengths, strict=True)
    )


def measure(
    documents: Sequence[Document],
    chunks: Sequence[Chunk],
    questions: Sequence[SpanQuestion],
    rankings: Iterable[Sequence[int]],
    starts: Mapping[str, Sequence[int]],
    options: ComparisonOptions,
    control: Control | None = None,
) -> SpanMeasures:
    """The means over the questions. A chunk's gain in nDCG@10 is the share of the question's evidence that it holds.

    What is measured is what a model would be handed: where a chunk has a parent, the parent, once for all its children.
    `rankings` holds for each question the indices of the chunks, best first."""
    texts = {document.id: document.text for document in documents}
    places = [(chunk.document_id, *(chunk.parent or (chunk.start, chunk.end))) for chunk in chunks]
    of_document: dict[str, list[Place]] = defaultdict(list)
    for place in dict.fromkeys(places):
        of_document[place[0]].append(place)
    rows = []
    evidence = broken = 0
    for question, ranking in zip(questions, rankings, strict=True):
        if control is not None:
            control.checkpoint()
        gold = united(question.evidence)
        whole = size(gold)
        near = [place for document in gold for place in of_document[document]]
        retrieved = _each_once(places[index] for index in ranking)
        begin = list(islice(retrieved, max(options.retrieve, NDCG_DEPTH)))
        first = begin[: options.retrieve]
        rows.append(
            (
                token_recall(question.evidence, first),
                token_precision(question.evidence, first),
                token_iou(question.evidence, first),
                precision_omega(question.evidence, near),
                token_recall(question.evidence, list(within_budget(chain(begin, retrieved), starts, options.budget))),
                ndcg_of_gains(
                    [held(gold, place) / whole for place in begin[:NDCG_DEPTH]],
                    (held(gold, place) / whole for place in near),
                    NDCG_DEPTH,
                ),
            )
        )
        evidence += len(question.evidence)
        broken += sum(split(texts[place[0]], place, of_document[place[0]]) for place in question.evidence)
    recall, precision, iou, omega, in_budget, ndcg = (fmean(column) for column in zip(*rows, strict=True))
    return SpanMeasures(recall, precision, iou, omega, in_budget, ndcg, evidence, broken)


def _each_once(places: Iterable[Place]) -> Iterator[Place]:
    seen = set()
    for place in places:
        if place not in seen:
            seen.add(place)
            yield place


def _reporter(
    on_progress: Callable[[ComparisonProgress], None] | None,
    label: str,
    number: int,
    strategies: int,
    stage: ComparisonStage,
) -> Report:
    def report(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(ComparisonProgress(stage, label, number, strategies, done, total))

    return report


def boundaries(documents: Sequence[Document], chunks: Iterable[Chunk]) -> dict[str, tuple[tuple[int, int], ...]]:
    """The chunks' spans by document, in the order of the chunks; a document without chunks has none."""
    spans: dict[str, list[tuple[int, int]]] = {document.id: [] for document in documents}
    for chunk in chunks:
        spans[chunk.document_id].append((chunk.start, chunk.end))
    return {document: tuple(each) for document, each in spans.items()}


def repeated(chunks: Sequence[Chunk]) -> float:
    """The share of the chunks' characters that stand in another chunk as well, counted once less than they stand there."""
    places = [(chunk.document_id, chunk.start, chunk.end) for chunk in chunks]
    total = sum(end - start for _, start, end in places)
    return 1 - size(united(places)) / total if total else 0.0


def length_distribution(lengths: Sequence[int], width: int) -> Lengths:
    """Quartiles are lengths that occur (nearest rank)."""
    if not lengths:
        return Lengths(bin_width=width, histogram=(0,) * HISTOGRAM_BINS)
    ordered = sorted(lengths)
    bins = Counter(min(length // width, HISTOGRAM_BINS - 1) for length in ordered)

    def quantile(quarter: int) -> int:
        return ordered[-(-quarter * len(ordered) // 4) - 1]

    return Lengths(
        minimum=ordered[0],
        lower_quartile=quantile(1),
        median=quantile(2),
        upper_quartile=quantile(3),
        maximum=ordered[-1],
        mean=fmean(ordered),
        bin_width=width,
        histogram=tuple(bins[place] for place in range(HISTOGRAM_BINS)),
    )


def bin_width(longest: int) -> int:
    """The narrowest bins, of whole tokens, that reach up to the longest chunk."""
    return max(1, -(-(longest + 1) // HISTOGRAM_BINS))
