"""A locked document's row offers to take its password."""

from __future__ import annotations

from dataclasses import replace

from support.fake_engine import FakeEngine
from support.ui import make_app, running, screen_text, until
from textual.widgets import Input

from ragterm.engine.types.errors import password_needed
from ragterm.ui.widgets.row_table import RowTable


def engine() -> FakeEngine:
    engine = FakeEngine()
    error = password_needed()
    engine._failed = {key: replace(row, error=str(error), hint=error.hint) for key, row in engine._failed.items()}
    return engine


async def test_the_row_of_a_locked_document_takes_its_password_unseen() -> None:
    app = make_app(engine())
    async with running(app) as pilot:
        assert app.query_one("#table", RowTable).current.state == "failed"
        await until(pilot, lambda: "P Password" in " ".join(screen_text(app).split()))
        await pilot.press("P")
        await until(pilot, lambda: "kept nowhere" in screen_text(app))
        await pilot.press(*"sesame")
        assert app.screen.query_one(Input).password and "sesame" not in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: any(call[0] == "reingest" for call in app.engine.calls))
        assert ("reingest", ("f" * 16,), "default", "sesame") in app.engine.calls
        assert "sesame" not in screen_text(app)


async def test_other_rows_do_not_offer_it() -> None:
    app = make_app(engine())
    async with running(app) as pilot:
        await pilot.press("down")
        await until(pilot, lambda: "P Password" not in " ".join(screen_text(app).split()))
        await pilot.press("P")
        assert len(app.screen_stack) == 1
    app = make_app()
    async with running(app):
        assert "P Password" not in " ".join(screen_text(app).split())
