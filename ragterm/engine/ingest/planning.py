"""What there is to do: the files found on disk against the ledger. An unchanged file costs one stat."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragterm import __version__
from ragterm.engine.documents.sources import document_id, kind_of, survey
from ragterm.engine.store import CollectionStore, FileRecord, NewJob
from ragterm.engine.types.control import Control
from ragterm.engine.types.ingesting import DocumentOutcome, Survey

FAILED_TRIES = 2
"""A file that failed this often, by this version of ragterm, is not tried again until it changes (or a person insists)."""


@dataclass(frozen=True)
class Plan:
    """`settled` are the outcomes that need no work, `jobs` the work."""

    settled: tuple[DocumentOutcome, ...]
    jobs: tuple[NewJob, ...]
    warnings: tuple[str, ...] = ()


def plan(
    paths: Sequence[str | Path], store: CollectionStore, max_file_mb: int, control: Control, force: bool = False
) -> Plan:
    """Survey `paths` and sort every file found into settled or to do; documents of these folders that are gone from disk are
    removal jobs. A path that is no longer there is a removal when it is a document's.

    Raises NotFoundError for a path that is neither on disk nor in the collection, Cancelled.
    """
    records = store.documents.records()
    absolute = [os.path.abspath(Path(path).expanduser()) for path in paths]  # noqa: PTH100 - as document_id does: no link is followed
    gone = [path for path in absolute if document_id(path) in records and not os.path.lexists(path)]
    found = survey([path for path in absolute if path not in gone], max_file_mb, control)
    settled: list[DocumentOutcome] = []
    jobs: list[NewJob] = []
    for number, path in enumerate(found.files):
        if number % 256 == 0:
            control.checkpoint()
        id_ = document_id(path)
        size, mtime_ns = _stat(path)
        record = records.get(id_)
        outcome = None if record is None or force else _settled(record, size, mtime_ns, records)
        if outcome is not None:
            settled.append(outcome)
        else:
            jobs.append(NewJob("ingest", id_, path, size, force))
    settled.extend(
        DocumentOutcome(path, "skipped", document_id(path), kind=kind_of(path) or "", error=why)
        for path, why in found.skipped
    )
    jobs.extend(NewJob("remove", document_id(path), path) for path in gone)
    jobs.extend(_vanished(found, records, gone))
    return Plan(tuple(settled), tuple(jobs))


def _stat(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0  # it went away since the survey: whoever works on it will see
    return status.st_size, status.st_mtime_ns


def _settled(record: FileRecord, size: int, mtime_ns: int, records: dict[str, FileRecord]) -> DocumentOutcome | None:
    """The outcome of a file that need not be read, None when it must be."""
    if (record.size, record.mtime_ns) != (size, mtime_ns):
        return None
    if record.state == "indexed":
        return DocumentOutcome(record.path, "unchanged", record.document_id, kind=kind_of(record.path) or "")
    if record.state == "duplicate":
        original = records.get(record.duplicate_of)
        if original is None or original.state != "indexed" or not Path(original.path).exists():
            return None
        return DocumentOutcome(record.path, "duplicate", record.document_id, kind=kind_of(record.path) or "")
    if record.state == "failed" and record.tries >= FAILED_TRIES and record.tried_by == __version__:
        return DocumentOutcome(
            record.path,
            "failed",
            record.document_id,
            kind=kind_of(record.path) or "",
            stage=record.stage,
            error=record.error,
            hint=record.hint,
        )
    return None


def _vanished(found: Survey, records: dict[str, FileRecord], gone: Sequence[str]) -> list[NewJob]:
    """Documents below the folders of this survey whose files are no longer there."""
    present = set(found.files)
    below = tuple(root.rstrip(os.sep) + os.sep for root in found.roots)
    return [
        NewJob("remove", record.document_id, record.path)
        for record in records.values()
        if record.path.startswith(below)
        and record.path not in present
        and record.path not in gone
        and not os.path.lexists(record.path)
    ]
