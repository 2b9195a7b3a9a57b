"""The questions asked before, newest first: the history from which a trace is opened."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.ui.safe_text import line
from ragterm.ui.widgets.citation import MUTED, VERDICTS
from ragterm.ui.widgets.line_view import Line, styled
from ragterm.ui.widgets.pick_list import PickList

if TYPE_CHECKING:
    from ragterm.engine.types.tracing import Trace


class TraceList(PickList):
    """`traces` is None until they have been fetched."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.traces: list[Trace] | None = None

    def show(self, traces: list[Trace]) -> None:
        self.traces = traces
        self.relayout()

    def make_heading(self, width: int) -> list[Line]:
        if not self.traces:
            return []
        return [Line(styled(f"{'asked':<17}{'answered by':<22}{'':4}question", "bold"))]

    def make_lines(self, width: int) -> list[Line]:
        if self.traces is None:
            return [Line(styled("…", MUTED))]
        if not self.traces:
            return [
                Line(c)
                for c in styled("No question has been kept yet. Ask one in Chat, or type a query above.", MUTED).wrap(
                    width
                )
            ]
        return [Line(trace_row(one, width)) for one in self.traces]


def trace_row(trace: Trace, width: int) -> Content:
    answer = trace.answer
    by = line(answer.llm) if answer else "search only"
    if answer is None:
        mark, style = " ", MUTED
    elif answer.declined:
        mark, style = "○", "$text-warning"
    elif not answer.complete:
        mark, style = "■", "$text-warning"
    elif any(s.verdict == "unsupported" for s in answer.sentences):
        mark, style = VERDICTS["unsupported"].symbol, "$text-error"
    else:
        mark, style = VERDICTS["supported"].symbol, "$text-success"
    return Content.assemble(
        styled(f"{moment(trace.created):<17}", MUTED),
        styled(f"{by[:20]:<22}", MUTED),
        styled(f" {mark}  ", style),
        styled(line(trace.question), ""),
    ).truncate(width, ellipsis=True)


def moment(created: str) -> str:
    """An ISO time as "2025-03-04 10:22", local."""
    try:
        when = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return line(created)[:16]
    if when.tzinfo is not None:
        when = when.astimezone()
    return when.strftime("%Y-%m-%d %H:%M")
