"""Passwords of locked files on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragterm.engine.engine import Engine
from ragterm.engine.types.ingesting import IngestReport


def test_passwords_reach_the_engine_and_no_output(ragterm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, ...]] = []

    def ingest(
        self: Engine, paths: object, collection: str, *, passwords: tuple[str, ...], **_: object
    ) -> IngestReport:
        given.append(tuple(passwords))
        return IngestReport(collection, (), 0, 0.1)

    monkeypatch.setattr(Engine, "ingest", ingest)
    monkeypatch.setattr(Engine, "warm", lambda *_: None)
    monkeypatch.setattr("ragterm.cli.ingest.ask_password", lambda: "typed-unseen")
    ended = ragterm("ingest", tmp_path, "--password", "sesame-1", "--password", "-", "--home", tmp_path / "home")
    assert ended.code == 0 and given == [("sesame-1", "typed-unseen")]
    assert "sesame" not in ended.out + ended.err and "typed" not in ended.out + ended.err
    ragterm("ingest", tmp_path, "--home", tmp_path / "home")
    assert given[1] == ()


def test_a_folder_that_is_followed_takes_no_password(ragterm, tmp_path: Path) -> None:
    ended = ragterm("ingest", tmp_path, "--watch", "--password", "sesame", "--home", tmp_path / "home")
    assert ended.code == 2 and "--watch" in ended.err and "sesame" not in ended.err
