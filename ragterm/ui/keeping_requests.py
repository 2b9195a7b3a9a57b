"""What the bridge does to keep the current collection in step: follow its folders live, remove documents and put them back.
A part of `Bridge`, which inherits it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ragterm.engine.types.control import Control
from ragterm.ui import messages

if TYPE_CHECKING:
    from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestReport, Removal

T = TypeVar("T")
_QUIET = ("finding", "done", "cancelled")
"""Stages of a round in which nothing has been found to do (yet)."""


class KeepingRequests:
    collection: str
    _ingest: Control | None

    def __init__(self) -> None:
        self._ingest_guard = threading.Lock()
        self._following_guard = threading.Lock()
        self._watch: Any = None
        self._watch_ends = Control()
        self.followed = ""
        """The collection whose folders are followed now, "" when none is."""

    if TYPE_CHECKING:

        async def call(self, work: Callable[[Any], T]) -> T: ...
        def engine(self) -> Any: ...
        def publish(self, news: messages.News) -> None: ...
        def _start(self, name: str, work: Callable[[], None]) -> threading.Thread: ...

    # --- Removing -------------------------------------------------------------------------------------------------------------

    async def remove_documents(self, ids: Sequence[str], collection: str = "") -> Removal:
        """`DocumentsRemoved` follows, with the proof that nothing is left."""
        name = collection or self.collection
        removal: Removal = await self.call(lambda engine: engine.remove(ids, name))
        self.publish(messages.DocumentsRemoved(name, removal))
        self.publish(messages.DocumentsChanged(name))
        return removal

    async def restore_removed(self, collection: str = "") -> int:
        """Put back what was removed last; how many documents. `DocumentsRestored` follows."""
        name = collection or self.collection
        back = await self.call(lambda engine: engine.restore(None, name))
        self.publish(messages.DocumentsRestored(name, len(back)))
        self.publish(messages.DocumentsChanged(name))
        return len(back)

    # --- Following ------------------------------------------------------------------------------------------------------------

    def follow_folders(self, on: bool) -> None:
        """Follow the folders of the current collection, from now on at every start, or no more. `FollowingChanged` follows."""
        name = self.collection
        self._start("follow", lambda: self._follow(name, on))

    def resume_following(self) -> None:
        """Follow the current collection if it was followed when the app was last open. Stops following another one."""
        name = self.collection
        self._start("follow", lambda: self._follow(name, None))

    def _follow(self, name: str, on: bool | None) -> None:
        with self._following_guard:
            engine = self.engine()
            if on is None:
                on = bool(engine.follows(name))
                if not on and not self.followed:
                    return
            else:
                engine.set_follows(on, name)
            self._end_following()
            ends = self._watch_ends = Control()
            if on:
                self.followed = name
                self._watch = engine.watch(
                    name,
                    None,
                    lambda line: self.publish(messages.FollowingNoticed(name, line)),
                    work=lambda paths: self._round(name, paths, ends),
                )
            self.publish(messages.FollowingChanged(name, on, tuple(engine.roots(name)) if on else ()))

    def end_following(self) -> None:
        """Before the engine closes. Blocks until a round under way has stopped."""
        with self._following_guard:
            self._end_following()

    def _end_following(self) -> None:
        watch, self._watch, self.followed = self._watch, None, ""
        self._watch_ends.cancel()
        if watch is not None:
            watch.stop(5.0)

    def _round(self, name: str, paths: Sequence[str], ends: Control) -> IngestReport:
        """In the watch's thread: an ingest as any other, but that it waits for its turn and says nothing when there is nothing."""
        control = self._take_turn(ends)
        started = False

        def begin() -> None:
            nonlocal started
            if not started:
                started = True
                self.publish(messages.IngestStarted(name, tuple(paths)))

        def progressed(progress: IngestProgress) -> None:
            if ends.cancelled:
                control.cancel()
            if progress.stage not in _QUIET:
                begin()
            if started:
                self.publish(messages.IngestProgressed(replace(progress, finished=_new(progress.finished))))

        try:
            report: IngestReport = self.engine().follow(list(paths), name, progressed, control)
        except Exception as error:
            if started:
                self.publish(messages.IngestBroke(name, error))
            raise
        finally:
            self._ingest = None
        if started:
            self.publish(messages.IngestFinished(replace(report, outcomes=_new(report.outcomes))))
            self.publish(messages.DocumentsChanged(name))
        return report

    def _take_turn(self, ends: Control) -> Control:
        """Wait until no other ingest runs. Raises Cancelled when the following ends first."""
        while True:
            with self._ingest_guard:
                if self._ingest is None:
                    self._ingest = Control()
                    return self._ingest
            time.sleep(0.1)
            ends.checkpoint()


def _new(outcomes: Sequence[DocumentOutcome]) -> tuple[DocumentOutcome, ...]:
    return tuple(one for one in outcomes if one.outcome not in ("unchanged", "skipped"))
