"""Following folders live: the file system says what changes, and after a moment of quiet the roots concerned are brought in step.

The system's notifications (watchfiles: inotify, FSEvents, ReadDirectoryChangesW) only say when to look; what to do is found by the
same survey as ever, so nothing depends on an event that was lost, and what changes during an ingest is simply the next round. A root
that vanishes (a drive that is unplugged) keeps its documents until it is back. Files that were named one by one are asked for their
state at every tick instead: editors replace a file, and a notification would stay with the old one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragterm.engine.documents.ignoring import GIT_FILE, OWN_FILE
from ragterm.engine.documents.sources import TOOL_FOLDERS
from ragterm.engine.types.errors import Cancelled, RagtermError
from ragterm.engine.types.ingesting import DocumentOutcome, IngestReport

log = logging.getLogger(__name__)

Mark = tuple[int, ...]
_RETRY_SECONDS = 10.0
_POLL_WITHOUT_EVENTS = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how long it must be quiet before a round, how long a round waits for quiet at most, how often the roots are
    looked at, and (when not 0) how often a file system without notifications is walked."""

    quiet: float = 0.4
    patience: float = 3.0
    tick: float = 0.5
    poll: float = 0.0


class FolderWatch:
    """Calls `work(roots)` in a thread of its own: once for every root at the start, then for those in which something changed.

    `roots` is asked again and again, so a root that is added later is followed too. `notice` gets a line on what a person should
    know (a folder is gone, a round failed). Changes below `leave` are nobody's business (ragterm's own files).
    """

    def __init__(
        self,
        roots: Callable[[], Sequence[str]],
        work: Callable[[Sequence[str]], object],
        notice: Callable[[str], None] = lambda line: None,
        *,
        leave: Sequence[Path] = (),
        pace: Pace = Pace(),
    ) -> None:
        self._roots = roots
        self._work = work
        self._notice = notice
        self._leave = tuple(os.path.abspath(path) + os.sep for path in leave)  # noqa: PTH100
        self._pace = pace
        self._poll = pace.poll
        self._stopped = threading.Event()
        self._marks: dict[str, Mark | None] = {}
        self._due: set[str] = set()
        self._retry_at = 0.0
        self.started = threading.Event()
        """Set when the first look at every root is done: what changes from now on is noticed."""
        self.error: Exception | None = None
        """Why the watch ended by itself, None while it runs."""
        self._thread = threading.Thread(target=self._run, name="ragterm-watch", daemon=True)

    def start(self) -> FolderWatch:
        self._thread.start()
        return self

    def stop(self, timeout: float | None = None) -> None:
        """End; a round under way is awaited (cancel its `Control` first)."""
        self._stopped.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the watch has ended; whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def running(self) -> bool:
        return self._thread.is_alive() and not self._stopped.is_set()

    # In the thread

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._look()
                self._follow([root for root, mark in self._marks.items() if mark is not None and os.path.isdir(root)])  # noqa: PTH112
        except Exception as error:
            log.exception("following the folders broke")
            self.error = error
            self._notice(f"the folders are no longer followed: {error}")

    def _look(self) -> bool:
        """Take the marks of all roots; whether the set of folders to be watched is another one now."""
        before, self._marks = self._marks, {root: _mark(root) for root in self._roots()}
        for root, mark in self._marks.items():
            old = before.get(root)
            if mark is None and (old is not None or root not in before):
                self._notice(f"{root} is gone or empty: its documents stay until it is back")
            elif mark is not None and mark != old:
                if root in before and old is None:
                    self._notice(f"{root} is back")
                self._due.add(root)
        return {k: v and v[:2] for k, v in before.items()} != {k: v and v[:2] for k, v in self._marks.items()}

    def _follow(self, folders: Sequence[str]) -> None:
        """Watch these folders until there are others to watch."""
        for changed in self._changes(_outermost(folders)):
            if self._stopped.is_set():
                return
            self._due.update(root for root in self._marks if any(_is_in(path, root) for path in changed))
            if self._look():
                return  # the round comes once the others are watched: nothing that changes after it is missed
            if self._due and time.monotonic() >= self._retry_at:
                self._round()
            self.started.set()

    def _round(self) -> None:
        ready = sorted(root for root in self._due if self._marks.get(root) is not None)
        self._due.clear()
        if not ready:
            return
        try:
            self._work(ready)
        except Cancelled:
            return  # a person stopped this round; the next one finds what is left
        except RagtermError as error:
            self._notice(f"{error}" + (f" ({error.hint})" if error.hint else ""))
            self._due.update(ready)
            self._retry_at = time.monotonic() + _RETRY_SECONDS

    def _changes(self, folders: Sequence[str]) -> Iterator[set[str]]:
        """Sets of changed paths, empty ones at every tick. Falls back to walking the folders where the system gives no more
        notifications (its limit is reached)."""
        if not folders:
            while not self._stopped.wait(self._pace.tick):
                yield set()
            return
        from watchfiles import watch

        pace = self._pace
        while not self._stopped.is_set():
            try:
                for changes in watch(
                    *folders,
                    watch_filter=lambda _change, path: self._matters(path),
                    debounce=round(pace.patience * 1000),
                    step=round(pace.quiet * 1000),
                    rust_timeout=round(pace.tick * 1000),
                    stop_event=self._stopped,
                    yield_on_timeout=True,
                    raise_interrupt=False,
                    force_polling=self._poll > 0,
                    poll_delay_ms=max(50, round(self._poll * 1000)),
                    ignore_permission_denied=True,
                ):
                    yield {path for _, path in changes}
                return
            except FileNotFoundError:  # between the look and the watch
                yield set()
                return
            except (OSError, RuntimeError) as error:
                if self._poll:
                    raise
                self._poll = _POLL_WITHOUT_EVENTS
                self._notice(f"the system does not notify of changes ({error}): looking every {self._poll:.0f} seconds")

    def _matters(self, path: str) -> bool:
        """Hidden files, folders of tools and ragterm's own are never read: a change there is none. Ignore files are."""
        if self._leave and path.startswith(self._leave):
            return False
        root = max((one for one in self._marks if _is_in(path, one)), key=len, default="")
        *folders, name = path[len(root) :].strip(os.sep).split(os.sep)  # noqa: PTH206
        if any(part.startswith(".") or part in TOOL_FOLDERS for part in folders):
            return False
        return not name.startswith(".") or name in (GIT_FILE, OWN_FILE)


