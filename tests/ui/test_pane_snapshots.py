"""What Chat, Inspector and Layers look like: a few stable screens, small and large, dark, light and in the terminal's own colours.

After a wanted change look at the report, then: pytest tests/ui/test_pane_snapshots.py --snapshot-update
"""

from __future__ import annotations

from typing import Any

import pytest
from support import traces
from support.pane_app import PaneApp, TraceEngine
from support.ui import settled, until
from textual.pilot import Pilot

from ragterm.ui import messages
from ragterm.ui.panes.chat import ChatPane
from ragterm.ui.panes.inspector import InspectorPane
from ragterm.ui.panes.layers import LayersPane
from ragterm.ui.screens.lesson import LessonScreen
from ragterm.ui.widgets.line_view import LineView


async def answered(pilot: Pilot[Any]) -> None:
    pane: ChatPane = pilot.app.pane  # type: ignore[attr-defined]
    pane.prompt.cursor_blink = False
    pane.prompt.replace_text(traces.QUESTION)
    await pilot.press("enter")
    await until(pilot, lambda: bool(pane.conversation.exchanges) and pane.conversation.exchanges[-1].state == "done")
    await until(pilot, lambda: not pane.conversation._pending)
    await pilot.press("escape", "tab")
    await settled(pilot)


async def inspected(pilot: Pilot[Any], *keys: str) -> None:
    pane: InspectorPane = pilot.app.pane  # type: ignore[attr-defined]
    pilot.app.bridge.publish(messages.TraceShown(traces.trace()))  # type: ignore[attr-defined]
    await until(pilot, lambda: pane.trace is not None and bool(pane.rerankers))
    pane.table.focus()
    await pilot.press(*keys)
    await settled(pilot)


async def walked(pilot: Pilot[Any], *keys: str) -> None:
    pane: LayersPane = pilot.app.pane  # type: ignore[attr-defined]
    pilot.app.bridge.publish(messages.TraceShown(traces.trace()))  # type: ignore[attr-defined]
    await until(pilot, lambda: pane.walk is not None and pane.map._canvas is not None and pane.node.found is not None)
    await pilot.press(*keys)
    await until(pilot, lambda: pane.node.found is not None)
    await settled(pilot)
    # How far the list had to scroll to keep its cursor in view depends on when the card below it took its lines.
    for view in pane.query(LineView):
        view.reveal(0)
    await settled(pilot)


@pytest.mark.parametrize(("size", "theme"), [((80, 24), "ragterm"), ((120, 36), "paper"), ((100, 30), "terminal")])
def test_an_answer(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(PaneApp(ChatPane, theme=theme), terminal_size=size, run_before=answered)


@pytest.mark.parametrize("size", [(80, 24), (160, 40)])
def test_the_candidates(snap_compare: Any, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot[Any]) -> None:
        await inspected(pilot, "down", "down")

    assert snap_compare(PaneApp(InspectorPane), terminal_size=size, run_before=run_before)


def test_before_and_after_reranking(snap_compare: Any) -> None:
    async def run_before(pilot: Pilot[Any]) -> None:
        await inspected(pilot, "b", "down", "down", "down")

    assert snap_compare(PaneApp(InspectorPane), terminal_size=(130, 36), run_before=run_before)


@pytest.mark.parametrize("size", [(80, 24), (150, 44)])
def test_the_walk(snap_compare: Any, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot[Any]) -> None:
        await walked(pilot)

    assert snap_compare(PaneApp(LayersPane), terminal_size=size, run_before=run_before)


def test_what_the_graph_missed(snap_compare: Any) -> None:
    engine = TraceEngine()
    engine.query = traces.MISSING

    async def run_before(pilot: Pilot[Any]) -> None:
        pane: LayersPane = pilot.app.pane  # type: ignore[attr-defined]
        await walked(pilot)
        await until(pilot, lambda: pane.explanation is not None)
        await pilot.press("m", "z")
        await settled(pilot)

    assert snap_compare(PaneApp(LayersPane, engine, theme="paper"), terminal_size=(120, 36), run_before=run_before)


def test_a_wrong_prediction_in_the_lesson(snap_compare: Any) -> None:
    async def run_before(pilot: Pilot[Any]) -> None:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, LessonScreen))
        await pilot.press("d", "1")
        await settled(pilot)

    assert snap_compare(PaneApp(LayersPane), terminal_size=(100, 30), run_before=run_before)
