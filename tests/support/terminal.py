"""A pseudo-terminal with a program in it: type, read the raw bytes that it draws, wait for words."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from types import TracebackType

_SEQUENCES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_]|[ -/]+[0-~])")


class Terminal:
    """`with Terminal([...], environment) as terminal:`; `raw` is everything the program has written."""

    def __init__(self, command: list[str], environment: dict[str, str], columns: int = 160, rows: int = 48) -> None:
        self.raw = b""
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, environment)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        os.close(self._file)

    def type(self, text: str, pause: float = 1.0) -> None:
        """Send keys, then read until the program has drawn something and rested for a fifth of a second, at most `pause` seconds."""
        os.write(self._file, text.encode())
        end, drawn = time.monotonic() + pause, False
        while (left := end - time.monotonic()) > 0:
            if self._read_some(min(left, 0.2)):
                drawn = True
            elif drawn:
                return

    def paste(self, text: str) -> None:
        """As a terminal sends what was dropped or pasted into it (bracketed paste)."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def read(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._read_some(left):
            pass

    def _read_some(self, seconds: float) -> bool:
        """Whether anything came within so many seconds."""
        ready, _, _ = select.select([self._file], [], [], seconds)
        if not ready:
            return False
        try:
            self.raw += os.read(self._file, 65536)
        except OSError:  # the program has closed its terminal
            return False
        return True

    def words(self, since: int = 0) -> str:
        """What was written since that byte, without the sequences that move and colour."""
        return _SEQUENCES.sub(b" ", self.raw[since:]).decode("utf-8", "replace")

    def wait_for(self, words: str, since: int = 0, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while words not in self.words(since):
            if time.monotonic() > end:
                raise AssertionError(f"{words!r} did not appear; the last was:\n{self.words(since)[-3000:]}")
            self.read(0.1)

    def exit_code(self, seconds: float = 20.0) -> int | None:
        """Wait for the end; None when the program still runs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        return None
