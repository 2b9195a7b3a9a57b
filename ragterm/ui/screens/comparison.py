"""Chunking strategies side by side: their figures, and the text of a document cut by two of them next to each other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from ragterm.engine.types.comparing import histogram_blocks
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled
from ragterm.ui import messages
from ragterm.ui.actions import bindings
from ragterm.ui.safe_text import content, line, shorten
from ragterm.ui.screens.adoption import Adoption
from ragterm.ui.screens.dialogs import TextScreen, dialog_css
from ragterm.ui.widgets.chunk_text import ChunkText
from ragterm.ui.widgets.line_view import Line, LineView, blank_line, styled
from ragterm.ui.wording import counted

if TYPE_CHECKING:
    from ragterm.engine.types.comparing import (
        ChosenStrategy,
        ChunkingComparison,
        ComparedDocument,
        ComparisonProgress,
        SpanMeasures,
        StrategyReport,
    )
    from ragterm.ui.bridge import Bridge

logger = logging.getLogger(__name__)
MUTED = "$text-muted"
SIDES = ("A", "B")
MARK = 3
"""Cells before a strategy's line that say on which side it is drawn."""


class Figures(LineView):
    """The table: a strategy a line; `shown` are the two whose cuts are drawn below."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.result: ChunkingComparison | None = None
        self.shown = (0, 0)
        self.said = "beginning"

    def show(self, result: ChunkingComparison | None, shown: tuple[int, int], said: str = "") -> None:
        self.result, self.shown, self.said = result, shown, said
        self.relayout()
        self.styles.height = max(1, len(self.lines))

    def make_lines(self, width: int) -> list[Line]:
        if self.result is None:
            return [Line(styled(self.said, MUTED))]
        rows = figures(self.result, width - MARK)
        made = []
        for number, row in enumerate(rows):
            mark = " " * MARK
            if number:
                mark = "".join(side if self.shown[at] == number - 1 else " " for at, side in enumerate(SIDES)) + " "
            text = Content.assemble((mark, "bold $accent"), styled(row, MUTED if not number else ""))
            made.append(Line(text))
        if self.result.questions:
            options = self.result.options
            made += [
                blank_line(),
                Line(
                    styled(
                        f"{counted(self.result.questions, 'question')}; recall, precision and IoU of {options.retrieve} chunks; "
                        f"rec@t within {options.budget:,} tokens",
                        MUTED,
                    )
                ),
            ]
        return made


@dataclass(frozen=True, slots=True)
class _Column:
    """`rank`: on a narrow screen the columns with the highest rank are left out first."""

    head: str
    cell: Callable[[StrategyReport], str]
    rank: int
    left: bool = False


def _measured(read: Callable[[SpanMeasures], str]) -> Callable[[StrategyReport], str]:
    return lambda report: read(report.measures) if report.measures is not None else ""


_COLUMNS = (
    _Column("strategy", lambda r: line(r.strategy.label), 0, left=True),
    _Column("chunks", lambda r: f"{r.chunks:,}", 0),
    _Column("min", lambda r: f"{r.lengths.minimum:,}", 7),
    _Column("25%", lambda r: f"{r.lengths.lower_quartile:,}", 6),
    _Column("50%", lambda r: f"{r.lengths.median:,}", 2),
    _Column("75%", lambda r: f"{r.lengths.upper_quartile:,}", 6),
    _Column("max", lambda r: f"{r.lengths.maximum:,}", 5),
    _Column("tokens", lambda r: histogram_blocks(r.lengths), 4, left=True),
    _Column("to embed", lambda r: f"{r.tokens + r.strategy_tokens:,}", 3),
    _Column("repeated", lambda r: f"{r.repeated:.3f}", 8),
)
_MEASURES = (
    _Column("recall", _measured(lambda m: f"{m.token_recall:.3f}"), 1),
    _Column("prec.", _measured(lambda m: f"{m.token_precision:.3f}"), 1),
    _Column("IoU", _measured(lambda m: f"{m.token_iou:.3f}"), 1),
    _Column("prec.Ω", _measured(lambda m: f"{m.precision_omega:.3f}"), 6),
    _Column("rec@t", _measured(lambda m: f"{m.recall_in_budget:.3f}"), 0),
    _Column("nDCG", _measured(lambda m: f"{m.ndcg_at_10:.3f}"), 1),
    _Column("split", _measured(lambda m: f"{m.evidence_split:,}/{m.evidence:,}"), 3),
)


def figures(result: ChunkingComparison, width: int) -> list[str]:
    """A heading, then a line a strategy: the columns that `width` cells have room for."""
    columns = [*_COLUMNS, *(_MEASURES if result.questions else ())]
    cells = {column.head: [column.cell(report) for report in result.strategies] for column in columns}
    sizes = {head: max(len(head), *(len(one) for one in each)) for head, each in cells.items()}
    while sum(sizes[column.head] + 2 for column in columns) - 2 > width and any(c.rank for c in columns):
        columns.remove(max(columns, key=lambda column: column.rank))

    def row(texts: Sequence[str]) -> str:
        return "  ".join(
            f"{text:<{sizes[column.head]}}" if column.left else f"{text:>{sizes[column.head]}}"
            for column, text in zip(columns, texts, strict=True)
        )

    rows = zip(*(cells[column.head] for column in columns), strict=True)
    return [row([column.head for column in columns]), *(row(texts) for texts in rows)]


class ComparisonScreen(Adoption, ModalScreen[None]):
    """`documents` are ids in the current collection. `strategies` as `--strategies` takes them; none: all there are."""

    DEFAULT_CSS = (
        dialog_css("ComparisonScreen")
        + """
    ComparisonScreen > .dialog { width: 98%; max-width: 98%; height: 96%; max-height: 96%; padding: 0 1; }
    ComparisonScreen Figures { height: 1; max-height: 40%; margin-bottom: 1; }
    ComparisonScreen #which { height: 1; color: $text-muted; }
    ComparisonScreen #texts { height: 1fr; }
    ComparisonScreen ChunkText { width: 1fr; border: round $border-blurred; border-title-color: $text-muted; }
    ComparisonScreen ChunkText:focus { border: round $border; border-title-color: $accent; }
    """
    )
    BINDINGS: ClassVar[list[Any]] = bindings("comparison")

    class Progressed(Message):
        def __init__(self, progress: ComparisonProgress) -> None:
            super().__init__()
            self.progress = progress

    def __init__(self, bridge: Bridge, documents: Sequence[str], strategies: Sequence[str] = ()) -> None:
        super().__init__()
        self.bridge = bridge
        self.documents = tuple(documents)
        self.strategies = tuple(strategies)
        self.questions: Path | None = None
        self.result: ChunkingComparison | None = None
        self.shown = (0, 1)
        self.document = 0
        self._control = Control()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("Chunking compared")
            dialog.border_subtitle = Content(
                "a b strategies · d next difference · n p document · s strategies · q questions · u use A · r go back · Esc closes"
            )
            yield Figures(id="figures")
            yield Static("", id="which", markup=False)
            with Horizontal(id="texts"):
                yield ChunkText(id="left")
                yield ChunkText(id="right")

    def on_mount(self) -> None:
        self.query_one("#left").focus()
        self.compare()

    def on_unmount(self) -> None:
        self._control.cancel()
        self.rebuild.cancel()  # what is there stays, and the next time goes on from it

    # --- The comparison ----------------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Run it, in a thread; one that is under way is cancelled."""
        self._control.cancel()
        control = self._control = Control()
        self.query_one(Figures).show(self.result, self._clipped(), "reading the documents")

        def progressed(progress: ComparisonProgress) -> None:
            if not control.cancelled:
                self.post_message(self.Progressed(progress))

        async def run() -> None:
            try:
                result = await self.bridge.compare_chunking(
                    self.documents, self.strategies, self.questions, progressed, control
                )
            except Cancelled:
                return
            except Exception as error:  # the border of background work: the app shows it
                logger.warning("a comparison failed", exc_info=error)
                if self.is_attached and control is self._control:
                    self.query_one(Figures).show(self.result, self._clipped(), "this could not be compared")
                    self.app.post_message(messages.ErrorArose(error))
                return
            if self.is_attached and control is self._control:
                self.result = result
                self.show()

        self.run_worker(run(), group="compare", exit_on_error=False)

    @on(Progressed)
    def _progressed(self, message: Progressed) -> None:
        progress = message.progress
        which = f" ({progress.number} of {progress.strategies})" if progress.strategies else ""
        said = f"{progress.stage} {line(progress.strategy)}{which}: {progress.done:,} of {progress.total:,}"
        if self.result is None:
            self.query_one(Figures).show(None, self.shown, said)
        else:
            self.query_one("#which", Static).update(Content(said))

    # --- What is shown -----------------------------------------------------------------------------------------------------------

    @property
    def current(self) -> ChosenStrategy | None:
        """The strategy drawn on the left, with its settings: what would be adopted."""
        return self.result.strategies[self._clipped()[0]].strategy if self.result is not None else None

    @property
    def views(self) -> tuple[ChunkText, ChunkText]:
        return self.query_one("#left", ChunkText), self.query_one("#right", ChunkText)

    def _clipped(self) -> tuple[int, int]:
        last = len(self.result.strategies) - 1 if self.result is not None else 0
        left, right = self.shown
        return min(left, last), min(right, last)

    def show(self) -> None:
        if (result := self.result) is None:
            return
        self.shown = self._clipped()
        self.document = min(self.document, len(result.documents) - 1)
        self.query_one(Figures).show(result, self.shown)
        shown: ComparedDocument = result.documents[self.document]
        name = shorten(shown.title or shown.path, max(20, self.size.width - 50))
        self.query_one("#which", Static).update(
            Content(f"{self.document + 1:,} of {len(result.documents):,}: {name} · {shown.tokens:,} tokens")
        )
        for side, view, number in zip(SIDES, self.views, self.shown, strict=True):
            report = result.strategies[number]
            spans = report.boundaries[shown.id]
            view.show(result.texts[shown.id], spans)
            view.border_title = content(f"{side} {report.strategy.label}: {len(spans):,} chunks", one_line=True)

    @on(ChunkText.Scrolled)
    def _scrolled(self, message: ChunkText.Scrolled) -> None:
        """The other view follows the one that is used."""
        if message.view.has_focus:
            for view in self.views:
                if view is not message.view:
                    view.go_to(message.offset)

    def action_strategy(self, side: int) -> None:
        """The next strategy on one side."""
        if self.result is not None:
            shown = list(self.shown)
            shown[side] = (shown[side] + 1) % len(self.result.strategies)
            self.shown = (shown[0], shown[1])
            self.show()

    def action_document(self, by: int) -> None:
        if self.result is not None:
            self.document = (self.document + by) % len(self.result.documents)
            self.show()

    def action_difference(self) -> None:
        """The next place, below the first line shown, where only one of the two begins a chunk."""
        left, right = self.views
        here = max(left, right, key=lambda view: view.has_focus)
        places = sorted({start for start, _ in left.chunks} ^ {start for start, _ in right.chunks})
        bottom = here.offset_at_top
        for place in places:
            if place > bottom:
                for view in (left, right):
                    view.go_to(place)
                return
        self.app.notify("No other difference below", markup=False, timeout=2)

    def action_questions(self) -> None:
        def named(path: str | None) -> None:
            if path:
                self.questions = Path(path.strip()).expanduser()
                self.compare()

        body = 'A file with a question a line: {"question": ..., "path": ..., "quote": words of the document}.'
        self.app.push_screen(
            TextScreen("Questions with their evidence", body, value=str(self.questions or ""), check=_no_file), named
        )

    def action_strategies(self) -> None:
        def named(written: str | None) -> None:
            if written:
                self.strategies = (written,)
                self.compare()

        now = ",".join(report.strategy.label for report in self.result.strategies) if self.result is not None else ""
        body = "Names with commas between them; settings behind a colon, as in recursive:max_tokens=128,overlap=0."
        self.app.push_screen(TextScreen("Strategies", body, value=",".join(self.strategies) or now), named)

    def action_close(self) -> None:
        self.dismiss(None)


def _no_file(path: str) -> str:
    try:
        return "" if Path(path.strip()).expanduser().is_file() else "there is no such file"
    except (OSError, RuntimeError, ValueError):
        return "this is no path"
