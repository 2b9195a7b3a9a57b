"""What there is to do: the files found on disk against the ledger. An unchanged file costs one stat."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm import __version__
from ragterm.engine.documents import ocr
from ragterm.engine.documents.places import Places, exists
from ragterm.engine.documents.sources import document_id, kind_of, survey
from ragterm.engine.store import CollectionStore, FileRecord, NewJob
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import wants_password
from ragterm.engine.types.ingesting import DocumentOutcome, Survey
from ragterm.engine.types.members import is_member, outermost

if TYPE_CHECKING:
    from ragterm.engine.ingest.web import FetchedPages

FAILED_TRIES = 2
"""A file that failed this often, by this version of ragterm, is not tried again until it changes (or a person insists)."""

REMOVED_BY_HAND = "it was removed from the collection; to take it in again, ingest it by its name"


@dataclass(frozen=True)
class Plan:
    """`settled` are the outcomes that need no work, `jobs` the work."""

    settled: tuple[DocumentOutcome, ...]
    jobs: tuple[NewJob, ...]
    warnings: tuple[str, ...] = ()


def plan(
    paths: Sequence[str | Path],
    store: CollectionStore,
    max_file_mb: int,
    control: Control,
    force: bool = False,
    left_out: Set[str] = frozenset(),
    web: FetchedPages | None = None,
    unlocking: bool = False,
) -> Plan:
    """Survey `paths` and sort every file found into settled or to do; documents of these folders that are gone from disk, or that
    an ignore file names by now, are removal jobs. A path that is no longer there is a removal when it is a document's. The document
    ids in `left_out` are passed over. `web` are pages that were fetched beforehand. Unchanged files are read again when something is
    there by now that they waited for: a password (`unlocking`), text recognition.

    Raises NotFoundError for a path that is neither on disk nor in the collection, Cancelled.
    """
    records, places = store.documents.records(), Places(store.folder)
    members = _by_container(records)
    absolute = [os.path.abspath(Path(path).expanduser()) for path in paths]  # noqa: PTH100 - as document_id does: no link is followed
    gone = [path for path in absolute if document_id(path) in records and not exists(path)]
    inside = [path for path in absolute if path not in gone and is_member(path) and _is_read(path, records)]
    # A member that nobody knows yet, or that was left out, is found by reading what holds it.
    on_disk = [outermost(path) for path in absolute if path not in gone and path not in inside]
    found = survey(on_disk, max_file_mb, control)
    awaited = _awaited(records, store, unlocking)
    settled: list[DocumentOutcome] = []
    jobs = [NewJob("ingest", document_id(path), path, records[document_id(path)].size, True) for path in inside]
    waiting: defaultdict[str, dict[str, NewJob]] = defaultdict(dict)
    for job in store.jobs.left_over():
        if is_member(job.path):
            waiting[outermost(job.path)][job.path] = job
    for number, path in enumerate((*found.files, *(web.pages if web else ()))):
        if number % 256 == 0:
            control.checkpoint()
        id_ = document_id(path)
        if id_ in left_out:
            settled.append(DocumentOutcome(path, "skipped", id_, kind=kind_of(path) or "", error=REMOVED_BY_HAND))
            continue
        size, mtime_ns = _stat(places.file_of(path))
        record = records.get(id_)
        outcome, again = None, force or id_ in awaited
        if record is not None and not again and (record.size, record.mtime_ns) == (size, mtime_ns):
            outcome = settled_outcome(record, records.get)
        if outcome is None:
            jobs.append(NewJob("ingest", id_, path, size, again))
            continue
        settled.append(outcome)
        for one in members[path]:
            if one.path in waiting[path]:
                continue
            better = one.document_id in awaited
            if not better and (of_member := settled_outcome(one, records.get)) is not None:
                settled.append(of_member)
            else:
                jobs.append(NewJob("ingest", one.document_id, one.path, one.size, better))
        jobs.extend(waiting[path].values())
    unwanted = _unwanted(found, records, {*absolute, *store.roots.all()})
    settled.extend(
        DocumentOutcome(path, "skipped", id_, kind=kind_of(path) or "", error=why)
        for path, why in found.skipped
        if (id_ := document_id(path)) not in unwanted
    )
    gone.extend(one.path for path in tuple(gone) for one in members[path])
    jobs.extend(NewJob("remove", document_id(path), path) for path in dict.fromkeys(gone))
    jobs.extend(_vanished(found, records, gone))
    jobs.extend(NewJob("remove", id_, one.path, force=True) for id_, one in unwanted.items())
    if web:
        settled.extend(web.outcomes)
        gone = [path for url in web.gone for path in (url, *(one.path for one in members[url]))]
        jobs.extend(
            NewJob("remove", document_id(path), path, force=True) for path in gone if document_id(path) in records
        )
    named = {job.document_id for job in jobs}
    left = tuple(one for one in settled if one.document_id not in named)
    return Plan(left, tuple(jobs), tuple(web.warnings) if web else ())


def _is_read(path: str, records: dict[str, FileRecord]) -> bool:
    record = records.get(document_id(path))
    return record is not None and record.state != "skipped"


def _by_container(records: dict[str, FileRecord]) -> defaultdict[str, list[FileRecord]]:
    """The members that the ledger knows, by the file on disk that holds them."""
    members: defaultdict[str, list[FileRecord]] = defaultdict(list)
    for record in records.values():
        if is_member(record.path):
            members[outermost(record.path)].append(record)
    return members


def _awaited(records: dict[str, FileRecord], store: CollectionStore, unlocking: bool) -> set[str]:
    """Documents that may be read, or read better, now."""
    awaited = {id_ for id_, one in records.items() if unlocking and wants_password(one.error)}
    waiting = store.documents.waiting_for_ocr()
    if waiting and ocr.available():
        awaited |= waiting
    return awaited


def _stat(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return 0, 0  # it went away since the survey: whoever works on it will see
    return status.st_size, status.st_mtime_ns


def settled_outcome(record: FileRecord, find: Callable[[str], FileRecord | None]) -> DocumentOutcome | None:
    """The outcome of a file with the bytes that the ledger knows, None when it must be read all the same. `find` looks a document
    up by its id."""
    if record.state == "indexed":
        return DocumentOutcome(record.path, "unchanged", record.document_id, kind=kind_of(record.path) or "")
    if record.state == "skipped":
        return DocumentOutcome(
            record.path, "skipped", record.document_id, kind=kind_of(record.path) or "", error=record.error
        )
    if record.state == "duplicate":
        original = find(record.duplicate_of)
        if original is None or original.state != "indexed" or not exists(original.path):
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
        and not exists(record.path)
    ]


def _unwanted(found: Survey, records: dict[str, FileRecord], named: Set[str]) -> dict[str, FileRecord]:
    """Documents whose file is there and no longer wanted: an ignore file leaves it out by now (unless a person named the file itself
    or a folder inside what is left out), or the survey does (too large, say)."""
    files = set(found.files)
    gone = {
        document_id(path)
        for path, why in found.skipped
        if not why.startswith(("cannot be read", "the folder cannot be read"))  # that may pass
    }
    ignored = set(found.ignored)
    kept = {name for name in named if _covered(name, ignored)}
    return {
        id_: record
        for id_, record in records.items()
        if (id_ in gone and record.state == "indexed")
        or (is_member(record.path) and document_id(outermost(record.path)) in gone)
        or (
            ignored
            and (on_disk := outermost(record.path)) not in files
            and _covered(on_disk, ignored)
            and not _at_or_below(on_disk, kept)
        )
    }


def _covered(path: str, entries: Set[str]) -> bool:
    """Whether the path or a folder above it is among the entries, where folders end with a slash."""
    if path in entries or path + os.sep in entries:
        return True
    while (above := os.path.dirname(path)) != path:  # noqa: PTH120 - a Path for each step is what takes the time
        if above + os.sep in entries:
            return True
        path = above
    return False


def _at_or_below(path: str, names: Set[str]) -> bool:
    return any(path == name or path.startswith(name.rstrip(os.sep) + os.sep) for name in names)
