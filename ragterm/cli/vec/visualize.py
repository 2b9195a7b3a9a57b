"""`ragterm vec visualize`: a layer of the graph as DOT, SVG or PNG."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say
from ragterm.cli.vec.opening import db_option, open_database, typed
from ragterm.engine.types.display import one_line
from ragterm.engine.types.errors import ModelError, NotFoundError, StoreError, UsageError

if TYPE_CHECKING:
    from ragterm.engine.types.graphs import LayerMap

_KINDS = (".dot", ".svg", ".png")
_PIXELS, _MARGIN = 1200, 60


@click.command(
    "visualize",
    help="Draw a layer: nodes where the two principal axes of all vectors place them, and their links. Without --output the DOT text"
    " goes to standard output.",
)
@global_options
@db_option
@click.option("--layer", type=click.IntRange(0), default=0, show_default=True, help="0 is the ground, with all nodes.")
@click.option("--max-nodes", type=click.IntRange(1, 5000), default=50, show_default=True, help="More are thinned out.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="A name that ends in .dot, .svg or .png."
)
@click.pass_obj
def visualize(options: Globals, db: Path, layer: int, max_nodes: int, output: Path | None) -> None:
    kind = output.suffix.lower() if output is not None else ".dot"
    if kind not in _KINDS:
        raise UsageError(f"Unknown kind of picture: {output}", "", f"its name must end in {', '.join(_KINDS)}")
    with open_database(db) as database:
        if (kind_of_index := database.get_stats()["index"]) != "hnsw":
            raise NotFoundError(
                "No graph", f"{db} has inverted lists ({kind_of_index})", f"ragterm vec stats{typed(db)}"
            )
        database.link()  # what was added since the last time is drawn, too
        layers = [one["level"] for one in database.get_stats()["layers"]]
        if layer not in layers:
            if not layers and len(database):
                raise NotFoundError(
                    "No graph",
                    f"{db} answers by an exact scan of {len(database):,} vectors",
                    f"ragterm vec stats{typed(db)}",
                )
            if not layers:
                raise NotFoundError("No graph", f"{db} is empty", f"ragterm vec add --file FILE{typed(db)}")
            raise NotFoundError(
                f"No layer {layer}", f"the graph has the layers 0 to {max(layers)}", f"--layer {max(layers)} is its top"
            )
        picture = database.layer_map(layer, max_nodes)
        labels = {key: one_line(database.id_of(key)) for key in picture.keys}
    if output is not None:
        _write(output.expanduser(), kind, picture, labels)
    if options.as_json:
        nodes = [
            {"id": labels[key], "x": round(x, 6), "y": round(y, 6)}
            for key, (x, y) in zip(picture.keys, picture.positions, strict=True)
        ]
        edges = [[labels[picture.keys[a]], labels[picture.keys[b]]] for a, b in picture.edges]
        emit_json(
            {"layer": layer, "nodes": nodes, "edges": edges, "sampled_from": picture.sampled_from,
             "output": str(output) if output is not None else None}
        )  # fmt: skip
    elif output is None:
        say(_drawing("layer_dot")(picture, labels))
    else:
        of = f" of {picture.sampled_from:,}" if picture.sampled_from > len(picture.keys) else ""
        say(f"{output}: layer {layer}, {len(picture.keys):,}{of} nodes, {len(picture.edges):,} links")


def _drawing(name: str) -> Callable[[LayerMap, Mapping[int, str]], str]:
    drawn: Callable[[LayerMap, Mapping[int, str]], str] = getattr(
        importlib.import_module("ragterm.engine.vectors.drawing"), name
    )
    return drawn


def _write(output: Path, kind: str, picture: LayerMap, labels: Mapping[int, str]) -> None:
    try:
        if kind == ".png":
            _png(output, picture, labels)
        else:
            output.write_text(
                _drawing("layer_dot" if kind == ".dot" else "layer_svg")(picture, labels), encoding="utf-8"
            )
    except OSError as error:
        raise StoreError(
            f"{output} cannot be written", error.strerror or str(error), "choose another --output"
        ) from error


def _png(output: Path, picture: LayerMap, labels: Mapping[int, str]) -> None:
    """Circles, lines and names by Pillow, which is no dependency: where it is missing it is asked for."""
    try:
        image_module: Any = importlib.import_module("PIL.Image")
        draw_module: Any = importlib.import_module("PIL.ImageDraw")
    except ImportError as error:
        raise ModelError(
            "A .png needs Pillow",
            "it is not installed",
            "pip install pillow, or --output with a name that ends in .svg",
        ) from error
    image = image_module.new("RGB", (_PIXELS, _PIXELS), "white")
    draw = draw_module.Draw(image)
    inner = _PIXELS - 2 * _MARGIN
    places = [(_MARGIN + x * inner, _MARGIN + y * inner) for x, y in picture.positions]
    for a, b in picture.edges:
        draw.line([places[a], places[b]], fill=(170, 180, 195), width=2)
    radius = 7 if len(places) <= 100 else 4
    for (x, y), key in zip(places, picture.keys, strict=True):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(38, 98, 175))
        if len(places) <= 100:
            draw.text((x + radius + 3, y - radius), labels[key][:30], fill=(40, 40, 40))
    image.save(output, "PNG")
