"""What holds for every test of the interface."""

from __future__ import annotations

import pytest
from textual import _wait


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot looks whether the app has come to rest, twice for every key: in steps of 10 ms here and not of 20. What counts
    as rest stays as it is, 1 ms of work in a step."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 1 / 100)
