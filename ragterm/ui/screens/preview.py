"""The preview of a document: its text with the chunks drawn in it, and beside it the picture of the page, for a PDF.

Text and page go together: a page turned brings its text, a chunk gone to or a text scrolled brings its page. On a narrow screen one of
the two is shown, and a key changes between them. Pictures are drawn elsewhere (`Engine.page_image`), made ready in a thread, and
the last few are kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static

from ragterm.engine.types.errors import RagtermError
from ragterm.ui.actions import bindings
from ragterm.ui.pictures import TerminalPictures, picture_widget, prepared
from ragterm.ui.safe_text import content, line, plain, shorten
from ragterm.ui.screens.dialogs import dialog_css
from ragterm.ui.widgets.chunk_reader import ChunkReader
from ragterm.ui.widgets.chunk_text import ChunkText

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Chunk, Document
    from ragterm.ui.bridge import Bridge

logger = logging.getLogger(__name__)
KEPT_PICTURES = 8
FOLLOW_SECONDS = 0.25
"""A page is drawn when the text has stood on it for so long: scrolling passes many."""
SHARPER = 4
"""Half blocks: pixels drawn for each one shown."""


class PreviewScreen(ModalScreen[None]):
    DEFAULT_CSS = (
        dialog_css("PreviewScreen")
        + """
    PreviewScreen > .dialog { width: 100%; max-width: 100%; height: 100%; max-height: 100%; padding: 0 1; }
    PreviewScreen #preview-head { height: auto; padding: 0 1; color: $text-muted; }
    PreviewScreen #preview-facts { height: auto; padding: 0 1 1 1; }
    PreviewScreen #preview-body { height: 1fr; }
    PreviewScreen #preview-text { width: 1fr; }
    PreviewScreen #preview-page { display: none; width: 45%; max-width: 90; height: 100%; padding: 0 1 0 0; align: center top; }
    PreviewScreen #preview-note { width: 100%; height: auto; color: $text-muted; text-align: center; }
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
        self.page = 1
        self.has_pages = document.kind == "pdf" and bool(document.pages)
        self.able: TerminalPictures = TerminalPictures()
        self._pictures: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._picture: Any = None
        self._timer: Timer | None = None
        self._turning = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = content(self.document.title or self.document.path, one_line=True)
            turn = "PgUp PgDn page · i picture · " if self.has_pages else ""
            dialog.border_subtitle = Content(f"n p chunk · {turn}o open · c copy · Esc closes")
            yield Static("", id="preview-head", markup=False)
            yield Static("", id="preview-facts", markup=False)
            with Horizontal(id="preview-body"):
                with Vertical(id="preview-page"):
                    yield Static("", id="preview-note", markup=False)
                yield self.reader

    def on_mount(self) -> None:
        self.able = getattr(self.app, "pictures", self.able)
        self.set_class(self.has_pages, "-paged")
        self.reader.focus()
        self._facts()
        if self.has_pages:
            if (first := self.reader.chunk) is not None and first.page:
                self.page = first.page
            self._note("drawing the page…")
            self.call_after_refresh(self._wish_page, 0.0)

    def on_resize(self, event: events.Resize) -> None:
        self._facts()
        if self.has_pages and self._picture is not None:
            self._wish_page(FOLLOW_SECONDS)

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

    def _note(self, said: str, style: str = "") -> None:
        self.query_one("#preview-note", Static).update(content(said, style))

    @on(ChunkReader.Went)
    def _went(self) -> None:
        self._facts()
        one = self.reader.chunk
        if self.has_pages and one is not None and one.page and not self._turning:
            self._turn_to(one.page)

    @on(ChunkText.Scrolled)
    def _scrolled(self, event: ChunkText.Scrolled) -> None:
        if self.has_pages and not self._turning and (page := self.reader.page_at(event.offset)) is not None:
            self._turn_to(page)

    # --- Pages --------------------------------------------------------------------------------------------------------------------

    def _turn_to(self, page: int) -> None:
        if page != self.page:
            self.page = page
            self._wish_page(FOLLOW_SECONDS)

    def _wish_page(self, after: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        if self.query_one("#preview-page").display:
            self._timer = self.set_timer(max(after, 0.01), self._fetch_page)

    def _fetch_page(self) -> None:
        self.run_worker(self._show_page(self.page), group="page", exclusive=True, exit_on_error=False)

    def _room(self) -> tuple[int, int]:
        size = self.query_one("#preview-page").content_size
        return size.width, max(1, size.height - 1)

    async def _show_page(self, page: int) -> None:
        room = self._room()
        if room[0] < 4 or room[1] < 2:
            return
        width = room[0] * (SHARPER if self.able.kind == "half" else self.able.cell[0])
        try:
            png = await self._png(page, width)
            picture, cells = await asyncio.to_thread(prepared, png, room, self.able)
            if self._picture is None:
                made = (await asyncio.to_thread(picture_widget, self.able))()
                await self.query_one("#preview-page").mount(made)
                self._picture = made
        except RagtermError as error:
            hint = f"\n→ {error.hint}" if error.hint else ""
            self._without_picture(f"page {page} of {self.document.pages}\n\n{error.title}\n{error.message}{hint}")
            return
        except Exception as error:  # the border of background work: the text stays readable without a picture
            logger.warning("no picture of page %s", page, exc_info=error)
            self._without_picture(f"page {page} of {self.document.pages}\n\nno picture of it: {error}")
            return
        if page != self.page or not self.is_attached:
            return
        self._picture.styles.width, self._picture.styles.height = cells
        self._picture.image = picture
        self._picture.display = True
        self._note(f"page {page} of {self.document.pages}")

    def _without_picture(self, said: str) -> None:
        if self._picture is not None:
            self._picture.display = False
        self._note(said, "$warning")

    async def _png(self, page: int, width: int) -> bytes:
        key = (page, width)
        if key not in self._pictures:
            self._pictures[key] = await self.bridge.page_image(self.document.id, page, width)
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
        self._pictures.move_to_end(key)
        return self._pictures[key]

    # --- Actions ------------------------------------------------------------------------------------------------------------------

    def action_chunk(self, by: int) -> None:
        self.reader.go(self.reader.current + by)

    def action_page(self, by: int) -> None:
        if not self.has_pages:
            scroll = self.reader.scroll_page_down if by > 0 else self.reader.scroll_page_up
            scroll(animate=False)
            return
        page = min(max(self.page + by, 1), self.document.pages or 1)
        if page != self.page:
            self.page = page
            self._wish_page(0.0)
            # The scroll that follows must not turn to the page at the top of the view, which may be the one before.
            self._turning = True
            self.reader.go_to_page(page)
            self.set_timer(0.1, self._turned)

    def _turned(self) -> None:
        self._turning = False

    def action_picture(self) -> None:
        if not self.has_pages:
            return
        if self.has_class("-narrow"):
            self.toggle_class("-page")
        else:
            self.toggle_class("-paged")
        self.call_after_refresh(self._wish_page, 0.0)

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
