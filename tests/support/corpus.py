"""The sample documents, ingested once for everyone who only reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragterm import Engine
from ragterm.engine.types.settings import Settings
from ragterm.resources import shipped

SAMPLES = shipped("sample_docs")


def sample_questions() -> list[dict[str, object]]:
    lines = (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose collection `default` holds the sample documents. Only for tests that do not change it."""
    home = tmp_path_factory.mktemp("home")
    with Engine.open(home, Settings()) as engine:
        report = engine.ingest([str(SAMPLES)])
        assert report.counts["failed"] == 0, [o for o in report.outcomes if o.outcome == "failed"]
    return home


@pytest.fixture
def sample_engine(sample_home: Path) -> Iterator[Engine]:
    with Engine.open(sample_home, Settings()) as engine:
        yield engine


def without(*names: str) -> dict[str, str]:
    """This process's environment without these variables, for a child."""
    return {key: value for key, value in os.environ.items() if key not in names}
