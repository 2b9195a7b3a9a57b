"""Documents: collections, the documents of the current one, what is known about the one under the cursor, and
the ledger of the ingest. An empty collection teaches how to fill it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widget import AwaitMount
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from ragterm.resources import shipped
from ragterm.ui import messages
from ragterm.ui.actions import bindings
from ragterm.ui.bridge import Bridge
from ragterm.ui.panes.document_commands import DocumentCommands
from ragterm.ui.panes.ledger_commands import LedgerCommands
from ragterm.ui.panes.pane import Pane
from ragterm.ui.safe_text import line
from ragterm.ui.widgets.document_card import card
from ragterm.ui.widgets.ledger_table import NUMBERS, took
from ragterm.ui.widgets.row_table import Cells, Column, RowTable
from ragterm.ui.wording import counted, title_of

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Document, DocumentRow

COLUMNS = (
    Column("state", "state", 11),
    Column("title", "title", 12, flex=3),
    Column("kind", "kind", 9, from_width=56),
    Column("pages", "pages", 7, right=True, from_width=64),
    Column("chunks", "chunks", 8, right=True),
    Column("warnings", "warn", 6, right=True, from_width=72),
    Column("parser", "parser", 10, from_width=112),
    Column("seconds", "time", 8, right=True, from_width=88),
    Column("path", "path", 10, flex=2, from_width=126),
)
STATES = {
    "indexed": ("● indexed", "good"),
    "failed": ("✗ failed", "bad"),
    "duplicate": ("≡ duplicate", "muted"),
    "skipped": ("– skipped", "warn"),
}


def cells_of(row: DocumentRow) -> Cells:
    return {
        "state": STATES.get(row.state, (row.state, "")),
        "title": (title_of(row), ""),
        "kind": (row.kind, "muted"),
        "pages": (str(row.pages) if row.pages else "", "muted"),
        "chunks": (f"{row.chunks:,}" if row.chunks else "", ""),
        "warnings": (str(len(row.warnings)) if row.warnings else "", "warn"),
        "parser": (row.parser, "muted"),
        "seconds": (took(row.seconds), "muted"),
        "path": (row.path, "muted"),
    }


SORT_KEYS: dict[str, Any] = {
    "state": lambda row: ("failed", "skipped", "duplicate", "indexed").index(row.state),
    "kind": lambda row: row.kind,
    "pages": lambda row: row.pages or 0,
    "chunks": lambda row: row.chunks,
    "warnings": lambda row: len(row.warnings),
    "parser": lambda row: row.parser,
    "seconds": lambda row: row.seconds,
    "path": lambda row: row.path.casefold(),
}


class DocumentsPane(DocumentCommands, LedgerCommands, Pane):
    PURPOSE = (
        "What ragterm knows: collections of documents, each cut into chunks that can be found. Drop a folder into the "
        "terminal to add its files; the originals are only read, never changed."
    )
    scope = "documents"
    SCOPED_CSS = False  # the rules for narrow and wide screens begin at the screen
    BINDINGS: ClassVar[list[Any]] = bindings("documents")
    DEFAULT_CSS = """
    DocumentsPane { layout: horizontal; }
    DocumentsPane #side { width: 27; padding: 0 1; border: round $border-blurred; border-title-color: $text-muted; }
    DocumentsPane #side:focus-within { border: round $border; border-title-color: $accent; }
    DocumentsPane #collections { height: 1fr; border: none; padding: 0; background: transparent; }
    DocumentsPane #main { width: 1fr; }
    DocumentsPane #left { width: 1fr; height: 1fr; }
    DocumentsPane #list { height: 1fr; padding: 0 1; border: round $border-blurred; border-title-color: $text-muted; }
    DocumentsPane #list:focus-within { border: round $border; border-title-color: $accent; }
    DocumentsPane #filter { height: 1; border: none; padding: 0; margin: 0 0 0 2; background: transparent; }
    DocumentsPane #table { height: 1fr; }
    DocumentsPane #detail { height: 11; padding: 0 1; border: round $border-blurred; border-title-color: $text-muted; }
    DocumentsPane #detail { scrollbar-size-vertical: 1; }
    DocumentsPane #detail:focus { border: round $border; border-title-color: $accent; }
    DocumentsPane #detail > Static { height: auto; }
    DocumentsPane #ledger { display: none; }
    DocumentsPane.-ledger #ledger { display: block; }
    DocumentsPane #empty { display: none; height: 1fr; width: 1fr; align: center middle; }
    DocumentsPane #empty > Static { width: 64; max-width: 96%; height: auto; }
    DocumentsPane #empty > Button { margin: 1 0 0 0; }
    DocumentsPane.-empty #empty { display: block; }
    DocumentsPane.-empty #filter, DocumentsPane.-empty #table, DocumentsPane.-empty #detail { display: none; }
    .-narrow DocumentsPane #side { display: none; }
    .-short DocumentsPane #detail { height: 9; }
    .-short DocumentsPane #ledger { height: 9; }
    .-short DocumentsPane.-ledger #detail { display: none; }
    .-wide DocumentsPane #main { layout: horizontal; }
    .-wide DocumentsPane #detail { width: 34%; min-width: 52; max-width: 90; height: 100%; }
    .-wide DocumentsPane.-ledger #detail { display: block; }
    .-wide DocumentsPane.-empty #detail { display: none; }
    """

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self._rows: tuple[DocumentRow, ...] = ()
        self._collections: tuple[str, ...] = ()
        self._prompts: list[Content] = []
        self._words: list[str] = []
        self._sort, self._descending = "title", False
        self._detail_timer: Timer | None = None
        self._loaded = False
        self._open_document: Document | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="side") as side:
            side.border_title = Content("Collections")
            yield OptionList(id="collections")
        with Vertical(id="main"):
            with Vertical(id="left"), Vertical(id="list") as box:
                box.border_title = Content("Documents")
                yield Input(placeholder="/ filters by title, path, kind or state", id="filter")
                yield RowTable(COLUMNS, cells_of, lambda row: row.id, id="table")
            with VerticalScroll(id="detail") as detail:
                detail.border_title = Content("Document")
                yield Static("", id="card", markup=False)

    def built(self) -> None:
        self.table.sorted_by = self._sort
        if self.bridge.listed is not None:
            self._listed(self.bridge.listed)
        if self.bridge.ingesting:
            self.show_ledger()

    @property
    def table(self) -> RowTable:
        return self.query_one("#table", RowTable)

    def _teach(self) -> None:
        """What an empty collection says, made when one is shown."""
        if not self.query("#empty"):
            button = Button(Content("Load the sample documents (s)"), id="samples", variant="primary")
            mounting = self.query_one("#list").mount(Vertical(Static(teaching()), button, id="empty"))
            self.run_worker(partial(self._focus_once_there, mounting), group="teach")

    async def _focus_once_there(self, mounting: AwaitMount) -> None:
        """On a machine that is waking up the next frame comes before the button does, and the hidden table takes no focus."""
        await mounting
        self._take_free_focus()

    def focus_first(self) -> None:
        if self.has_class("-empty") and self.query("#samples"):
            self.query_one("#samples", Button).focus()
        else:
            self.table.focus()

    # --- What is listed -----------------------------------------------------------------------------------------------------------

    @on(messages.DocumentsListed)
    def _listed(self, message: messages.DocumentsListed) -> None:
        if message.collection != self.bridge.collection:
            return
        self._loaded = True
        self._rows = message.documents
        names = tuple(one.name for one in message.collections)
        prompts: list[Content] = []
        for one in message.collections:
            mark = "● " if one.name == message.collection else "  "
            prompts.append(
                Content.assemble(
                    (mark, "$accent"),
                    line(one.name),
                    (f"\n  {counted(one.documents, 'document')}", "$text-muted"),
                )
            )
        self._collections = names
        if prompts != self._prompts:  # while an ingest runs, the list comes every few seconds
            self._prompts = prompts
            options = self.query_one("#collections", OptionList)
            options.set_options([Option(prompt) for prompt in prompts])
            if message.collection in names:
                options.highlighted = names.index(message.collection)
        empty = not message.documents and not self.bridge.ingesting
        focused = self.app.focused  # the button vanishes with the emptiness, and the focus with the button
        moves = self.has_focus_within and (empty or (focused is not None and focused.id == "samples"))
        if empty:
            self._teach()
        was_empty = self.has_class("-empty")
        self.set_class(empty, "-empty")
        if moves or empty or was_empty:
            self.call_after_refresh(self.focus_first if moves else self._take_free_focus)
        self._show_rows()

    def _take_free_focus(self) -> None:
        """A dialog that closes just now gives the focus back to a table that is not shown any more, and a list that comes and goes asks
        for the focus where it is not shown yet: then nobody has it."""
        if self.display and self.screen.focused is None:
            self.focus_first()

    @on(messages.CollectionChanged)
    def _collection_changed(self) -> None:
        self._rows, self.said = (), ""
        self.table.clear_marks()
        self._show_rows()

    def _show_rows(self) -> None:
        rows = [row for row in self._rows if matches(row, self._words)]
        if self._sort != "title":  # they come sorted by title, and sorting keeps that order among equals
            rows.sort(key=SORT_KEYS[self._sort], reverse=self._descending)
        elif self._descending:
            rows.reverse()
        self.table.show(rows)
        self.refresh_bindings()  # what can be done depends on whether there is a row
        shown = f"{len(rows):,} of {len(self._rows):,}" if self._words else f"{len(self._rows):,}"
        live = " · following its folders" if self.bridge.followed == self.bridge.collection else ""
        self.query_one("#list").border_title = Content(f"Documents of {line(self.bridge.collection)}: {shown}{live}")
        self.show_said()

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._words = event.value.casefold().split()
        self._show_rows()

    @on(Input.Submitted, "#filter")
    def _filter_submitted(self) -> None:
        self.table.focus()

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape" and self.query_one("#filter").has_focus:
            self.query_one("#filter", Input).value = ""
            self.table.focus()
            event.stop()
        elif event.key == "down" and self.query_one("#filter").has_focus:
            self.table.focus()
            event.stop()

    @on(RowTable.HeaderChosen)
    def _header_chosen(self, event: RowTable.HeaderChosen) -> None:
        self._sort_by(
            event.column,
            not self._descending if event.column == self._sort else event.column in NUMBERS,
        )

    def _sort_by(self, column: str, descending: bool) -> None:
        self._sort, self._descending = column, descending
        self.table.sorted_by, self.table.descending = column, descending
        self._show_rows()

    @on(OptionList.OptionSelected, "#collections")
    def _collection_chosen(self, event: OptionList.OptionSelected) -> None:
        self.bridge.switch_collection(self._collections[event.option_index])

    # --- The document under the cursor ----------------------------------------------------------------------------------------------

    @on(RowTable.RowHighlighted)
    def _highlighted(self, event: RowTable.RowHighlighted) -> None:
        row: DocumentRow | None = event.row
        self.refresh_bindings()  # a password is asked for where one is wanted
        self._draw_card(row, None)
        self.query_one("#detail").scroll_home(animate=False)
        if self._detail_timer is not None:
            self._detail_timer.stop()
        if row is not None and row.state == "indexed":
            # A held arrow key passes many rows: only where it rests is the text read.
            self._detail_timer = self.set_timer(0.15, lambda: self._read_text(row))

    def _read_text(self, row: DocumentRow) -> None:
        def arrived(document: Document | None, error: str = "") -> None:
            if self.table.current is not None and self.table.current.id == row.id:
                self._draw_card(row, document, error)

        self.fetch(
            self.bridge.document(row.id), arrived, group="detail", otherwise=lambda error: arrived(None, str(error))
        )

    def _draw_card(self, row: DocumentRow | None, document: Document | None, error: str = "") -> None:
        titles = {one.id: one.title or one.path for one in self._rows} if row is not None and row.duplicate_of else {}
        self.query_one("#card", Static).update(card(row, document, titles, error))

    @on(RowTable.RowChosen)
    def action_open(self) -> None:
        if self.table.current is not None:
            self.open_row(self.table.current)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        allowed = self.ledger_allows(action)
        return super().check_action(action, parameters) if allowed is None else allowed

    @on(Button.Pressed, "#samples")
    def _samples_pressed(self) -> None:
        self.action_load_samples()

    def action_filter(self) -> None:
        self.query_one("#filter").focus()

    def action_sort(self) -> None:
        keys = [column.key for column in COLUMNS]
        following = keys[(keys.index(self._sort) + 1) % len(keys)]
        self._sort_by(following, following in NUMBERS)

    def action_mark(self) -> None:
        self.table.toggle_mark()


def matches(row: DocumentRow, words: list[str]) -> bool:
    """Every word stands in the title, path, kind or state."""
    if not words:
        return True
    text = f"{row.title} {row.path} {row.kind} {row.state}".casefold()
    return all(word in text for word in words)


def teaching() -> Content:
    """What an empty collection says."""
    try:
        files = [one for one in Path(shipped("sample_docs")).rglob("*") if one.is_file()]
        samples = sum(not one.name.startswith(".") and one.suffix not in (".jsonl", ".pyc") for one in files)
    except OSError:
        samples = 0
    return Content.assemble(
        ("No documents here yet\n\n", "bold $accent"),
        ("Drag a folder or files", "bold"),
        " from your file manager into this window.\nragterm says what it found and asks before it reads anything.\n\n",
        ("a", "bold $primary"),
        "  type or paste a path instead\n",
        ("s", "bold $primary"),
        f"  load {samples or 'the'} sample documents of a small company and ask them\n\n",
        (
            "Text, PDF, office files, web pages, mail, archives and code are read. Nothing leaves this machine.",
            "$text-muted",
        ),
    )
