"""What the terminal can show of a picture, and the widget that shows it.

`textual-image` draws with Sixel or with Kitty's graphics protocol; where the terminal knows neither, `half_blocks` does. The library
asks the terminal when it is imported; inside a running app the answer would arrive as keystrokes, and it takes a fifth of a second
to import. So the terminal is asked here, before the app, in one round trip: a question that every terminal answers (primary device
attributes) comes last, and its answer ends the waiting. The library is imported, in a thread, when the first picture is wanted, with
its own questions switched off.

Sources: ECMA-48 and DEC STD 070 for device attributes (4 is Sixel); XTWINOPS 16 for the size of a cell; the graphics protocol of
Kitty (sw.kovidgoyal.net/kitty/graphics-protocol), "Querying support".
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from textual.widget import Widget

Kind = Literal["sixel", "kitty", "half"]
ANSWER_SECONDS = 0.2
_ATTRIBUTES = re.compile(rb"\x1b\[\?([0-9;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_KITTY = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_ASK_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_ASK_CELL = b"\x1b[16t"
_ASK_ATTRIBUTES = b"\x1b[c"


@dataclass(frozen=True, slots=True)
class TerminalPictures:
    """`cell` is the size of a character in pixels (width, height); half blocks use its proportion alone."""

    kind: Kind = "half"
    cell: tuple[int, int] = (10, 20)


def understands_kitty(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is one that draws Kitty's placeholders. Others print the question, or answer it and draw nothing."""
    if "TMUX" in environment or environment.get("TERM", "").startswith(("screen", "tmux")):
        return False
    return "KITTY_WINDOW_ID" in environment or environment.get("TERM") in ("xterm-kitty", "xterm-ghostty")


def understood(answers: bytes, pixels: tuple[int, int] | None = None) -> TerminalPictures:
    """What the terminal's answers say. `pixels` is the size of a cell where the system knows it."""
    cell = pixels
    if cell is None and (found := _CELL.search(answers)):
        cell = int(found[2]), int(found[1])
    if cell is None or not (2 <= cell[0] <= 200 and 2 <= cell[1] <= 400):
        cell = TerminalPictures.__dataclass_fields__["cell"].default
    if _KITTY.search(answers):
        return TerminalPictures("kitty", cell)
    attributes = _ATTRIBUTES.search(answers)
    if attributes and b"4" in attributes[1].split(b";"):
        return TerminalPictures("sixel", cell)
    return TerminalPictures("half", cell)


def ask_terminal(seconds: float = ANSWER_SECONDS) -> TerminalPictures:
    """Ask the terminal on standard input and output. Before the app starts, never while it runs. Half blocks where unsure."""
    try:
        if sys.platform == "win32" or not (sys.__stdin__.isatty() and sys.__stdout__.isatty()):  # type: ignore[union-attr]
            return TerminalPictures()
        question = (_ASK_KITTY if understands_kitty(os.environ) else b"") + _ASK_CELL + _ASK_ATTRIBUTES
        reading, writing = sys.__stdin__.fileno(), sys.__stdout__.fileno()  # type: ignore[union-attr]
        return understood(_answers(reading, writing, question, seconds), _cell_pixels(writing))
    except (OSError, ValueError, AttributeError, ImportError):
        return TerminalPictures()


def _answers(reading: int, writing: int, question: bytes, seconds: float) -> bytes:
    import select
    import termios
    import tty

    before = termios.tcgetattr(reading)
    answers = b""
    try:
        tty.setcbreak(reading, termios.TCSANOW)
        os.write(writing, question)
        end = time.monotonic() + seconds
        while not _ATTRIBUTES.search(answers) and (left := end - time.monotonic()) > 0:
            if not select.select([reading], [], [], left)[0]:
                break
            answers += os.read(reading, 4096)
    finally:
        termios.tcsetattr(reading, termios.TCSANOW, before)
    return answers


def _cell_pixels(writing: int) -> tuple[int, int] | None:
    import array
    import fcntl
    import termios

    sizes = array.array("H", [0, 0, 0, 0])
    fcntl.ioctl(writing, termios.TIOCGWINSZ, sizes)
    rows, columns, width, height = sizes
    return (width // columns, height // rows) if rows and columns and width and height else None


def picture_widget(able: TerminalPictures) -> type[Widget]:
    """The widget class for this terminal; its `image` takes what `prepared` gives. Slow the first time: for a thread.

    Raises ImportError where the library is not there or has become another."""
    if able.kind == "half":
        from ragterm.ui.widgets.half_blocks import HalfBlockPicture

        return HalfBlockPicture
    import textual_image._terminal as terminal

    def unasked(*_: Any, **__: Any) -> Any:
        raise terminal.TerminalError("the terminal was asked before the app began")

    try:
        terminal.capture_terminal_response = unasked
        terminal.get_cell_size._result = terminal.CellSize(*able.cell)
        from textual_image import widget
    except AttributeError as error:
        raise ImportError(f"textual-image is not as expected: {error}") from error
    if able.kind == "sixel":
        from ragterm.ui.widgets.sixel_picture import SixelPicture

        return SixelPicture
    return widget.TGPImage


def fitted(size: tuple[int, int], room: tuple[int, int], cell: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of a picture of `size` pixels within `room` cells, its proportions kept; at least one each."""
    width, height = max(1, size[0]), max(1, size[1])
    columns = max(1, room[0])
    rows = columns * cell[0] * height / width / cell[1]
    if rows > room[1]:
        rows = max(1, room[1])
        columns = round(rows * cell[1] * width / height / cell[0])
    return max(1, min(columns, room[0])), max(1, round(rows))


def prepared(png: bytes, room: tuple[int, int], able: TerminalPictures) -> tuple[Any, tuple[int, int]]:
    """A picture for `picture_widget`, at the size in which it is shown, and its columns and rows. Slow: for a thread. Raises OSError,
    ValueError."""
    import io

    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    columns, rows = fitted(picture.size, room, able.cell)
    pixels = (columns, 2 * rows) if able.kind == "half" else (columns * able.cell[0], rows * able.cell[1])
    picture = picture.resize(pixels, Image.Resampling.LANCZOS)
    if able.kind == "half":
        from ragterm.ui.widgets.half_blocks import half_blocks

        return half_blocks(picture), (columns, rows)
    if able.kind == "sixel":
        from ragterm.ui.widgets.sixel_picture import encode

        return encode(picture), (columns, rows)
    return picture, (columns, rows)
