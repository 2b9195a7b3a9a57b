"""Does the event loop ever wait? A 10 ms heartbeat in it, from the first frame to the end of an ingest of 500 files.

    python tests/benchmarks/heartbeat.py [--files 500] [--folder DIR] [--size 160x48] [--pages]

The real app on the real engine in a fresh home folder, drawing on this terminal's stand-in (a pseudo-terminal made here, read by a
process of its own, as a terminal emulator would be), the parsers in their processes, the embedder in its threads. Meanwhile keys
are pressed: panes are switched, the list is scrolled, a filter is typed. With `--pages` (and a folder of PDFs) documents are opened
instead, as soon as they are in, and their pages turned, drawn in half blocks: the dearest of the pictures. Lateness is how much
later than planned a beat came. Beside it, for a busy machine: the processor time that the loop itself spent between two beats.
Must be: p99 below 50 ms, maximum below 150 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import pty
import random
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

from ragterm.ui import messages
from ragterm.ui.app import RagtermApp
from ragterm.ui.bridge import Bridge
from ragterm.ui.launch import keep_the_loop_quick, prepare_log
from ragterm.ui.screens.preview import PreviewScreen

BEAT = 0.010
WORDS = "warranty kettle refund sensor gateway battery meeting customer invoice release the a of and to in is was"
KEYS = (
    "f3",
    "h",
    "e",
    "l",
    "l",
    "o",
    "f2",
    "down",
    "pagedown",
    "slash",
    "n",
    "o",
    "escape",
    "end",
    "f4",
    "f2",
    "f7",
    "f2",
    "up",
    "home",
)


class Beating(RagtermApp):
    """The app, with a heart. `late` are (seconds since the first frame, lateness in seconds), `own` the seconds of processor time
    that the loop's thread spent between two beats."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.late: list[tuple[float, float]] = []
        self.own: list[float] = []
        self.report: Any = None
        self.pressed = 0
        self.turning = False
        self.pictures_shown = 0

    async def _after_first_frame(self) -> None:
        self.run_worker(self._beat(), group="beat")
        self.run_worker(self._press(), group="press")
        await super()._after_first_frame()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        began = due = loop.time()
        while True:
            due += BEAT
            spent = time.thread_time()
            await asyncio.sleep(max(0.0, due - loop.time()))
            now = loop.time()
            self.own.append(time.thread_time() - spent)
            self.late.append((now - began, now - due))
            if now - due > BEAT:
                due = now  # one stall is counted once

    async def _press(self) -> None:
        if self.turning:
            await self._turn_pages()
        while self.report is None:
            await asyncio.sleep(0.25)
            self.simulate_key(KEYS[self.pressed % len(KEYS)])
            self.pressed += 1

    async def _turn_pages(self) -> None:
        """Open one PDF after the other, wait for the picture of its page, turn to the next, as long as the ingest runs."""
        number = 0
        while self.report is None:
            listed = self.bridge.listed.documents if self.bridge.listed else ()
            paged = [document for document in listed if (document.pages or 0) > 1]
            if not paged:
                await asyncio.sleep(0.25)
                continue
            chosen = paged[number % len(paged)]
            number += 1
            self.post_message(messages.PreviewRequested(chosen.id))
            await self._pictured(1)
            for page in range(2, min(chosen.pages or 0, 5) + 1):
                await asyncio.sleep(0.25)
                self.simulate_key("pagedown")
                self.pressed += 1
                await self._pictured(page)
            self.simulate_key("escape")
            await asyncio.sleep(0.25)

    async def _pictured(self, page: int) -> None:
        for _ in range(100):
            await asyncio.sleep(0.05)
            if isinstance(self.screen, PreviewScreen) and (self.screen.pages.shown or (0,))[0] == page:
                self.pictures_shown += 1
                return

    async def on_ingest_finished(self, message: messages.IngestFinished) -> None:
        self.report = message.report
        self.set_timer(1.0, self.exit)


def write_files(folder: Path, count: int) -> None:
    """Markdown of believable lengths, each different: a fixed seed."""
    words = WORDS.split()
    random.seed(7)
    for number in range(count):
        parts = [f"# Note {number}\n"]
        for section in range(random.randint(1, 6)):
            parts.append(f"## Part {section}\n\n" + " ".join(random.choices(words, k=random.randint(40, 400))) + ".\n")
        (folder / f"note-{number:03}.md").write_text("\n".join(parts), encoding="utf-8")


def run(home: Path, folder: Path, size: tuple[int, int], pages: bool = False) -> Beating:
    """The app on a pseudo-terminal whose other end a child process reads."""
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    reader = os.fork()
    if reader == 0:
        os.close(inside)
        try:
            while os.read(outside, 65536):
                pass
        except OSError:
            pass
        os._exit(0)
    os.close(outside)
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    prepare_log(home)
    log = os.open(home / "logs" / "ragterm.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    kept = [os.dup(descriptor) for descriptor in (0, 1, 2)]
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    os.dup2(inside, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    screen = os.fdopen(inside, "w", encoding="utf-8", errors="replace")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = os.fdopen(os.dup(0)), screen, screen  # type: ignore[misc]
    bridge = Bridge(home)
    app = Beating(bridge, paths=(str(folder),))
    app.turning = pages
    keep_the_loop_quick(app)
    try:
        app.run()
    finally:
        bridge.close()
        for descriptor, one in enumerate(kept):
            os.dup2(one, descriptor)
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]
        os.kill(reader, 9)
        os.waitpid(reader, 0)
    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--folder", default="", help="ingest this instead of files made here")
    parser.add_argument("--size", default="160x48")
    parser.add_argument("--pages", action="store_true", help="open PDFs and turn their pages meanwhile; needs --folder")
    options = parser.parse_args()
    if options.pages and not options.folder:
        parser.error("--pages needs a --folder of PDFs")
    width, _, height = options.size.partition("x")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(options.folder) if options.folder else Path(place, "docs")
        if not options.folder:
            folder.mkdir()
            write_files(folder, options.files)
        began = time.monotonic()
        app = run(Path(place, "home"), folder, (int(width), int(height)), options.pages)
    late = sorted(lateness for _, lateness in app.late)
    if not late or app.report is None:
        raise SystemExit(f"the app ended before its ingest did: {getattr(app, '_exception', None)!r}")
    p99, most = late[int(0.99 * (len(late) - 1))], late[-1]
    counts = {name: count for name, count in app.report.counts.items() if count}
    print(
        f"ingest {counts}, {app.report.chunks} chunks in {app.report.seconds:.0f} s ({time.monotonic() - began:.0f} s in all)"
    )
    pictures = f", {app.pictures_shown} pictures of pages shown" if options.pages else ""
    print(f"{app.pressed} keys pressed meanwhile{pictures}, {len(late)} beats of 10 ms; lateness:")
    print(
        f"p50 {late[len(late) // 2] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms (below 50), maximum {most * 1000:.1f} ms (below 150)"
    )
    own = sorted(app.own)
    print(f"the loop's own work: p99 {own[int(0.99 * (len(own) - 1))] * 1000:.1f} ms, maximum {own[-1] * 1000:.1f} ms")
    worst = sorted(app.late, key=lambda beat: -beat[1])[:8]
    print("latest beats at: " + ", ".join(f"{when:.1f} s: {lateness * 1000:.0f} ms" for when, lateness in worst))


if __name__ == "__main__":
    main()
