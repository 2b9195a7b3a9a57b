"""Chunking strategies side by side: their figures, and the text of a document cut by two of them next to each other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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
        StrategyReport,
    )
    from ragterm.ui.bridge import Bridge

logger = logging.getLogger(__name__)
MUTED = "$text-muted"
SIDES = ("A", "B")


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

    def make_lines(self, width: int) -> list[Line]:
        if self.result is None:
            return [Line(styled(self.said, MUTED))]
        rows = figures(self.result)
        made = []
        for number, row in enumerate(rows):
            mark = "   "
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


def figures(result: ChunkingComparison) -> list[str]:
    """A heading, then a line a strategy, all of one width."""
    labels = [line(report.strategy.label) for report in result.strategies]
    wide = max(8, *(len(label) for label in labels))
    head = f"{'strategy':<{wide}} {'chunks':>7} {'min':>5} {'25%':>5} {'50%':>5} {'75%':>5} {'max':>5}  {'tokens':<16}"
    head += f" {'to embed':>10} {'repeated':>8}"
    if result.questions:
        head += f" {'recall':>7} {'prec.':>6} {'IoU':>6} {'prec.Ω':>6} {'rec@t':>6} {'nDCG':>6} {'split':>9}"
    return [head, *(_row(report, label, wide) for report, label in zip(result.strategies, labels, strict=True))]


def _row(report: StrategyReport, label: str, wide: int) -> str:
    n = report.lengths
    row = (
        f"{label:<{wide}} {report.chunks:>7,} {n.minimum:>5,} {n.lower_quartile:>5,} {n.median:>5,} {n.upper_quartile:>5,}"
        f" {n.maximum:>5,}  {histogram_blocks(n)} {report.tokens + report.strategy_tokens:>10,} {report.repeated:>8.3f}"
    )
    if (m := report.measures) is not None:
        row += (
            f" {m.token_recall:>7.3f} {m.token_precision:>6.3f} {m.token_iou:>6.3f} {m.precision_omega:>6.3f}"
            f" {m.recall_in_budget:>6.3f} {m.ndcg_at_10:>6.3f} {f'{m.evidence_split:,}/{m.evidence:,}':>9}"
        )
    return row


class ComparisonScreen(ModalScreen[None]):
    """`documents` are ids in the current collection. `strategies` as `--strategies` takes them; none: all there are."""

    DEFAULT_CSS = (
        dialog_css("ComparisonScreen")
        + """
    ComparisonScreen > .dialog { width: 98%; max-width: 98%; height: 96%; max-height: 96%; padding: 0 1; }
    ComparisonScreen Figures { height: auto; min-height: 3; max-height: 40%; margin-bottom: 1; }
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
                "a b strategies · d next difference · n p document · s choose strategies · q questions · Esc closes"
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
