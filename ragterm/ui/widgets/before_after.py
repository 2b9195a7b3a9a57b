"""Before and after reranking: the fused order at the left, the reranked order at the right, and between them the way of each candidate.

Green rose, red fell, with arrows and numbers at the right, so that colour only repeats what is said. The cursor's candidate
is drawn brightest. Ways are braille curves; they leave and arrive level, so that one can follow them through crossings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.strip import Strip
from textual.style import Style

from ragterm.ui.widgets.braille import BrailleCanvas
from ragterm.ui.widgets.citation import MUTED, candidate_place
from ragterm.ui.widgets.line_view import Line, strip_of, styled
from ragterm.ui.widgets.pick_list import CURSOR, CURSOR_AWAY, PickList
from ragterm.ui.widgets.score_bar import FELL, NEW, ROSE, Move, Scale, scale_of

if TYPE_CHECKING:
    from ragterm.engine.types.tracing import Candidate, Trace

# Inks of the curves; a higher one is drawn over a lower one.
SAME, DOWN, UP, CHOSEN = 0, 1, 2, 3
INKS = {SAME: MUTED, DOWN: FELL, UP: ROSE, CHOSEN: "bold $text-accent"}


def orders(trace: Trace) -> tuple[list[Candidate], list[Candidate]]:
    """The reranked candidates by fused rank, and by rerank rank."""
    both = [c for c in trace.candidates if "rerank" in c.stages and c.stages["rerank"].rank is not None]
    before = sorted(both, key=lambda c: (c.stages["fused"].rank or 10**6) if "fused" in c.stages else 10**6)
    return before, sorted(both, key=lambda c: c.stages["rerank"].rank or 0)


def move(candidate: Candidate) -> Move:
    fused, rerank = candidate.stages.get("fused"), candidate.stages["rerank"]
    if fused is None or fused.rank is None or rerank.rank is None:
        return Move(None)
    return Move(fused.rank - rerank.rank)


def summary(trace: Trace) -> Content:
    """ "5 rose · 7 fell · 2 stayed · into the first 10: …"."""
    _, after = orders(trace)
    moves = [move(c).by for c in after]
    rose, fell = sum((m or 0) > 0 for m in moves), sum((m or 0) < 0 for m in moves)
    stayed = len(moves) - rose - fell
    k = trace.settings.k
    entered = sum(1 for c in after[:k] if (c.stages["fused"].rank or 0) > k) if after else 0
    parts = [
        styled(f"↑ {rose} rose", ROSE),
        styled(f"↓ {fell} fell", FELL),
        styled(f"= {stayed} stayed", MUTED),
        styled(f"{entered} came into the first {k}", NEW if entered else MUTED),
    ]
    return Content.styled(" · ", MUTED).join(parts)


class BeforeAfter(PickList):
    """`rows` are the candidates in reranked order; the cursor runs over them."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.trace: Trace | None = None
        self.before: list[Candidate] = []
        self.rows: list[Candidate] = []
        self._canvas = BrailleCanvas(1, 1)
        self._middle = 16
        self._scales = (Scale("", 0, 1), Scale("", 0, 1))

    def show(self, trace: Trace | None) -> None:
        at = self.chosen
        self.trace = trace
        self.before, self.rows = orders(trace) if trace else ([], [])
        if trace is not None:
            self._scales = (scale_of(trace, "fused"), scale_of(trace, "rerank"))
        self.cursor = next((i for i, c in enumerate(self.rows) if at and c.chunk.id == at.chunk.id), 0)
        self.relayout()
        self.reveal(self.cursor)

    @property
    def chosen(self) -> Candidate | None:
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    # --- Drawing ----------------------------------------------------------------------------------------------------------------------

    def widths(self, width: int) -> tuple[int, int, int]:
        """Cells of the left list, the curves and the right list."""
        middle = max(8, min(30, width // 6))
        right = (width - middle) * 54 // 100
        return width - middle - right, middle, right

    def make_heading(self, width: int) -> list[Line]:
        if self.trace is None or not self.rows:
            return []
        left, middle, _ = self.widths(width)
        fused, rerank = self._scales
        title = Content.assemble(
            _cut(Content.assemble(styled("before: fused ", "bold"), styled(fused.name, MUTED)), left),
            " " * middle,
            styled("after: reranked ", "bold"),
            styled(f"{rerank.name}, {self.trace.settings.rerank}", MUTED),
        )
        return [Line(title), Line(summary(self.trace))]

    def make_lines(self, width: int) -> list[Line]:
        if self.trace is None:
            return []
        if not self.rows:
            said = "No reranker ran for this trace. Press r to choose one and run the query again."
            return [Line(piece) for piece in styled(said, MUTED).wrap(width)]
        self._draw_curves(self.widths(width)[1])
        # The text of the lines is for selecting with the mouse; `draw` composes what is seen.
        return [Line(self.compose_row(i, width)) for i in range(len(self.rows))]

    def _draw_curves(self, middle: int) -> None:
        self._middle = middle
        canvas = self._canvas = BrailleCanvas(middle, len(self.rows))
        start = {c.chunk.id: i for i, c in enumerate(self.before)}
        chosen = self.chosen
        for to, candidate in enumerate(self.rows):
            by = move(candidate).by
            ink = UP if (by or 0) > 0 else DOWN if (by or 0) < 0 else SAME
            if candidate is chosen:
                ink = CHOSEN
            canvas.curve(0, 4 * start[candidate.chunk.id] + 2, 2 * middle - 1, 4 * to + 2, ink)

    def compose_row(self, index: int, width: int) -> Content:
        left_width, _, right_width = self.widths(width)
        before, after = self.before[index], self.rows[index]
        chosen = self.chosen
        fused, rerank = self._scales
        score = before.stages.get("fused")
        number = fused.number(score.score) if score else ""
        left = Content.assemble(
            styled(f"{(score.rank if score and score.rank else index + 1):>3} ", "bold"),
            styled(f"{number:>6}  ", MUTED),
            candidate_place(before),
        )
        if before is chosen:
            left = left.without_spans.stylize(INKS[CHOSEN])
        curve = [styled(run, INKS[ink] if ink is not None else "") for run, ink in self._canvas.row(index)]
        moved = move(after)
        score = after.stages["rerank"]
        mark = f"[{after.marker}]" if after.marker is not None else ""
        right = Content.assemble(
            styled(f"{score.rank:>3} ", "bold"),
            styled(f"{moved.text:>4} ", f"bold {moved.style}"),
            styled(f"{rerank.number(score.score):>6} ", MUTED),
            styled(f"{mark:>4}  ", "bold $text-accent"),
            candidate_place(after),
        )
        return Content.assemble(_cut(left, left_width), *curve, _cut(right, right_width))

    def cursor_moved(self) -> None:
        if self.trace is not None and self.rows:
            self._draw_curves(self._middle)
            width = self._made_at
            self.lines = [Line(self.compose_row(i, width)) for i in range(len(self.rows))]
        self.redraw()

    def draw(self, index: int, line: Line, width: int) -> Strip:
        if index != self.cursor or not self.rows or index < 0:
            return super().draw(index, line, width)
        # Only the right list bears the cursor: at the left of this row stands another candidate.
        left, middle, _ = self.widths(self._made_at)
        strip = super().draw(-2, line, width)
        style = self.visual_style + Style.parse(CURSOR if self.has_focus else CURSOR_AWAY)
        text = line.content[_index_at(line.content, left + middle) :].without_spans
        head = strip.crop(0, left + middle)
        return Strip.join([head, strip_of(text, style, max(0, width - left - middle))])


def _index_at(content: Content, cells: int) -> int:
    """The offset of the character that begins at cell `cells`."""
    done = 0
    for index, character in enumerate(content.plain):
        if done >= cells:
            return index
        done += cell_len(character)
    return len(content.plain)


def _cut(content: Content, width: int) -> Content:
    """Exactly `width` cells, the last one empty."""
    content = content.truncate(max(0, width - 1), ellipsis=True)
    return content.pad_right(width - content.cell_length)
