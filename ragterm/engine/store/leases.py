"""Who owns a piece of work: a process, named so that a later one with the same number is not taken for it.

A process id is handed out again after a while, so an owner is (pid, start time of the process) where the system tells
the start time, and a heartbeat decides where it does not.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HEARTBEAT_SECONDS = 2.0
_SILENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Owner:
    """`start` is the process's start as the system counts it, "" where that is unknown."""

    pid: int
    start: str

    @classmethod
    def this_process(cls) -> Owner:
        pid = os.getpid()
        return cls(pid, _own_start(pid))

    def alive(self, heartbeat: float) -> bool:
        """Whether the process still runs. `heartbeat` is its last sign of life, seconds since 1970."""
        if self.pid == os.getpid():
            return True
        if not _exists(self.pid):
            return False
        if self.start:
            return process_start(self.pid) in (self.start, "")
        return time.time() - heartbeat < _SILENCE_SECONDS


@cache
def _own_start(pid: int) -> str:
    return process_start(pid)


def process_start(pid: int) -> str:
    """The start time of a process as an opaque text, "" when it cannot be told. On Linux field 22 of /proc/PID/stat
    (clock ticks since boot), elsewhere what `ps` prints."""
    if sys.platform.startswith("linux"):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return stat.rpartition(")")[2].split()[19]  # the name, field 2, may itself hold spaces and parentheses
    if os.name == "posix":
        import subprocess  # costs 20 ms, and Linux never comes here

        try:
            done = subprocess.run(
                ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.strip()
    return ""


def _exists(pid: int) -> bool:
    if os.name != "posix":
        return True  # signal 0 would end the process there: the heartbeat decides
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
