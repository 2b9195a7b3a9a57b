"""The ways to start an ingest, and what to do when another process is already at it.

Two processes on one collection: both queue their files in the store; the one that holds the indexer lock works on every
open request, the other waits, showing progress. When the holder ends or dies the waiting one gets the lock and goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.documents.places import Places
from ragterm.engine.ingest.pipeline import Conductor
from ragterm.engine.ingest.planning import Plan, plan
from ragterm.engine.ingest.progress import Reporter
from ragterm.engine.ingest.rooms import IngestRooms, with_passwords
from ragterm.engine.store import CollectionStore, IndexerLock, Owner
from ragterm.engine.store.leases import HEARTBEAT_SECONDS
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, RagtermError
from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestReport
from ragterm.engine.types.settings import Settings
from ragterm.engine.types.web import WebOptions, is_url

if TYPE_CHECKING:
    from ragterm.engine.ingest.web import FetchedPages

ONE_PAGE = WebOptions()
OnProgress = Callable[[IngestProgress], None]
_POLL_SECONDS = 0.2


def ingest(
    paths: Sequence[str | Path],
    rooms: IngestRooms,
    settings: Settings,
    on_progress: OnProgress | None = None,
    control: Control | None = None,
    *,
    force: bool = False,
    remember: bool = True,
    following: bool = False,
    web: WebOptions = ONE_PAGE,
    passwords: Sequence[str] = (),
) -> IngestReport:
    """Bring the collection in step with these files, folders and web pages (with `web`, sites). `force` reads unchanged files again;
    `remember` makes the paths roots of the collection; one that is `following` its folders leaves out what a person removed.
    `passwords` are tried on locked files, those that failed for want of one included, and kept nowhere.

    Returns when every file found has its outcome, or, `cancelled`, with what was done until then: the rest stays queued for
    `resume`. Raises NotFoundError for a path that is nowhere, StoreError, ModelError; what was committed stays.
    """
    control = control or Control()
    reporter = Reporter(rooms.collection, on_progress)
    reporter.show("finding")
    try:
        left_out = rooms.store.roots.left_out() if following else frozenset()
        urls = [str(path) for path in paths if is_url(str(path))]
        paths = [path for path in paths if not is_url(str(path))]
        pages = _fetched(urls, rooms.store, settings, web, control, reporter) if urls else None
        found = plan(paths, rooms.store, settings.ingest.max_file_mb, control, force, left_out, pages, bool(passwords))
    except Cancelled:
        reporter.show("cancelled")
        return IngestReport(rooms.collection, (), 0, reporter.seconds, cancelled=True)
    if remember and not following:
        _remember(paths, rooms.store, found)
    reporter.files_total = len(found.settled) + len(found.jobs)
    for outcome in found.settled:
        reporter.finished(outcome)
    requests = []
    if found.jobs:
        requests = [rooms.store.jobs.open_request(Owner.this_process(), found.jobs)]
    rooms = with_passwords(rooms, passwords)
    return _work(rooms, settings, requests, reporter, control, found.settled, found.warnings)


def _fetched(
    urls: Sequence[str],
    store: CollectionStore,
    settings: Settings,
    options: WebOptions,
    control: Control,
    reporter: Reporter,
) -> FetchedPages:
    from ragterm.engine.ingest.web import fetch_pages

    def show(url: str) -> None:
        reporter.show("finding", f"fetching {url}")

    try:
        return fetch_pages(urls, Places(store.folder), settings, options, control, show)
    finally:
        reporter.message = ""


def _remember(paths: Sequence[str | Path], store: CollectionStore, found: Plan) -> None:
    """These paths are the collection's from now on; what a person had removed and finds here again is taken in."""
    absolute = [os.path.abspath(Path(path).expanduser()) for path in paths]  # noqa: PTH100 - no link is followed
    store.roots.add(path for path in absolute if os.path.lexists(path))
    store.roots.take_in(one.document_id for one in found.jobs)


