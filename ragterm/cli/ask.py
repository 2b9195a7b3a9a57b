"""`ragterm ask QUESTION`: an answer with citations, from a collection or from a folder given with `--docs`."""

from __future__ import annotations

import re
from typing import Any

import click

from ragterm.cli.ingest import cancel_on_interrupt
from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import ProgressPrinter, emit_json, say, warn
from ragterm.cli.search import retrieval_settings, search_options, timings
from ragterm.engine.types.answers import AnswerReady, AnswerStarted, Citation, TextDelta
from ragterm.engine.types.display import displayable, one_line
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.members import document_name
from ragterm.engine.types.tracing import Trace


@click.command(
    "ask", help="Ask a question. The answer cites document and page; without Ollama it is made of the best sentences."
)
@global_options
@click.argument("question")
@click.option("-c", "--collection", default="default", show_default=True, metavar="NAME")
@click.option(
    "--docs", metavar="PATH", type=click.Path(), help="Ask this folder or file: read first, kept for the next time."
)
@click.option("--llm", metavar="KIND[:NAME]", help="ollama:NAME, openai:NAME, transformers:NAME or extractive.")
@search_options
@click.pass_obj
def command(options: Globals, question: str, collection: str, docs: str | None, llm: str | None, **given: Any) -> None:
    control = cancel_on_interrupt()
    printer = ProgressPrinter()
    writer = MarkerWriter()
    trace: Trace | None = None
    with options.engine() as engine:
        if docs is not None:
            report = engine.ingest_folder_collection(docs, on_progress=printer, on_step=printer.step, control=control)
            printer.done()
            collection = report.collection
            counts = report.counts
            if counts["failed"]:
                warn(f"{counts['failed']} documents could not be read (`ragterm ingest {one_line(docs)}` names them)")
            if not sum(counts[name] for name in ("added", "updated", "unchanged")):
                raise NotFoundError(
                    "Nothing to ask", f"no readable document in {docs}", "see `ragterm ingest PATH` for why"
                )
        settings = retrieval_settings(engine.retrieval_settings(), **given)
        for event in engine.ask(question, collection, settings, llm=llm, control=control):
            if isinstance(event, AnswerStarted):
                writer.passages(event.trace)
                if event.notice and not options.as_json:
                    warn(event.notice)
            elif isinstance(event, TextDelta) and not options.as_json:
                click.echo(displayable(writer.feed(event.text)), nl=False)
            elif isinstance(event, AnswerReady):
                trace = event.trace
    assert trace is not None and trace.answer is not None  # `ask` always ends with AnswerReady
    if options.as_json:
        emit_json(answer_as_json(trace))
    else:
        click.echo(displayable(writer.rest()))
        print_citations(trace.answer.citations)
    if not trace.answer.complete:
        warn(
            f"ragterm: {one_line(trace.answer.error)}"
            + (f"\n  {one_line(trace.answer.hint)}" if trace.answer.hint else "")
        )
        raise click.exceptions.Exit(130 if control.cancelled else 1)


class MarkerWriter:
    """Turns `[1]` in a stream into `[policy.pdf, page 3]`; holds back an unfinished marker until the next piece of text."""

    _marker = re.compile(r"\[(\d{1,3})\]")
    _unfinished = re.compile(r"\[\d{0,3}$")

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._held = ""

    def passages(self, trace: Trace) -> None:
        for candidate in trace.candidates:
            if candidate.marker is not None:
                self._names.setdefault(candidate.marker, place_name(candidate.document_path, candidate.chunk.page))

    def feed(self, text: str) -> str:
        text = self._held + text
        open_ = self._unfinished.search(text)
        self._held = text[open_.start() :] if open_ else ""
        if open_:
            text = text[: open_.start()]
        # A marker that stands for no passage was invented by the model: it is dropped here as it is from the answer.
        return self._marker.sub(lambda m: self._names.get(int(m[1]), ""), text)

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held


def place_name(path: str, page: int | None) -> str:
    name = one_line(document_name(path))
    return f"[{name}, page {page}]" if page else f"[{name}]"


def print_citations(citations: tuple[Citation, ...]) -> None:
    if not citations:
        return
    say("\nSources")
    for c in citations:
        section = " > " + one_line(" > ".join(c.section)) if c.section else ""
        quote = one_line(" ".join(c.quote.split()))
        say(f"  {place_name(c.path, c.page)}{section}  {c.verdict}")
        say(f"      “{quote[:240]}{'…' if len(quote) > 240 else ''}”")


def answer_as_json(trace: Trace) -> dict[str, Any]:
    answer = trace.answer
    assert answer is not None
    result: dict[str, Any] = {
        "trace_id": trace.id,
        "answer": answer.text,
        "llm": answer.llm,
        "declined": answer.declined,
        "citations": [
            {
                "marker": c.marker,
                "document": c.document_id,
                "title": c.document_title,
                "path": c.path,
                "page": c.page,
                "section": list(c.section),
                "chunk_id": c.chunk_id,
                "start": c.start,
                "end": c.end,
                "quote": c.quote,
                "verdict": c.verdict,
            }
            for c in answer.citations
        ],
        "sentences": [
            {"text": s.text, "start": s.start, "end": s.end, "markers": list(s.markers), "verdict": s.verdict}
            for s in answer.sentences
        ],
        "removed_markers": list(answer.removed_markers),
        "timings_ms": timings(trace),
        "notice": answer.notice,
    }
    if not answer.complete:
        result["error"] = {"title": answer.error, "message": "", "hint": answer.hint}
    return result
