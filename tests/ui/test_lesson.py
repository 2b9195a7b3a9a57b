"""The teaching mode: predictions by key and by mouse, verdicts with distances, the way to the end, without any collection."""

from __future__ import annotations

import pytest
from support.fake_engine import FakeEngine
from support.ui import make_app, running, screen_text, until

from ragterm.engine.types.lessons import ONWARD
from ragterm.engine.vectors.lesson import lessons
from ragterm.ui.screens.lesson import LessonScreen, Play, Story
from ragterm.ui.widgets.map_picture import NOW, RESULT, SYMBOLS, VISITED
from ragterm.ui.widgets.plane import PlanePicture


def said(story: Story) -> str:
    return " ".join(" ".join(line.content.plain for line in story.lines).split())


def test_only_the_first_try_counts_and_a_wrong_one_moves_nothing() -> None:
    play = Play(lessons()[0])
    assert play.step == 1
    play.predict(9)
    assert not play.was_right and play.step == 1 and "layer 2" in play.verdict
    play.predict(ONWARD)
    assert play.was_right and play.right == 0 and play.step == 3
    play.predict(9)
    play.predict(ONWARD)
    play.tell()
    assert play.decision is None and play.right == 2 and play.verdict.startswith("Told: ")
    play.predict(3)
    assert play.right == 2 and play.step == 7


@pytest.mark.parametrize("size", [(40, 18), (80, 40)])
def test_the_plane_shows_what_is_known_and_no_more(size: tuple[int, int]) -> None:
    lesson = lessons()[0]
    on_layer_1 = PlanePicture(lesson, 3, *size)
    text = on_layer_1.draw().text()
    assert "V9 1.41" in text and "V1 7.07" in text and "V4 4.24" in text and "V8 4" not in text
    canvas = on_layer_1.draw()
    assert [canvas.cell(*on_layer_1.cell_of(n))[0] for n in (4, 9, 1, 8)] == [
        SYMBOLS[NOW],
        SYMBOLS[VISITED],
        SYMBOLS[VISITED],
        "·",
    ]
    end = PlanePicture(lesson, 7, *size)
    assert end.draw().cell(*end.cell_of(9))[0] == SYMBOLS[RESULT]
    for node in range(10):
        assert end.node_at(*end.cell_of(node)) == node
    columns = [end.cell_of(n)[0] for n in (0, 5)]
    rows = [end.cell_of(n)[1] for n in (0, 9)]
    assert columns[0] < columns[1] and rows[0] > rows[1], "x to the right, y up"


@pytest.mark.parametrize("size", [(80, 24), (150, 44)])
async def test_the_lesson_is_played_by_key_without_any_collection(size: tuple[int, int]) -> None:
    app = make_app(FakeEngine(count=0), first="layers")
    async with running(app, size) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, LessonScreen))
        screen: LessonScreen = app.screen  # type: ignore[assignment]
        story = screen.query_one(Story)
        await until(pilot, lambda: "which point is expanded next?" in said(story))
        await pilot.press("d", "1")
        await pilot.pause()
        told = said(story)
        assert "V1 is at 7.07;" in told and "✗" in told
        assert "Down to layer 1, at the nearest node so far: V4" in told, "what the right prediction led to"
        await pilot.press("9", "d", "d")
        await pilot.pause()
        assert screen.play.decision is None and screen.play.right == 3
        assert "3 of 4 predicted" in screen_text(app)
        await pilot.press("n", "n", "n", "n")
        await until(pilot, lambda: not isinstance(app.screen, LessonScreen))
        assert app.switcher.current == "layers", "the digits are the lesson's while it is open"


async def test_the_lesson_is_played_by_mouse_and_reached_from_the_palette() -> None:
    app = make_app(FakeEngine(count=0), first="chat")
    async with running(app, (120, 40)) as pilot:
        await pilot.press("ctrl+p", *"teach", "enter")
        await until(pilot, lambda: isinstance(app.screen, LessonScreen))
        screen: LessonScreen = app.screen  # type: ignore[assignment]
        await pilot.pause()
        story = screen.query_one("#story")
        row = next(i for i, line in enumerate(story.lines) if line.content.plain.startswith("d none"))
        inside = story.content_region.offset - story.region.offset
        await pilot.click(story, offset=(inside.x + 3, inside.y + row))
        await until(pilot, lambda: screen.play.at == 1)
        plane = screen.query_one("#plane")
        x, y = plane.picture.cell_of(9)
        await pilot.click(plane, offset=(x, y))
        await until(pilot, lambda: screen.play.at == 2)
        assert screen.play.right == 2
