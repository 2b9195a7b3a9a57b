"""Does the extractive answerer cite the sentence that holds the answer, and does it decline when there is none?

    python tests/benchmarks/answers.py [--squad-questions 500] [--home DIR] [--show]

Two sets, through the public Engine with its defaults (hybrid search, reranking, passage selection):

- squad (found through RAGTERM_TEST_DATA, left out without it): 500 questions with a fixed seed over all 1,283
  paragraphs, each a document. A hit: a cited span holds a gold answer. Declining is a miss. "in its paragraph" also
  asks that the span stands in the paragraph that the question was written for.
- the sample documents: 60 questions with document and quote, 12 that nothing there answers.

`--home` keeps the collections there, so that a second run does not ingest again. `--show` prints the misses.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragterm import Engine
from ragterm.engine.types.answers import AnswerReady
from ragterm.engine.types.tracing import Trace
from ragterm.resources import shipped

SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad-questions", type=int, default=500)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--show", action="store_true", help="print the questions that failed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = given.home or Path(scratch) / "home"
        with Engine.open(home) as engine:
            figures = {"sample": sample_documents(engine, given.show)}
            data = os.environ.get("RAGTERM_TEST_DATA")
            if data and given.squad_questions:
                figures["squad"] = squad(engine, Path(data) / "squad", given.squad_questions, Path(scratch), given.show)
            elif given.squad_questions:
                print("squad left out: RAGTERM_TEST_DATA is not set", file=sys.stderr)
    print(json.dumps(figures, indent=2))


def sample_documents(engine: Engine, show: bool) -> dict[str, Any]:
    folder = Path(shipped("sample_docs"))
    if "sample" not in {c.name for c in engine.collections()}:
        engine.ingest([str(folder)], "sample")
    questions = list(json_lines(folder / "questions.jsonl"))
    found = cited = there = reworded_cited = declined_wrongly = declined_rightly = 0
    seconds = []
    for q in questions:
        began = time.perf_counter()
        trace = answered(engine, q["question"], "sample")
        seconds.append(time.perf_counter() - began)
        answer = trace.answer
        assert answer is not None
        if not q["answerable"]:
            declined_rightly += answer.declined
            if show and not answer.declined:
                print(f"NOT DECLINED {q['id']} {q['question']}\n    {answer.text!r}")
            continue
        in_top = any(Path(c.document_path) == folder / q["document"] for c in trace.candidates[:5])
        quoting = [c for c in answer.citations if plain(q["quote"]) in plain(c.quote)]
        hit = bool(quoting)
        there += any(Path(c.path) == folder / q["document"] for c in quoting)
        found += in_top
        cited += hit
        reworded_cited += hit and q["reworded"]
        declined_wrongly += answer.declined
        if show and not (in_top and hit):
            what = "DECLINED" if answer.declined else "MISSED" if in_top else "NOT FOUND"
            print(f"{what} {q['id']} {q['question']}\n    wanted {q['quote']!r}\n    got    {answer.text!r}")
    answerable = [q for q in questions if q["answerable"]]
    return {
        "answerable": len(answerable),
        "right document in the top 5": found,
        "quote inside a cited span": cited,
        "of them from the named document, not from its copy": there,
        "of them worded unlike the quote": f"{reworded_cited} of {sum(q['reworded'] for q in answerable)}",
        "declined though answerable": declined_wrongly,
        "unanswerable": len(questions) - len(answerable),
        "declined rightly": declined_rightly,
        "median seconds a question": round(sorted(seconds)[len(seconds) // 2], 3),
    }


def squad(engine: Engine, folder: Path, count: int, scratch: Path, show: bool) -> dict[str, Any]:
    if "squad" not in {c.name for c in engine.collections()}:
        files = scratch / "squad"
        files.mkdir()
        for entry in json_lines(folder / "corpus.jsonl"):
            # The title goes where a document's title is found: a heading above the text.
            (files / f"{entry['_id']}.md").write_text(f"# {entry['title']}\n\n{entry['text']}\n", encoding="utf-8")
        engine.ingest([str(files)], "squad")
    judged = {line.split("\t")[0] for line in (folder / "qrels/test.tsv").read_text().splitlines()[1:]}
    questions = [q for q in json_lines(folder / "queries.jsonl") if q["_id"] in judged]
    sample = random.Random(SEED).sample(questions, min(count, len(questions)))
    hits = strict = declined = 0
    for q in sample:
        answer = answered(engine, q["text"], "squad").answer
        assert answer is not None
        golds = [plain(a) for a in q["metadata"]["answers"]]
        spans = [c for c in answer.citations if any(g in plain(c.quote) for g in golds)]
        hits += bool(spans)
        strict += any(Path(c.path).stem == q["metadata"]["para"] for c in spans)
        declined += answer.declined
        if show and not spans:
            print(
                f"{'DECLINED' if answer.declined else 'MISSED'} {q['text']}\n    wanted {golds[0]!r}\n    got    {answer.text!r}"
            )
    none = list(json_lines(folder / "unanswerable.jsonl"))[: count // 5]
    refused = sum(answered(engine, q["text"], "squad").answer.declined for q in none)  # type: ignore[union-attr]
    return {
        "questions": len(sample),
        "gold answer inside a cited span": round(hits / len(sample), 4),
        "in its paragraph": round(strict / len(sample), 4),
        "declined though answerable": declined,
        "unanswerable": len(none),
        "declined rightly": refused,
    }


def answered(engine: Engine, question: str, collection: str) -> Trace:
    events = list(engine.ask(question, collection, llm="extractive"))
    last = events[-1]
    assert isinstance(last, AnswerReady)
    assert len(last.trace.answer.citations) <= 3  # type: ignore[union-attr]
    return last.trace


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def plain(text: str) -> str:
    return " ".join(text.split()).casefold()


if __name__ == "__main__":
    main()
