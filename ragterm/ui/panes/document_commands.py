"""What one can do to documents and collections from the Documents pane: each asks where something would be lost.

A mixin of the pane, which knows what is listed and marked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.engine.types.errors import RagtermError, wants_password
from ragterm.resources import shipped
from ragterm.ui import messages
from ragterm.ui.safe_text import line
from ragterm.ui.wording import counted

if TYPE_CHECKING:
    from ragterm.engine.types.documents import DocumentRow
    from ragterm.ui.panes.pane import Pane
    from ragterm.ui.widgets.row_table import RowTable

    _Base = Pane
else:
    _Base = object


class DocumentCommands(_Base):
    _rows: tuple[DocumentRow, ...]
    _collections: tuple[str, ...]
    said = ""
    """What was done last, on the lower edge of the list."""

    if TYPE_CHECKING:

        @property
        def table(self) -> RowTable: ...

        def _show_rows(self) -> None: ...

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pause", "cancel"):
            return self.bridge.ingesting
        if action == "unlock":
            return bool(self._rows and self.locked)
        if action in ("follow", "remove", "reingest", "mark", "limit", "open", "filter", "sort", "compare"):
            return bool(self._rows)
        return True

    def action_load_samples(self) -> None:
        self._start(lambda: self.bridge.ingest([str(shipped("sample_docs"))]))

    def action_limit(self) -> None:
        rows = [row for row in self.table.chosen if row.state == "indexed"]
        if rows:
            self.post_message(
                messages.QuestionLimited(tuple(row.id for row in rows), tuple(row.title or row.path for row in rows))
            )

    def action_remove(self) -> None:
        rows = self.table.chosen
        if not rows:
            return
        names = "\n".join(line(row.title or row.path) for row in rows[:8])
        more = f"\nand {len(rows) - 8:,} more" if len(rows) > 8 else ""

        def answered(yes: bool | None) -> None:
            if yes:
                self.table.clear_marks()
                self.fetch(self.bridge.remove_documents([row.id for row in rows]), group="remove")

        from ragterm.ui.screens.dialogs import ConfirmScreen

        what = "this document" if len(rows) == 1 else f"these {len(rows):,} documents"
        self.app.push_screen(
            ConfirmScreen(
                f"Remove {what}?", f"{names}{more}\n\nThe files on disk stay.", yes="Remove", no="Keep", danger=True
            ),
            answered,
        )

    def show_said(self) -> None:
        """What was done last, which is cut off last where it is long, and what failed."""
        failed = sum(row.state == "failed" for row in self._rows)
        count = (f"{failed} failed: R tries again", "$error") if failed else ""
        between = " · " if failed and self.said else ""
        self.query_one("#list").border_subtitle = Content.assemble((self.said, "$text-muted"), between, count)

    def action_restore(self) -> None:
        self.fetch(self.bridge.restore_removed(), group="remove")

    # By name, not by `@on`: Textual collects decorated handlers from widgets only, and this is none.

    def on_documents_removed(self, message: messages.DocumentsRemoved) -> None:
        removal = message.removal
        undo = " · u undoes it" if removal.can_be_undone else ""
        self.said = f"{counted(len(removal.documents), 'document')} removed: {removal.proof}{undo}"
        self.show_said()

    def on_documents_restored(self, message: messages.DocumentsRestored) -> None:
        self.said = (
            f"{counted(message.count, 'document')} put back" if message.count else "nothing was removed since the start"
        )
        self.show_said()

    def action_follow(self) -> None:
        self.bridge.follow_folders(self.bridge.followed != self.bridge.collection)

    def on_following_changed(self, message: messages.FollowingChanged) -> None:
        if message.on:
            where = counted(len(message.roots), "folder")
            self.said = f"{where} followed: what changes there is read at once · w ends it"
        else:
            self.said = "the folders are no longer followed"
        self._show_rows()

    def on_following_noticed(self, message: messages.FollowingNoticed) -> None:
        self.said = line(message.line)
        self.show_said()

    def action_reingest(self) -> None:
        ids = [row.id for row in self.table.chosen]
        if ids:
            self._start(lambda: self.bridge.reingest(ids))

    def action_compare(self) -> None:
        """Chunking strategies side by side on the marked documents, or the one under the cursor."""
        ids = [row.id for row in self.table.chosen if row.state == "indexed"]
        if ids:
            from ragterm.ui.screens.comparison import ComparisonScreen

            self.app.push_screen(ComparisonScreen(self.bridge, ids))

    @property
    def locked(self) -> list[DocumentRow]:
        """Of the marked documents, or the one under the cursor, those that need a password."""
        return [row for row in self.table.chosen if row.state == "failed" and wants_password(row.error)]

    def action_unlock(self) -> None:
        rows = self.locked
        if not rows:
            return
        from ragterm.ui.screens.dialogs import TextScreen

        def given(password: str | None) -> None:
            if password:
                self._start(lambda: self.bridge.reingest([row.id for row in rows], passwords=[password]))

        names = "\n".join(line(row.title or row.path) for row in rows[:8])
        body = f"{names}\n\nTried once and kept nowhere."
        self.app.push_screen(TextScreen("Password", body, hidden=True), given)

    def _start(self, ingest: Callable[[], None]) -> None:
        """Start an ingest; a refusal (another one is running) is shown."""
        try:
            ingest()
        except RagtermError as error:
            self.post_message(messages.ErrorArose(error))

    def action_new_collection(self) -> None:
        from ragterm.ui.screens.dialogs import TextScreen

        def named(name: str | None) -> None:
            if name:
                self.fetch(
                    self.bridge.create_collection(name.strip()),
                    lambda _: self.bridge.switch_collection(name.strip()),
                    group="collection",
                )

        self.app.push_screen(
            TextScreen(
                "New collection", "A name for a new set of documents.", placeholder="contracts", check=self._wrong_name
            ),
            named,
        )

    def _wrong_name(self, name: str) -> str:
        return "there is a collection of this name" if name.strip() in self._collections else ""

    def action_delete_collection(self) -> None:
        from ragterm.ui.screens.dialogs import ConfirmScreen

        name = self.bridge.collection

        def answered(yes: bool | None) -> None:
            if yes:
                rest = [one for one in self._collections if one != name]
                self.fetch(
                    self.bridge.delete_collection(name),
                    lambda _: self.bridge.switch_collection(rest[0] if rest else "default"),
                    group="collection",
                )

        body = (
            f"{line(name)}: {len(self._rows):,} documents with their index, traces and chats. The files on disk stay."
        )
        self.app.push_screen(
            ConfirmScreen("Delete this collection?", body, yes="Delete", no="Keep", danger=True), answered
        )
