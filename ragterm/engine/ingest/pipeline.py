"""The conductor of an ingest: takes jobs from the queue in the store and sees each through to a committed outcome.

    queue -> examine (stat, hash: one thread) -> parse (worker processes) -> chunk (one thread) -> embed (one thread) -> ledger

The conductor runs in the caller's thread and owns every decision and every write; the others only send it events. What is
in work is bounded (files being parsed, chunks waiting for the embedder), so memory does not grow with the folder. The indexes
follow the commits, every few seconds and at the end.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ragterm.engine.documents.places import Places
from ragterm.engine.documents.sources import kind_of
from ragterm.engine.ingest.containers import Containers, Unpacked
from ragterm.engine.ingest.contents import IndexedContents
from ragterm.engine.ingest.feed import Broken, Chunked, Embedded, EmbeddingFeed, Unreadable, Warmed, Work
from ragterm.engine.ingest.following import FollowingIndexes
from ragterm.engine.ingest.ledger import Ledger
from ragterm.engine.ingest.outcomes import Outcomes
from ragterm.engine.ingest.progress import Reporter
from ragterm.engine.ingest.reading import Examined, examine
from ragterm.engine.ingest.rooms import IngestRooms, Parsers, parser_workers
from ragterm.engine.store import Build, Job, NewJob, Owner
from ragterm.engine.store.jobs import TRIES_AT_ALL
from ragterm.engine.store.leases import HEARTBEAT_SECONDS
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import Cancelled, ParseError, RagtermError
from ragterm.engine.types.ingesting import DocumentOutcome
from ragterm.engine.types.settings import Settings

log = logging.getLogger(__name__)

BACKLOG_CHUNKS = 1024
_TICK_SECONDS = 0.1
_ASK_SECONDS = 0.5


@dataclass(frozen=True)
class _Seen:
    work: Work
    examined: Examined


@dataclass(frozen=True)
class _Parsed:
    work: Work
    future: Future[ParsedDocument]


class Conductor:
    """Works on every open request until none has a job left; `requests` are the caller's own and come first.

    The caller holds the indexer lock. Raises Cancelled (the rest then waits in the queue), StoreError, ModelError.
    """

    def __init__(
        self, rooms: IngestRooms, settings: Settings, requests: Sequence[int], reporter: Reporter, control: Control
    ) -> None:
        self._rooms = rooms
        self._store = rooms.store
        self._settings = settings
        self._requests = list(requests)
        self._reporter = reporter
        self._control = control
        self._owner = Owner.this_process()
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._reader = ThreadPoolExecutor(1, "ragterm-read")
        self._parsers: Parsers | None = None
        self._feed: EmbeddingFeed | None = None
        self._build: Build | None = None
        self._in_work: dict[int, Work] = {}
        self._unchunked = 0
        self._removals: list[Job] = []
        self._originals: dict[str, Work] = {}
        self._copies: defaultdict[str, list[Work]] = defaultdict(list)
        self._contents = IndexedContents()
        self._ledger = Ledger(self._store, self._committed)
        self._places = Places(self._store.folder)
        self._containers = Containers(self._store, self._places, settings.ingest.max_file_mb, self._requests, reporter)
        self._outcomes = Outcomes(self._store, self._ledger, self._containers)
        self._capacity = 4 * parser_workers(settings.ingest) + 8
        self._alone = False
        self._for_others = 0
        self._indexes = FollowingIndexes(rooms, reporter)
        self._beat_at = self._take_at = 0.0
        self.warnings: list[str] = []

    def run(self) -> None:
        # Before anything is written: an index that is ahead of the store must not be overtaken unnoticed.
        self._indexes.catch_up()
        self._store.jobs.recover()
        self._containers.begin()
        for path, size in self._store.jobs.waiting_files():
            self._reporter.estimate.expect(path, size)
        try:
            while self._refill() or self._in_work or self._next_round():
                self._step()
            self._ledger.flush()
        except BaseException:
            self._abandon()
            raise
        finally:
            self._close()
        self._indexes.follow(last=True)
        self._containers.clear()
        if self._for_others:
            self.warnings.append(
                f"also finished {self._for_others} files of another ingest that was waiting or interrupted"
            )

    # What to do next

    def _refill(self) -> bool:
        """Take jobs while there is room; whether any is in work or was settled now."""
        if self._alone:
            if self._in_work:
                return True
            self._alone = False
        took = False
        if self._in_work and time.monotonic() < self._take_at:
            return True
        while (room := self._capacity - self._unchunked) >= self._capacity // 2 and (
            self._feed is None or self._feed.backlog() < BACKLOG_CHUNKS
        ):
            jobs = self._store.jobs.take(room, self._requests)
            if not jobs:
                # The queue is empty but for what other processes may add: no need to ask at every event.
                self._take_at = time.monotonic() + _ASK_SECONDS
                break
            took = True
            for job in jobs:
                if job.operation == "remove":
                    self._removals.append(job)
                else:
                    self._begin(job)
        return took or bool(self._in_work)

    def _next_round(self) -> bool:
        """When nothing is in work: the files that were in work when a process died, then removals, then the duplicates that lost
        their original; whether there was any."""
        self._ledger.flush()
        job = self._store.jobs.take_alone()
        if job is not None:
            if job.tries > TRIES_AT_ALL:
                self._outcomes.gave_up(job, TRIES_AT_ALL)
                return True
            self._alone = True
            if job.operation == "remove":
                self._removals.append(job)
            else:
                self._begin(job)
            return True
        if self._removals:
            # Last, so that a file that was moved finds the vectors of its old place.
            for job in self._removals:
                self._contents.forget(job.document_id)
                self._outcomes.removed_from_disk(job)
            self._removals.clear()
            self._ledger.flush()
            return True
        widowed = self._store.documents.widowed()
        if widowed and self._requests:
            self._store.jobs.add(
                self._requests[0], [NewJob("ingest", one.document_id, one.path, one.size) for one in widowed]
            )
        return bool(widowed and self._requests)

    def _begin(self, job: Job) -> None:
        work = Work(job, time.monotonic(), kind=kind_of(job.path) or "")
        self._in_work[job.id] = work
        self._contents.forget(job.document_id)
        self._unchunked += 1
        self._reader.submit(self._examine, work)

    def _examine(self, work: Work) -> None:
        """In the reader's thread."""
        try:
            self._events.put(_Seen(work, examine(work.job, self._store, self._places)))
        except RagtermError as error:
            self._events.put(Broken(error))

    # What has happened

    def _step(self) -> None:
        """Wait for events (not long) and do what is due."""
        self._obey()
        try:
            self._handle(self._events.get(timeout=_TICK_SECONDS))
            while not self._control.cancelled:
                self._handle(self._events.get_nowait())
        except queue.Empty:
            pass
        self._ledger.flush_if_due()
        self._indexes.follow()
        self._beat()
        self._reporter.show()

    def _obey(self) -> None:
        if self._control.paused:
            self._ledger.flush()
            stage = self._reporter.stage
            self._reporter.estimate.paused(True)
            while self._control.paused:
                self._reporter.show("paused")
                self._beat()
                time.sleep(_TICK_SECONDS)
            self._reporter.estimate.paused(False)
            self._reporter.show(stage)
        if self._control.cancelled:
            raise Cancelled

    def _handle(self, event: object) -> None:
        if isinstance(event, _Seen):
            self._seen(event.work, event.examined)
        elif isinstance(event, _Parsed):
            self._parsed(event.work, event.future)
        elif isinstance(event, Unpacked):
            self._unpacked(event.work, event.future)
        elif isinstance(event, Warmed):
            self._build = event.build
            self.warnings.extend([event.warning] if event.warning else [])
            self._reporter.show("parsing", "")
        elif isinstance(event, Chunked):
            work = event.work
            self._unchunked -= 1
            self._ledger.harmless(work.job)
            self._reporter.chunked(work.job.path, work.kind, work.job.size, len(work.chunks), event.tokens)
        elif isinstance(event, Unreadable):
            self._failed(event.work, event.error)
        elif isinstance(event, Embedded):
            self._reporter.estimate.embedded(event.chunks, event.tokens)
            self._reporter.show("embedding")
            for work in event.complete:
                self._complete(work)
        elif isinstance(event, Broken):
            raise event.error

    def _seen(self, work: Work, examined: Examined) -> None:
        record = examined.record
        work.size, work.mtime_ns, work.content_hash = examined.size, examined.mtime_ns, examined.content_hash
        work.before = record is not None and record.state == "indexed"
        if (
            record is not None
            and record.state == "failed"
            and (record.size, record.mtime_ns) == (work.size, work.mtime_ns)
        ):
            work.tries = record.tries
        if examined.packed and self._containers.unpack_again(work, self._parser_pool(), self._events.put):
            return
        if examined.gone or examined.packed:
            self._outcomes.vanished(work, record)
            self._finish(work)
        elif examined.error:
            hint = f"ragterm ingest '{work.job.path}' once it is at rest and readable"
            self._failed(work, ParseError("The file cannot be read", examined.error, hint, stage="read"))
        elif examined.unchanged or examined.unwanted:
            self._outcomes.passed_over(work, examined.unwanted)
            self._finish(work)
        elif examined.original is not None:
            self._outcomes.duplicate(work, examined.original.document_id)
            self._finish(work)
        elif (original := self._originals.get(work.content_hash)) is not None and original is not work:
            self._copies[work.content_hash].append(work)
        elif (indexed := self._contents.original(work.content_hash)) is not None:
            self._outcomes.duplicate(work, indexed)
            self._finish(work)
        else:
            self._parse(work)

    def _parse(self, work: Work) -> None:
        self._originals[work.content_hash] = work
        if self._feed is None:
            self._reporter.show("warming", "loading the embedding model")
            self._feed = EmbeddingFeed(
                self._store, self._rooms.embedder, self._settings.chunking, self._control, self._events
            )
        self._reporter.enters(work.job.path, "parsing")
        future = self._containers.submit(work.job.path, self._parser_pool())
        future.add_done_callback(lambda done: self._events.put(_Parsed(work, done)))

    def _parser_pool(self) -> Parsers:
        if self._parsers is None:
            self._parsers = self._rooms.parsers(self._settings.ingest)
        return self._parsers

    def _unpacked(self, work: Work, future: Future[ParsedDocument]) -> None:
        """The container of a member was opened again: look whether its bytes are there now."""
        error = future.exception()
        if isinstance(error, ParseError):
            self._failed(work, error)
        else:
            self._reader.submit(self._examine, work)

    def _parsed(self, work: Work, future: Future[ParsedDocument]) -> None:
        try:
            if self._places.stat(work.job.path) != (work.size, work.mtime_ns):
                # Hash and text would be of two versions. Once more from the start; a file that keeps changing is given up.
                if work.rereads:
                    raise ParseError(
                        "The file keeps changing", "it changed twice while it was read", "try again later", stage="read"
                    )
                work.rereads += 1
                self._release(work)
                self._reader.submit(self._examine, work)
                return
            parsed = future.result()
        except (FileNotFoundError, NotADirectoryError):
            self._release(work)  # gone, or what it was unpacked to is
            self._reader.submit(self._examine, work)
        except ParseError as error:
            self._failed(work, error)
        except Exception as error:
            log.exception("parsing %s failed", work.job.path)
            self._failed(
                work,
                ParseError("The file cannot be read", str(error) or repr(error), "report it, with the file if you can"),
            )
        else:
            assert self._feed is not None
            self._feed.put(work, self._containers.opened(work.job, parsed))
            self._take_at = 0.0 if parsed.members else self._take_at

    def _failed(self, work: Work, error: ParseError) -> None:
        self._outcomes.failed(work, error)
        self._finish(work)

    def _complete(self, work: Work) -> None:
        assert self._build is not None
        self._outcomes.indexed(work, self._build)
        self._finish(work, chunked=True)

    def _finish(self, work: Work, chunked: bool = False) -> None:
        """The outcome is in the ledger: let go of the work, and settle the copies that waited for it."""
        del self._in_work[work.job.id]
        if not chunked:
            self._unchunked -= 1
            self._reporter.estimate.left(work.kind, work.job.size)
        self._release(work, settled=chunked)
        work.document = work.packed = work.vectors = None
        work.chunks = ()

    def _release(self, work: Work, settled: bool = False) -> None:
        """`work` no longer stands for its content. When it was indexed its copies are duplicates; else the first one is read."""
        if self._originals.get(work.content_hash) is not work:
            return
        del self._originals[work.content_hash]
        copies = self._copies.pop(work.content_hash, [])
        if settled:
            self._contents.note(work.job.document_id, work.content_hash)
            for copy in copies:
                self._outcomes.duplicate(copy, work.job.document_id)
                self._finish(copy)
        elif copies:
            self._parse(copies[0])
            self._copies[work.content_hash] = copies[1:]

    def _committed(self, job: Job, outcome: DocumentOutcome) -> None:
        self._containers.let_go(job)
        if job.request not in self._requests:
            self._for_others += 1
            self._reporter.files_total += 1
        self._reporter.finished(outcome)

    # What is due

    def _beat(self) -> None:
        if time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
            self._store.jobs.beat(self._requests, self._owner)

    # The end

    def _abandon(self) -> None:
        """Stopped or broken: keep what is complete, give the rest back to the queue, and let the indexes follow."""
        for step in (self._ledger.flush, self._give_back, self._indexes.save):
            try:
                step()
            except RagtermError:
                # The reason for stopping is on its way up and matters more than what it made impossible here.
                log.exception("an interrupted ingest could not be put in order; the next one will")

    def _give_back(self) -> None:
        self._store.jobs.take_back([*(work.job for work in self._in_work.values()), *self._removals])

    def _close(self) -> None:
        self._reader.shutdown(cancel_futures=True)
        if self._parsers is not None:
            self._parsers.close()
        if self._feed is not None:
            self._feed.close()
