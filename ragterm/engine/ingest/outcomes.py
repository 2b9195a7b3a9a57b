"""Each way a file's ingest can end: the outcome for the reader and the write that makes it so."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from ragterm import __version__
from ragterm.engine.documents.places import exists
from ragterm.engine.ingest.containers import Containers
from ragterm.engine.ingest.feed import Work
from ragterm.engine.ingest.ledger import Ledger
from ragterm.engine.store import Build, CollectionStore, FileRecord, Job, NewDocument
from ragterm.engine.types.errors import ParseError
from ragterm.engine.types.ingesting import DocumentOutcome
from ragterm.engine.types.members import document_name, is_member


class Outcomes:
    """Puts outcomes into the ledger, each with its write, and lets the members of a container follow it."""

    def __init__(self, store: CollectionStore, ledger: Ledger, containers: Containers) -> None:
        self._store = store
        self._ledger = ledger
        self._containers = containers

    def indexed(self, work: Work, build: Build) -> None:
        document, packed, vectors = work.document, work.packed, work.vectors
        assert document is not None and packed is not None and vectors is not None
        seconds = time.monotonic() - work.began
        new = NewDocument(
            document, work.chunks, vectors, packed, work.size, work.mtime_ns, seconds=seconds, hashes=work.hashes
        )
        if (alike := work.signature) is not None:
            new = replace(new, shingles=alike.shingles, minima=alike.minima)
        outcome = DocumentOutcome(
            document.path,
            "updated" if work.before else "added",
            document.id,
            title=document.title,
            kind=document.kind,
            parser=document.parser,
            pages=document.pages,
            chunks=len(work.chunks),
            seconds=seconds,
            warnings=document.warnings,
        )

        def write() -> DocumentOutcome | None:
            near = self._store.put_document(new, build)
            return replace(outcome, warnings=(*outcome.warnings, near)) if near else None

        self._ledger.add(work.job, outcome, write)

    def passed_over(self, work: Work, unwanted: str) -> None:
        """The file is unchanged, or not for a reader: `unwanted` says why."""
        if unwanted:
            self.skipped(work, unwanted)
        else:
            self.unchanged(work)

    def unchanged(self, work: Work) -> None:
        job, size, mtime_ns = work.job, work.size, work.mtime_ns
        self._containers.unchanged(job)
        outcome = DocumentOutcome(job.path, "unchanged", job.document_id, kind=work.kind)
        self._ledger.add(job, outcome, lambda: self._store.documents.touched(job.document_id, size, mtime_ns))

    def duplicate(self, work: Work, original: str) -> None:
        job = work.job
        self._containers.closed(job)
        record = FileRecord(
            job.document_id, job.path, "duplicate", work.content_hash, work.size, work.mtime_ns, duplicate_of=original
        )
        title, kind = document_name(job.path), work.kind
        outcome = DocumentOutcome(job.path, "duplicate", job.document_id, title=title, kind=kind)
        self._ledger.add(job, outcome, lambda: self._store.put_unindexed(record, title=title, kind=kind))

    def skipped(self, work: Work, reason: str) -> None:
        """Not for a reader: remembered, so that the next look costs a stat."""
        job, title, kind = work.job, Path(work.job.path).name, work.kind
        record = FileRecord(
            job.document_id, job.path, "skipped", work.content_hash, work.size, work.mtime_ns, error=reason
        )
        outcome = DocumentOutcome(job.path, "skipped", job.document_id, title=title, kind=kind, error=reason)
        self._ledger.add(job, outcome, lambda: self._store.put_unindexed(record, title=title, kind=kind))

    def failed(self, work: Work, error: ParseError) -> None:
        reason = str(error)
        record = FileRecord(
            work.job.document_id, work.job.path, "failed", work.content_hash, work.size, work.mtime_ns,
            stage=error.stage, error=reason, hint=error.hint, tries=work.tries + 1, tried_by=__version__,
        )  # fmt: skip
        self._failure(work.job, record, time.monotonic() - work.began, work.kind)

    def gave_up(self, job: Job, tries: int) -> None:
        """The process died whenever this file was in work."""
        record = FileRecord(
            job.document_id, job.path, "failed", "", *_stat(job.path),
            stage="parse", error=f"ragterm was killed {tries} times while this file was in work",
            hint=f"it may need more memory than there is; to try again: ragterm ingest '{job.path}'",
            tries=tries, tried_by=__version__,
        )  # fmt: skip
        self._failure(job, record, 0.0, "")

    def _failure(self, job: Job, record: FileRecord, seconds: float, kind: str) -> None:
        title = document_name(job.path)
        self._containers.closed(job)
        outcome = DocumentOutcome(
            job.path, "failed", job.document_id, title=title, kind=kind, seconds=seconds,
            stage=record.stage, error=record.error, hint=record.hint,
        )  # fmt: skip
        self._ledger.add(
            job, outcome, lambda: self._store.put_unindexed(record, title=title, kind=kind, seconds=seconds)
        )

    def vanished(self, work: Work, record: FileRecord | None) -> None:
        """The file was there when it was queued."""
        self._containers.closed(work.job)
        if record is not None:
            self._removed(work.job)
        else:
            reason = "it was gone before it could be read"
            self._ledger.add(work.job, DocumentOutcome(work.job.path, "skipped", work.job.document_id, error=reason))

    def removed_from_disk(self, job: Job) -> None:
        """The survey did not find the file, or its container does not hold it any more."""
        wanted = not job.force and exists(job.path) and not is_member(job.path)
        if wanted or self._containers.holds(job):
            self._ledger.add(job, DocumentOutcome(job.path, "unchanged", job.document_id))
        else:
            self._removed(job)

    def _removed(self, job: Job) -> None:
        outcome = DocumentOutcome(job.path, "removed", job.document_id)
        self._ledger.add(job, outcome, lambda: _drop(self._store, job.document_id))


def _drop(store: CollectionStore, document_id: str) -> None:
    store.remove_documents([document_id])


def _stat(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
