"""`ragterm vec init`: an empty database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say
from ragterm.cli.vec.opening import db_option, new_database, refuse_existing, typed

SHAPE = ("metric", "index", "profile", "m", "ef_construction", "lists", "nprobe", "code_bytes", "seed")
"""What a database keeps of how it was made, but its dimensions; of an index that has no such thing, nothing."""


def shape_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What shapes a new database, but its dimensions; they arrive under the names of `SHAPE`."""
    for option in (
        click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same index."),
        click.option("--code-bytes", type=click.IntRange(1), help="ivf-pq: of a vector's code; one for 8 dimensions without."),
        click.option("--nprobe", type=click.IntRange(1), help="ivf: lists that a search looks into; an eighth without."),
        click.option("--lists", type=click.IntRange(1), help="ivf: parts of the space; by the number of vectors without."),
        click.option("--ef-construction", type=click.IntRange(1), default=200, show_default=True,
                     help="hnsw: candidates held while a vector is linked; more is slower and better."),
        click.option("--m", type=click.IntRange(2, 256), default=16, show_default=True,
                     help="hnsw: links of a node on the upper layers; twice as many on layer 0."),
        click.option("--profile", type=click.Choice(["fast", "compact"]), default="fast", show_default=True,
                     help="hnsw: the quickest search, or a quarter of its memory."),
        click.option("--index", type=click.Choice(["hnsw", "ivf-flat", "ivf-pq"]), default="hnsw", show_default=True,
                     help="A graph, the quickest; or inverted lists: of vectors, or of codes, the least memory."),
        click.option("--metric", type=click.Choice(["cosine", "dot", "euclidean"]), default="cosine", show_default=True,
                     help="What nearness is."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("init", help="Make an empty database.")
@global_options
@db_option
@click.option("--dimensions", type=click.IntRange(1, 65536), default=384, show_default=True, help="Of every vector.")
@shape_options
@click.pass_obj
def init(options: Globals, db: Path, dimensions: int, **shape: Any) -> None:
    refuse_existing(db)
    with new_database(dimensions, db, **shape) as made:
        made.save()
        stats = made.get_stats()
    if options.as_json:
        emit_json({"db": str(db), **{name: stats[name] for name in ("dimensions", *SHAPE) if name in stats}})
        return
    say(f"{db}: empty, {dimensions} dimensions, {stats['metric']}, {in_words(stats)}")
    say(f"  ragterm vec add --file embeddings.jsonl{typed(db)}")


def in_words(stats: Mapping[str, Any]) -> str:
    """`index hnsw, profile fast, M 16, ...`: the index and its parameters, as `get_stats` names them."""
    said = {"m": "M", "code_bytes": "code bytes"}
    facts = [(said.get(name, name), stats[name]) for name in SHAPE if name != "metric" and name in stats]
    return ", ".join(f"{name} {'by size' if value is None else value}" for name, value in facts)
