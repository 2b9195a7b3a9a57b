"""`ragterm vec search`: the nearest vectors of a text or of a vector."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say, warn
from ragterm.cli.vec.opening import db_option, open_database
from ragterm.engine.types.display import one_line
from ragterm.engine.types.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragterm.engine.types.protocols import Embedder
    from ragterm.engine.types.settings import Settings

SCALES = {
    "cosine": "cosine in [-1, 1], higher is nearer",
    "dot": "dot product, higher is nearer",
    "euclidean": "the negative Euclidean distance, higher is nearer",
}
_VECTOR_EXAMPLE = "for example --vector '[0.1, 0.2]' or --vector @query.json"


@click.command(
    "search", help="The nearest vectors of a text (embedded by the embedding model) or of a vector, best first."
)
@global_options
@db_option
@click.argument("query", required=False)
@click.option("--vector", metavar="JSON|@FILE", help="Search by these numbers: '[0.1, ...]', or @FILE that holds them.")
@click.option("-k", "--top-k", type=click.IntRange(1, 100_000), default=10, show_default=True)
@click.option(
    "--model", metavar="NAME", help="The embedding model of the text; it must be the one that made the vectors."
)
@click.option("--filter", "filter_", metavar="JSON", help="""On the metadata: '{"year": {"$gte": 2024}}'.""")
@click.option("--ef", type=click.IntRange(1), help="hnsw: candidates held on layer 0; more is slower and finds more.")
@click.option("--nprobe", type=click.IntRange(1), help="ivf: lists to look into; more is slower and finds more.")
@click.pass_obj
def search(
    options: Globals, db: Path, query: str | None, vector: str | None, top_k: int, model: str | None,
    filter_: str | None, ef: int | None, nprobe: int | None,
) -> None:  # fmt: skip
    if (query is None) == (vector is None):
        raise UsageError(
            "Search for a text or for a vector", "one of the two", 'ragterm vec search "some text", ' + _VECTOR_EXAMPLE
        )
    if vector is not None and model is not None:
        raise UsageError("--model goes with a text", "a vector needs no model", "leave --model out")
    condition = _parsed_filter(filter_)
    with open_database(db) as database:
        stats = database.get_stats()
        if query is not None:
            numbers: Sequence[float] = _embedded(options.settings(), query, model, stats["dimensions"], db)
        else:
            numbers = _parsed_vector(str(vector), stats["dimensions"])
        started = time.perf_counter()
        found, by = database.search_explained(numbers, top_k, condition, ef_search=ef, nprobe=nprobe)
        milliseconds = (time.perf_counter() - started) * 1000
        results: list[dict[str, Any]] = [
            {"rank": rank, "id": doc_id, "score": float(score), "metadata": dict(database.get(doc_id).metadata)}
            for rank, (doc_id, score) in enumerate(found, 1)
        ]
    if options.as_json:
        how = {"metric": stats["metric"], "scale": SCALES[stats["metric"]], "index": by}
        how |= {"ef": ef, "nprobe": nprobe}
        emit_json({"results": results, **how, "search_ms": round(milliseconds, 3)})
        return
    for one in results:
        facts = f"  {json.dumps(one['metadata'], ensure_ascii=False)}" if one["metadata"] else ""
        say(f"{one['rank']:>3}. {stats['metric']} {one['score']:.4f}  {one_line(one['id'])}{one_line(facts)}")
    if not results:
        say(
            "Nothing matches the filter."
            if condition and stats["total_vectors"]
            else "Nothing found: the database is empty."
        )
    say(f"{len(results)} of {stats['total_vectors']:,} vectors · {by} · {milliseconds:.2f} ms")


def _parsed_filter(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    example = """for example --filter '{"year": {"$gte": 2024}}'"""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("The filter is not JSON", str(error), example) from error
    if not isinstance(parsed, dict):
        raise UsageError("The filter is not an object", text, example)
    return parsed


def _parsed_vector(text: str, dimensions: int) -> Sequence[float]:
    if text.startswith("@"):
        file = Path(text[1:]).expanduser()
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} cannot be read", str(error), _VECTOR_EXAMPLE) from error
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("The vector is not JSON", str(error), _VECTOR_EXAMPLE) from error
    if not isinstance(parsed, list) or not all(type(one) in (int, float) for one in parsed):
        raise UsageError("The vector is not a list of numbers", "", _VECTOR_EXAMPLE)
    if len(parsed) != dimensions:
        raise UsageError(
            "The dimensions differ", f"the vector has {len(parsed)}, the database {dimensions}", _VECTOR_EXAMPLE
        )
    return parsed


def _embedded(settings: Settings, text: str, model: str | None, dimensions: int, db: Path) -> Sequence[float]:
    """The text's vector. A model of another dimension is refused before it is loaded: loading may mean minutes of export."""
    if model is not None:
        settings = replace(settings, embedding=replace(settings.embedding, model=model))
    name = settings.embedding.model
    given = model_dimensions(settings)
    if given != dimensions:
        raise UsageError(
            "The dimensions differ",
            f"{name} makes {given}, {db} holds {dimensions}",
            "name the model that made the vectors with --model, or search with --vector",
        )
    return [float(one) for one in text_embedder(settings).embed_query(text)]


def model_dimensions(settings: Settings) -> int:
    """Raises DownloadNeeded, OfflineError or ModelError when the model is not here."""
    from ragterm.engine.models.checkpoint import read_embedding_checkpoint
    from ragterm.engine.models.weights import cache_dir, find_weights

    weights = find_weights(settings.embedding.model, cache_dir(), settings.privacy.offline)
    return read_embedding_checkpoint(weights.path).dimensions


def text_embedder(settings: Settings) -> Embedder:
    from ragterm.engine.models.embedder import load_embedder
    from ragterm.engine.models.weights import cache_dir

    return load_embedder(settings.embedding, cache_dir(), offline=settings.privacy.offline, progress=warn)
