"""`ragterm chunk adopt|rollback|builds`: another chunking for a collection, beside the live one until it is whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from ragterm.cli.ingest import cancel_on_interrupt
from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import ProgressPrinter, duration, emit_json, say
from ragterm.engine.types.builds import BuildInfo, Rebuilt
from ragterm.engine.types.display import one_line
from ragterm.engine.types.settings import ChunkingSettings

_COLLECTION = click.option("-c", "--collection", default="default", show_default=True, metavar="NAME")


@click.command(
    "adopt",
    help="""Cut a collection by this strategy (a name, with settings behind a colon: recursive:max_tokens=128). The present chunks go on
    answering until the new ones are complete; `ragterm chunk rollback` brings them back. Stopped, it goes on at the next call.""",
)
@global_options
@click.argument("strategy")
@_COLLECTION
@click.pass_context
def adopt(context: click.Context, strategy: str, collection: str) -> None:
    options: Globals = context.ensure_object(Globals)
    printer = ProgressPrinter()
    with options.engine() as engine:
        chunking = engine.chunking_of(strategy)
        engine.warm(printer.step)
        made = engine.rechunk(chunking, collection, printer, cancel_on_interrupt())
    printer.done()
    _report(options, made, "adopted")


@click.command("rollback", help="Go back to the chunks that answered before the last `chunk adopt`.")
@global_options
@_COLLECTION
@click.pass_context
def rollback(context: click.Context, collection: str) -> None:
    options: Globals = context.ensure_object(Globals)
    printer = ProgressPrinter()
    with options.engine() as engine:
        made = engine.roll_back(collection, printer, cancel_on_interrupt())
    printer.done()
    _report(options, made, "back")


@click.command("builds", help="The chunkings of a collection: the one that answers, and the one to go back to.")
@global_options
@_COLLECTION
@click.pass_context
def builds(context: click.Context, collection: str) -> None:
    options: Globals = context.ensure_object(Globals)
    with options.engine() as engine:
        found = engine.builds(collection)
    if options.as_json:
        emit_json({"builds": [_as_json(one) for one in found]})
        return
    for one in found:
        state = "live" if one.live else "previous" if one.previous else "not complete"
        say(f"{one.id}  {state:12}  {one.chunks:>8,} chunks  {described(one.chunking)}  {one_line(one.model_id)[:40]}")


def described(chunking: ChunkingSettings) -> str:
    """As `--strategies` takes it: the name, and what is not as it comes."""
    usual = ChunkingSettings()
    changed = [
        f"{name}={value}"
        for name, value in asdict(chunking).items()
        if name not in ("strategy", "patterns") and value != getattr(usual, name)
    ]
    patterns = f" with {len(chunking.patterns)} patterns" if chunking.patterns else ""
    return chunking.strategy + (":" + ",".join(changed) if changed else "") + patterns


def _as_json(one: BuildInfo) -> dict[str, Any]:
    return {**asdict(one), "strategy": described(one.chunking)}


def _report(options: Globals, made: Rebuilt, word: str) -> None:
    if options.as_json:
        emit_json(asdict(made))
        return
    done = f"{made.documents:,} documents cut anew, {made.embedded:,} texts embedded, in {duration(made.seconds)}"
    say(f"{word}: build {made.build_id} with {made.chunks:,} chunks ({done})")
    if word == "adopted" and made.before != made.build_id:
        say("to go back: ragterm chunk rollback")
