"""The indexes follow the commits of an ingest: every few seconds, and at its end."""

from __future__ import annotations

import time

from ragterm.engine.ingest.progress import Reporter
from ragterm.engine.ingest.rooms import IngestRooms, catch_up

_SECONDS = 3.0
_SHARE = 0.05
"""The indexes are brought up to date so seldom that it takes at most about this share of the time."""


class FollowingIndexes:
    def __init__(self, rooms: IngestRooms, reporter: Reporter) -> None:
        self._rooms = rooms
        self._reporter = reporter
        self._due = time.monotonic() + _SECONDS

    def catch_up(self) -> bool:
        """To the store's generation; whether there was anything to do."""
        return catch_up(self._rooms.store, self._rooms.dense, self._rooms.keyword)

    def follow(self, last: bool = False) -> None:
        """When it is due, or the last time: catch up and persist."""
        began = time.monotonic()
        if not last and began < self._due:
            return
        if last:
            self._reporter.show("indexing")
        if self.catch_up() or last:
            self._rooms.flush()
        cost = time.monotonic() - began
        self._due = time.monotonic() + max(_SECONDS, cost / _SHARE)

    def save(self) -> None:
        self.catch_up()
        self._rooms.flush()
