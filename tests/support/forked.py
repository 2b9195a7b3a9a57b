"""A function in a process of its own, to be killed: a fork of one that has imported what they need, so that a start costs little.

What it prints, and what it dies of, comes through `stdout`; its input is `stdin`. The processes have the environment that the first of
them found.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "numpy",
        "tantivy",
        "sqlite3",
        "ragterm.engine.ingest",
        "ragterm.engine.keyword",
        "ragterm.engine.documents.parsers",
        "ragterm.engine.vectors.database",
        "ragterm.engine.vectors.dense",
        "ragterm.engine.vectors.inverted_index",
    ]
)


class Forked:
    """`function(*arguments)`, under way. The function is found by its name: it stands in a module."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        said, saying = _CONTEXT.Pipe(duplex=False)
        hearing, heard = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_run, args=(saying, hearing, function, arguments), daemon=True)
        self._process.start()
        saying.close()
        hearing.close()
        self.stdout = os.fdopen(os.dup(said.fileno()), encoding="utf-8")
        self.stdin = os.fdopen(os.dup(heard.fileno()), "w", encoding="utf-8")
        said.close()
        heard.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, None while it runs; a signal's number negative."""
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> tuple[list[str], int]:
        """Close its input and wait: the lines that it still printed, and the exit code."""
        self.stdin.close()
        lines = self.stdout.readlines()
        self.stdout.close()
        self._process.join(120)
        code = self._process.exitcode
        assert code is not None, "it did not end"
        return lines, code


def _run(
    saying: Connection, hearing: Connection, function: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    os.dup2(hearing.fileno(), 0)
    for number in (1, 2):
        os.dup2(saying.fileno(), number)
    saying.close()
    hearing.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  until the process ends
    function(*arguments)
