"""What a terminal says it can show, and that the library which draws pictures never asks it inside the app."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from typing import Any

import pytest
from PIL import Image, ImageDraw

from ragterm.ui.pictures import (
    TerminalPictures,
    ask_terminal,
    fitted,
    picture_widget,
    prepared,
    understands_kitty,
    understood,
)


@pytest.mark.parametrize(
    ("answers", "kind", "cell"),
    [
        (b"\x1b[?62;4;6;22c", "sixel", (10, 20)),  # xterm -ti vt340
        (b"\x1b[6;34;17t\x1b[?62;4c", "sixel", (17, 34)),
        (b"\x1b[?64;1;2;6;9;15;18;21;22c", "half", (10, 20)),  # no 4, but numbers that hold one
        (b"\x1b[?44;14c", "half", (10, 20)),
        (b"\x1b_Gi=31;OK\x1b\\\x1b[6;18;9t\x1b[?62;c", "kitty", (9, 18)),
        (b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?62c", "half", (10, 20)),
        (b"abc\x1b[6;0;0t\x1b[?1;2c", "half", (10, 20)),  # typed ahead; a terminal that knows no pixels
        (b"\x1b[6;99999;99999t\x1b[?6c", "half", (10, 20)),
        (b"", "half", (10, 20)),
    ],
)
def test_what_the_answers_mean(answers: bytes, kind: str, cell: tuple[int, int]) -> None:
    assert understood(answers) == TerminalPictures(kind, cell)  # type: ignore[arg-type]


def test_the_system_knows_the_cell_better() -> None:
    assert understood(b"\x1b[6;34;17t\x1b[?4c", (8, 16)) == TerminalPictures("sixel", (8, 16))


def test_only_terminals_with_placeholders_are_asked_for_kittys_protocol() -> None:
    assert understands_kitty({"TERM": "xterm-kitty"})
    assert understands_kitty({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"})
    assert not understands_kitty({"TERM": "xterm-256color"})
    assert not understands_kitty({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"})


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> tuple[TerminalPictures, bytes]:
    """Ask a pseudo-terminal that answers the first thing it is asked; what it said, and what it was asked."""
    terminal, side = pty.openpty()
    asked: list[bytes] = []

    def reply() -> None:
        asked.append(os.read(terminal, 4096))
        os.write(terminal, answer)

    thread = threading.Thread(target=reply)
    thread.start()
    file_in, file_out = os.fdopen(os.dup(side), "r"), os.fdopen(side, "w")
    monkeypatch.setattr(sys, "__stdin__", file_in)
    monkeypatch.setattr(sys, "__stdout__", file_out)
    try:
        return ask_terminal(5.0 if answer else 0.05), asked[0] if asked else b""
    finally:
        thread.join(5)
        file_in.close()
        file_out.close()
        os.close(terminal)


def test_a_terminal_is_asked_once_and_its_answer_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "KITTY_WINDOW_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    said, asked = on_a_terminal(monkeypatch, b"\x1b[6;36;18t\x1b[?62;4c")
    assert said == TerminalPictures("sixel", (18, 36))
    assert asked.endswith(b"\x1b[c") and b"\x1b_G" not in asked
    monkeypatch.setenv("TERM", "xterm-kitty")
    said, asked = on_a_terminal(monkeypatch, b"\x1b_Gi=31;OK\x1b\\\x1b[?62c")
    assert said.kind == "kitty" and asked.startswith(b"\x1b_G")


def test_a_silent_terminal_and_none_at_all_get_half_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_a_terminal(monkeypatch, b"")[0] == TerminalPictures()
    monkeypatch.setattr(sys, "__stdin__", io.StringIO())
    assert ask_terminal() == TerminalPictures()
    monkeypatch.setattr(sys, "__stdin__", None)
    assert ask_terminal() == TerminalPictures()


IMPORT = """
from ragterm.ui.pictures import TerminalPictures, picture_widget
from textual_image._terminal import get_cell_size
names = [picture_widget(TerminalPictures(kind, (9, 18))).__name__ for kind in ("half", "sixel", "kitty")]
with open(__import__("sys").argv[1], "w") as file:
    print(names, tuple(get_cell_size()), file=file)
"""


def test_the_library_asks_nothing_when_it_is_imported_on_a_terminal(tmp_path: Any) -> None:
    terminal, side = pty.openpty()
    said = tmp_path / "said"
    done = subprocess.run([sys.executable, "-c", IMPORT, str(said)], stdin=side, stdout=side, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    assert said.read_text() == "['HalfBlockPicture', 'SixelPicture', 'TGPImage'] (9, 18)\n"
    os.set_blocking(terminal, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal, 100)
    os.close(side)
    os.close(terminal)


@pytest.mark.parametrize(
    ("size", "room", "cell", "expected"),
    [
        ((100, 100), (40, 40), (10, 20), (40, 20)),
        ((100, 200), (40, 20), (10, 20), (20, 20)),
        ((100, 100), (40, 40), (10, 10), (40, 40)),
        ((1, 10_000), (40, 20), (10, 20), (1, 20)),
        ((10_000, 1), (40, 20), (10, 20), (40, 1)),
    ],
)
def test_a_picture_keeps_its_proportions(size: Any, room: Any, cell: Any, expected: tuple[int, int]) -> None:
    assert fitted(size, room, cell) == expected


def png() -> bytes:
    picture = Image.new("RGB", (200, 280), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, 199, 139), fill="red")
    picture.save(out := io.BytesIO(), "PNG")
    return out.getvalue()


def test_pictures_are_made_ready_at_the_size_of_the_terminals_pixels() -> None:
    half, cells = prepared(png(), (30, 21), TerminalPictures("half"))
    assert cells == (30, 21) and [row.text for row in half.rows] == ["▀" * 30] * 21
    first, middle, last = (next(iter(half.rows[y])).style for y in (0, 10, 20))
    assert first.color.triplet == first.bgcolor.triplet == (255, 0, 0)
    assert middle.color.triplet.green < 30 and middle.bgcolor.triplet.green > 225  # the edge lies within the row
    assert last.color.triplet == last.bgcolor.triplet == (255, 255, 255)
    assert all(len(list(row)) == 1 for row in half.rows)  # neighbours of one colour are one segment
    kitty, cells = prepared(png(), (30, 21), TerminalPictures("kitty", (8, 16)))
    assert cells == (30, 21) and kitty.size == (240, 336)


def test_sixels_are_encoded_beforehand_as_the_library_would() -> None:
    from textual_image._sixel import image_to_sixels

    picture_widget(TerminalPictures("sixel"))
    made, _ = prepared(png(), (12, 8), TerminalPictures("sixel"))
    assert made.info["ragterm-sixels"] == image_to_sixels(made.copy())


async def test_the_encoding_made_beforehand_reaches_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from textual.app import App

    made, (columns, rows) = prepared(png(), (12, 8), TerminalPictures("sixel"))
    widget_class = picture_widget(TerminalPictures("sixel"))
    monkeypatch.setattr(
        "textual_image.widget.sixel.image_to_sixels", lambda *_: pytest.fail("encoded in the event loop")
    )

    class Shown(App[None]):
        def compose(self) -> Any:
            widget = widget_class(made)
            widget.styles.width, widget.styles.height = columns, rows
            yield widget

    app = Shown()
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        impl = app.query_one("_Encoded")
        assert made.info["ragterm-sixels"] in "".join(s.text for strip in impl.render_lines(impl.region) for s in strip)
