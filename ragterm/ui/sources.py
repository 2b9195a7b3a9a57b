"""Opens the source viewer for a citation, a chunk or a document: fetches the text and says when it is no longer what was cited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragterm.engine.types.documents import Document
from ragterm.engine.types.errors import NotFoundError
from ragterm.ui import messages

if TYPE_CHECKING:
    from textual.app import App

    from ragterm.ui.bridge import Bridge


async def open_source(app: App[None], bridge: Bridge, wish: messages.SourceRequested) -> None:
    """Push the viewer; what fails becomes `ErrorArose`."""
    from ragterm.ui.screens.source import SourceScreen

    citation, chunk = wish.citation, wish.chunk
    document_id = citation.document_id if citation else chunk.document_id if chunk else wish.document_id
    collection = wish.collection or bridge.collection
    chunk_span = (chunk.start, chunk.end) if chunk else None
    span = (citation.start, citation.end) if citation else (wish.start, wish.end) if wish.end > wish.start else None
    note = ""
    try:
        document = await bridge.document(document_id, collection)
        if citation is not None and citation.content_hash not in ("", document.content_hash):
            note = "The source has changed since this answer was written"
            cited = await bridge.document(document_id, collection, citation.content_hash)
            if cited.content_hash == citation.content_hash:
                document, note = cited, f"{note}: this is the version that was cited."
        if citation is not None:
            if document.text[citation.start : citation.end] != citation.quote:
                place = document.text.find(citation.quote) if citation.quote else -1
                span = (place, place + len(citation.quote)) if place >= 0 else None
                note = "The source has changed since this answer was written."
                chunk_span = None
                if span is None:
                    note += f" It said: “{citation.quote}”"
            else:
                chunks = await bridge.chunks(document_id, collection)
                found = next((one for one in chunks if one.id == citation.chunk_id), None)
                chunk_span = (found.start, found.end) if found else chunk_span
        elif chunk is not None and document.text[chunk.start : chunk.end] != chunk.text:
            chunk_span, note = None, "The source has changed since this was found."
    except NotFoundError as error:
        if citation is None:
            app.post_message(messages.ErrorArose(error, "opening the source"))
            return
        # A citation outlives its document: the quote is still there to be read.
        document = Document(
            citation.document_id,
            citation.path,
            citation.document_title,
            "text",
            citation.content_hash,
            citation.quote,
            (),
        )
        span, note = (0, len(citation.quote)), "This document is no longer in the collection. This is what was cited."
    except Exception as error:  # noqa: BLE001 - the border of background work
        app.post_message(messages.ErrorArose(error, "opening the source"))
        return
    app.push_screen(SourceScreen(document, chunk_span, span, verdict=citation.verdict if citation else "", note=note))
