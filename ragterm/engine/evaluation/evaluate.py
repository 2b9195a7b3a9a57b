"""Scoring the one retrieval path on a judged collection.

Retrieval ranks chunks, judgements are about documents: a document stands where its best chunk stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from ragterm.engine.evaluation.beir import BeirData, corpus_documents
from ragterm.engine.evaluation.metrics import average_precision, ndcg, recall, reciprocal_rank
from ragterm.engine.evaluation.runs import Run
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Document
from ragterm.engine.types.tracing import Candidate, Trace


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`metrics` as the command line prints them ("ndcg@10", "recall@100", "mrr@10", "map": means over the judged queries);
    `run` is the ranking behind them; `per_query` holds nDCG@10 of each query."""

    metrics: dict[str, float]
    queries: int
    run: Run
    per_query: dict[str, float]


def evaluate(
    data: BeirData,
    retrieve: Callable[[str], Trace],
    document_of: Callable[[Candidate], str],
    *,
    on_progress: Callable[[int, int], None] | None = None,
    control: Control | None = None,
) -> Evaluation:
    """Ask every judged query and score the answers.

    `retrieve` gives a question's trace, `document_of` the corpus id of a candidate. `on_progress(done, all)` is called after each
    query. Raises Cancelled when `control` says so.
    """
    run: dict[str, list[str]] = {}
    for done, (query, text) in enumerate(data.queries.items(), start=1):
        if control is not None:
            control.checkpoint()
        run[query] = ranked_documents(retrieve(text).candidates, document_of)
        if on_progress is not None:
            on_progress(done, len(data.queries))
    per_query = {query: ndcg(ranked, data.judgements[query], 10) for query, ranked in run.items()}
    pairs = [(ranked, data.judgements[query]) for query, ranked in run.items()]
    metrics = {
        "ndcg@10": fmean(per_query.values()),
        "recall@100": fmean(recall(ranked, judged, 100) for ranked, judged in pairs),
        "mrr@10": fmean(reciprocal_rank(ranked, judged, 10) for ranked, judged in pairs),
        "map": fmean(average_precision(ranked, judged) for ranked, judged in pairs),
    }
    return Evaluation(metrics, len(run), run, per_query)


def ranked_documents(candidates: Iterable[Candidate], document_of: Callable[[Candidate], str]) -> list[str]:
    """Documents in the order of their best chunk, each once."""
    return list(dict.fromkeys(document_of(candidate) for candidate in candidates))


def index_corpus(
    data: BeirData,
    add: Callable[[list[Document]], int],
    *,
    batch: int = 256,
    on_progress: Callable[[int, int], None] | None = None,
    control: Control | None = None,
) -> tuple[int, dict[str, str]]:
    """Hand the corpus, `batch` documents at a time, to `add`, which chunks, embeds and indexes them as any other document and
    returns how many chunks that gave. Returns the number of chunks and the corpus id of each document id: what `document_of`
    in `evaluate` looks up. Raises Cancelled when `control` says so.
    """
    entries: dict[str, str] = {}
    chunks = 0
    for documents in _batches(corpus_documents(data), batch):
        if control is not None:
            control.checkpoint()
        chunks += add(documents)
        entries.update((document.id, document.metadata["entry"]) for document in documents)
        if on_progress is not None:
            on_progress(len(entries), len(data.entries))
    return chunks, entries


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while batch := list(islice(iterator, size)):
        yield batch
