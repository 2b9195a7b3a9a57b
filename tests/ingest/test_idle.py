"""The counter of the embedder's idle time."""

from __future__ import annotations

import pytest

from ragterm.engine.ingest import feed
from ragterm.engine.ingest.feed import IdleClock


def test_only_the_time_in_which_all_threads_wait_counts_and_only_until_work_last_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(feed.time, "monotonic", lambda: now[0])
    clock = IdleClock(2)
    clock.begins()
    now[0] += 5
    clock.begins()
    now[0] += 7
    clock.restart()  # the model is loaded: what was before does not count
    now[0] += 3
    clock.arrived()
    clock.ends()
    assert (clock.known, clock.until) == (3, 3)
    now[0] += 4  # one works, one waits
    clock.ends()
    now[0] += 2
    clock.begins()
    clock.begins()
    now[0] += 1
    clock.arrived()
    assert (clock.known, clock.until) == (4, 10)
    now[0] += 50  # nothing comes any more
    assert (clock.known, clock.until) == (4, 10)
