"""Which contents this run has indexed, and as which document.

A copy may be examined before its original's commit and judged after it: the store did not know the content then, and the original is
no longer in work. What is noted here closes that gap.
"""

from __future__ import annotations


class IndexedContents:
    """Content hashes and document ids; a document has one content at a time."""

    def __init__(self) -> None:
        self._document_of: dict[str, str] = {}
        self._content_of: dict[str, str] = {}

    def note(self, document_id: str, content_hash: str) -> None:
        """The document was indexed with this content."""
        self.forget(document_id)
        self._document_of[content_hash] = document_id
        self._content_of[document_id] = content_hash

    def forget(self, document_id: str) -> None:
        """The document is worked on again, or goes: it no longer stands for its content."""
        content = self._content_of.pop(document_id, "")
        if self._document_of.get(content) == document_id:
            del self._document_of[content]

    def original(self, content_hash: str) -> str | None:
        """The document that has this content."""
        return self._document_of.get(content_hash)
