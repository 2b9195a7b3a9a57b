"""`ragterm vec init`: an empty database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say
from ragterm.cli.vec.opening import db_option, new_database, refuse_existing, typed

PARAMETERS = ("dimensions", "metric", "profile", "m", "ef_construction", "seed")


def graph_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What shapes a new database, but its dimensions."""
    for option in (
        click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same graph."),
        click.option("--ef-construction", type=click.IntRange(1), default=200, show_default=True,
                     help="Candidates held while a vector is linked; more is slower and better."),
        click.option("--m", type=click.IntRange(2, 256), default=16, show_default=True,
                     help="Links of a node on the upper layers; twice as many on layer 0."),
        click.option("--profile", type=click.Choice(["fast", "compact"]), default="fast", show_default=True,
                     help="fast: the quickest search; compact: the least memory."),
        click.option("--metric", type=click.Choice(["cosine", "dot", "euclidean"]), default="cosine", show_default=True,
                     help="What nearness is."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("init", help="Make an empty database.")
@global_options
@db_option
@click.option("--dimensions", type=click.IntRange(1, 65536), default=384, show_default=True, help="Of every vector.")
@graph_options
@click.pass_obj
def init(options: Globals, db: Path, dimensions: int, **shape: Any) -> None:
    refuse_existing(db)
    with new_database(dimensions, db, **shape) as made:
        made.save()
        stats = made.get_stats()
    if options.as_json:
        emit_json({"db": str(db), **{name: stats[name] for name in PARAMETERS}})
        return
    say(
        f"{db}: empty, {dimensions} dimensions, {shape['metric']}, profile {shape['profile']}, M {shape['m']},"
        f" ef_construction {shape['ef_construction']}, seed {shape['seed']}"
    )
    say(f"  ragterm vec add --file embeddings.jsonl{typed(db)}")
