"""Makes the README's picture: the real app, the sample documents, a question, the SVG that Textual saves.

python tests/support/screenshot.py [OUT.svg] [--pane chat|inspector|layers|documents] [--size 140x40] [--theme NAME]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OLLAMA_HOST", "127.0.0.1:1")  # the picture does not depend on who runs a model

from ragterm import Engine
from ragterm.engine.types.settings import Settings
from ragterm.resources import shipped
from ragterm.ui.app import RagtermApp
from ragterm.ui.bridge import Bridge

QUESTION = "How many days do customers have to return goods under the 2025 policy?"
KEYS = {"chat": "f3", "inspector": "f4", "layers": "f7", "documents": "f2"}


async def picture(out: Path, pane: str, size: tuple[int, int], theme: str, question: str, keys: list[str]) -> None:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings()
        settings = replace(settings, interface=replace(settings.interface, theme=theme))
        with Engine.open(home, settings) as engine:
            engine.ingest([str(shipped("sample_docs"))])
            engine.finish_graph()
        app = RagtermApp(Bridge(Path(home), settings), first="chat")
        async with app.run_test(size=size, notifications=True) as pilot:
            for _ in range(300):
                await pilot.pause(0.1)
                if app.bridge.listed is not None and len(app.switcher.children) == 4:
                    break
            await pilot.pause(1.0)
            await pilot.press(*[{" ": "space", "?": "question_mark"}.get(c, c) for c in question], "enter")
            for _ in range(600):
                await pilot.pause(0.1)
                if not app.bridge.answering:
                    break
            await pilot.pause(1.0)
            if pane in ("inspector", "layers"):
                await pilot.press("escape", {"inspector": "i", "layers": "g"}[pane])
            else:
                await pilot.press(KEYS[pane])
            await pilot.pause(2.5)
            await pilot.press(*keys)
            await pilot.pause(2.0)
            svg = app.export_screenshot(title="ragterm")
            # The template asks a server for its font: a picture of a private tool fetches nothing.
            out.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).parents[1] / "ui" / "screenshot.svg")
    parser.add_argument("--pane", choices=KEYS, default="chat")
    parser.add_argument("--size", default="140x40")
    parser.add_argument("--theme", default="ragterm")
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--keys", nargs="*", default=[])
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    asyncio.run(picture(given.out, given.pane, (columns, rows), given.theme, given.question, given.keys))
