"""The lines of an ingest's ledger: one row a file, filtered by words, sorted by any column, following the newest.

Rows are drawn only where they are seen (`RowTable`). Files in work stand below those that have ended, with the stage they are in. In
the order in which files end, the table follows its last row until the reader moves the cursor away; sorted, a new row goes where it
belongs, after its equals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragterm.engine.types.members import document_name
from ragterm.ui.widgets.row_table import Cells, Column, RowTable
from ragterm.ui.wording import natural

if TYPE_CHECKING:
    from ragterm.engine.types.ingesting import DocumentOutcome

GLYPHS = {
    "added": ("✓", "good"),
    "updated": ("↻", "good"),
    "unchanged": ("=", "muted"),
    "removed": ("−", "muted"),
    "duplicate": ("≡", "muted"),
    "skipped": ("–", "warn"),
    "failed": ("✗", "bad"),
}
STAGES = {"parsing": "reading", "embedding": "embedding"}
ARRIVAL = ""
"""No column: the order in which the files ended."""
COLUMNS = (
    Column("stage", "stage", 11),
    Column("file", "file", 12, flex=1, middle=True),
    Column("parser", "parser", 9, from_width=70),
    Column("pages", "pages", 7, right=True, from_width=62),
    Column("chunks", "chunks", 8, right=True, from_width=40),
    Column("warnings", "warn", 6, right=True, from_width=54),
    Column("seconds", "time", 8, right=True, from_width=48),
)
WHY = Column("why", "why", 10)
"""Stands where a file that was not read has no figures."""
NUMBERS = ("pages", "chunks", "warnings", "seconds")
"""Columns that are first sorted with the largest on top."""
_ORDER = ("failed", "skipped", "duplicate", "removed", "added", "updated", "unchanged")
SORT_KEYS: dict[str, Callable[[DocumentOutcome], Any]] = {
    "stage": lambda one: _ORDER.index(one.outcome),
    "file": lambda one: natural(file_name(one.path)),
    "parser": lambda one: one.parser,
    "pages": lambda one: one.pages or 0,
    "chunks": lambda one: one.chunks,
    "warnings": lambda one: len(one.warnings),
    "seconds": lambda one: one.seconds,
}


@dataclass(frozen=True, slots=True)
class Working:
    """A file in work."""

    path: str
    stage: str


def file_name(path: str) -> str:
    return document_name(path) or path


def why(one: DocumentOutcome) -> str:
    """The stage in which it failed, why, and what to do."""
    where = f"{one.stage}: " if one.stage else ""
    return f"{where}{one.error}" + (f" → {one.hint}" if one.hint else "") if one.error else ""


def took(seconds: float) -> str:
    return "" if seconds < 0.05 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def cells_of(one: DocumentOutcome | Working) -> Cells:
    if isinstance(one, Working):
        return {"stage": (f"▸ {STAGES.get(one.stage, one.stage)}", "accent"), "file": (file_name(one.path), "muted")}
    glyph, tone = GLYPHS[one.outcome]
    return {
        "stage": (f"{glyph} {one.outcome}", tone),
        "file": (file_name(one.path), ""),
        "parser": (one.parser, "muted"),
        "pages": (f"{one.pages:,}" if one.pages else "", "muted"),
        "chunks": (f"{one.chunks:,}" if one.chunks else "", ""),
        "warnings": (str(len(one.warnings)) if one.warnings else "", "warn"),
        "seconds": (took(one.seconds), "muted"),
        "why": (why(one), "bad" if one.outcome == "failed" else "warn"),
    }


def matches(one: DocumentOutcome, words: list[str]) -> bool:
    """Every word stands in the file's name, its title, kind, outcome, parser or reason."""
    if not words:
        return True
    name = file_name(one.path)
    text = f"{name} {one.title} {one.kind} {one.outcome} {one.parser} {one.stage} {one.error}".casefold()
    return all(word in text for word in words)


def in_words(path: str, stage: str, words: list[str]) -> bool:
    text = f"{file_name(path)} {STAGES.get(stage, stage)}".casefold()
    return all(word in text for word in words)


class LedgerTable(RowTable):
    """`outcomes` is everything that has ended, `ended` what the filter leaves of it, in the chosen order; `rows` has the files in work
    below that."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, cells_of, lambda one: (one.path, type(one)), id=id)
        self.outcomes: list[DocumentOutcome] = []
        self.ended: list[DocumentOutcome] = []
        self.working: list[Working] = []
        self.words: list[str] = []

    def layout_of(self, row: DocumentOutcome | Working) -> list[tuple[Column, int]]:
        if isinstance(row, Working) or not row.error:
            return self._layout
        # Two fifths for the name, three for the reason; the time stays where it is.
        last = [one for one in self._layout if one[0].key == "seconds"]
        room = sum(width + 1 for column, width in self._layout if column.key not in ("stage", "seconds"))
        named = max(12, room * 2 // 5)
        return [self._layout[0], (COLUMNS[1], named - 1), (WHY, max(1, room - named - 1)), *last]

    @property
    def picked(self) -> list[DocumentOutcome]:
        """The marked rows or the one under the cursor, as far as they have ended."""
        return [one for one in self.chosen if not isinstance(one, Working)]

    def clear(self) -> None:
        """A new ledger; filter and order stay as the reader left them."""
        self.outcomes, self.ended, self.working = [], [], []
        self.marked.clear()
        self.show([])

    def add(self, outcomes: Iterable[DocumentOutcome], working: Sequence[tuple[str, str]] = ()) -> None:
        """Files that have ended just now, and those in work now."""
        new = list(outcomes)
        self.outcomes.extend(new)
        fitting = [one for one in new if matches(one, self.words)]
        at_work = [Working(path, stage) for path, stage in working if in_words(path, stage, self.words)]
        if not fitting and at_work == self.working:
            return
        self.working = at_work
        if self.sorted_by != ARRIVAL and fitting:
            self._sort_ended()
        else:
            self.ended.extend(fitting)
        self._show(following=self.sorted_by == ARRIVAL and self.cursor >= len(self.rows) - 1)

    def filter(self, words: list[str]) -> None:
        self.words = words
        self._sort_ended()
        self._show()

    def sort_by(self, column: str) -> None:
        """By this column; a second time: the other way round."""
        self.descending = not self.descending if column == self.sorted_by else column in NUMBERS
        self._sorted_by(column)

    def sort_by_next(self) -> None:
        keys = [ARRIVAL, *(column.key for column, _ in self._layout)]
        following = keys[(keys.index(self.sorted_by) + 1) % len(keys)] if self.sorted_by in keys else ARRIVAL
        self.descending = following in NUMBERS
        self._sorted_by(following)

    def _sorted_by(self, column: str) -> None:
        self.sorted_by = column
        self._sort_ended()
        self._show()

    def _sort_ended(self) -> None:
        self.ended = [one for one in self.outcomes if matches(one, self.words)]
        if self.sorted_by != ARRIVAL:
            self.ended.sort(key=SORT_KEYS[self.sorted_by], reverse=self.descending)

    def _show(self, *, following: bool = False) -> None:
        self.show([*self.ended, *self.working])
        if following and self.rows:
            self.cursor = len(self.rows) - 1
