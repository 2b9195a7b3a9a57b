"""Chunking compared in the app: the figures, two cuttings of one text side by side, and text that would steer the terminal."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.chunk_strategies import lines, windows
from support.comparing import ComparingEngine
from support.fake_engine import HOSTILE, TEXT
from support.ui import make_app, running, screen_text, until

from ragterm.engine.chunking import registry
from ragterm.engine.types.builds import Rebuilt
from ragterm.engine.types.comparing import SpanMeasures
from ragterm.engine.types.errors import NotFoundError, RagtermError
from ragterm.engine.types.ingesting import IngestProgress
from ragterm.ui.screens.comparison import ComparisonScreen, figures
from ragterm.ui.screens.dialogs import ConfirmScreen, ErrorScreen, TextScreen
from ragterm.ui.widgets.chunk_text import ChunkText


@pytest.fixture(autouse=True)
def _strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(registry.STRATEGIES):
        monkeypatch.delitem(registry.STRATEGIES, name)
    monkeypatch.setitem(registry.STRATEGIES, "windows", windows)
    monkeypatch.setitem(registry.STRATEGIES, "lines", lines)
    monkeypatch.setattr(registry, "detected", lambda document, blocks: "windows")


async def opened(pilot: Any, app: Any) -> ComparisonScreen:
    await pilot.press("h")
    await until(pilot, lambda: isinstance(app.screen, ComparisonScreen) and app.screen.result is not None)
    screen: ComparisonScreen = app.screen
    await until(pilot, lambda: all(view.lines for view in screen.views))
    return screen


async def test_two_strategies_stand_side_by_side_and_the_sides_change() -> None:
    app = make_app(ComparingEngine())
    async with running(app) as pilot:
        await pilot.press("down", "down")
        screen = await opened(pilot, app)
        assert screen.result is not None and len(screen.result.documents) == 1, "the one under the cursor"
        shown = screen_text(app)
        assert "strategy" in shown and "windows" in shown and "lines" in shown and "recall" not in shown
        left, right = screen.views
        assert left.text == right.text == TEXT
        assert [left.chunks, right.chunks] == [
            screen.result.strategies[n].boundaries[screen.result.documents[0].id] for n in (0, 1)
        ]
        assert str(left.border_title).startswith("A auto:") and str(right.border_title).startswith("B windows:")
        assert "Aurora Kettle: service handbook" in shown
        assert left.chunks == right.chunks
        await pilot.press("a", "a")
        assert screen.shown == (2, 1) and left.chunks != right.chunks
        assert screen.current is not None and screen.current.settings.strategy == "lines"
        await pilot.press("b", "b")
        assert screen.shown == (2, 0)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ComparisonScreen))

        await pilot.press("space", "space", "space")
        screen = await opened(pilot, app)
        assert screen.result is not None and len(screen.result.documents) == 3, "the marked ones"
        assert "1 of 3" in screen_text(app)
        await pilot.press("n")
        assert "2 of 3" in screen_text(app)
        await pilot.press("p", "p")
        assert "3 of 3" in screen_text(app)


async def test_the_sides_scroll_together_find_where_they_differ_and_are_measured(tmp_path: Path) -> None:
    engine = ComparingEngine(count=1)
    file = tmp_path / "questions.jsonl"
    path = next(iter(engine._documents["default"].values())).path
    file.write_text(json.dumps({"question": "How long?", "path": path, "quote": "three years"}), encoding="utf-8")
    app = make_app(engine)
    async with running(app, (120, 24)) as pilot:
        await pilot.press("down")
        screen = await opened(pilot, app)
        left, right = screen.views
        assert len(left.lines) > left.size.height + 4, "there is something to scroll"
        await pilot.press("b", "down", "down", "down")
        await until(pilot, lambda: left.scroll_offset.y == 3 and right.offset_at_top == left.offset_at_top)
        only = sorted({s for s, _ in left.chunks} ^ {s for s, _ in right.chunks})
        following = next(place for place in only if place > left.offset_at_top)
        await pilot.press("d")
        await until(pilot, lambda: left.scroll_offset.y != 3)
        line = left.scroll_offset.y
        assert left.lines[line][0] <= following <= left.lines[line][1] or line == left.max_scroll_y

        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        app.screen.query_one("Input").value = str(file)
        await pilot.press("enter")
        await until(pilot, lambda: screen.result is not None and screen.result.questions == 1)
        assert "1 question; recall, precision and IoU of 5 chunks" in screen_text(app)
        assert screen.result is not None and screen.result.strategies[1].measures is not None
        await pilot.resize_terminal(180, 40)
        await until(pilot, lambda: f"{screen.result.strategies[1].measures.token_recall:.3f}" in screen_text(app))


async def test_it_is_reached_from_the_palette_shows_what_failed_and_is_cancelled_by_leaving() -> None:
    engine = ComparingEngine()
    controls: list[Any] = []

    def refuse(*given: Any, **rest: Any) -> Any:
        raise RagtermError("A line cannot be read", "questions.jsonl, line 3: [/red] not JSON", "correct the line")

    def wait(*given: Any, **rest: Any) -> Any:
        controls.append(rest["control"])
        while True:
            rest["control"].checkpoint()
            time.sleep(0.001)

    app = make_app(engine)
    async with running(app) as pilot:
        engine.compare_chunking = refuse  # type: ignore[method-assign]
        await pilot.press("down", "ctrl+p", *"chunking", "enter")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert "line 3: [/red] not JSON" in screen_text(app)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        engine.compare_chunking = wait  # type: ignore[method-assign]
        await pilot.press("h")
        await until(pilot, lambda: bool(controls))
        await pilot.press("escape")
        await until(pilot, lambda: controls[0].cancelled)


async def test_hostile_text_and_names_are_drawn_and_nothing_else() -> None:
    app = make_app(ComparingEngine(count=2, hostile=True))
    async with running(app) as pilot:
        await pilot.press("down")
        screen = await opened(pilot, app)
        view = screen.views[0]
        assert HOSTILE in view.text
        view.go_to(len(view.text))
        await pilot.pause()
        shown = screen_text(app)
        assert "[/foo] b [b +" in shown
        assert not any(c in shown for c in "\x1b\x9b\x07\u202e\u2066\ud800\x00")


def test_a_narrow_screen_keeps_what_matters_most() -> None:
    engine = ComparingEngine(count=1)
    result = engine.compare_chunking(documents=[one.id for one in engine.documents() if one.state == "indexed"])
    measured = replace(
        result,
        questions=1,
        strategies=tuple(
            replace(one, measures=SpanMeasures(0.5, 0.25, 0.2, 0.3, 0.875, 0.4, 7, 1)) for one in result.strategies
        ),
    )
    for width in (60, 90, 200):
        rows = figures(measured, width)
        assert len({len(row) for row in rows}) == 1 and len(rows[0]) <= width
        assert "rec@t" in rows[0] and "0.875" in rows[1] and "strategy" in rows[0]
    assert ("repeated" in figures(measured, 90)[0], "repeated" in figures(measured, 200)[0]) == (False, True)


def test_which_chunks_hold_a_character() -> None:
    view = ChunkText()
    view.text = "x" * 40
    view.chunks = ((0, 10), (8, 20), (20, 30))
    assert [view.covering(at) for at in (0, 8, 9, 10, 20, 29, 30)] == [[0], [0, 1], [0, 1], [1], [2], [2], []]


async def test_the_strategy_on_the_left_is_adopted_after_a_question_and_one_goes_back() -> None:
    engine = ComparingEngine()
    asked: list[Any] = []

    def rechunk(chunking: Any, collection: str, on_progress: Any, control: Any) -> Rebuilt:
        asked.append((chunking.strategy, collection))
        on_progress(IngestProgress("embedding", collection, files_total=3, files_done=1))
        return Rebuilt("new", "old", 3, 41, 40, 0.1)

    def roll_back(collection: str, on_progress: Any, control: Any) -> Rebuilt:
        asked.append(("back", collection))
        raise NotFoundError("There is no build to go back to", "[/red]", "nothing to do")

    engine.rechunk, engine.roll_back = rechunk, roll_back  # type: ignore[attr-defined]
    app = make_app(engine)
    async with running(app) as pilot:
        await pilot.press("down", "down")
        screen = await opened(pilot, app)
        await pilot.press("a", "a", "u")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert asked == []
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.click("#yes")
        await until(pilot, lambda: "41 chunks answer now" in screen_text(app))
        assert asked == [("lines", app.bridge.collection)]
        await until(pilot, lambda: not screen.switching)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert asked[-1][0] == "back"
