"""Running the Layers pane in a test: the app around it, its text, and the walk of a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from support import traces
from support.pane_app import PaneApp, TraceEngine
from textual.pilot import Pilot

from ragterm.ui import messages
from ragterm.ui.panes.layers import LayersPane
from ragterm.ui.widgets.line_view import LineView


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    for _ in range(200):
        await pilot.pause()
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen")


def run(
    steps: Callable[[PaneApp, Pilot[Any]], Awaitable[None]],
    engine: TraceEngine | None = None,
    size: tuple[int, int] = (140, 44),
) -> None:
    async def go() -> None:
        app = PaneApp(LayersPane, engine)
        async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(go())


def text_of(view: LineView) -> str:
    return "\n".join(line.content.plain for line in view.lines)


def screen_text(app: PaneApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def walked(app: PaneApp, pilot: Pilot[Any]) -> LayersPane:
    pane: LayersPane = app.pane  # type: ignore[assignment]
    app.bridge.publish(messages.TraceShown(traces.trace()))
    await until(pilot, lambda: pane.walk is not None and pane.map._canvas is not None)
    await pilot.pause()
    return pane
