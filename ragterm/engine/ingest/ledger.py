"""What became of each file, written in groups: a document with its outcome, several of them in one transaction.

A commit waits for the disk, so small documents share one; each is still whole in it or not there at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ragterm.engine.store import CollectionStore, Job
from ragterm.engine.types.ingesting import DocumentOutcome

GROUP_DOCUMENTS = 64
GROUP_CHUNKS = 512
GROUP_SECONDS = 1.0


@dataclass(frozen=True)
class _Entry:
    job: Job
    outcome: DocumentOutcome
    write: Callable[[], DocumentOutcome | None] | None


class Ledger:
    """`add` what became of a job and how to write it; `on_committed` is called for each once it is on disk. A write may return
    the outcome anew, with what only the store could tell."""

    def __init__(self, store: CollectionStore, on_committed: Callable[[Job, DocumentOutcome], None]) -> None:
        self._store = store
        self._on_committed = on_committed
        self._entries: list[_Entry] = []
        self._harmless: list[Job] = []
        self._chunks = 0
        self._oldest = 0.0

    def add(
        self, job: Job, outcome: DocumentOutcome, write: Callable[[], DocumentOutcome | None] | None = None
    ) -> None:
        self._age()
        self._entries.append(_Entry(job, outcome, write))
        self._chunks += outcome.chunks
        if len(self._entries) >= GROUP_DOCUMENTS or self._chunks >= GROUP_CHUNKS:
            self.flush()

    def harmless(self, job: Job) -> None:
        """The job has been read without harm: to be noted with the next commit."""
        self._age()
        self._harmless.append(job)

    def _age(self) -> None:
        if not self._entries and not self._harmless:
            self._oldest = time.monotonic()

    def flush_if_due(self) -> None:
        if (self._entries or self._harmless) and time.monotonic() - self._oldest >= GROUP_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Commit what is there. Raises StoreError (a full disk, ...): then none of it is in the store, and its jobs are still
        there to be done again."""
        entries, self._entries, self._chunks = self._entries, [], 0
        harmless, self._harmless = self._harmless, []
        if not entries and not harmless:
            return
        with self._store.atomic():
            self._store.jobs.harmless(harmless)
            settled = []
            for entry in entries:
                outcome = (entry.write() if entry.write is not None else None) or entry.outcome
                self._store.jobs.done(entry.job.id, outcome)
                settled.append((entry.job, outcome))
        for job, outcome in settled:
            self._on_committed(job, outcome)
