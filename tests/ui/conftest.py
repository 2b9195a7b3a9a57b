"""What holds for every test of the interface."""

from __future__ import annotations

import pytest
from textual import _wait


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot looks whether the app has come to rest, twice for every key: in steps of 5 ms here and not of 20 ms. The share of
    a step that counts as rest stays a twentieth."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 1 / 200)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 1 / 200 / 20)
