"""`ragterm ingest PATH...`: read files and folders into a collection."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import ProgressPrinter, duration, emit_json, say
from ragterm.engine.types.control import Control
from ragterm.engine.types.display import one_line
from ragterm.engine.types.errors import Cancelled, UsageError
from ragterm.engine.types.ingesting import IngestReport
from ragterm.engine.types.web import WebOptions


@click.command(
    "ingest",
    help="Read files, folders and web pages into a collection. What is unchanged costs nothing; an interrupted run goes on.",
)
@global_options
@click.argument("paths", nargs=-1)
@click.option("-c", "--collection", default="default", show_default=True, metavar="NAME")
@click.option(
    "--watch",
    is_flag=True,
    help="Go on and follow the folders until Ctrl+C; without PATHS those that the collection has.",
)
@click.option(
    "--poll",
    type=click.FloatRange(0.05, 3600),
    metavar="SECONDS",
    help="With --watch: look this often instead of being notified by the system, for network drives.",
)
@click.option("--site", is_flag=True, help="Follow the links of a web page within its host; robots.txt is obeyed.")
@click.option(
    "--pages", type=click.IntRange(1, 10_000), default=50, show_default=True, help="With --site: so many pages."
)
@click.option(
    "--password",
    "passwords",
    multiple=True,
    metavar="TEXT",
    help="Try it on locked files; - asks for it. May be given several times. It is kept nowhere.",
)
@click.pass_obj
def command(
    options: Globals,
    paths: tuple[str, ...],
    collection: str,
    watch: bool,
    poll: float | None,
    site: bool,
    pages: int,
    passwords: tuple[str, ...],
) -> None:
    if poll and not watch:
        raise UsageError("--poll goes with --watch", "", "ragterm ingest PATH --watch --poll 5")
    if not paths and not watch:
        raise UsageError("Nothing to ingest", "", "give files or folders: ragterm ingest PATH")
    if passwords and watch:
        raise UsageError(
            "--password does not go with --watch", "", "ragterm ingest PATH --password - for the locked files"
        )
    if watch:
        from ragterm.cli.watch import follow

        raise click.exceptions.Exit(follow(options, paths, collection, poll or 0.0))
    passwords = tuple(ask_password() if one == "-" else one for one in passwords)
    printer = ProgressPrinter()
    control = cancel_on_interrupt()
    with options.engine() as engine:
        engine.warm(printer.step)
        report = engine.ingest(
            paths,
            collection,
            on_progress=printer,
            control=control,
            web=WebOptions(site, pages),
            passwords=passwords,
        )
        printer.done()
        if report.chunks and not report.cancelled:
            printer.step("linking the graph")
            with contextlib.suppress(Cancelled):  # the next session that looks at the graph builds it
                engine.finish_graph(collection, control)
    if options.as_json:
        emit_json(report_as_json(report))
    else:
        print_report(report)
    raise click.exceptions.Exit(exit_code(report))


def ask_password() -> str:
    """From the terminal, without showing it."""
    return str(click.prompt("Password for locked files", hide_input=True, err=True))


def cancel_on_interrupt() -> Control:
    """Ctrl+C asks the work to stop at its next step; a second one ends the process."""
    control = Control()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        control.cancel()

    signal.signal(signal.SIGINT, stop)
    return control


def exit_code(report: IngestReport) -> int:
    """0 done; 1 nothing indexed and something failed; 3 done in part; 130 interrupted."""
    counts = report.counts
    if report.cancelled:
        return 130
    if not counts["failed"]:
        return 0
    return 3 if counts["added"] + counts["updated"] + counts["unchanged"] + counts["duplicate"] else 1


def report_as_json(report: IngestReport) -> dict[str, object]:
    return {
        "collection": report.collection,
        "documents": dict(report.counts),
        "chunks": report.chunks,
        "seconds": round(report.seconds, 3),
        "cancelled": report.cancelled,
        "failures": [
            {"path": o.path, "stage": o.stage, "error": o.error, "hint": o.hint}
            for o in report.outcomes
            if o.outcome == "failed"
        ],
        "skipped": [{"path": o.path, "reason": o.error} for o in report.outcomes if o.outcome == "skipped"],
        "warnings": list(report.warnings),
    }


def print_report(report: IngestReport) -> None:
    shown = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count) or "nothing found"
    say(f"{one_line(report.collection)}: {shown}; {report.chunks} chunks in {duration(report.seconds)}")
    for outcome in report.outcomes:
        if outcome.outcome in ("failed", "skipped"):
            stage = f" while {_doing(outcome.stage)}" if outcome.stage else ""
            say(f"  {outcome.outcome}{stage}: {one_line(outcome.path)}: {one_line(outcome.error)}")
            if outcome.hint:
                say(f"      {one_line(outcome.hint)}")
    for warning in report.warnings:
        say(f"  {warning}")
    if report.cancelled:
        say("  stopped; run the same command again to go on")


def _doing(stage: str) -> str:
    return {"read": "reading", "parse": "parsing", "chunk": "chunking", "embed": "embedding"}.get(stage, stage)
