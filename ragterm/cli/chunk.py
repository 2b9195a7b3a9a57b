"""`ragterm chunk compare PATH...`: the same documents by several chunking strategies, side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click

from ragterm.cli.chunk_builds import adopt, builds, rollback
from ragterm.cli.ingest import cancel_on_interrupt
from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import StatusLine, duration, emit_json, say, warn
from ragterm.engine.types.comparing import (
    HISTOGRAM_BINS,
    ChunkingComparison,
    ComparisonOptions,
    ComparisonProgress,
    Lengths,
    StrategyReport,
    histogram_blocks,
)
from ragterm.engine.types.display import one_line

_BEFORE, _AFTER = 34, 34
"""Characters shown on both sides of a cut."""
_CUTS = 12


@click.group("chunk", help="How documents are cut into chunks.")
@global_options
def command() -> None:
    pass


for one in (adopt, rollback, builds):
    command.add_command(one)


@command.command(
    "compare",
    help="""The same documents by several chunking strategies, side by side: number and length of the chunks, where they are cut, what
    embedding them costs; and, with questions whose evidence is known, how well they hold it and how well it is found.

    PATH is a file or a folder, or one folder with corpus.jsonl, queries.jsonl and spans.jsonl, which brings its own questions.

    \b
    ragterm chunk compare ./docs --strategies recursive,recursive:max_tokens=128
    ragterm chunk compare ./docs --questions questions.jsonl

    A line of questions.jsonl: {"question": ..., "path": ..., "quote": ...}, or "spans": [[start, end], ...] in characters of the
    document's text in place of the quote.
    """,
)
@global_options
@click.argument("paths", nargs=-1, required=True)
@click.option(
    "--strategies",
    multiple=True,
    metavar="A,B,...",
    help="Names, each with settings of its own: recursive:max_tokens=128,overlap=0. "
    "Without: auto, which is what ingest does, and all others.",
)
@click.option(
    "--questions", type=click.Path(path_type=Path), metavar="FILE", help="Questions with their evidence, JSONL."
)
@click.option("--retrieve", type=click.IntRange(1, 100), default=5, show_default=True,
              help="Chunks per question that recall, precision and IoU look at.")  # fmt: skip
@click.option("--budget", type=click.IntRange(1, 1_000_000), default=1200, show_default=True, metavar="TOKENS",
              help="Retrieved text within which the recall of a prompt is measured.")  # fmt: skip
@click.option("--mode", type=click.Choice(["dense", "hybrid"]), default="dense", show_default=True)
@click.option(
    "--boundaries", is_flag=True, help="Where each document is cut: the words on both sides, or every span in JSON."
)
@click.pass_context
def compare(
    context: click.Context, paths: tuple[str, ...], strategies: tuple[str, ...], questions: Path | None, retrieve: int,
    budget: int, mode: Literal["dense", "hybrid"], boundaries: bool,
) -> None:  # fmt: skip
    options: Globals = context.ensure_object(Globals)
    printer = _Progress()
    with options.engine() as engine:
        result = engine.compare_chunking(
            paths,
            strategies,
            questions,
            ComparisonOptions(retrieve, budget, mode, engine.settings.search.weight),
            on_progress=printer,
            on_step=printer.step,
            control=cancel_on_interrupt(),
        )
    printer.done()
    for failure in result.failures:
        warn(f"failed  {one_line(failure.path)}: {one_line(failure.error)}")
    if options.as_json:
        emit_json(comparison_as_json(result, boundaries))
    else:
        _print(result)
        if boundaries:
            _print_cuts(result)
    raise click.exceptions.Exit(3 if result.failures else 0)


class _Progress:
    """One line on standard error; a line for each strategy that begins where it is no terminal."""

    def __init__(self) -> None:
        self._status = StatusLine()

    def __call__(self, progress: ComparisonProgress) -> None:
        if self._status.due():
            which = f" {progress.number}/{progress.strategies}" if progress.strategies else ""
            self._status.show(f"{progress.stage} {progress.strategy}{which} · {progress.done:,}/{progress.total:,}")

    def step(self, message: str) -> None:
        self._status.clear()
        warn(message)

    def done(self) -> None:
        self._status.clear()


def comparison_as_json(result: ChunkingComparison, boundaries: bool) -> dict[str, Any]:
    return {
        "documents": [asdict(document) for document in result.documents],
        "questions": result.questions,
        "strategies": [_report_as_json(report, boundaries) for report in result.strategies],
        "settings": {**asdict(result.options), "model": result.model},
        "embedded": {"texts": result.embedded, "tokens": result.embedded_tokens, "reused": result.reused},
        "failures": [asdict(failure) for failure in result.failures],
        "skipped": [{"path": path, "reason": reason} for path, reason in result.skipped],
        "seconds": round(result.seconds, 3),
    }


def _report_as_json(report: StrategyReport, boundaries: bool) -> dict[str, Any]:
    lengths = asdict(report.lengths)
    data: dict[str, Any] = {
        "strategy": report.strategy.name,
        "label": report.strategy.label,
        "settings": asdict(report.strategy.settings),
        "chunks": report.chunks,
        "lengths": {**lengths, "mean": round(report.lengths.mean, 1), "histogram": list(report.lengths.histogram)},
        "tokens": report.tokens,
        "strategy_tokens": report.strategy_tokens,
        "repeated": round(report.repeated, 4),
        "seconds": round(report.seconds, 3),
        "measures": _measures_as_json(report),
    }
    if boundaries:
        data["boundaries"] = {document: [list(span) for span in spans] for document, spans in report.boundaries.items()}
    return data


def _measures_as_json(report: StrategyReport) -> dict[str, Any] | None:
    if report.measures is None:
        return None
    values = asdict(report.measures)
    values["ndcg@10"] = values.pop("ndcg_at_10")
    return {name: round(value, 6) for name, value in values.items()}


def _print(result: ChunkingComparison) -> None:
    documents = result.documents
    total = sum(document.tokens for document in documents)
    say(f"{len(documents):,} document{'s' * (len(documents) != 1)}, {total:,} tokens")
    wide = max(8, *(len(report.strategy.label) for report in result.strategies))
    reach = HISTOGRAM_BINS * max((report.lengths.bin_width for report in result.strategies), default=1)
    say()
    say(
        f"{'strategy':<{wide}} {'chunks':>7} {'min':>5} {'25%':>5} {'50%':>5} {'75%':>5} {'max':>5}"
        f"  {f'0 to {reach:,} tokens':<16} {'to embed':>10} {'repeated':>8} {'seconds':>8}"
    )
    for report in result.strategies:
        lengths: Lengths = report.lengths
        cost = report.tokens + report.strategy_tokens
        say(
            f"{report.strategy.label:<{wide}} {report.chunks:>7,} {lengths.minimum:>5,} {lengths.lower_quartile:>5,}"
            f" {lengths.median:>5,} {lengths.upper_quartile:>5,} {lengths.maximum:>5,}  {histogram_blocks(lengths)}"
            f" {cost:>10,} {report.repeated:>8.3f} {report.seconds:>8.1f}"
        )
    if result.questions:
        _print_measures(result, wide)
    say(
        f"\n{result.embedded:,} texts embedded ({result.embedded_tokens:,} tokens), {result.reused:,} reused;"
        f" {duration(result.seconds)}"
    )


def _print_measures(result: ChunkingComparison, wide: int) -> None:
    options = result.options
    say(
        f"\n{result.questions:,} questions, {options.mode} retrieval; recall, precision and IoU of {options.retrieve} chunks"
    )
    say()
    within = f"rec@{options.budget:,}t"
    say(
        f"{'strategy':<{wide}} {'recall':>7} {'prec.':>7} {'IoU':>7} {'prec.Ω':>7} {within:>11} {'nDCG@10':>8} {'split':>12}"
    )
    for report in result.strategies:
        if (m := report.measures) is not None:
            say(
                f"{report.strategy.label:<{wide}} {m.token_recall:>7.4f} {m.token_precision:>7.4f} {m.token_iou:>7.4f}"
                f" {m.precision_omega:>7.4f} {m.recall_in_budget:>11.4f} {m.ndcg_at_10:>8.4f}"
                f" {f'{m.evidence_split:,}/{m.evidence:,}':>12}"
            )


def _print_cuts(result: ChunkingComparison) -> None:
    for document in result.documents:
        say(f"\n{one_line(document.path)}")
        text = result.texts[document.id]
        for report in result.strategies:
            spans = report.boundaries[document.id]
            say(f"  {report.strategy.label}: {len(spans):,} chunk{'s' * (len(spans) != 1)}")
            for start, _ in spans[1 : _CUTS + 1]:
                before, after = text[max(0, start - _BEFORE) : start], text[start : start + _AFTER]
                say(f"  {start:>9,}  {one_line(before):>{_BEFORE}}▏{one_line(after)}")
            if len(spans) > _CUTS + 1:
                say(f"  {'':>9}  and {len(spans) - 1 - _CUTS:,} more")
