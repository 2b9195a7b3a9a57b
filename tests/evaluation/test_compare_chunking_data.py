"""The measures on texts and spans from a public study, against sets of characters."""

from __future__ import annotations

import os
import random
from array import array
from dataclasses import replace
from math import log2
from pathlib import Path
from statistics import fmean

import pytest
from support.cheap_embedder import WordTokenizer
from support.chunk_strategies import windows

from ragterm.engine.chunking import ChunkingTools
from ragterm.engine.chunking.tokens import TokenRuler
from ragterm.engine.evaluation import load_span_folder
from ragterm.engine.evaluation.compare_chunking import measure
from ragterm.engine.types.comparing import ComparisonOptions
from ragterm.engine.types.settings import ChunkingSettings

QUESTIONS = 12
DOCUMENTS = 2


@pytest.mark.data
@pytest.mark.parametrize("name", ["chunking", "covidqa"])
def test_measures_on_real_spans_are_those_of_sets(name: str) -> None:
    documents, every = load_span_folder(Path(os.environ["RAGTERM_TEST_DATA"]) / name)
    chance = random.Random(7)
    documents = sorted(documents, key=lambda one: len(one.text))[:DOCUMENTS]
    ids = {document.id for document in documents}
    near = [question for question in every if {place[0] for place in question.evidence} <= ids]
    questions = chance.sample(near, min(QUESTIONS, len(near)))
    tools = ChunkingTools(WordTokenizer(), 256)
    settings = ChunkingSettings(max_tokens=100, overlap=0.25)
    chunks = [chunk for document in documents for chunk in windows(document, "b", tools, settings)]
    inside = [_span((chunk.document_id, chunk.start, chunk.end)) for chunk in chunks]
    starts = {one.id: array("q", TokenRuler(one.text, tools.tokenizer).starts) for one in documents}

    # A retriever that is right now and then: chunks with evidence somewhere among the first, the rest by chance.
    rankings = []
    for question in questions:
        order = chance.sample(range(len(chunks)), len(chunks))
        holding = [i for i in order if any(inside[i] & _span(place) for place in question.evidence)]
        chance.shuffle(holding)
        for i in holding:
            order.remove(i)
            order.insert(chance.randrange(8), i)
        rankings.append(order)
    options = ComparisonOptions(retrieve=5, budget=700)
    found = measure(documents, chunks, questions, rankings, starts, options)

    rows = []
    for question, order in zip(questions, rankings, strict=True):
        gold = set().union(*(_span(place) for place in question.evidence))
        read = [c for i in order[:5] for c in inside[i]]
        both = gold & set(read)
        holding = set().union(*(each for each in inside if each & gold))
        tokens = [(i, t) for i in order for t in range(chunks[i].tokens - 2)][:700]
        last, kept = tokens[-1]
        begin = [s for s in starts[chunks[last].document_id] if chunks[last].start <= s < chunks[last].end]
        end = begin[kept + 1] if kept + 1 < len(begin) else chunks[last].end
        cut = {i: chunks[i] for i, _ in tokens} | {last: replace(chunks[last], end=end)}
        budget = set().union(*(_span((c.document_id, c.start, c.end)) for c in cut.values()))
        gains = [len(inside[i] & gold) / len(gold) for i in order]
        dcg = [sum(g / log2(r + 2) for r, g in enumerate(each[:10])) for each in (gains, sorted(gains, reverse=True))]
        rows.append(
            (
                len(both) / len(gold),
                len(both) / len(read),
                len(both) / (len(gold) + len(read) - len(both)),
                len(holding & gold) / len(holding),
                len(budget & gold) / len(gold),
                dcg[0] / dcg[1],
            )
        )
    expected = [fmean(column) for column in zip(*rows, strict=True)]
    assert expected[0] > 0.2
    assert [
        found.token_recall, found.token_precision, found.token_iou, found.precision_omega, found.recall_in_budget,
        found.ndcg_at_10,
    ] == pytest.approx(expected)  # fmt: skip


def _span(place) -> set[tuple[str, int]]:
    return {(place[0], at) for at in range(place[1], place[2])}
