"""The candidates of a trace: one row each, with rank, score and bar in every stage that they passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.ui.widgets.citation import MUTED, candidate_place
from ragterm.ui.widgets.line_view import Line, spot, styled
from ragterm.ui.widgets.pick_list import PickList
from ragterm.ui.widgets.score_bar import WORDS, compared, move_of, scale_of, stage_cell, stages_of

if TYPE_CHECKING:
    from ragterm.engine.types.tracing import Candidate, StageName, Trace

NUMBER_WIDTH = 5
FINAL = "final"


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells: `bar` of a score bar (0: none), `place` of the document's place, `snippet` of its text (0: none)."""

    bar: int
    place: int
    snippet: int


def columns_for(width: int, stages: int) -> Columns:
    """How a row of `width` cells is shared out: the place first, then bars, then the text."""
    fixed = 4 + 6 + 6  # final rank, movement, prompt marker
    stage = 1 + 3 + 1 + NUMBER_WIDTH
    left = width - fixed - stages * stage - 2
    if stages == 0 or left < 20 + 4 * stages:
        return Columns(0, max(8, left), 0)
    bar = max(3, min(10, (left - 32) // stages - 1))
    left -= stages * (1 + bar)
    if left < 70:
        return Columns(bar, left, 0)
    place = min(52, left // 2)
    return Columns(bar, place, left - place - 2)


class RankTable(PickList):
    """`trace` may be None. `order` is "final" or a stage's name; `rows` are the candidates as they are shown."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.trace: Trace | None = None
        self.order: StageName | str = FINAL
        self.rows: list[Candidate] = []

    def show(self, trace: Trace | None) -> None:
        """Another trace; the cursor stays on the same chunk where it is still there."""
        at = self.chosen
        self.trace = trace
        if trace is not None and self.order not in (FINAL, *stages_of(trace)):
            self.order = FINAL
        self.rows = sorted_rows(trace, self.order) if trace else []
        self.cursor = next((i for i, c in enumerate(self.rows) if at and c.chunk.id == at.chunk.id), 0)
        self.relayout()
        self.reveal(self.cursor)

    def sort_by(self, order: StageName | str) -> None:
        self.order = order
        self.show(self.trace)

    def next_order(self) -> str:
        orders: list[str] = [FINAL, *(stages_of(self.trace) if self.trace else [])]
        return orders[(orders.index(self.order) + 1) % len(orders)] if self.order in orders else FINAL

    @property
    def chosen(self) -> Candidate | None:
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    # --- Drawing ----------------------------------------------------------------------------------------------------------------------

    def make_heading(self, width: int) -> list[Line]:
        if self.trace is None or not self.rows:
            return []
        stages = stages_of(self.trace)
        columns = columns_for(width, len(stages))
        pair = compared(self.trace)
        top = [self._title("#", FINAL, 4, right=True), _fixed(styled("moved" if pair else "", MUTED), 6, right=True)]
        below = [Content(" " * 10)]
        for stage in stages:
            cell = 3 + 1 + NUMBER_WIDTH + (1 + columns.bar if columns.bar else 0)
            top.append(Content.assemble(" ", self._title(f" {WORDS[stage]}", stage, cell)))
            below.append(Content.assemble(" ", _fixed(styled(f" {scale_of(self.trace, stage).name}", MUTED), cell)))
        top.append(Content.assemble("  ", _fixed(styled("cite", MUTED), 4)))
        top.append(Content.assemble("  ", _fixed(styled("document, page › section", "bold"), columns.place)))
        if columns.snippet:
            top.append(Content.assemble("  ", styled("text", MUTED)))
        return [Line(Content("").join(top)), Line(Content("").join(below))]

    def _title(self, word: str, order: str, width: int, *, right: bool = False) -> Content:
        mark = "▼" if order == self.order else ""
        style = "bold $text-accent" if mark else "bold"
        return _fixed(styled(f"{word}{mark}", style, spot(f"sort:{order}")), width, right=right)

    def make_lines(self, width: int) -> list[Line]:
        if self.trace is None:
            return []
        if not self.rows:
            said = "Nothing was found: no passage is near, and no word of the query occurs."
            return [Line(piece) for piece in styled(said, MUTED).wrap(width)]
        trace = self.trace
        stages = stages_of(trace)
        columns = columns_for(width, len(stages))
        scales = {stage: scale_of(trace, stage) for stage in stages}
        pair = compared(trace)
        final = {c.chunk.id: i for i, c in enumerate(trace.candidates, 1)}
        lines = []
        for candidate in self.rows:
            place = final[candidate.chunk.id]
            kept = place <= trace.settings.k
            move = move_of(candidate, pair)
            parts = [
                styled(str(place).rjust(4), "bold" if kept else MUTED),
                styled((move.text if move else "").rjust(6), move.style if move else ""),
            ]
            for stage in stages:
                parts += [
                    Content(" "),
                    stage_cell(candidate.stages.get(stage), scales[stage], columns.bar, NUMBER_WIDTH),
                ]
            mark = f"[{candidate.marker}]" if candidate.marker is not None else ""
            parts.append(styled(f"  {mark:>4}", "bold $text-accent"))
            where = styled(candidate_place(candidate), "" if kept else MUTED)
            parts += [Content("  "), _fixed(where, columns.place)]
            if columns.snippet:
                text = " ".join(candidate.chunk.text.split())
                parts += [
                    Content("  "),
                    styled(text[: 2 * columns.snippet], MUTED).truncate(columns.snippet, ellipsis=True),
                ]
            lines.append(Line(Content("").join(parts)))
        return lines


def sorted_rows(trace: Trace, order: str) -> list[Candidate]:
    """Candidates by final order, or by a stage: listed ones by rank, then the others by score."""
    if order == FINAL:
        return list(trace.candidates)

    def place(candidate: Candidate) -> tuple[int, float]:
        score = candidate.stages.get(order)  # type: ignore[call-overload]
        if score is None:
            return (2, 0.0)
        return (0, score.rank) if score.rank is not None else (1, -score.score)

    return sorted(trace.candidates, key=place)


def _fixed(content: Content, width: int, *, right: bool = False) -> Content:
    """Exactly `width` cells."""
    content = content.truncate(width, ellipsis=True)
    gap = width - content.cell_length
    return content.pad_left(gap) if right else content.pad_right(gap)
