"""Starts the app on a terminal: first frame first, and the screen kept clean.

Textual draws on the process's standard error, and so does any native library that has something to say. So the driver
gets a duplicate of descriptor 2, and descriptors 1 and 2 themselves point at `<home>/logs/ragterm.log` until the app has
left the screen. Processes started meanwhile inherit the log, not the terminal. And `multiprocessing`'s resource tracker
must run before the app does: spawned from inside a running app it dies with "bad value(s) in fds_to_keep".
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.ui.app import RagtermApp
from ragterm.ui.bridge import Bridge, home_folder
from ragterm.ui.pictures import ask_terminal

if TYPE_CHECKING:
    from ragterm.engine.types.settings import Settings

LOG_BYTES = 5_000_000
"""A log longer than this is put aside (one old one is kept) at the next start."""


def run_app(paths: Sequence[str] = (), home: Path | None = None, *, settings: Settings | None = None) -> int:
    """Run until the user quits; returns the process's exit code. `paths` are offered for ingestion at the start."""
    from multiprocessing import resource_tracker

    folder = home_folder(home)
    log = prepare_log(folder)
    bridge = Bridge(folder, settings)
    app = RagtermApp(bridge, paths=tuple(paths))
    if sys.platform != "win32":
        resource_tracker.ensure_running()
    keep_the_loop_quick(app)
    app.pictures = ask_terminal()
    try:
        with screen_to_itself(log):
            app.run()
    finally:
        if bridge.ingesting:
            print("the ingest stops after the file in work; the rest can be resumed at the next start", file=sys.stderr)
        bridge.close()
    code = app.return_code or 0
    if code:
        failure = getattr(app, "_exception", None)
        print(
            f"ragterm stopped: {type(failure).__name__}: {failure}" if failure else "ragterm stopped", file=sys.stderr
        )
        print(f"what happened is in {log}", file=sys.stderr)
    if bridge.working:
        leave_now(code)
    return code


def keep_the_loop_quick(app: RagtermApp) -> None:
    """Two habits of the interpreter cost the event loop tens of milliseconds: a thread keeps the interpreter for 5 ms, and
    the loop may have to wait for several in turn; and a full garbage collection walks through every module's objects."""
    sys.setswitchinterval(0.001)
    gc.set_threshold(20_000, 20, 100)
    app.lives_long = True


def leave_now(code: int) -> None:
    """End the process without tearing the interpreter down: a thread inside a native library (a model that loads) would
    call `std::terminate` on its way, and the last thing on the screen would be "Aborted". Everything is on disk by now."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def prepare_log(home: Path) -> Path:
    """The log file in `home`, its folder made, a long one put aside; Python's own logging goes there too."""
    folder = home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ragterm.log"
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_BYTES:
            path.replace(folder / "ragterm.1.log")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger()
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logging.getLogger("ragterm").setLevel(logging.INFO)
    return path


@contextlib.contextmanager
def screen_to_itself(log: Path) -> Iterator[None]:
    """Within, `sys.__stderr__` (where Textual draws) is a duplicate of the terminal; descriptors 1 and 2 are `log`."""
    sys.stdout.flush()
    sys.stderr.flush()
    terminal_out, terminal_err = os.dup(1), os.dup(2)
    drawn_on, original = os.dup(2), sys.__stderr__
    original_out = sys.__stdout__
    file = io.open(log, "ab", buffering=0)  # noqa: SIM115, UP020 - it lives as long as the app
    os.dup2(file.fileno(), 2)
    os.dup2(file.fileno(), 1)
    file.close()
    screen = os.fdopen(drawn_on, "w", encoding="utf-8", errors="replace", newline="")
    # Both: the size of the terminal is asked of `__stdout__` (and of 80 x 24 it would be said where that is a file).
    sys.__stderr__ = sys.__stdout__ = screen  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        sys.__stderr__, sys.__stdout__ = original, original_out  # type: ignore[misc,assignment]
        with contextlib.suppress(OSError):
            screen.close()
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(terminal_out, 1)
        os.dup2(terminal_err, 2)
        os.close(terminal_out)
        os.close(terminal_err)
