from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

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
