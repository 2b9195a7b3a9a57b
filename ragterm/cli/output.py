"""What the command line prints: one JSON object on standard output with `--json`, readable text without; progress, warnings
and errors on standard error. Foreign text is made safe before it reaches the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from ragterm.engine.types.display import displayable, one_line
from ragterm.engine.types.errors import RagtermError
from ragterm.engine.types.ingesting import IngestProgress
from ragterm.engine.types.members import document_name


def emit_json(data: Mapping[str, Any]) -> None:
    """The one JSON object of a command. Lone surrogates (file names that are not UTF-8) are written as escapes."""
    click.echo(json.dumps(data, ensure_ascii=True))


def say(text: str = "") -> None:
    click.echo(displayable(text))


def warn(text: str) -> None:
    click.echo(displayable(text), err=True)


def fail(error: RagtermError, as_json: bool) -> None:
    """Print an error: the object {"error": {...}} with `--json`, one readable line and the hint without."""
    if as_json:
        emit_json({"error": {"title": error.title, "message": error.message, "hint": error.hint}})
    click.echo(one_line(f"ragterm: {error}") + (f"\n  {one_line(error.hint)}" if error.hint else ""), err=True)


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@dataclass
class StatusLine:
    """One line on standard error about work that goes on: rewritten in place on a terminal, a line now and then elsewhere."""

    _last: float = field(default=0.0, init=False)
    _width: int = field(default=0, init=False)

    def due(self) -> bool:
        """Whether it is time for the next `show`; the caller spares itself the line otherwise."""
        now = time.monotonic()
        if now - self._last < (0.1 if sys.stderr.isatty() else 5.0):
            return False
        self._last = now
        return True

    def show(self, line: str) -> None:
        line = one_line(line)
        if not sys.stderr.isatty():
            click.echo(line, err=True)
            return
        line = line[: max(20, _columns() - 1)]
        click.echo("\r" + line + " " * max(0, self._width - len(line)), nl=False, err=True)
        self._width = len(line)

    def clear(self) -> None:
        if self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
            self._width = 0


@dataclass
class ProgressPrinter:
    """Shows an ingest on standard error."""

    quiet: bool = False
    _status: StatusLine = field(default_factory=StatusLine, init=False)

    def __call__(self, progress: IngestProgress) -> None:
        if self.quiet:
            return
        for outcome in progress.finished:
            if outcome.outcome == "failed":
                self._status.clear()
                warn(f"failed  {one_line(outcome.path)}: {one_line(outcome.error)}")
        if self._status.due():
            self._status.show(self._line(progress))

    def step(self, message: str) -> None:
        """A message from a long step that has no counts (a model being prepared)."""
        if not self.quiet:
            self._status.clear()
            warn(message)

    def done(self) -> None:
        self._status.clear()

    @staticmethod
    def _line(p: IngestProgress) -> str:
        parts = [p.stage, f"{p.files_done}/{p.files_total} files", f"{p.chunks_done} chunks"]
        if p.chunks_per_second:
            parts.append(f"{p.chunks_per_second:.0f}/s")
        if p.seconds_left is not None:
            parts.append(f"{duration(p.seconds_left)} left")
        parts.append(one_line(p.message or document_name(p.path)))
        return " · ".join(parts)


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
