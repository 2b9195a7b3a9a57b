"""Starts the child process that builds the graph, follows it and stops it. The parent's side of `build_worker.py`."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import ragterm
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, RagtermError, StoreError
from ragterm.engine.vectors.stored import GraphParameters

LOG_FILE = "build.log"
_POLL_SECONDS = 0.05
_STOP_SECONDS = 5.0

Progress = Callable[[int, int], None]

_log = logging.getLogger(__name__)


class GraphBuild:
    """One run of the child: `run` in any thread, `stop` from any other."""

    def __init__(self, folder: Path, parameters: GraphParameters, dimensions: int, identity: str) -> None:
        self._folder = folder
        self._arguments = [
            str(folder.resolve()),
            *map(str, (parameters.m, parameters.ef_construction, parameters.seed, dimensions)),
            identity,
        ]
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Make `run` end the child and raise Cancelled."""
        self._stopped.set()

    def run(self, progress: Progress | None = None, control: Control | None = None) -> None:
        """Build. Raises Cancelled, and StoreError with the child's last words when it fails."""
        with (self._folder / LOG_FILE).open("wb") as log, self._start(log) as child:
            reader = threading.Thread(target=_follow, args=(child, progress), name="graph-build-output", daemon=True)
            reader.start()
            try:
                while child.poll() is None:
                    if self._stopped.wait(_POLL_SECONDS) or (control is not None and control.cancelled):
                        raise Cancelled
            finally:
                _end(child)
                reader.join(_STOP_SECONDS)
        if child.returncode != 0:
            raise StoreError("The graph could not be built", self._last_words(child.returncode), "run: ragterm doctor")

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # -P keeps the current folder, which may hold a stranger's files, off the child's module path. All three streams are
        # given, as the parent's own may be the terminal that the app draws on. A session of its own: Ctrl+C is the parent's.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "ragterm.engine.vectors.build_worker", *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment(),
            start_new_session=True,
        )

    def _last_words(self, code: int) -> str:
        words = (self._folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{words[-1] if words else 'no message'} (exit code {code}; see {self._folder / LOG_FILE})"


class GraphBuilds:
    """The builds of one index: never two at a time, in the foreground (`run`) or in a thread (`start`)."""

    def __init__(self, new_build: Callable[[], GraphBuild]) -> None:
        self.note = ""
        """What became of the last build in the background, when it is worth telling."""
        self._new_build = new_build
        self._one = threading.Lock()
        self._state = threading.Lock()
        self._current: GraphBuild | None = None
        self._thread: threading.Thread | None = None
        self._again = False
        self._closed = False

    @property
    def running(self) -> bool:
        return self._current is not None

    def run(self, progress: Progress | None, control: Control | None) -> None:
        """Build and wait for it. Raises as `GraphBuild.run`."""
        with self._one:
            with self._state:
                if self._closed:
                    raise Cancelled
                build = self._current = self._new_build()
            try:
                build.run(progress, control)
            finally:
                self._current = None

    def start(self, progress: Progress | None, control: Control | None, then: Callable[[], object]) -> None:
        """Build in a thread and call `then`. While one is under way: once more after it."""
        with self._state:
            self._again = True
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, args=(progress, control, then), name="graph-build", daemon=True
                )
                self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the thread; whether none is left."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """Stop what is under way and start nothing more."""
        with self._state:
            self._closed = True
            if self._current is not None:
                self._current.stop()
        self.wait()

    def _work(self, progress: Progress | None, control: Control | None, then: Callable[[], object]) -> None:
        while True:
            with self._state:
                if not self._again or self._closed:
                    self._thread = None
                    return
                self._again = False
            try:
                self.run(progress, control)
                then()
                self.note = ""
            except Cancelled:
                self.note = "the build of the graph was stopped"
            except (RagtermError, OSError) as error:
                _log.warning("the graph was not built: %s", error)
                self.note = str(error)


def child_environment() -> dict[str, str]:
    environment = dict(os.environ)
    # What little linear algebra there is takes one thread: two that wait for each other on a busy machine took 5 s for 0.1 s of work.
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    package_parent = Path(ragterm.__file__).resolve().parent.parent
    if package_parent.name != "site-packages":
        # Run from a checkout: the child must import this very package.
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{package_parent}{os.pathsep}{others}" if others else str(package_parent)
    return environment


def _follow(child: subprocess.Popen[bytes], progress: Progress | None) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if progress is not None:
            linked, total = json.loads(line)
            progress(linked, total)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
