"""The ledger of the Documents pane: it hears of the ingest, and does what the reader wants with its rows.

A mixin of the pane. Handlers are found by their names: Textual collects decorated ones from widgets only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ragterm.engine.types.errors import RagtermError
from ragterm.ui import messages
from ragterm.ui.widgets.ledger import IngestLedger
from ragterm.ui.widgets.ledger_table import file_name

if TYPE_CHECKING:
    from ragterm.engine.types.documents import DocumentRow
    from ragterm.engine.types.ingesting import DocumentOutcome
    from ragterm.ui.panes.pane import Pane
    from ragterm.ui.widgets.row_table import RowTable

    _Base = Pane
else:
    _Base = object

REFRESH_SECONDS = 3.0
"""While an ingest runs, the list is read again at most this often."""
OF_THE_LIST = ("remove", "limit", "compare", "mark", "reingest", "restore", "unlock")
"""Actions on the rows of the list: with the cursor in the ledger they would meet documents that one does not look at."""


class LedgerCommands(_Base):
    _rows: tuple[DocumentRow, ...]
    _read_at = 0.0

    if TYPE_CHECKING:

        @property
        def table(self) -> RowTable: ...

        def _start(self, ingest: Callable[[], None]) -> None: ...

    @property
    def ledger(self) -> IngestLedger:
        """Made when the first ingest begins: most starts show none."""
        found = self.query("#ledger")
        if found:
            return found.first(IngestLedger)
        ledger = IngestLedger()
        self.query_one("#left").mount(ledger)
        return ledger

    def show_ledger(self) -> None:
        """The pane was made while an ingest ran."""
        self.add_class("-ledger")
        self.ledger.begin(self.bridge.collection)

    # --- The ingest ---------------------------------------------------------------------------------------------------------------

    def on_ingest_started(self, message: messages.IngestStarted) -> None:
        self.remove_class("-empty")
        self.add_class("-ledger")
        self.ledger.begin(message.collection)
        self._read_at = time.monotonic()
        self.refresh_bindings()
        focused = self.app.focused
        if self.display and (focused is None or focused.id == "samples"):  # the button is about to vanish
            self.table.focus()

    def on_ingest_progressed(self, message: messages.IngestProgressed) -> None:
        self.ledger.progressed(message.progress)
        now = time.monotonic()
        if message.progress.finished and now - self._read_at > REFRESH_SECONDS:
            self._read_at = now
            self.bridge.refresh_documents()

    def on_ingest_finished(self, message: messages.IngestFinished) -> None:
        self.ledger.ended(message.report)
        self.refresh_bindings()

    def on_ingest_broke(self, message: messages.IngestBroke) -> None:
        self.ledger.broke(message.error)
        self.refresh_bindings()

    def action_pause(self) -> None:
        if self.bridge.ingest_paused:
            self.bridge.continue_ingest()
        else:
            self.bridge.pause_ingest()
        self.ledger.paused(self.bridge.ingest_paused)

    def action_cancel(self) -> None:
        self.bridge.cancel_ingest()

    def action_ledger(self) -> None:
        within = self.has_class("-ledger") and self.ledger.has_focus_within
        self.toggle_class("-ledger")
        if within:
            self.table.focus()

    # --- Its rows -----------------------------------------------------------------------------------------------------------------

    def action_retry_failed(self) -> None:
        ids = [row.id for row in self._rows if row.state == "failed"]
        if ids:
            self._start(lambda: self.bridge.reingest(ids))

    def on_ingest_ledger_retry_wanted(self, message: IngestLedger.RetryWanted) -> None:
        ids = [one.document_id or self._id_of(one.path) for one in message.outcomes]
        if any(ids):
            self._start(lambda: self.bridge.reingest([id for id in ids if id]))

    def on_ingest_ledger_opened(self, message: IngestLedger.Opened) -> None:
        one = message.outcome
        id = one.document_id or self._id_of(one.path)
        row = next((row for row in self._rows if row.id == id), None)
        if row is not None:
            self.open_row(row)
        elif one.outcome in ("failed", "skipped"):
            self.show_failure(one)
        elif id and one.outcome != "removed":
            self.post_message(messages.PreviewRequested(id))

    def open_row(self, row: DocumentRow) -> None:
        """The document, or why there is none."""
        if row.state == "indexed":
            self.post_message(messages.PreviewRequested(row.id))
        elif row.state == "duplicate" and row.duplicate_of:
            self.post_message(messages.PreviewRequested(row.duplicate_of))
        else:
            self.show_failure(row)

    def show_failure(self, one: DocumentRow | DocumentOutcome) -> None:
        state = one.outcome if hasattr(one, "outcome") else one.state
        title = file_name(one.path) + (" could not be read" if state == "failed" else " was skipped")
        where = f"{one.path}\n\nstage: {one.stage}\n" if one.stage else f"{one.path}\n\n"
        self.post_message(messages.ErrorArose(RagtermError(title, where + one.error, one.hint)))

    def _id_of(self, path: str) -> str:
        return next((row.id for row in self._rows if row.path == path), "")

    def ledger_allows(self, action: str) -> bool | None:
        """Whether an action makes sense now, where the ledger has a say; None where it has none."""
        if action == "retry_failed":
            return not self.bridge.ingesting and any(row.state == "failed" for row in self._rows)
        if action in OF_THE_LIST and self.has_class("-ledger") and self.query("#ledger"):
            return False if self.ledger.has_focus_within else None
        return None
