"""The facade's part that keeps a collection in step with its folders: following them, and taking documents out with proof and undo.
A part of `Engine`, which inherits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragterm.engine.collections import OpenCollection, Shelf
    from ragterm.engine.ingest.watching import FolderWatch
    from ragterm.engine.store.aside import KeptAside
    from ragterm.engine.types.control import Control
    from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestReport, Removal
    from ragterm.engine.types.settings import Settings

    OnProgress = Callable[[IngestProgress], None]
    OnRound = Callable[[IngestReport, Sequence[DocumentOutcome]], None]

_FOLLOWS = "follows"


class KeepingInStep:
    """Every call blocks, and raises NotFoundError for a collection that is not there."""

    _shelf: Shelf
    home: Path
    settings: Settings

    if TYPE_CHECKING:

        def _ingested(self, opened: OpenCollection, report: IngestReport) -> IngestReport: ...

    # Following

    def roots(self, collection: str = "default") -> list[str]:
        """The files and folders that the collection was made from, as a person named them; absolute paths."""
        return self._shelf.get(collection).store.roots.all()

    def forget_roots(self, paths: Sequence[str], collection: str = "default") -> int:
        """Follow these no more; their documents stay. How many were there."""
        return self._shelf.get(collection).store.roots.remove(paths)

    def follows(self, collection: str = "default") -> bool:
        """Whether the collection is to be kept in step with its folders while the app is open."""
        return collection in self._shelf.names() and bool(self._shelf.get(collection).store.settings.get(_FOLLOWS))

    def set_follows(self, on: bool, collection: str = "default") -> None:
        self._shelf.get(collection).store.settings.set(_FOLLOWS, on)

    def follow(
        self,
        paths: Sequence[str],
        collection: str = "default",
        on_progress: OnProgress | None = None,
        control: Control | None = None,
    ) -> IngestReport:
        """One round: an ingest of these roots that leaves out what a person removed."""
        from ragterm.engine.ingest import ingest

        opened = self._shelf.get(collection)
        report = ingest(paths, opened.ingest_rooms(), self.settings, on_progress, control, following=True)
        return self._ingested(opened, report)

    def watch(
        self,
        collection: str = "default",
        on_round: OnRound | None = None,
        on_notice: Callable[[str], None] | None = None,
        *,
        work: Callable[[Sequence[str]], IngestReport] | None = None,
        control: Control | None = None,
        poll_seconds: float = 0.0,
    ) -> FolderWatch:
        """Follow the collection's roots until the returned watch is stopped. `on_round` gets, in the watch's thread, the report of
        each round and what is new in it; `on_notice` a line that a person should see. `work` does a round (`follow`, unless given).
        `poll_seconds`: walk the folders this often instead of being notified, for network file systems."""
        from ragterm.engine.ingest.watching import Changes, FolderWatch, Pace

        store = self._shelf.get(collection).store
        changes = Changes()

        def round_(paths: Sequence[str]) -> None:
            report = work(paths) if work is not None else self.follow(paths, collection, None, control)
            new = changes.of(report)
            if on_round is not None:
                on_round(report, new)

        notice = on_notice if on_notice is not None else (lambda line: None)
        return FolderWatch(store.roots.all, round_, notice, leave=[self.home], pace=Pace(poll=poll_seconds)).start()

    # Removing

    def remove_documents(self, ids: Sequence[str], collection: str = "default") -> int:
        """From the collection; the files stay. How many were there."""
        return len(self.remove(ids, collection).documents)

    def remove(self, ids: Sequence[str], collection: str = "default", keep: bool = True) -> Removal:
        """The same, with the proof that nothing is left. With `keep`, `restore` puts them back until the next start."""
        from ragterm.engine.ingest import remove

        opened = self._shelf.get(collection)
        removal = remove(ids, opened.ingest_rooms(), self.settings, keep=keep)
        opened.save_indexes(build_graph=True)
        return removal

    def removed(self, collection: str = "default") -> list[KeptAside]:
        """What can be put back, the last removed first."""
        return self._shelf.get(collection).store.aside.rows() if collection in self._shelf.names() else []

    def restore(self, ids: Sequence[str] | None = None, collection: str = "default") -> list[str]:
        """Put these removed documents back, or those of the last removal; the ids of what is back."""
        from ragterm.engine.ingest import restore

        opened = self._shelf.get(collection)
        back = restore(opened.ingest_rooms(), ids)
        opened.save_indexes(build_graph=True)
        return back

    def purge_removed(self) -> int:
        """At a start: delete for good what processes that have ended removed. How many documents."""
        return sum(self._shelf.get(name).store.aside.purge() for name in self._shelf.names())
