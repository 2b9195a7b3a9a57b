"""What a vector database does in the background: compile kernels, link new rows, start the graph over when it is full of tombstones."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors import execution, searching, warm
from ragterm.engine.vectors.check import layer_links

if TYPE_CHECKING:
    from ragterm.engine.vectors.index import VectorIndex

    Progress = Callable[[int, int], None]

WAITING_SHARE = 0.05
"""Rows that wait to be linked are scanned at each search: at this share of all, the graph is brought up to date."""
WAITING_ROWS = 2_000


class Upkeep:
    """One thread at most, started when there is something to do."""

    def __init__(self, watched: VectorIndex, save: Callable[[VectorIndex], None]) -> None:
        self._index, self._save = watched, save
        self._state = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def ready(self) -> bool:
        if not execution.is_warm():
            return False
        return len(self._index) <= searching.EXACT_LIMIT or not self._due()

    def look(self) -> None:
        """Start the thread if there is something to do for it."""
        if len(self._index) <= searching.EXACT_LIMIT // 2:
            return
        with self._state:
            if self._thread is None and not self._closed and (not execution.is_warm() or self._due()):
                self._thread = threading.Thread(target=self._work, name="vector-upkeep", daemon=True)
                self._thread.start()

    def link(self, progress: Progress | None) -> None:
        warm.warm()
        self._index.link(cores(), progress)
        self._save(self._index)

    def wait(self, timeout: float | None) -> bool:
        """Do in this thread's time what is left to do, or wait for the thread that does."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.ready:
            with self._state:
                if self._thread is None and not self._closed:
                    self._thread = threading.Thread(target=self._work, name="vector-upkeep", daemon=True)
                    self._thread.start()
                thread = self._thread
            left = None if end is None else end - time.monotonic()
            if self._closed or (left is not None and left <= 0):
                return self.ready
            if thread is not None:
                thread.join(left)
        return True

    def close(self) -> None:
        with self._state:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def layers(self) -> list[dict[str, Any]]:
        """For each layer of the graph, the ground first: its nodes, directed links, degrees."""
        graph = self._index.graph
        if graph is None:
            return []
        found = []
        for level in range(int(graph.top[1]) + 1):
            nodes = np.flatnonzero(graph.levels >= level)
            sources, _ = layer_links(graph, level)
            degrees = np.bincount(sources, minlength=len(graph.levels))[nodes]
            histogram = {degree: count for degree, count in enumerate(np.bincount(degrees).tolist()) if count}
            found.append(
                {
                    "level": level,
                    "nodes": len(nodes),
                    "edges": len(sources),
                    "mean_degree": float(degrees.mean()),
                    "max_degree": int(degrees.max()),
                    "degree_histogram": histogram,
                }
            )
        return found

    def _due(self) -> bool:
        waiting = self._index.waiting
        if len(self._index) <= searching.EXACT_LIMIT:
            return False
        return waiting > max(WAITING_ROWS, WAITING_SHARE * self._index.rows) or self._index.needs_rebuild

    def _work(self) -> None:
        try:
            warm.warm()
            self._index.shorten()
            while self._due() and not self._closed:
                self._index.link(cores())
                self._save(self._index)
        finally:
            with self._state:
                self._thread = None


def cores() -> int:
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
