"""A parser worker: `python -m ragterm.engine.documents.worker`, one request after the other on standard input until it ends.

The process limits itself before it touches a document: memory (RLIMIT_AS), a lower priority so that the interface stays smooth,
and an alarm that ends it even when the pool that should is gone. Its standard output becomes the protocol's own pipe;
descriptors 1 and 2 go to the log, since native libraries print what they like.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from ragterm.engine.documents.frames import BrokenFrame, document_header, error_header, read_frame, write_frame
from ragterm.engine.documents.passwords import offering
from ragterm.engine.documents.places import Staging
from ragterm.engine.documents.time_limit import asking
from ragterm.engine.types.errors import ParseError

_NICENESS = 12
_GRACE_SECONDS = 5


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="ragterm.engine.documents.worker")
    options.add_argument("--memory-mb", type=int, default=0)
    options.add_argument("--log", default="")
    chosen = options.parse_args(arguments)
    requests, answers = take_over_streams(chosen.log)
    limit_memory(chosen.memory_mb)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal is the application's to understand
    return serve(requests, answers, chosen.memory_mb)


def take_over_streams(log: str) -> tuple[BinaryIO, BinaryIO]:
    """The protocol's streams; afterwards descriptors 1 and 2 lead to the log (or nowhere), 0 to nothing."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if log else nothing
    except OSError:
        target = nothing
    os.dup2(nothing, 0)
    os.dup2(target, 1)
    os.dup2(target, 2)
    return requests, answers


def limit_memory(megabytes: int) -> bool:
    """Bound the address space. False where the system has no such limit."""
    if megabytes <= 0:
        return False
    try:
        import resource
    except ImportError:
        return False
    limit = megabytes * 1024 * 1024
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return sys.platform == "linux"
    return False


def serve(requests: BinaryIO, answers: BinaryIO, memory_mb: int) -> int:
    from ragterm.engine.documents.parsers import parse_file

    while True:
        try:
            request, _ = read_frame(requests)
        except BrokenFrame:
            return 0
        clock = _Clock(float(request.get("timeout", 0)), answers)
        try:
            with asking(clock.more), offering(tuple(map(str, request.get("passwords", ())))):
                document = parse_file(Path(request["path"]), _staging(request))
            header: dict[str, Any] = {**document_header(document), "retire": _has_grown(memory_mb)}
            text = document.text
            del document
        except ParseError as error:
            header, text = error_header(error), ""
        except MemoryError:
            header, text = error_header(out_of_memory(memory_mb), retire=True), ""
        clock.stop()
        try:
            write_frame(answers, header, text)
        except MemoryError:
            write_frame(answers, error_header(out_of_memory(memory_mb), retire=True))
            return 1
        except (BrokenPipeError, OSError):
            return 0
        if header.get("retire"):
            return 0


def _staging(request: dict[str, Any]) -> Staging | None:
    told = request.get("staging")
    return Staging(str(told["file"]), str(told["folder"]), int(told["max_file_mb"])) if told else None


def out_of_memory(memory_mb: int) -> ParseError:
    return ParseError(
        "Too much memory",
        f"reading this file takes more than {memory_mb} MB",
        f"raise the limit (ragterm config set ingest.memory_mb {memory_mb * 2}), or split the file",
    )


class _Clock:
    """A document's time: the alarm's default action ends the process, in the middle of native code too. 0 seconds: no limit."""

    def __init__(self, seconds: float, answers: BinaryIO) -> None:
        self._ends = time.monotonic() + seconds
        self._answers = answers
        self._runs = seconds > 0
        self._set(seconds)

    def more(self, seconds: float) -> None:
        """Tell the pool, which has a clock of its own."""
        if self._runs:
            self._ends += seconds
            self._set(self._ends - time.monotonic())
            write_frame(self._answers, {"more_seconds": seconds})

    def stop(self) -> None:
        self._runs = False
        self._set(0)

    @staticmethod
    def _set(seconds: float) -> None:
        if hasattr(signal, "alarm"):
            signal.alarm(max(1, int(seconds) + _GRACE_SECONDS) if seconds else 0)


def _has_grown(memory_mb: int) -> bool:
    """Whether memory that a file took should go back to the system by way of a fresh process."""
    return 0 < memory_mb * 1024 * 1024 // 2 < peak_bytes()


def peak_bytes() -> int:
    """The most memory that this process has held at once, 0 where the system does not tell. Linux's getrusage counts what the parent
    held when it started the process, which for an application with models in memory is more than a parser ever takes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        status = ""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
