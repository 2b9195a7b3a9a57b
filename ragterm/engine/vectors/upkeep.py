"""What a vector database does in the background: compile kernels, bring the graph or the lists to all rows, start them over when they
are full of tombstones."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ragterm.engine.vectors import execution, warm

if TYPE_CHECKING:
    from ragterm.engine.vectors.indexes import Index

    Progress = Callable[[int, int], None]

logger = logging.getLogger(__name__)

WAITING_SHARE = 0.05
"""Rows that wait to be linked are scanned at each search: at this share of all, the index is brought up to date."""
WAITING_ROWS = 2_000


class _ClosedMeanwhile(Exception):
    """Breaks off a link."""


class Upkeep:
    """One thread at most, started when there is something to do. What fails there is logged and said in `note`, and tried again when
    many more rows have come."""

    def __init__(self, watched: Index, save: Callable[[Index], None]) -> None:
        self._index, self._save = watched, save
        self._state = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._cannot_compile = False
        self._failed_rows: int | None = None
        self.note = ""

    @property
    def ready(self) -> bool:
        return self._is_warm() and not self._due() and not self._index.unsigned

    def look(self) -> None:
        """Start the thread if there is something to do for it."""
        if len(self._index) > self._index.exact_limit // 2:
            self._start()

    def link(self, progress: Progress | None) -> None:
        warm.warm(self._index.kernels)
        self._index.sign()
        self._index.link(cores(), progress)
        self._failed_rows, self.note = None, ""
        self._save(self._index)

    def wait(self, timeout: float | None) -> bool:
        """Wait for the thread that does what is left to do; whether that is done."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.ready:
            thread = self._start()
            left = None if end is None else end - time.monotonic()
            if thread is None or (left is not None and left <= 0):
                return self.ready
            thread.join(left)
        return True

    def close(self) -> None:
        with self._state:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _due(self) -> bool:
        """Whether the graph or the lists are of use, and far behind."""
        waiting = self._index.rows - self._index.linked
        if len(self._index) <= self._index.exact_limit:
            return False
        return waiting > max(WAITING_ROWS, WAITING_SHARE * self._index.rows) or self._index.needs_rebuild

    def _wanted(self) -> bool:
        if self._stopped() or self._cannot_compile:
            return False
        if self._failed_rows is not None and self._index.rows <= self._failed_rows + WAITING_ROWS:
            return False
        return not self._is_warm() or self._due() or self._index.unsigned > 0

    def _is_warm(self) -> bool:
        return execution.is_warm(self._index.kernels)

    def _start(self) -> threading.Thread | None:
        """The thread, a new one if there is work without one."""
        with self._state:
            if self._thread is None and self._wanted():
                self._thread = threading.Thread(target=self._work, name="vector-upkeep", daemon=True)
                self._thread.start()
            return self._thread

    def _work(self) -> None:
        while True:
            with self._state:  # no one who adds rows meanwhile takes this thread for one that will link them
                if not self._wanted():
                    self._thread = None
                    return
            rows = self._index.rows
            try:
                self._do()
            except _ClosedMeanwhile:
                continue
            except Exception as error:
                if self._stopped():
                    continue
                logger.exception("the index of a vector database could not be brought up to date")
                self._failed_rows, self.note = rows, f"the index is not up to date: {type(error).__name__}: {error}"

    def _do(self) -> None:
        if not self._is_warm():
            warm.warm(self._index.kernels)
            if not self._is_warm():
                self._cannot_compile, self.note = True, "kernels are not compiled here: searches are answered by numpy"
                return
        self._index.sign()
        if self._due():
            self._index.link(cores(), self._go_on)
            self._failed_rows, self.note = None, ""
            self._save(self._index)

    def _go_on(self, done: int, total: int) -> None:
        if self._stopped():
            raise _ClosedMeanwhile

    def _stopped(self) -> bool:
        """Whether the database is closed, or the program is ending without that: no thread can be started then."""
        return self._closed or not threading.main_thread().is_alive()


def cores() -> int:
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
