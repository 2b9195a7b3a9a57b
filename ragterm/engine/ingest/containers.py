"""Containers in an ingest: their members become jobs of the same request, and go when the container no longer holds them.

A container's parser unpacks it (`documents.unpacking`); here the conductor makes that the queue's and the ledger's business. What is
recorded of a member is decided by its container alone: one that is unchanged settles its members by the ledger, without a look at
a byte; one that was read again names the members that are there; one that is gone, or cannot be read, has none. Unpacked bytes are
let go of when their member's outcome is committed, all of them when the ingest ends; should a member need them again (it failed,
its twin went, the process was killed), its container is unpacked once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ragterm.engine.documents.places import CONTAINER_KINDS, Places
from ragterm.engine.documents.sources import document_id, kind_of
from ragterm.engine.documents.unpacking import MEMBERS_LIMIT
from ragterm.engine.ingest.feed import Work
from ragterm.engine.ingest.planning import settled_outcome
from ragterm.engine.ingest.progress import Reporter
from ragterm.engine.ingest.rooms import Parsers
from ragterm.engine.store import CollectionStore, FileRecord, Job, NewJob
from ragterm.engine.types.documents import Member, ParsedDocument
from ragterm.engine.types.ingesting import DocumentOutcome
from ragterm.engine.types.members import (
    below,
    child_of,
    containers_of,
    document_name,
    is_member,
    member_path,
    outermost,
)


@dataclass(frozen=True)
class Unpacked:
    """A container was unpacked again for the sake of one member; the future raises ParseError."""

    work: Work
    future: Future[ParsedDocument]


class Containers:
    """Opens, settles and closes the containers of one ingest. `requests` are the caller's own; for other ones nothing is shown."""

    def __init__(
        self, store: CollectionStore, places: Places, max_file_mb: int, requests: Iterable[int], reporter: Reporter
    ) -> None:
        self._store = store
        self._places = places
        self._max_file_mb = max_file_mb
        self._requests = frozenset(requests)
        self._reporter = reporter
        self._taken: Counter[str] = Counter()
        self._present: set[str] = set()
        self._shown: set[str] = set()
        self._known: defaultdict[str, set[str]] | None = None
        self._under_way: dict[str, Future[ParsedDocument]] = {}

    def begin(self) -> None:
        """Members that were queued before a kill, and whose container is to be read again, wait for it: it names them anew, and one
        document must not be in work twice."""
        waiting = {path for path, _ in self._store.jobs.waiting_files()}
        self._store.jobs.forget([path for path in waiting if not waiting.isdisjoint(containers_of(path))])

    def submit(self, path: str, parsers: Parsers) -> Future[ParsedDocument]:
        return parsers.submit(Path(path), self._places.staging(path, self._max_file_mb))

    def opened(self, job: Job, parsed: ParsedDocument) -> ParsedDocument:
        """The container was read: queue what it holds, and the removal of what it does not hold any more."""
        if kind_of(job.path) not in CONTAINER_KINDS:
            return parsed
        members, parsed = self._within_limit(job, parsed)
        paths = {member_path(job.path, one.name): one for one in members}
        jobs, skipped = [], []
        for path, one in paths.items():
            if one.skipped:
                record = FileRecord(document_id(path), path, "skipped", "", one.size, 0, error=one.skipped)
                skipped.append((record, _skipped(record)))
                self._known_of(path).add(path)
            else:
                jobs.append(NewJob("ingest", document_id(path), path, one.size, job.force))
        gone = [path for path in self._below(job.path) if child_of(job.path, path) not in paths]
        if not paths and not gone:
            return parsed
        with self._store.atomic():
            self._queue(job.request, jobs, gone)
            for record, outcome in skipped:
                self._store.put_unindexed(record, title=outcome.title, kind=outcome.kind)
            self._store.jobs.add_done(job.request, [(record, outcome) for record, outcome in skipped])
        self._show(job.request, jobs, gone, [outcome for _, outcome in skipped])
        return parsed

    def unchanged(self, job: Job) -> None:
        """The container has the bytes that the ledger knows: its members are what the ledger says of them."""
        if kind_of(job.path) not in CONTAINER_KINDS:
            return
        jobs, done = [], []
        for path in self._below(job.path):
            record = self._store.documents.record(document_id(path))
            outcome = settled_outcome(record, self._store.documents.record) if record is not None else None
            if record is not None and outcome is not None:
                done.append((record, outcome))
            else:
                jobs.append(NewJob("ingest", document_id(path), path, record.size if record is not None else 0))
        if not jobs and not done:
            return
        with self._store.atomic():
            self._queue(job.request, jobs, [])
            self._store.jobs.add_done(job.request, done)
        self._show(job.request, jobs, [], [outcome for _, outcome in done])

    def closed(self, job: Job) -> None:
        """Nothing can be read out of the container any more: what it held goes."""
        if kind_of(job.path) in CONTAINER_KINDS and (gone := self._below(job.path)):
            self._queue(job.request, [], gone)
            self._show(job.request, [], gone, [])

    def holds(self, job: Job) -> bool:
        """Whether a member that was to be removed has been found in its container since."""
        return job.document_id in self._present

    def unpack_again(self, work: Work, parsers: Parsers, tell: Callable[[Unpacked], None]) -> bool:
        """Unpack the innermost container of this member that can be; False when that cannot help any more."""
        containers = containers_of(work.job.path)
        work.unpackings += 1
        if work.unpackings > len(containers):
            return False
        container = next((one for one in reversed(containers) if self._places.file_of(one).exists()), "")
        if not container:
            return False
        future = self._under_way.get(container)
        if future is None or future.done():
            future = self._under_way[container] = self.submit(container, parsers)
        future.add_done_callback(lambda done: tell(Unpacked(work, done)))
        return True

    def let_go(self, job: Job) -> None:
        """The member's outcome is committed: its bytes are not needed any more."""
        self._places.let_go(job.path)

    def clear(self) -> None:
        """The ingest is over."""
        self._places.clear()

    def _within_limit(self, job: Job, parsed: ParsedDocument) -> tuple[tuple[Member, ...], ParsedDocument]:
        """Nested containers share the limit of the file on disk: else three of them would multiply it."""
        file = outermost(job.path)
        room = max(0, MEMBERS_LIMIT - self._taken[file])
        members = parsed.members[:room]
        self._taken[file] += len(members)
        left = len(parsed.members) - len(members)
        if not left:
            return members, replace(parsed, members=())
        said = f"{left:,} files left out: over the limit of {MEMBERS_LIMIT:,} files in {PurePath(file).name} and all that it holds"
        return members, replace(parsed, members=(), warnings=(*parsed.warnings, said))

    def _below(self, container: str) -> list[str]:
        """Paths of the members that are known of this container, at whatever depth."""
        return sorted(path for path in self._known_of(container) if below(container, path))

    def _known_of(self, path: str) -> set[str]:
        if self._known is None:
            self._known = defaultdict(set)
            self._shown.update(path for path, _ in self._store.jobs.waiting_files() if is_member(path))
            for known in (*self._store.documents.member_paths(), *self._shown):
                self._known[outermost(known)].add(known)
        return self._known[outermost(path)]

    def _queue(self, request: int, jobs: list[NewJob], gone: list[str]) -> None:
        removals = [NewJob("remove", document_id(path), path) for path in gone]
        self._present.update(one.document_id for one in jobs)
        self._present.difference_update(one.document_id for one in removals)
        for one in jobs:
            self._known_of(one.path).add(one.path)
        for one in removals:
            self._known_of(one.path).discard(one.path)
        self._store.jobs.add(request, [*jobs, *removals])
        self._store.jobs.overrule(request, [*jobs, *removals])

    def _show(self, request: int, jobs: list[NewJob], gone: list[str], done: list[DocumentOutcome]) -> None:
        """Count these files; one that was queued before (its container is read twice) is counted already."""
        for one in jobs:
            self._reporter.estimate.expect(one.path, one.size)
        if request in self._requests:
            new = {*(one.path for one in jobs), *gone, *(one.path for one in done)} - self._shown
            self._shown |= new
            self._reporter.files_total += len(new)
            for outcome in done:
                self._reporter.finished(outcome)


def _skipped(record: FileRecord) -> DocumentOutcome:
    return DocumentOutcome(
        record.path, "skipped", record.document_id, title=document_name(record.path), kind=kind_of(record.path) or "",
        error=record.error,
    )  # fmt: skip
