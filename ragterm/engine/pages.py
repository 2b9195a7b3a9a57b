"""The facade's pictures of pages. A part of `Engine`, which inherits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragterm.engine.collections import Shelf
    from ragterm.engine.types.settings import Settings


class PageQuestions:
    _shelf: Shelf
    settings: Settings

    def page_image(self, document_id: str, page: int, width: int, collection: str = "default") -> bytes:
        """A page (from 1) of an indexed PDF as PNG, about `width` pixels wide, from the file on disk. Raises ParseError: it has changed
        since, is gone, or cannot be drawn; NotFoundError."""
        from ragterm.engine.documents.page_images import page_image
        from ragterm.engine.documents.places import Places

        store = self._shelf.get(collection).store
        found = store.documents.document(document_id)
        file = Places(store.folder).file_of(found.path)
        return page_image(file, found.content_hash, page, width, memory_mb=self.settings.ingest.memory_mb)
