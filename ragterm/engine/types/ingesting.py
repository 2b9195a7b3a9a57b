"""What an ingest found, is doing and has done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["added", "updated", "unchanged", "removed", "duplicate", "skipped", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("added", "updated", "unchanged", "removed", "duplicate", "skipped", "failed")
IngestStage = Literal[
    "finding", "warming", "parsing", "embedding", "indexing", "searching", "paused", "done", "cancelled"
]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a folder holds, before anything is read: `files` (absolute paths, sorted) that can be parsed, `kinds` counts them by
    kind, `unsupported` counts the others by file name ending ("" for none), `skipped` is (path, reason). `ignored` are the paths that
    an ignore file leaves out, folders with a slash at the end; what lies in those was not looked at."""

    roots: tuple[str, ...]
    files: tuple[str, ...]
    kinds: Mapping[str, int] = field(default_factory=dict)
    unsupported: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()
    bytes: int = 0
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentOutcome:
    """What became of one file. `stage`, `error` and `hint` are set for `failed`; `error` is the reason for `skipped`."""

    path: str
    outcome: Outcome
    document_id: str = ""
    title: str = ""
    kind: str = ""
    parser: str = ""
    pages: int | None = None
    chunks: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    stage: str = ""
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """A picture of a running ingest, sent at most ten times a second and at every change of stage. `path` is the file in work.
    `chunks_per_second` is over the last seconds; `seconds_left` is None until there is an honest estimate. `finished` are the
    outcomes since the last picture; `working` names the files in work with the stage of each, the oldest first."""

    stage: IngestStage
    collection: str
    path: str = ""
    files_total: int = 0
    files_done: int = 0
    chunks_done: int = 0
    chunks_known: int = 0
    chunks_per_second: float = 0.0
    seconds: float = 0.0
    seconds_left: float | None = None
    message: str = ""
    finished: tuple[DocumentOutcome, ...] = ()
    working: tuple[tuple[str, IngestStage], ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal took out, and what is left of it when store, vector index and keyword index are asked afterwards: the proof is
    three noughts. `waiting`: another process writes the indexes now and takes the rest out in a moment. `in_their_place` are copies
    (paths) that were duplicates of what was removed."""

    documents: tuple[str, ...] = ()
    chunks: int = 0
    chunks_left: int = 0
    vectors_left: int = 0
    keyword_hits_left: int = 0
    waiting: bool = False
    can_be_undone: bool = False
    in_their_place: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        return self.chunks_left == self.vectors_left == self.keyword_hits_left == 0

    @property
    def proof(self) -> str:
        """`0 chunks, 0 vectors and 0 keyword hits are left`"""
        if self.waiting:
            return "another ragterm is writing the indexes and takes them out there in a moment"
        left = (
            f"{self.chunks_left} chunks, {self.vectors_left} vectors and {self.keyword_hits_left} keyword hits are left"
        )
        return left if self.proven else f"{left}: run `ragterm doctor`"


@dataclass(frozen=True, slots=True)
class IngestReport:
    """How an ingest ended: every file found is in `outcomes` exactly once ("removed" are documents gone from disk)."""

    collection: str
    outcomes: tuple[DocumentOutcome, ...]
    chunks: int
    seconds: float
    cancelled: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Outcome, int]:
        counts: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
        for one in self.outcomes:
            counts[one.outcome] += 1
        return counts
