"""The lines of an ingest's ledger: one row a file, filtered by words, sorted by any column, following the newest.

Rows are drawn only where they are seen (`RowTable`). In the order in which files end, new rows are appended and the table follows
its last row until the reader moves the cursor away; sorted, a new row goes where it belongs, after its equals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from textual.geometry import Size

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
ARRIVAL = ""
"""No column: the order in which the files ended."""
COLUMNS = (
    Column("stage", "stage", 11),
    Column("file", "file", 12, flex=1),
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


def file_name(path: str) -> str:
    return PurePath(path).name or path


def why(one: DocumentOutcome) -> str:
    """The stage in which it failed, why, and what to do."""
    where = f"{one.stage}: " if one.stage else ""
    return f"{where}{one.error}" + (f" → {one.hint}" if one.hint else "") if one.error else ""


def took(seconds: float) -> str:
    return "" if seconds < 0.05 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def cells_of(one: DocumentOutcome) -> Cells:
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


class LedgerTable(RowTable):
    """`outcomes` is everything, `rows` what the filter leaves, in the chosen order."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, cells_of, lambda one: one.path, id=id)
        self.outcomes: list[DocumentOutcome] = []
        self.words: list[str] = []
        self.rows: list[DocumentOutcome] = []

    def layout_of(self, row: DocumentOutcome) -> list[tuple[Column, int]]:
        if not row.error:
            return self._layout
        # Two fifths for the name, three for the reason; the time stays where it is.
        last = [one for one in self._layout if one[0].key == "seconds"]
        room = sum(width + 1 for column, width in self._layout if column.key not in ("stage", "seconds"))
        named = max(12, room * 2 // 5)
        return [self._layout[0], (COLUMNS[1], named - 1), (WHY, max(1, room - named - 1)), *last]

    def clear(self) -> None:
        """A new ledger; filter and order stay as the reader left them."""
        self.outcomes = []
        self.marked.clear()
        self.show([])

    def add(self, outcomes: Iterable[DocumentOutcome]) -> None:
        """Files that have ended just now."""
        new = list(outcomes)
        self.outcomes.extend(new)
        fitting = [one for one in new if matches(one, self.words)]
        if not fitting:
            return
        if self.sorted_by != ARRIVAL or self.descending:
            self._arrange()
            return
        following = self.cursor >= len(self.rows) - 1
        empty = not self.rows
        self.rows.extend(fitting)
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        if following:
            self.cursor = len(self.rows) - 1
        if empty:
            self.post_message(self.RowHighlighted(self, self.current))
        self.refresh()

    def filter(self, words: list[str]) -> None:
        self.words = words
        self._arrange()

    def sort_by(self, column: str) -> None:
        """By this column; a second time: the other way round."""
        self.descending = not self.descending if column == self.sorted_by else column in NUMBERS
        self.sorted_by = column
        self._arrange()

    def sort_by_next(self) -> None:
        keys = [ARRIVAL, *(column.key for column, _ in self._layout)]
        following = keys[(keys.index(self.sorted_by) + 1) % len(keys)] if self.sorted_by in keys else ARRIVAL
        self.sorted_by, self.descending = following, following in NUMBERS
        self._arrange()

    def _arrange(self) -> None:
        rows = [one for one in self.outcomes if matches(one, self.words)]
        if self.sorted_by != ARRIVAL:
            rows.sort(key=SORT_KEYS[self.sorted_by], reverse=self.descending)
        self.show(rows)
