"""Pictures of the shell and of Documents, for what no assertion on text would see: colours, borders, alignment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fake_engine import FakeEngine, make_document
from support.ui import make_app, paste, settled, until
from textual.pilot import Pilot

from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress
from ragterm.ui import messages
from ragterm.ui.screens.drop import DropScreen


async def ready(pilot: Pilot[Any]) -> None:
    app = pilot.app
    app.animation_level = "none"
    await until(pilot, lambda: app.bridge.listed is not None and app.status.llm and len(app.switcher.children) == 4)
    await settled(pilot)


def before(*steps: str) -> Callable[[Pilot[Any]], Any]:
    async def run(pilot: Pilot[Any]) -> None:
        await ready(pilot)
        for key in steps:
            await pilot.press(key)
        await settled(pilot)

    return run


@pytest.mark.parametrize("theme", ["ragterm", "paper", "terminal", "contrast"])
def test_documents(snap_compare, theme: str) -> None:
    assert snap_compare(make_app(theme=theme), terminal_size=(160, 40), run_before=before("down", "down", "space"))


@pytest.mark.parametrize("width", [80, 110])
def test_documents_on_a_small_screen(snap_compare, width: int) -> None:
    assert snap_compare(make_app(), terminal_size=(width, 28), run_before=before("down"))


def test_an_empty_collection(snap_compare) -> None:
    assert snap_compare(make_app(FakeEngine(count=0)), terminal_size=(110, 30), run_before=before())


def test_the_ledger(snap_compare) -> None:
    async def run(pilot: Pilot[Any]) -> None:
        await ready(pilot)
        outcomes = (
            DocumentOutcome("/d/handbook.pdf", "added", pages=12, chunks=48, seconds=0.8, warnings=("w",)),
            DocumentOutcome(
                "/d/broken.docx", "failed", stage="parse", error="the file is damaged", hint="save it again"
            ),
            DocumentOutcome("/d/movie.mp4", "skipped", error="unsupported kind of file (.mp4)"),
            DocumentOutcome("/d/copy of handbook.pdf", "duplicate", pages=12),
        )
        bridge = pilot.app.bridge
        bridge.publish(messages.IngestStarted("default"))
        bridge.publish(
            messages.IngestProgressed(
                IngestProgress(
                    "embedding", "default", "/d/next.md", 212, 117, 4210, 9000, 61.7, 68.0, 81.0, "", outcomes
                )
            )
        )
        await pilot.pause(0.3)

    assert snap_compare(make_app(), terminal_size=(140, 40), run_before=run)


def test_the_question_before_an_ingest(snap_compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in ("a.md", "b.md", "c.pdf", "d.xyz"):
        (folder / name).write_text("words")
    monkeypatch.chdir(tmp_path)

    async def run(pilot: Pilot[Any]) -> None:
        await ready(pilot)
        await paste(pilot, "./papers")
        await until(pilot, lambda: isinstance(pilot.app.screen, DropScreen))
        pilot.app.screen.query_one("Input").cursor_blink = False
        await pilot.pause(0.2)

    assert snap_compare(make_app(), terminal_size=(110, 34), run_before=run)


def test_a_source_at_its_span(snap_compare) -> None:
    async def run(pilot: Pilot[Any]) -> None:
        await ready(pilot)
        document = make_document(1)
        start = document.text.index("A customer may")
        pilot.app.post_message(messages.SourceRequested(document_id=document.id, start=start, end=start + 82))
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "SourceScreen")
        await pilot.pause(0.3)

    assert snap_compare(make_app(), terminal_size=(130, 36), run_before=run)


def test_help(snap_compare) -> None:
    assert snap_compare(make_app(), terminal_size=(120, 44), run_before=before("question_mark"))
