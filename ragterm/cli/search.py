"""`ragterm search QUERY`: what each retrieval stage found. Also home of the options and forms shared with `ask` and `eval`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say, warn
from ragterm.engine.types.display import one_line
from ragterm.engine.types.members import document_name
from ragterm.engine.types.tracing import STAGES, Candidate, RetrievalSettings, Trace


def search_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that shape a retrieval; they arrive as keyword arguments for `retrieval_settings`."""
    for option in (
        click.option("--weight", type=click.FloatRange(0, 1), help="Share of the cosine in the convex fusion."),
        click.option("--fusion", type=click.Choice(["convex", "rrf"]), help="How the two lists become one."),
        click.option("--rerank", metavar="NAME|none", help="late-interaction, cross-encoder, a checkpoint, or none."),
        click.option("--mode", type=click.Choice(["hybrid", "dense", "keyword"]), help="Which retrievers take part."),
        click.option("-k", type=click.IntRange(1, 1000), help="How many results."),
    ):
        command = option(command)
    return command


def retrieval_settings(base: RetrievalSettings, **given: Any) -> RetrievalSettings:
    """The configured settings with what the command line gave."""
    return replace(base, **{name: value for name, value in given.items() if value is not None})


@click.command("search", help="Search a collection. Shows each result's rank and score in every stage.")
@global_options
@click.argument("query")
@click.option("-c", "--collection", default="default", show_default=True, metavar="NAME")
@search_options
@click.pass_obj
def command(options: Globals, query: str, collection: str, **given: Any) -> None:
    with options.engine() as engine:
        settings = retrieval_settings(engine.retrieval_settings(), **given)
        trace = engine.retrieve(query, collection, settings)
    if options.as_json:
        emit_json(trace_as_json(trace))
        return
    for note in trace.notes:
        warn(note)
    for rank, candidate in enumerate(trace.results, 1):
        print_candidate(rank, candidate, trace)
    if not trace.results:
        say("Nothing found.")
    say(" · ".join(f"{t.name} {t.ms:.0f} ms" for t in trace.timings))


def print_candidate(rank: int, candidate: Candidate, trace: Trace) -> None:
    say(f"{rank:>3}. {place(candidate)}")
    scores = [
        f"{trace.scales.get(stage, stage)} {score.score:.3g}" + (f" (rank {score.rank})" if score.rank else "")
        for stage in STAGES
        if (score := candidate.stages.get(stage)) is not None
    ]
    say(f"     {' · '.join(scores)}")
    text = one_line(" ".join(candidate.chunk.text.split()))
    say(f"     {text[:300]}{'…' if len(text) > 300 else ''}\n")


def place(candidate: Candidate) -> str:
    """`policy.pdf, page 3 > Refunds`."""
    name = document_name(candidate.document_path)
    page = f", page {candidate.chunk.page}" if candidate.chunk.page else ""
    section = " > " + " > ".join(candidate.chunk.section) if candidate.chunk.section else ""
    return one_line(name + page + section)


def trace_as_json(trace: Trace) -> dict[str, Any]:
    return {
        "trace_id": trace.id,
        "results": [
            {
                "rank": rank,
                "chunk_id": c.chunk.id,
                "document": c.chunk.document_id,
                "title": c.document_title,
                "path": c.document_path,
                "page": c.chunk.page,
                "section": list(c.chunk.section),
                "start": c.chunk.start,
                "end": c.chunk.end,
                "text": c.chunk.text,
                "stages": {stage: {"rank": s.rank, "score": s.score} for stage, s in c.stages.items()},
            }
            for rank, c in enumerate(trace.results, 1)
        ],
        "timings_ms": timings(trace),
        "scales": dict(trace.scales),
        "notes": list(trace.notes),
    }


def timings(trace: Trace) -> dict[str, float]:
    return {t.name: round(t.ms, 3) for t in trace.timings}
