"""What a trace says about one candidate, and where its time went: two views of lines beside the table of candidates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.ui.safe_text import line, shorten
from ragterm.ui.widgets.answer import milliseconds, total_ms
from ragterm.ui.widgets.braille import bar
from ragterm.ui.widgets.citation import MUTED, candidate_place
from ragterm.ui.widgets.line_view import Line, LineView, styled
from ragterm.ui.widgets.score_bar import WORDS, compared, move_of, scale_of, stages_of, with_terms

if TYPE_CHECKING:
    from ragterm.engine.types.tracing import Candidate, Trace


class CandidateDetail(LineView):
    """The chosen candidate: place, scores in every stage, context, and its text with the matched terms highlighted."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.trace: Trace | None = None
        self.candidate: Candidate | None = None

    def show(self, trace: Trace | None, candidate: Candidate | None) -> None:
        if candidate is not self.candidate or trace is not self.trace:
            self.trace, self.candidate = trace, candidate
            self.relayout()
            self.scroll_to(y=0, animate=False)

    def make_lines(self, width: int) -> list[Line]:
        if self.trace is None or self.candidate is None:
            return []
        return [Line(c) for c in detail_lines(self.trace, self.candidate, width, self.size.height < 14)]


def detail_lines(trace: Trace, candidate: Candidate, width: int, low: bool = False) -> list[Content]:
    """`low`: there is little height, so the text comes before the scores."""
    chunk = candidate.chunk
    mark = f"[{candidate.marker}] " if candidate.marker is not None else ""
    head = Content.assemble(styled(mark, "bold $text-accent"), styled(candidate_place(candidate), "bold"))
    facts = f"chunk {chunk.ordinal + 1}, characters {chunk.start:,} to {chunk.end:,}"
    facts += f", {chunk.tokens} tokens" if chunk.tokens else ""
    path = styled(shorten(candidate.document_path, width), MUTED)
    context: list[Content] = []
    if chunk.context:
        before = with_terms(line(chunk.context), trace.matched_terms)
        context = Content.assemble(styled("goes before it  ", MUTED), before).wrap(width)
    text = with_terms(chunk.text, trace.matched_terms).wrap(width)
    scores = score_lines(trace, candidate, width)
    gap = [Content("")]
    if low:
        lines = [head.truncate(width, ellipsis=True), *text, *gap, *scores, *context]
        return [*lines, path, styled(facts, MUTED).truncate(width, ellipsis=True)]
    lines = [*head.wrap(width), path, *styled(facts, MUTED).wrap(width), *gap, *scores]
    return [*lines, *(gap if context else []), *context, *gap, *text]


def score_lines(trace: Trace, candidate: Candidate, width: int) -> list[Content]:
    """One line a stage: "dense    #2  cosine 0.797  ███████▉  "."""
    scales = {stage: scale_of(trace, stage) for stage in stages_of(trace)}
    name_width = max((len(s.name) for s in scales.values()), default=0)
    name_width = min(name_width, 20)
    lines = []
    for stage, scale in scales.items():
        score = candidate.stages.get(stage)
        name = styled(WORDS[stage].ljust(8), "bold")
        if score is None:
            why = "not reranked: past the depth" if stage == "rerank" else "not found here"
            lines.append(Content.assemble(name, styled(why, MUTED)).truncate(width, ellipsis=True))
            continue
        rank = f"#{score.rank}" if score.rank is not None else "  ·"
        number = f"{scale.name[:name_width]:<{name_width}} {scale.number(score.score):>6} "
        drawn = bar(scale.share(score.score), max(0, min(24, width - 8 - 5 - len(number) - 2)))
        style = "$accent" if score.rank is not None else MUTED
        lines.append(
            Content.assemble(name, styled(f"{rank:>4} ", "bold"), " ", number, styled(drawn, style)).truncate(
                width, ellipsis=True
            )
        )
        if score.rank is None:
            lines.append(
                styled(f"{'':8}not among the first {trace.settings.depth}; scored only to be fused", MUTED).truncate(
                    width, ellipsis=True
                )
            )
    for stage, scale in scales.items():
        if scale.formula and stage in candidate.stages:
            lines += styled(f"{WORDS[stage]} is {scale.formula}", MUTED).wrap(width)
    pair = compared(trace)
    move = move_of(candidate, pair)
    if pair and move and move.by != 0:
        said = "new: not listed before" if move.by is None else f"{move.text} {'rose' if move.by > 0 else 'fell'}"
        lines.append(
            styled(f"{'':8}{said} from {WORDS[pair[0]]} to {WORDS[pair[1]]}", move.style).truncate(width, ellipsis=True)
        )
    return lines


class Timings(LineView):
    """A bar for each step of a trace, on one scale of milliseconds, with how it was done."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.trace: Trace | None = None

    def show(self, trace: Trace | None) -> None:
        self.trace = trace
        self.relayout()

    def make_lines(self, width: int) -> list[Line]:
        return [Line(c) for c in timing_lines(self.trace, width)] if self.trace else []


def timing_lines(trace: Trace, width: int) -> list[Content]:
    total = total_ms(trace)
    lines = [Content.assemble(styled("time ", "bold"), styled(milliseconds(total), "bold"), styled(" in all", MUTED))]
    name_width = min(15, max((len(line(t.name)) for t in trace.timings), default=4))
    room = width - name_width - 11
    bar_width = max(4, min(24, room // 3))
    longest = max((t.ms for t in trace.timings), default=1.0) or 1.0
    for one in trace.timings:
        lines.append(
            Content.assemble(
                styled(line(one.name)[:name_width].ljust(name_width), ""),
                styled(f"{milliseconds(one.ms):>9} ", "bold"),
                styled(bar(one.ms / longest, bar_width), "$accent"),
                styled(f" {line(one.detail)}", MUTED),
            ).truncate(width, ellipsis=True)
        )
    for note in trace.notes:
        lines += Content.assemble(styled("! ", "$text-warning"), line(note)).wrap(width)
    return lines


def origin_line(trace: Trace) -> Content:
    """Which words matched, and which model and state of the collection the trace comes from."""
    shown = [line(t) for t in trace.matched_terms]
    terms = ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "") or "none"
    model = re.split(r"[@\s]", line(trace.model_id), maxsplit=1)[0].rpartition("/")[2] or line(trace.model_id)
    parts = [
        Content.assemble(styled("matched terms ", MUTED), styled(terms, "$text-warning")),
        styled(f"{model}, generation {trace.generation}", MUTED),
    ]
    return Content.styled(" · ", MUTED).join(parts)


def timing_summary(trace: Trace) -> Content:
    """One line, longest first: "2.5 s: write 2.3 s · rerank 164 ms · …"."""
    total = milliseconds(total_ms(trace))
    steps = sorted(trace.timings, key=lambda t: -t.ms)
    parts = [styled(f"{line(t.name)} {milliseconds(t.ms)}", MUTED) for t in steps]
    return Content.assemble(styled(f"{total}: ", "bold"), Content.styled(" · ", MUTED).join(parts))
