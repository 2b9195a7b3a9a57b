"""Builds of a collection as lists show them, and what became of a rebuild."""

from __future__ import annotations

from dataclasses import dataclass

from ragterm.engine.types.settings import ChunkingSettings


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """`live`: the one that answers. `previous`: the one that a rollback goes back to."""

    id: str
    model_id: str
    chunking: ChunkingSettings
    live: bool
    previous: bool
    chunks: int
    created: str


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`build_id` is live now, `before` was. `documents` were cut anew, `embedded` texts of their chunks were not known yet."""

    build_id: str
    before: str
    documents: int
    chunks: int
    embedded: int
    seconds: float
