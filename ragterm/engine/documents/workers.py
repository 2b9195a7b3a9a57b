"""A pool of parser processes in which a document can only hurt itself.

Each slot is a thread that owns one child process (`worker.py`) and feeds it one file at a time; a watch thread kills a child that
passes its deadline. Plain `subprocess` is used, not `multiprocessing`: its spawn fails inside a running Textual application
(`bad value(s) in fds_to_keep`), and its pools unpickle what the child sends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from ragterm.engine.documents.frames import BrokenFrame, document_from, error_from, read_frame, write_frame
from ragterm.engine.documents.places import Staging
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import Cancelled, ParseError

log = logging.getLogger(__name__)

MAX_MORE_SECONDS = 3 * 3600.0

_Job = tuple[str, "Staging | None", "Future[ParsedDocument]"]


class ParserPool:
    """Parses files in child processes. Thread-safe.

    `workers` processes at most, started when there is work for them; `timeout_seconds` a document; `memory_mb` a process (0:
    unlimited; only Linux enforces it); `log_path` takes what native libraries print. `command` replaces the worker's command line
    in front of its options. `passwords` are tried on locked files; they go to the workers through their pipes, never on a
    command line.

    A worker may ask for more time than a document's limit (text recognition does, by the page); MAX_MORE_SECONDS is all it
    gets."""

    def __init__(
        self,
        workers: int,
        timeout_seconds: float,
        memory_mb: int,
        log_path: str | Path | None = None,
        *,
        command: Sequence[str] | None = None,
        passwords: Sequence[str] = (),
    ) -> None:
        self.passwords = tuple(passwords)
        self.timeout_seconds = timeout_seconds
        self.memory_mb = memory_mb
        # -P: the current folder is not searched for modules; it may hold what was just downloaded.
        base = list(command) if command is not None else [sys.executable, "-P", "-m", "ragterm.engine.documents.worker"]
        self._command = [*base, "--memory-mb", str(memory_mb), "--log", str(log_path or "")]
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._slots = [_Slot(self, number) for number in range(max(1, workers))]
        self._waiting: set[Future[ParsedDocument]] = set()
        self._watch: threading.Thread | None = None

    def submit(self, path: str | Path, staging: Staging | None = None) -> Future[ParsedDocument]:
        """`staging` is for containers and what lies in them. The future ends with the document, or with ParseError; one that has not
        begun can be cancelled."""
        future: Future[ParsedDocument] = Future()
        with self._lock:
            if self._closed.is_set():
                raise Cancelled("The parsers are shut down")
            self._waiting.add(future)
            future.add_done_callback(self._waiting.discard)
            self._jobs.put((str(path), staging, future))
            if self._watch is None:
                self._watch = threading.Thread(target=self._watch_deadlines, name="parser-watch", daemon=True)
                self._watch.start()
            idle = next((slot for slot in self._slots if not slot.started), None)
            if idle is not None:
                idle.start()
        return future

    def close(self) -> None:
        """Cancel what waits, kill what runs. Every future is done afterwards."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            waiting = list(self._waiting)
            for _ in self._slots:
                self._jobs.put(None)
        for future in waiting:
            future.cancel()
        for slot in self._slots:
            slot.kill()
        for slot in self._slots:
            slot.join()

    def __enter__(self) -> ParserPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def pids(self) -> list[int]:
        """Process ids of the workers that are alive."""
        return [slot.process.pid for slot in self._slots if slot.process is not None and slot.process.poll() is None]

    def _watch_deadlines(self) -> None:
        while not self._closed.wait(0.1):
            now = time.monotonic()
            for slot in self._slots:
                if slot.deadline is not None and now > slot.deadline:
                    slot.expire()