def _mark(root: str) -> Mark | None:
    """What tells whether a root is still the same one: a folder's identity; for a file also its size and time of change. None when
    it is not there, or is a folder that holds nothing (the place where a drive was mounted)."""
    try:
        status = os.stat(root)  # noqa: PTH116
        if not os.path.isdir(root):  # noqa: PTH112
            return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        with os.scandir(root) as entries:
            return (status.st_dev, status.st_ino) if next(entries, None) is not None else None
    except OSError:
        return None


def _is_in(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _outermost(folders: Sequence[str]) -> list[str]:
    return [one for one in folders if not any(other != one and _is_in(one, other) for other in folders)]


class Changes:
    """What is new in a report, compared with the one before: an ingest reports every file, a person who watches wants the rest."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, report: IngestReport) -> list[DocumentOutcome]:
        new = []
        for one in report.outcomes:
            said = (one.outcome, one.error)
            before = self._known.get(one.path)
            if one.outcome in ("added", "updated", "removed"):
                self._known.pop(one.path, None)
                new.append(one)
            elif one.outcome == "unchanged":
                self._known.pop(one.path, None)
            elif before != said:
                self._known[one.path] = said
                new.append(one)
        return new

    def seen(self, outcomes: Iterable[DocumentOutcome]) -> None:
        """These are known already."""
        self._known.update({one.path: (one.outcome, one.error) for one in outcomes})
