"""How long until the first whole frame, against a Textual app with the same kinds of widgets and nothing else.

    python tests/benchmarks/first_frame.py [--starts 10] [--home DIR]

Both are started in a pseudo-terminal of 120 x 40, in turns, in one run. A frame is whole when the text of the
first line and that of the last (the footer, which Textual draws last) have both been written. Prints both
medians and their ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

PEER = """
from textual.app import App
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, ContentSwitcher, DataTable, Footer, Header, Input, OptionList, Static

class Peer(App):
    TITLE = "PeerOnTop"
    BINDINGS = [("a", "bell", "AtTheFoot"), ("b", "bell", "Beta"), ("c", "bell", "Gamma")]
    CSS = "#side {width: 27} #main {width: 1fr} #table {height: 1fr} #switcher {height: 1fr} #detail {height: 11}"
    def compose(self):
        yield Header()
        with ContentSwitcher(id="switcher", initial="one"):
            with Horizontal(id="one"):
                with Vertical(id="side"):
                    yield OptionList()
                with Vertical(id="main"):
                    yield Input(placeholder="filter")
                    yield DataTable(id="table")
                    yield Static("status")
                    yield Button("Go")
                    with VerticalScroll(id="detail"):
                        yield Static("detail")
        yield Footer()
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("state", "title", "kind", "pages", "chunks")

Peer().run()
"""


def seconds_to_frame(
    command: list[str], marks: tuple[bytes, bytes], environment: dict[str, str], limit: float = 30.0
) -> tuple[float, float]:
    """Wall and processor time from the start of the process until both marks have been written."""
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    written = b""
    try:
        while time.perf_counter() - began < limit:
            ready, _, _ = select.select([terminal], [], [], 0.05)
            if ready:
                try:
                    written += os.read(terminal, 65536)
                except OSError:
                    break
                if all(mark in written for mark in marks):
                    return time.perf_counter() - began, processor_seconds(pid)
        raise SystemExit(f"no frame from {command}: {written[-2000:]!r}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def processor_seconds(pid: int) -> float:
    """What the process has used so far; NaN where /proc does not say. Steadier than the wall clock on a busy machine."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument(
        "--home", default="", help="a used home folder (the app then begins with Chat); default: a fresh one"
    )
    options = parser.parse_args()
    environment = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor")
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as fresh:
        home = options.home or fresh
        app = [sys.executable, "-c", "from ragterm.cli.main import main; main()", "--home", home]
        for start in range(options.starts + 1):
            peer = seconds_to_frame([sys.executable, "-c", PEER], (b"PeerOnTop", b"AtTheFoot"), environment)
            own = seconds_to_frame(app, (b"ragterm", b"Palette"), environment)
            if start:  # the first of each fills the file cache
                ours.append(own)
                theirs.append(peer)
    for name, which in (("wall", 0), ("processor", 1)):
        own, peer = (statistics.median(one[which] for one in times) for times in (ours, theirs))
        print(
            f"{name:>9}: ragterm {own * 1000:.0f} ms, peer {peer * 1000:.0f} ms, ratio {own / peer:.2f} (at most 1.8)"
        )


if __name__ == "__main__":
    main()
