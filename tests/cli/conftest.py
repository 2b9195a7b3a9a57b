from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from support.memory_vector_db import MemoryVectorDB

from ragterm.cli.main import main


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON object that the contract promises."""
        return json.loads(self.out)


@pytest.fixture
def ragterm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run a command line in this process."""
    # No language model of the machine that runs the tests may answer.
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")

    def run(*args: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Ended(int(left.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(params=["stand-in", "VectorDB"])
def database_class(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class behind `ragterm vec`: the plain numpy model, and the real one."""
    from ragterm.cli.vec import opening

    if request.param == "VectorDB":
        if not hasattr(opening.database_class(), "get_stats"):
            pytest.skip("VectorDB has no get_stats yet")
        return opening.database_class()
    monkeypatch.setattr(opening, "database_class", lambda: MemoryVectorDB)
    return MemoryVectorDB


@pytest.fixture
def vec(ragterm: Callable[..., Ended], database_class: Any) -> Callable[..., Ended]:
    """Run `ragterm vec ...` in this process."""
    return lambda *args: ragterm("vec", *args)
