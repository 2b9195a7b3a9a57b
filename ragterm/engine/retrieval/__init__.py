"""Retrieval: the one path from a question to ranked chunks, and from ranked chunks to the passages of a prompt."""

from __future__ import annotations

from ragterm.engine.retrieval.pipeline import RetrievalRooms, retrieve
from ragterm.engine.retrieval.select import marked, select_passages

__all__ = ["RetrievalRooms", "marked", "retrieve", "select_passages"]