def resume(
    rooms: IngestRooms, settings: Settings, on_progress: OnProgress | None = None, control: Control | None = None
) -> IngestReport:
    """Go on with what a cancelled or killed ingest left in the queue. The report names these files only."""
    control = control or Control()
    reporter = Reporter(rooms.collection, on_progress)
    requests = rooms.store.jobs.adopt(Owner.this_process())
    reporter.files_total = rooms.store.jobs.left(requests)[0]
    return _work(rooms, settings, requests, reporter, control, (), ())


def unfinished(store: CollectionStore) -> int:
    """Files that a cancelled or killed ingest left in the queue, and duplicates that wait to take an original's place."""
    return store.jobs.unfinished() + len(store.documents.widowed())


def reingest(
    document_ids: Sequence[str],
    rooms: IngestRooms,
    settings: Settings,
    on_progress: OnProgress | None = None,
    control: Control | None = None,
    passwords: Sequence[str] = (),
) -> IngestReport:
    """Read these documents again, changed or not. Unknown ids are passed over."""
    records = [record for id_ in document_ids if (record := rooms.store.documents.record(id_)) is not None]
    paths = [record.path for record in records]
    return ingest(paths, rooms, settings, on_progress, control, force=True, remember=False, passwords=passwords)


def _work(
    rooms: IngestRooms,
    settings: Settings,
    requests: Sequence[int],
    reporter: Reporter,
    control: Control,
    settled: Sequence[DocumentOutcome],
    warnings: Sequence[str],
) -> IngestReport:
    jobs, lock = rooms.store.jobs, IndexerLock(rooms.store.folder)
    cancelled, notes = False, list(warnings)
    try:
        if _wait_for_turn(rooms, lock, requests, reporter, control):
            conductor = Conductor(rooms, settings, requests, reporter, control)
            try:
                conductor.run()
            finally:
                notes.extend(conductor.warnings)
    except Cancelled:
        cancelled = True
    except BaseException:
        with contextlib.suppress(
            RagtermError
        ):  # a full disk may refuse this as well; the requests then end with the process
            _stop(rooms, requests)
        raise
    finally:
        lock.release()
    done = {outcome.document_id: outcome for outcome in jobs.outcomes(requests)} if requests else {}
    if cancelled:
        _stop(rooms, requests)
    else:
        jobs.finish(requests)
    outcomes = (*(one for one in settled if one.document_id not in done), *done.values())
    reporter.show("cancelled" if cancelled else "done", "")
    return IngestReport(
        rooms.collection,
        tuple(sorted(outcomes, key=lambda one: one.path)),
        sum(one.chunks for one in done.values()),
        reporter.seconds,
        cancelled,
        tuple(notes),
    )


def _wait_for_turn(
    rooms: IngestRooms, lock: IndexerLock, requests: Sequence[int], reporter: Reporter, control: Control
) -> bool:
    """True with the lock held; False when another process has done everything for us meanwhile. Raises Cancelled."""
    jobs = rooms.store.jobs
    total, _ = jobs.left(requests)
    if not requests and rooms.dense.generation == rooms.keyword.generation == rooms.store.generation:
        return False
    beat_at = 0.0
    while not lock.try_acquire():
        control.checkpoint()
        left, _ = jobs.left(requests)
        if not left:
            return False
        reporter.files_done = reporter.files_total - left
        reporter.show(
            message=f"another ragterm (process {lock.holder() or '?'}) is indexing; queued {total} files, {left} to go"
        )
        if time.monotonic() >= beat_at:
            beat_at = time.monotonic() + HEARTBEAT_SECONDS
            jobs.beat(requests)
        time.sleep(_POLL_SECONDS)
    reporter.show(message="")
    return True


def _stop(rooms: IngestRooms, requests: Sequence[int]) -> None:
    """Leave the rest in the queue for `resume`."""
    for request in requests:
        rooms.store.jobs.stop(request)
