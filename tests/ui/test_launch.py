"""The launcher: what is imported before the first frame, and whose the screen is."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ragterm.ui.bridge import Bridge
from ragterm.ui.launch import LOG_BYTES, prepare_log

HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "numba",
    "onnxruntime",
    "numpy",
    "tantivy",
    "markdown_it",
    "sqlite3",
)

FIRST_FRAME = """
import json, sys
from pathlib import Path
from ragterm.ui.app import RagtermApp
from ragterm.ui.bridge import Bridge
from ragterm.engine.types.settings import Settings

class Probe(RagtermApp):
    async def _after_first_frame(self):
        print(json.dumps(sorted(sys.modules)), file=sys.__stdout__)
        self.exit()

Probe(Bridge(Path(sys.argv[1]), Settings()), first=sys.argv[2]).run(headless=True, size=(120, 40))
"""


@pytest.mark.parametrize("first", ["documents", "chat"])
def test_nothing_heavy_is_imported_before_the_first_frame(tmp_path: Path, first: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_FRAME, str(tmp_path), first],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert "ragterm.ui.app" in modules
    assert modules.isdisjoint(HEAVY), modules & set(HEAVY)
    assert "ragterm.engine.engine" not in modules


NOISE = """
import os, sys
from pathlib import Path
from ragterm.ui.launch import screen_to_itself

with screen_to_itself(Path(sys.argv[1])):
    os.write(2, b"a native library speaks on 2\\n")
    os.write(1, b"a native library speaks on 1\\n")
    os.system("echo a child speaks >&2")
    sys.__stderr__.write("the frame\\n")
    sys.__stderr__.flush()
    assert sys.__stdout__.fileno() > 2
os.write(2, b"afterwards 2\\n")
os.write(1, b"afterwards 1\\n")
"""


def test_the_screen_is_the_apps_and_the_log_takes_the_rest(tmp_path: Path) -> None:
    log = tmp_path / "ragterm.log"
    done = subprocess.run(
        [sys.executable, "-c", NOISE, str(log)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "the frame\nafterwards 2\n"
    assert done.stdout == "afterwards 1\n"
    assert log.read_text() == "a native library speaks on 2\na native library speaks on 1\na child speaks\n"


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "ragterm.log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    assert prepare_log(tmp_path) == log
    assert log.stat().st_size == 0
    assert (tmp_path / "logs" / "ragterm.1.log").stat().st_size == LOG_BYTES + 1


def test_a_home_that_holds_a_collection_was_used_before(tmp_path: Path) -> None:
    assert not Bridge(tmp_path).used_before()
    (tmp_path / "collections" / "default").mkdir(parents=True)
    assert Bridge(tmp_path).used_before()


REAL = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from support.fake_engine import FakeEngine
from ragterm.ui import launch
from ragterm.ui.bridge import Bridge

home = Path(sys.argv[1])
engine = FakeEngine(home=home, hostile={hostile!r})
launch.Bridge = lambda folder, settings: Bridge(folder, settings, opener=lambda h, s: engine)
sys.exit(launch.run_app((), home))
"""


class Terminal:
    """The app in a real pseudo-terminal of 150 x 45; `written` is every byte that reached it."""

    def __init__(self, home: Path, *, hostile: bool = False) -> None:
        import fcntl
        import struct
        import termios

        code = REAL.format(tests=str(Path(__file__).parents[1]), hostile=hostile)
        self.written = b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", COLUMNS="150", LINES="45")
            os.execv(sys.executable, [sys.executable, "-c", code, str(home)])
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 150, 0, 0))

    def read(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.terminal], [], [], left)
            if not ready:
                return
            try:
                more = os.read(self.terminal, 65536)
            except OSError:
                return
            if not more:
                return
            self.written += more

    def expect(self, mark: bytes, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while mark not in self.written:
            assert time.monotonic() < end, f"{mark!r} did not appear: {self.written[-3000:]!r}"
            self.read(0.2)

    def send(self, keys: bytes, settle: float = 0.4) -> None:
        os.write(self.terminal, keys)
        self.read(settle)

    def close(self) -> int:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.terminal)
                return os.waitstatus_to_exitcode(status)
            self.read(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("the app did not end")


@pytest.fixture
def terminal(tmp_path: Path):
    made: list[Terminal] = []

    def start(**options) -> Terminal:
        made.append(Terminal(tmp_path, **options))
        return made[-1]

    yield start
    for one in made:
        try:
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def test_the_app_starts_and_quits_in_a_real_terminal(terminal) -> None:
    app = terminal()
    app.expect(b"Palette")
    app.expect(b"extractive")
    app.send(b"\x11")  # ctrl+q
    assert app.close() == 0, app.written[-3000:]
    assert b"\x1b[?1049l" in app.written  # the alternate screen is left


PLANTED = (
    b"\x1b[31mred",
    b"\x1b]0;title",
    b"\x9b2J",
    b"\xc2\x9b2J",
    "\u202e".encode(),
    "\u2066".encode(),
    b"\x00",
    b"title\x07",
)


def test_nothing_planted_reaches_a_real_terminal_through_any_pane(terminal, tmp_path: Path) -> None:
    """Names, titles, texts, answers, warnings, errors, toasts, dialogs: [/foo], escape sequences, C1 controls, overrides."""
    app = terminal(hostile=True)
    app.expect(b"Palette")
    app.expect(b"extractive")
    app.expect(b"handbook")
    down, enter, escape = b"\x1b[B", b"\r", b"\x1b"
    for keys in (
        down, down, enter, b"c", escape,  # a card, the source viewer
        b"\x1b[H", enter, b"c", escape,  # the failed one: an error dialog with foreign text
        b" ", b" ", b"x", escape,  # a confirmation that lists titles
        b"r",  # an ingest: ledger and toasts
        b"\x07", escape, b"\x10", b"handbook", escape, b"\x02", escape,  # help, palette, collections
        b"\x1b[200~what about \x1b[31m refunds [/foo]?\x1b[201~",
        b"\x1bOR", b"refunds [/foo] [b +", enter,  # chat
    ):  # fmt: skip
        app.send(keys)
    app.expect(b"unused kettle")
    for keys in (b"\x1bOS", b"refunds" + enter, down, down, enter, escape, b"\x1b[18~", down, enter, escape, b"\x1b1"):
        app.send(keys)
    (tmp_path / "log.txt").write_bytes(app.written)
    for planted in PLANTED:
        at = app.written.find(planted)
        assert at < 0, (planted, app.written[max(0, at - 100) : at + 60])
    assert app.written.count("\ufffd".encode()) > 20  # the hostile names were indeed on the screen
    assert b"[@click=app.quit]" in app.written
    app.send(b"\x11")
    assert app.close() == 0, app.written[-3000:]
