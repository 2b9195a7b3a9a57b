"""The launcher: what is imported before the first frame, and whose the screen is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.terminal import Terminal

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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """The app with `FakeEngine(**options)`, in a real pseudo-terminal of 150 x 45."""
    with ExitStack() as ends:

        def begin(*, hostile: bool = False) -> Terminal:
            code = REAL.format(tests=str(Path(__file__).parents[1]), hostile=hostile)
            environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            return ends.enter_context(Terminal([sys.executable, "-c", code, str(tmp_path)], environment, 150, 45))

        yield begin


def test_the_app_starts_and_quits_in_a_real_terminal(start) -> None:
    app = start()
    app.wait_for("Palette")
    app.wait_for("extractive")
    app.type("\x11")  # ctrl+q
    assert app.exit_code() == 0, app.raw[-3000:]
    assert b"\x1b[?1049l" in app.raw  # the alternate screen is left


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


def test_nothing_planted_reaches_a_real_terminal_through_any_pane(start) -> None:
    """Names, titles, texts, answers, warnings, errors, toasts, dialogs: [/foo], escape sequences, C1 controls, overrides."""
    app = start(hostile=True)
    app.wait_for("Palette")
    app.wait_for("extractive")
    app.wait_for("handbook")
    down, enter, escape = "\x1b[B", "\r", "\x1b"
    for keys in (
        down, down, enter, "c", escape,  # a card, the source viewer
        "\x1b[H", enter, "c", escape,  # the failed one: an error dialog with foreign text
        " ", " ", "x", escape,  # a confirmation that lists titles
        "r",  # an ingest: ledger and toasts
        "\x07", escape, "\x10", "handbook", escape, "\x02", escape,  # help, palette, collections
        "\x1b[200~what about \x1b[31m refunds [/foo]?\x1b[201~",
        "\x1bOR", "refunds [/foo] [b +", enter,  # chat
    ):  # fmt: skip
        app.type(keys)
    app.wait_for("unused kettle")
    for keys in ("\x1bOS", "refunds" + enter, down, down, enter, escape, "\x1b[18~", down, enter, escape, "\x1b1"):
        app.type(keys)
    for planted in PLANTED:
        at = app.raw.find(planted)
        assert at < 0, (planted, app.raw[max(0, at - 100) : at + 60])
    assert app.raw.count("\ufffd".encode()) > 20  # the hostile names were indeed on the screen
    assert b"[@click=app.quit]" in app.raw
    app.type("\x11")
    assert app.exit_code() == 0, app.raw[-3000:]
