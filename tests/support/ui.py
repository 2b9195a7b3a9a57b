"""Tools for testing the interface: an app on a fake engine, the text of the screen, waiting for what comes from threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.fake_engine import FakeEngine
from textual import events
from textual.pilot import Pilot

from ragterm.engine.types.settings import Settings
from ragterm.ui.app import RagtermApp
from ragterm.ui.bridge import Bridge


def make_app(
    engine: FakeEngine | None = None,
    *,
    first: str = "documents",
    paths: tuple[str, ...] = (),
    theme: str = "ragterm",
    keys: dict[str, str] | None = None,
) -> RagtermApp:
    """The real app on `engine` (default: 25 documents). `app.engine` is it."""
    engine = engine or FakeEngine()
    settings = Settings()
    settings = replace(settings, interface=replace(settings.interface, theme=theme, keys=keys or {}))
    engine.settings = settings
    app = RagtermApp(Bridge(engine.home, settings, opener=lambda home, given: engine), paths=paths, first=first)
    app.engine = engine  # type: ignore[attr-defined]
    return app


@asynccontextmanager
async def running(app: RagtermApp, size: tuple[int, int] = (140, 44)) -> Any:
    """The app in a headless terminal, notifications and tooltips on, its start over."""
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await until(pilot, lambda: app.bridge.listed is not None and app.status.llm and len(app.switcher.children) == 4)
        await pilot.pause()
        yield pilot


async def until(pilot: Pilot[Any], condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait for what a thread will bring about, and until it is shown."""
    end = time.monotonic() + seconds
    await pilot.pause()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"this did not come true within {seconds} s:\n{screen_text(pilot.app)}")
        await pilot.pause()
    await pilot.pause()


async def settled(pilot: Pilot[Any]) -> None:
    """Until nothing is fetched any more and the screen has stood still for 0.35 s: the card's text is read, in a thread, where the
    cursor has rested for 0.15 s."""
    still, seen = 0, ""
    for _ in range(400):
        await pilot.pause(0.05)
        busy = any(worker.is_running for worker in pilot.app.workers)
        now = screen_text(pilot.app)
        still = 0 if busy or now != seen else still + 1
        seen = now
        if still == 7:
            return


def screen_lines(app: Any) -> list[str]:
    """What stands on the screen, line by line, as the terminal would get it."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def screen_text(app: Any) -> str:
    return "\n".join(screen_lines(app))


async def paste(pilot: Pilot[Any], text: str) -> None:
    """As the terminal's driver hands a bracketed paste to the app."""
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


def write_files(folder: Path, names: list[str], text: str = "# Note\n\nWords.\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(text, encoding="utf-8")
    return folder
