"""Opens the preview of a document: fetches its text and its chunks, then shows them."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from ragterm.ui import messages

if TYPE_CHECKING:
    from textual.app import App

    from ragterm.ui.bridge import Bridge


async def open_preview(app: App[None], bridge: Bridge, document_id: str) -> None:
    """Push the preview; what fails becomes `ErrorArose`."""
    try:
        screen = await asyncio.to_thread(import_module, "ragterm.ui.screens.preview")
        document = await bridge.document(document_id)
        chunks = await bridge.chunks(document_id)
    except Exception as error:  # noqa: BLE001 - the border of background work
        app.post_message(messages.ErrorArose(error, "opening the document"))
        return
    app.push_screen(screen.PreviewScreen(bridge, document, chunks))