class _Slot:
    """One thread, one child process at a time."""

    def __init__(self, pool: ParserPool, number: int) -> None:
        self.pool = pool
        self.process: subprocess.Popen[bytes] | None = None
        self.deadline: float | None = None
        self.started = False
        self._expired = False
        self._served = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"parser-{number}", daemon=True)

    def start(self) -> None:
        self.started = True
        self._thread.start()

    def join(self) -> None:
        if self.started:
            self._thread.join(timeout=5)

    def expire(self) -> None:
        with self._lock:
            if self.deadline is None:
                return
            self.deadline, self._expired = None, True
            if self.process is not None:
                self.process.kill()

    def kill(self) -> None:
        with self._lock:
            if self.process is not None:
                self.process.kill()

    def _run(self) -> None:
        while (job := self.pool._jobs.get()) is not None:
            path, staging, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                document = self._parse(path, staging)
            except (ParseError, Cancelled) as error:
                future.set_exception(error)
            except Exception as error:  # a future that never ends would hang the whole ingest
                log.exception("parser slot failed on %s", path)
                self._end()
                future.set_exception(
                    ParseError("The parser could not be used", repr(error), "try again; `ragterm doctor` may say more")
                )
            else:
                future.set_result(document)
        self._end()

    def _parse(self, path: str, staging: Staging | None) -> ParsedDocument:
        request = {"path": path, "timeout": self.pool.timeout_seconds}
        if staging is not None:
            request["staging"] = asdict(staging)
        if self.pool.passwords:
            request["passwords"] = self.pool.passwords
        while True:
            process = self._alive()
            fresh = self._served == 0
            with self._lock:
                if self.pool._closed.is_set():
                    process.kill()
                    raise Cancelled
                self._expired = False
                self.deadline = time.monotonic() + self.pool.timeout_seconds
            try:
                write_frame(cast(BinaryIO, process.stdin), request)
                header, text = self._answer(process)
            except (BrokenFrame, OSError) as error:
                problem = self._why(process, error)
                # A worker that has read other files may have died of them, or between two: this one gets a fresh worker.
                if fresh or self._expired or isinstance(problem, Cancelled):
                    raise problem from error
                continue
            finally:
                with self._lock:
                    self.deadline = None
            self._served += 1
            if header.get("retire"):
                self._end()
            failure = error_from(header)
            if failure is not None:
                raise failure
            try:
                return document_from(header, text)
            except BrokenFrame as error:
                self._end()
                raise ParseError(
                    "The parser answered nonsense", str(error), "open the file in its own program and save it again"
                ) from error

    def _answer(self, process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], str]:
        """The worker's answer, after granting the time that it asks for until then. Raises BrokenFrame."""
        granted = 0.0
        while True:
            header, text = read_frame(cast(BinaryIO, process.stdout))
            more = header.get("more_seconds")
            if more is None:
                return header, text
            if not isinstance(more, (int, float)) or more <= 0:
                raise BrokenFrame("a request for an impossible time")
            more = min(more, MAX_MORE_SECONDS - granted)
            granted += more
            with self._lock:
                if self.deadline is not None:
                    self.deadline += more

    def _alive(self) -> subprocess.Popen[bytes]:
        if self.process is not None and self.process.poll() is not None:
            self._end()
        if self.process is None:
            process = _spawn(self.pool._command)
            with self._lock:
                self.process, self._served = process, 0
        return self.process

    def _why(self, process: subprocess.Popen[bytes], error: Exception) -> ParseError | Cancelled:
        """Why a worker went away in the middle of a file."""
        if self._expired:
            problem: ParseError | Cancelled = ParseError(
                "Parsing took too long",
                f"stopped after {self.pool.timeout_seconds:g} seconds",
                "raise the limit (ingest.timeout_seconds), or split the file",
            )
        elif self.pool._closed.is_set():
            problem = Cancelled()
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2)
            problem = _crash(process.poll(), error, self.pool.memory_mb)
        self._end()
        return problem

    def _end(self) -> None:
        with self._lock:
            process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)


def _crash(code: int | None, error: Exception, memory_mb: int) -> ParseError:
    """Native libraries end their process where no memory is left: with these signals, and without a word."""
    ending = _ending(code, error)
    if memory_mb and sys.platform == "linux" and code in (-signal.SIGABRT, -signal.SIGTRAP, -signal.SIGILL):
        return ParseError(
            "The parser crashed",
            f"{ending}, as it does when a file unpacks to more than the limit of {memory_mb} MB",
            f"raise the limit (ragterm config set ingest.memory_mb {memory_mb * 2}), or open the file in its own program and save "
            "it again",
        )
    hint = "open the file in its own program and save it again; it may need more memory than ingest.memory_mb allows"
    return ParseError("The parser crashed", ending, hint)


def _ending(code: int | None, error: Exception) -> str:
    if code is None:
        return str(error)
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"its process ended with {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    """A new session, so that Ctrl+C in the terminal reaches the application alone. Modules are looked for where this package is
    and in absolute folders: never in the current one."""
    others = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[3]), *others])}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
