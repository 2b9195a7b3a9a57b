"""The ledger of an ingest: a head that says how far it is, and a line for each file as it ends.

Every file gets its line, failures a second and third with the reason and the next step. The lines are drawn one
by one (Textual's line API), so a ledger of ten thousand files costs what its visible part costs. It follows the
newest line until the reader scrolls away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from ragterm.engine.types.members import document_name
from ragterm.ui.safe_text import line
from ragterm.ui.widgets.row_table import fit
from ragterm.ui.widgets.tones import tone
from ragterm.ui.wording import duration

if TYPE_CHECKING:
    from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestReport

GLYPHS = {
    "added": ("✓", "good"),
    "updated": ("↻", "good"),
    "unchanged": ("=", "muted"),
    "removed": ("−", "muted"),
    "duplicate": ("≡", "muted"),
    "skipped": ("–", "warn"),
    "failed": ("✗", "bad"),
}
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


class LedgerLog(ScrollView, can_focus=True):
    """The lines. `add` takes outcomes in batches; nothing is kept but the outcomes themselves."""

    DEFAULT_CSS = """
    LedgerLog {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        background: transparent;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[DocumentOutcome] = []
        self._lines: list[tuple[int, int]] = []  # (outcome, which of its lines)

    def clear(self) -> None:
        self.outcomes.clear()
        self._lines.clear()
        self.virtual_size = Size(self.size.width, 0)
        self.scroll_to(y=0, animate=False, force=True)
        self.refresh()

    def add(self, outcomes: Iterable[DocumentOutcome]) -> None:
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        for outcome in outcomes:
            index = len(self.outcomes)
            self.outcomes.append(outcome)
            self._lines.append((index, 0))
            if outcome.outcome == "failed":
                self._lines.append((index, 1))
                if outcome.hint:
                    self._lines.append((index, 2))
        self.virtual_size = Size(self.size.width, len(self._lines))
        if at_end:
            self.scroll_to(y=len(self._lines), animate=False, force=True, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        place = y + self.scroll_offset.y
        if not 0 <= place < len(self._lines):
            return Strip.blank(width, base)
        index, part = self._lines[place]
        return Strip(list(self._segments(self.outcomes[index], part, width))).adjust_cell_length(width, base)

    def _segments(self, one: DocumentOutcome, part: int, width: int) -> Iterable[Segment]:
        def styled(text: str, meaning: str = "") -> Segment:
            return Segment(text, self.rich_style + tone(self.app, meaning))

        glyph, meaning = GLYPHS[one.outcome]
        if part == 1:
            where = f"{one.stage}: " if one.stage else ""
            yield styled(fit(f"     {where}{one.error}", width), "bad")
            return
        if part == 2:
            yield styled(fit(f"     → {one.hint}", width), "muted")
            return
        yield styled(f" {glyph} {one.outcome:<10}", meaning)
        facts = []
        if one.pages:
            facts.append(f"{one.pages} pages" if one.pages != 1 else "1 page")
        if one.chunks:
            facts.append(f"{one.chunks} chunks" if one.chunks != 1 else "1 chunk")
        if one.warnings:
            facts.append(f"{len(one.warnings)} warning{'s' if len(one.warnings) != 1 else ''}")
        if one.seconds >= 0.05:
            facts.append(f"{one.seconds:.1f} s")
        if one.outcome == "skipped" and one.error:
            facts = [line(one.error)]
        said = "  ".join(facts)
        room = max(8, width - 14 - len(said) - 1)
        yield styled(fit(document_name(one.path) or one.path, room) + " ")
        yield styled(said, "muted")


class IngestLedger(Vertical):
    """Head and log together. Shown by the Documents pane while an ingest runs and until the reader closes it."""

    DEFAULT_CSS = """
    IngestLedger {
        height: 15;
        border: round $border-blurred;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        padding: 0 1;
        &:focus-within { border: round $border; }
        & > #ledger-head { height: auto; }
        & > LedgerLog { height: 1fr; }
    }
    """

    def __init__(self) -> None:
        super().__init__(id="ledger")
        self.log_lines = LedgerLog()
        self.head = Static("", id="ledger-head", markup=False)
        self._last: IngestProgress | None = None
        self._report: IngestReport | None = None
        self._paused = False
        self.failed = 0

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.log_lines

    def begin(self, collection: str) -> None:
        self._last = self._report = None
        self._paused = False
        self.failed = 0
        self.log_lines.clear()
        self.border_title = Content(f"Ingest into {line(collection)}")
        self.border_subtitle = Content("p pause · c cancel")
        self.head.update(Content.styled("starting…", "$text-muted"))

    def progressed(self, progress: IngestProgress) -> None:
        self._last = progress
        if progress.finished:
            self.failed += sum(one.outcome == "failed" for one in progress.finished)
            self.log_lines.add(progress.finished)
        self._draw()

    def paused(self, paused: bool) -> None:
        self.border_subtitle = Content("p go on · c cancel" if paused else "p pause · c cancel")
        self._paused = paused  # what was in work when the pause began still ends, and says so
        self._draw()

    def ended(self, report: IngestReport) -> None:
        self._report = report
        # What arrived with the progress may lack the last few: the report has every file exactly once.
        missing = len(report.outcomes) - len(self.log_lines.outcomes)
        if missing > 0:
            known = {(one.path, one.outcome) for one in self.log_lines.outcomes}
            self.log_lines.add([one for one in report.outcomes if (one.path, one.outcome) not in known])
        self.border_subtitle = Content("e closes")
        self._draw()

    def broke(self, error: Exception) -> None:
        self.border_subtitle = Content("e closes")
        title = getattr(error, "title", type(error).__name__)
        self.head.update(Content.styled(f"The ingest ended: {line(str(title))}", "$error"))

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
