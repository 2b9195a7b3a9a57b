"""`ragterm vec stats`: how large a database is, how it was made, and what its graph looks like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say
from ragterm.cli.vec.create import in_words
from ragterm.cli.vec.opening import db_option, open_database

_ANSWERS = {
    "exact": "exact scan",
    "hnsw": "the HNSW graph",
    "ivf-flat": "the inverted lists",
    "ivf-pq": "the inverted lists",
}
_BARS = " ▁▂▃▄▅▆▇█"


@click.command("stats", help="Vectors, memory, disk, parameters; the graph's layers and degrees, or the lists.")
@global_options
@db_option
@click.pass_obj
def stats(options: Globals, db: Path) -> None:
    with open_database(db) as database:
        found = dict(database.get_stats())
    held = found["total_vectors"] + found["deleted"]
    found["deleted_share"] = round(found["deleted"] / held, 6) if held else 0.0
    if options.as_json:
        emit_json({"db": str(db), **found})
        return
    for name, value in _facts(db, found):
        say(f"{name:<12} {value}")
    for layer in found["layers"]:
        say(
            f"  layer {layer['level']}  {layer['nodes']:>9,} nodes  {layer['edges']:>10,} edges  degree"
            f" {layer['mean_degree']:.1f} on average, {layer['max_degree']} at most  {bars(layer['degree_histogram'])}"
        )


def _facts(db: Path, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    total = found["total_vectors"]
    each = f" ({found['memory_bytes'] / total:,.0f} a vector)" if total else ""
    answers = _ANSWERS[found["answers"]]
    graph = ("graph", "none yet")
    if found["index"] != "hnsw":
        sizes = found["list_sizes"]
        how = f"{sizes['mean']:.1f} vectors on average, {sizes['largest']:,} at most" if sizes else "none yet"
        graph = ("lists", how)
    elif found["edges"]:
        held = total + found["deleted"]
        graph = ("graph", f"{found['edges']:,} edges, {found['linked']:,} of {held:,} vectors linked")
    return [
        ("database", str(db)),
        ("vectors", f"{total:,} of {found['dimensions']} dimensions, {found['metric']}"),
        ("deleted", f"{found['deleted']:,} ({found['deleted_share']:.1%} of what is held)"),
        ("memory", size(found["memory_bytes"]) + each),
        ("disk", size(found["disk_bytes"])),
        ("parameters", in_words(found)),
        ("answered by", answers + ("" if found["ready"] else " (still warming up)")),
        graph,
    ]  # fmt: skip


def size(count: float) -> str:
    """`512 B`, `1.5 kB`, `147.0 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def bars(histogram: Mapping[Any, int]) -> str:
    """`0 ▁▃█▂ 3`: one bar for each degree from the lowest to the highest, as high as the nodes that have it."""
    counts = {int(degree): count for degree, count in histogram.items() if count}
    if not counts:
        return ""
    low, high, most = min(counts), max(counts), max(counts.values())
    steps = len(_BARS) - 1
    # Whoever is there is seen: the lowest bar is never empty.
    drawn = [_BARS[-(-counts.get(degree, 0) * steps // most)] for degree in range(low, high + 1)]
    return f"{low} {''.join(drawn)} {high}"
