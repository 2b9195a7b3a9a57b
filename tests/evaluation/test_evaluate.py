"""From traces to the figures that the command line prints, and to a run file that other tools score the same."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import pytest
from ir_measures import AP, RR, R, nDCG

from ragterm.engine.evaluation import BeirData, evaluate, index_corpus, write_run
from ragterm.engine.evaluation.beir import Entry
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.errors import Cancelled, RagtermError
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, Trace

RANKINGS = {
    "first?": ["b", "a", "b", "a", "x"],  # chunks, by their document
    "second?": ["x", "y", "c"],
    "third?": [],
}
DATA = BeirData(
    folder=Path("nowhere"),
    entries=tuple(Entry(id, "", f"text {id}") for id in "abcxy"),
    queries={"q1": "first?", "q2": "second?", "q3": "third?"},
    judgements={"q1": {"a": 2, "b": 1, "c": 0}, "q2": {"c": 3, "a": 1}, "q3": {"a": 1}},
)


def trace(question: str) -> Trace:
    candidates = tuple(
        Candidate(
            chunk=Chunk(f"{document}{i}", document, "b", i, i, i + 1, "t", key=i + 1),
            document_title="",
            document_path=document,
            content_hash="",
            stages={},
        )
        for i, document in enumerate(RANKINGS[question])
    )
    return Trace("t", "", "c", "b", 1, "m", question, question, RetrievalSettings(), candidates, ())


def test_a_document_stands_where_its_best_chunk_stands() -> None:
    result = evaluate(DATA, trace, lambda c: c.chunk.document_id)
    assert result.run == {"q1": ["b", "a", "x"], "q2": ["x", "y", "c"], "q3": []}
    assert result.queries == 3


def test_the_figures_are_those_of_ir_measures(tmp_path: Path) -> None:
    result = evaluate(DATA, trace, lambda c: c.chunk.document_id)
    write_run(result.run, tmp_path / "run.txt")
    theirs = ir_measures.calc_aggregate(
        [nDCG @ 10, R @ 100, RR @ 10, AP], DATA.judgements, ir_measures.read_trec_run(str(tmp_path / "run.txt"))
    )
    assert result.metrics == {
        "ndcg@10": pytest.approx(theirs[nDCG @ 10]),
        "recall@100": pytest.approx(theirs[R @ 100]),
        "mrr@10": pytest.approx(theirs[RR @ 10]),
        "map": pytest.approx(theirs[AP]),
    }
    assert 0 < result.metrics["ndcg@10"] < 1


def test_a_run_file_holds_falling_scores(tmp_path: Path) -> None:
    write_run({"q1": ["b", "a"], "q2": []}, tmp_path / "run.txt", tag="t")
    assert (tmp_path / "run.txt").read_text() == "q1 Q0 b 1 2 t\nq1 Q0 a 2 1 t\n"


def test_an_id_with_white_space_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(RagtermError, match="white space"):
        write_run({"q1": ["a b"]}, tmp_path / "run.txt")
    with pytest.raises(RagtermError, match="cannot be written"):
        write_run({"q1": ["a"]}, tmp_path / "no folder" / "run.txt")


def test_progress_is_told_and_a_person_can_stop() -> None:
    seen: list[tuple[int, int]] = []
    control = Control()

    def on_progress(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            control.cancel()

    with pytest.raises(Cancelled):
        evaluate(DATA, trace, lambda c: c.chunk.document_id, on_progress=on_progress, control=control)
    assert seen == [(1, 3), (2, 3)]


def test_a_corpus_is_handed_over_in_batches_with_the_way_back_to_its_ids() -> None:
    batches: list[list[Document]] = []

    def add(documents: list[Document]) -> int:
        batches.append(documents)
        return 2 * len(documents)

    chunks, entries = index_corpus(DATA, add, batch=2)
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert chunks == 10
    assert [entries[document.id] for batch in batches for document in batch] == list("abcxy")
