"""Hostile names, documents, model output and pastes through every pane of the real app, in a real pseudo-terminal.

What the terminal receives is searched for every sequence that was planted: none may arrive, nothing may crash.
"""

from __future__ import annotations

import os
import sys

import pytest
from support.ollama_server import Behaviour, OllamaServer
from support.terminal import Terminal

# Sequences that Textual itself never writes, each with a word of its own.
PLANTED = {
    "title": "\x1b]0;PLANTEDTITLE\x07",
    "clipboard": "\x1b]52;c;UExBTlRFRA==\x07",
    "link": "\x1b]8;;http://planted.example\x1b\\",
    "blink": "\x1b[5;35;7mPLANTEDBLINK",
    "c1 csi": "\x9b5;35;7mPLANTEDC1",
    "c1 osc": "\x9d0;PLANTEDC1TITLE\x9c",
    "bidi": "\u202egnitnalp\u202c",
    "isolate": "\u2067planted\u2069",
    "device": "\x1bP$qPLANTED\x1b\\",
}
FORBIDDEN = [
    b"\x1b]0;",
    b"PLANTEDTITLE\x07",
    b"\x1b]52;c;UExBTlRFRA",
    b"\x1b]8;;http://planted",
    b"\x1b[5;35;7m",
    b"\xc2\x9b",
    b"\xc2\x9d",
    b"\x9b5;35",
    "\u202e".encode(),
    "\u2067".encode(),
    b"\x1bP$qPLANTED",
]
MARKUP = "[/foo] [b +  [@click=app.quit]x[/] [link=http://planted.example]y"


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    everything = " ".join(PLANTED.values())
    body = f"# Turbine {MARKUP} {everything}\n\nThe turbine {MARKUP} spins at 3000 turns. {everything}\n"
    names = [
        "plain.md",
        "[/foo] [b +.md",
        "\x1b[5;35;7mPLANTEDBLINK.md",
        "\u202egnitnalp\u202c.md",
        "\x1b]0;PLANTEDTITLE\x07.md",
        "c1\x9b5;35;7m.md",
    ]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)  # "[/foo]" is a folder named "[" with a file in it
        (folder / name).write_text(f"{body}\nPart {number} weighs {number + 4} kilograms.\n", encoding="utf-8")
    (folder / "\x1b[5;35;7mbroken [b +.pdf").write_bytes(b"%PDF-1.4 \x1b]0;PLANTEDTITLE\x07")
    page = f"<title>Turbine {everything} [/foo]</title><p>The turbine page {everything} {MARKUP} is long enough to be read.</p>"
    (folder / "page.html").write_text(page, encoding="utf-8")
    return folder


def test_no_planted_sequence_reaches_the_terminal(tmp_path, docs):
    spoken = (
        f"The turbine {MARKUP} spins at 3000 turns [1]. " + " ".join(PLANTED.values()) + " It is [/foo] so [2][99]."
    )
    # Every character a token of its own: no sequence arrives in one piece.
    behaviour = Behaviour(answer=list(spoken))
    with OllamaServer(models=["llama [/foo] [b +:3b"], behaviour=behaviour) as server:
        environment = os.environ | {
            "OLLAMA_HOST": server.host,
            "RAGTERM_HOME": str(tmp_path / "home"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        command = [sys.executable, "-c", "from ragterm.cli.main import main; main()"]
        with Terminal(command, environment) as terminal:
            terminal.wait_for("Documents")
            terminal.wait_for("sample documents")  # the empty state
            terminal.paste(str(docs).replace(" ", "\\ "))
            terminal.wait_for("Ingest these files?")
            terminal.type("\r")
            terminal.wait_for("7 added", seconds=90)

            # Documents: the list, the card of each document, its text, a filter, the ledger.
            for _ in range(8):
                terminal.type("\x1b[B")
            terminal.type("\r")
            terminal.type("\x1b")
            terminal.type("e")

            # Chat: typed and pasted hostile text, the answer, its citations, sources, prompt.
            terminal.type("\x1bOR")
            terminal.paste(f"how fast is the turbine {MARKUP} {PLANTED['blink']}{PLANTED['bidi']}")
            since = len(terminal.raw)
            terminal.type("\r")
            terminal.wait_for("3000", since)
            terminal.wait_for("passages read", since)
            terminal.type("\x1b")
            for source in ("1", "2"):  # read in a thread: the key that closes it waits for it
                since = len(terminal.raw)
                terminal.type(source)
                terminal.wait_for("close", since)
                terminal.type("\x1b")
            for key in ("c", "\x1b", "y", "Y"):
                terminal.type(key)

            # Inspector: candidates, before and after, timings, history.
            terminal.type("i")
            terminal.wait_for("cosine")
            for key in ("\x1b[B", "b", "t", "h", "\x1b", "s", "m", "m"):
                terminal.type(key)

            # Layers: the map, the walk, a chunk behind a node.
            terminal.type("\x1b[18~")
            terminal.type("/turbine [/foo]\r")
            for key in (".", ".", "\x1b[C", "\r", "\x1b"):
                terminal.type(key)

            # Help, the palette, themes.
            for key in ("\x07", "\x1b", "\x10", "turb", "\x1b", "\x1b[20~", "\x1b"):
                terminal.type(key)

            for forbidden in FORBIDDEN:
                at = terminal.raw.find(forbidden)
                assert at < 0, (forbidden, terminal.raw[max(0, at - 200) : at + 100])
            assert "\ufffd" in terminal.words()  # what was planted in names is shown, made harmless

            terminal.type("\x11")
            terminal.type("y")
            assert terminal.exit_code() == 0
