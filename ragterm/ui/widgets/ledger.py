"""The ledger of an ingest: a head that says how far it is and how long still, a filter, and a row for each file as it ends.

What one can do to a row (read it again, open it) the pane does: it knows the documents. The ledger says which rows are meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from ragterm.engine.types.members import document_name
from ragterm.ui.actions import bindings
from ragterm.ui.safe_text import line
from ragterm.ui.widgets.ledger_table import LedgerTable, Working
from ragterm.ui.widgets.row_table import RowTable, fit
from ragterm.ui.wording import counted, duration

if TYPE_CHECKING:
    from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestReport

STAGES = {
    "finding": "finding files",
    "warming": "warming up",
    "parsing": "reading",
    "embedding": "embedding",
    "indexing": "indexing",
    "paused": "paused",
    "done": "done",
    "cancelled": "cancelled",
}


def bar(fraction: float, width: int) -> tuple[str, str]:
    """A bar of `width` cells in half-cell steps: (what is done, what is left)."""
    halves = round(min(max(fraction, 0.0), 1.0) * width * 2)
    full, half = divmod(halves, 2)
    done = "━" * full + ("╸" if half else "")
    return done, "━" * (width - len(done))


class IngestLedger(Vertical):
    """Head, filter and rows together. Shown by the Documents pane while an ingest runs and until the reader closes it."""

    DEFAULT_CSS = """
    IngestLedger {
        height: 15;
        border: round $border-blurred;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        padding: 0 1;
        &:focus-within { border: round $border; border-title-color: $accent; }
        & > #ledger-head { height: auto; }
        & > #ledger-filter { height: 1; border: none; padding: 0; margin: 0 0 0 2; background: transparent; }
        & > LedgerTable { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[Any]] = bindings("ledger")

    class Opened(Message):
        """The reader wants to see this file."""

        def __init__(self, outcome: DocumentOutcome) -> None:
            super().__init__()
            self.outcome = outcome

    class RetryWanted(Message):
        """These files are to be read again."""

        def __init__(self, outcomes: list[DocumentOutcome]) -> None:
            super().__init__()
            self.outcomes = outcomes

    def __init__(self) -> None:
        super().__init__(id="ledger")
        self.table = LedgerTable(id="ledger-table")
        self.head = Static("", id="ledger-head", markup=False)
        self.filter = Input(placeholder="/ filters by name, kind, state or reason: failed, pdf", id="ledger-filter")
        self._last: IngestProgress | None = None
        self._report: IngestReport | None = None
        self._paused = False
        self.failed = 0

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.filter
        yield self.table

    def begin(self, collection: str) -> None:
        self._last = self._report = None
        self._paused = False
        self.failed = 0
        self.table.clear()
        self.border_title = Content(f"Ingest into {line(collection)}")
        self._offer("p pause · c cancel")
        self.head.update(Content.styled("starting…", "$text-muted"))

    def _offer(self, said: str) -> None:
        failed = f"{counted(self.failed, 'file')} failed: R tries again · " if self.failed and self._report else ""
        self.border_subtitle = Content(f"{failed}{said}")

    def progressed(self, progress: IngestProgress) -> None:
        self._last = progress
        self.failed += sum(one.outcome == "failed" for one in progress.finished)
        self.table.add(progress.finished, progress.working)
        self._draw()

    def paused(self, paused: bool) -> None:
        self._offer("p go on · c cancel" if paused else "p pause · c cancel")
        self._paused = paused  # what was in work when the pause began still ends, and says so
        self._draw()

    def ended(self, report: IngestReport) -> None:
        self._report = report
        # What arrived with the progress may lack the last few: the report has every file exactly once.
        known = {(one.path, one.outcome) for one in self.table.outcomes}
        self.table.add([one for one in report.outcomes if (one.path, one.outcome) not in known])
        self.failed = report.counts["failed"]
        self._offer("e closes")
        self._draw()

    def broke(self, error: Exception) -> None:
        self.table.add(())  # nothing is in work any more
        self._offer("e closes")
        title = getattr(error, "title", type(error).__name__)
        self.head.update(Content.styled(f"The ingest ended: {line(str(title))}", "$error"))

    # --- Rows ---------------------------------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> list[DocumentOutcome]:
        """The marked rows, or the one under the cursor."""
        return self.table.picked

    @on(RowTable.RowHighlighted)
    def _highlighted(self, event: RowTable.RowHighlighted) -> None:
        event.stop()  # the pane's own table says what its card shows

    @on(RowTable.HeaderChosen)
    def _header_chosen(self, event: RowTable.HeaderChosen) -> None:
        event.stop()
        self.table.sort_by(event.column)

    @on(RowTable.RowChosen)
    def _row_chosen(self, event: RowTable.RowChosen) -> None:
        event.stop()
        if isinstance(event.row, Working):
            return
        self.post_message(self.Opened(event.row))

    def action_open(self) -> None:
        self.table.action_choose()

    def action_sort(self) -> None:
        self.table.sort_by_next()

    def action_mark(self) -> None:
        self.table.toggle_mark()

    def action_retry(self) -> None:
        if self.chosen:
            self.post_message(self.RetryWanted(self.chosen))

    def action_filter(self) -> None:
        self.filter.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Letters typed into the filter are letters."""
        return not self.filter.has_focus if action in ("open", "sort", "mark", "retry", "filter") else True

    @on(Input.Changed, "#ledger-filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.filter(event.value.casefold().split())

    @on(Input.Submitted, "#ledger-filter")
    def _filter_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.table.focus()

    def on_key(self, event: events.Key) -> None:
        if self.filter.has_focus and event.key in ("escape", "down"):
            if event.key == "escape":
                self.filter.value = ""
            self.table.focus()
            event.stop()

    # --- The head -----------------------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._report is not None:
            self.head.update(summary(self._report))
        elif self._last is not None:
            head = progress_head(self._last, max(20, self.head.size.width), self.failed, paused=self._paused)
            # Always two lines: ten pictures a second must not lay out the screen ten times.
            self.head.update(head, layout=self.head.size.height != 2)


def progress_head(progress: IngestProgress, width: int, failed: int = 0, *, paused: bool = False) -> Content:
    """Two lines: the bar with the count of files; the stage with its file, how fast, and how long still."""
    total = progress.files_total
    fraction = progress.files_done / total if total else 0.0
    figures = f"  {progress.files_done:,} of {total:,} files" if total else ""
    bad = f" · {failed:,} failed" if failed else ""
    done, left = bar(fraction, max(8, width - len(figures) - len(bad)))
    details: list[str] = []
    if progress.chunks_done:
        details.append(f"{progress.chunks_done:,} chunks")
    if progress.chunks_per_second and not paused:
        details.append(f"{progress.chunks_per_second:.0f} chunks/s")
    if progress.seconds_left is not None and not paused:
        details.append(f"about {duration(progress.seconds_left)} left")
    elif progress.seconds >= 1:
        details.append(f"{duration(progress.seconds)} so far")
    stage = "paused" if paused else STAGES.get(progress.stage, progress.stage)
    tone = "$warning" if stage == "paused" else "$accent"
    doing = line(progress.message) if progress.message else line(document_name(progress.path))
    while len(details) > 1 and len(stage) + len(" · ".join(details)) > width - 16:
        details.pop(0)  # the remaining time matters most
    said = " · ".join(details)
    room = max(0, width - len(stage) - 2 - len(said) - 2)
    return Content.assemble(
        (done, "$primary"), (left, "$border-blurred"), figures, (bad, "$error"), "\n",
        (stage, tone), "  ", (fit(doing, room), "$text-muted"), "  ", said,
    )  # fmt: skip


def summary(report: IngestReport) -> Content:
    """One line on how it ended, in the order in which one wants to know."""
    counts = report.counts
    parts: list[Any] = [("Cancelled: " if report.cancelled else "Done: ", "bold")]
    said = [
        (f"{counts[name]:,} {name}", {"failed": "$error", "skipped": "$warning", "added": "$success"}.get(name, ""))
        for name in ("added", "updated", "failed", "skipped", "duplicate", "unchanged", "removed")
        if counts[name]  # type: ignore[index]
    ]
    for number, one in enumerate(said or [("nothing to do", "")]):
        parts.extend([", "] if number else [])
        parts.append(one)
    rate = f", {report.chunks / report.seconds:.0f} chunks/s" if report.seconds >= 1 and report.chunks else ""
    parts.append((f"   {report.chunks:,} chunks in {duration(report.seconds)}{rate}", "$text-muted"))
    for warning in report.warnings[:3]:
        parts.append((f"\n{line(warning)}", "$warning"))
    return Content.assemble(*parts)
