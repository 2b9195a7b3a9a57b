"""`ragterm eval DIR`: retrieval quality on a data set in BEIR form, through the same retrieval path as every question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragterm.cli.ingest import cancel_on_interrupt
from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import ProgressPrinter, emit_json, say
from ragterm.cli.search import retrieval_settings, search_options


@click.command(
    "eval",
    help="Measure retrieval on DIR: corpus.jsonl, queries.jsonl and qrels/test.tsv (BEIR). "
    "Takes search's options; reranking is off unless --rerank names one.",
)
@global_options
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--run-file", metavar="F", type=click.Path(dir_okay=False), help="Write the ranking in TREC form.")
@search_options
@click.pass_obj
def command(options: Globals, folder: str, run_file: str | None, **given: Any) -> None:
    printer = ProgressPrinter()
    given["rerank"] = given.get("rerank") or "none"
    with options.engine() as engine:
        settings = retrieval_settings(engine.retrieval_settings(), **given)
        result = engine.evaluate(
            Path(folder),
            settings,
            run_file=Path(run_file) if run_file else None,
            on_progress=printer,
            on_step=printer.step,
            control=cancel_on_interrupt(),
        )
    printer.done()
    if options.as_json:
        emit_json(result)
        return
    for name in ("ndcg@10", "recall@100", "mrr@10", "map"):
        say(f"{name:<11} {result[name]:.4f}")
    say(f"{'queries':<11} {result['queries']}")
