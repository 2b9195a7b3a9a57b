"""The preview of a document: its text with the chunks drawn in it, and beside it the picture of the page, for a PDF.

Text and page go together: a page turned brings its text, a chunk gone to or a text scrolled brings its page. On a narrow screen one of
the two is shown, and a key changes between them. The screen is opaque: what lies below it is not drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ragterm.ui.actions import bindings
from ragterm.ui.safe_text import content, line, plain, shorten
from ragterm.ui.screens.dialogs import dialog_css
from ragterm.ui.widgets.chunk_reader import ChunkReader
from ragterm.ui.widgets.chunk_text import ChunkText
from ragterm.ui.widgets.page_picture import PagePicture

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Chunk, Document
    from ragterm.ui.bridge import Bridge


class PreviewScreen(ModalScreen[None]):
    DEFAULT_CSS = (
        dialog_css("PreviewScreen")
        + """
    PreviewScreen { background: $surface; }
    PreviewScreen:ansi { background: ansi_default; }
    PreviewScreen > .dialog { width: 100%; max-width: 100%; height: 100%; max-height: 100%; padding: 0 1; }
    PreviewScreen #preview-head { height: auto; padding: 0 1; color: $text-muted; }
    PreviewScreen #preview-facts { height: auto; padding: 0 1 1 1; }
    PreviewScreen #preview-body { height: 1fr; }
    PreviewScreen #preview-text { width: 1fr; }
    PreviewScreen #preview-page { display: none; width: 45%; max-width: 90; height: 100%; padding: 0 1 0 0; }
    PreviewScreen.-paged #preview-page { display: block; }
    PreviewScreen.-paged.-narrow #preview-page { display: none; }
    PreviewScreen.-paged.-narrow.-page #preview-page { display: block; width: 100%; }
    PreviewScreen.-paged.-narrow.-page #preview-text { display: none; }
    """
    )
    BINDINGS: ClassVar[list[Any]] = bindings("preview")

    def __init__(self, bridge: Bridge, document: Document, chunks: Sequence[Chunk]) -> None:
        super().__init__()
        self.bridge = bridge
        self.document = document
        self.reader = ChunkReader(document, chunks, id="preview-text")
        self.has_pages = document.kind == "pdf" and bool(document.pages)
        self._sized = False
        first = self.reader.chunk.page if self.reader.chunk else None
        self.pages = PagePicture(self._page_image, document.pages or 0, first or 1, id="preview-page")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = content(self.document.title or self.document.path, one_line=True)
            turn = "PgUp PgDn page · i picture · " if self.has_pages else ""
            dialog.border_subtitle = Content(f"n p chunk · {turn}o open · c copy · Esc closes")
            yield Static("", id="preview-head", markup=False)
            yield Static("", id="preview-facts", markup=False)
            with Horizontal(id="preview-body"):
                if self.has_pages:
                    yield self.pages
                yield self.reader

    def on_mount(self) -> None:
        self.reader.focus()
        narrow = {name: least for least, name in self.app.HORIZONTAL_BREAKPOINTS or ()}
        if self.has_pages and self.app.size.width >= narrow.get("-normal", 0):
            self._sized = True  # wide enough for both from the beginning: the screen is laid out once
            self.add_class("-paged")
        self._facts()

    def on_resize(self, event: events.Resize) -> None:
        self._facts()
        if self.has_pages and not self._sized:
            # Only now is it known whether the screen is a narrow one, which shows no page unasked: none is drawn in vain.
            self._sized = True
            self.call_later(self.add_class, "-paged")

    async def _page_image(self, page: int, width: int) -> bytes:
        return await self.bridge.page_image(self.document.id, page, width)

    # --- What is said -------------------------------------------------------------------------------------------------------------

    def _facts(self) -> None:
        document = self.document
        self.query_one("#preview-head", Static).update(shorten(document.path, max(20, self.app.size.width - 8)))
        self.query_one("#preview-facts", Static).update(
            facts_of(self.reader.chunk, self.reader.current, len(self.reader.pieces), document, self._shared())
        )

    def _shared(self) -> int:
        """Characters that the current chunk shares with the one before."""
        number = self.reader.current
        if number < 1:
            return 0
        before, one = self.reader.pieces[number - 1], self.reader.pieces[number]
        return max(0, min(before.end, one.end) - one.start)

    @on(ChunkReader.Went)
    def _went(self, event: ChunkReader.Went) -> None:
        self._facts()
        one = self.reader.chunk
        if self.has_pages and one is not None and one.page and not event.turning:
            self.pages.show(one.page)

    @on(ChunkText.Scrolled)
    def _scrolled(self, event: ChunkText.Scrolled) -> None:
        if self.has_pages and (page := self.reader.page_at(event.offset)) is not None:
            self.pages.show(page)

    # --- Actions ------------------------------------------------------------------------------------------------------------------

    def action_chunk(self, by: int) -> None:
        self.reader.go(self.reader.current + by)

    def action_page(self, by: int) -> None:
        if not self.has_pages:
            scroll = self.reader.scroll_page_down if by > 0 else self.reader.scroll_page_up
            scroll(animate=False)
            return
        page = min(max(self.pages.page + by, 1), self.pages.pages)
        if page != self.pages.page:
            self.pages.show(page, rest=False)
            self.reader.go_to_page(page)

    def action_picture(self) -> None:
        if self.has_pages:
            self.toggle_class("-page" if self.has_class("-narrow") else "-paged")

    def action_open_file(self) -> None:
        from ragterm.ui.opening import open_file

        said = open_file(self.document.path)
        self.app.notify(line(said), markup=False, timeout=4)

    def action_copy(self) -> None:
        if (one := self.reader.chunk) is not None:
            self.app.copy_to_clipboard(plain(one.text))
            self.app.notify("Copied", markup=False, timeout=2)

    def action_close(self) -> None:
        self.dismiss(None)


def facts_of(one: Chunk | None, number: int, count: int, document: Document, shared: int = 0) -> Content:
    """The line on the current chunk."""
    if one is None:
        return Content.styled("this document has no chunks", "$warning")
    facts = []
    if one.page is not None:
        facts.append(f"page {one.page}" + (f" of {document.pages}" if document.pages else ""))
    if one.tokens:
        facts.append(f"{one.tokens:,} tokens")
    facts.append(f"characters {one.start:,}–{one.end:,}")
    if shared:
        facts.append(f"{shared:,} shared with the one before")
    parts: list[Any] = [(f"chunk {number + 1:,} of {count:,}", "bold $accent"), "  ·  ", "  ·  ".join(facts)]
    if one.section:
        parts.extend(["\n", (" › ".join(line(name) for name in one.section), "$primary")])
    return Content.assemble(*parts)
