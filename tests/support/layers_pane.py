"""Running the Layers pane in a test: the app around it, its text, and the walk of a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from support import traces
from support.pane_app import PaneApp, TraceEngine
from support.ui import until
from textual.pilot import Pilot

from ragterm.ui import messages
from ragterm.ui.panes.layers import LayersPane
from ragterm.ui.widgets.line_view import LineView


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


async def walked(app: PaneApp, pilot: Pilot[Any]) -> LayersPane:
    pane: LayersPane = app.pane  # type: ignore[assignment]
    app.bridge.publish(messages.TraceShown(traces.trace()))
    await until(pilot, lambda: pane.walk is not None and pane.map._canvas is not None)
    await pilot.pause()
    return pane
