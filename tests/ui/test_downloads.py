"""Downloading a model from the app: said, asked, done, and only then."""

from __future__ import annotations

from support.fake_engine import FakeEngine
from support.ui import make_app, running, screen_text, until

from ragterm.engine.types.errors import OfflineError
from ragterm.ui.screens.dialogs import ConfirmScreen, ErrorScreen

NAME = "cross-encoder/ms-marco-MiniLM-L6-v2"


async def test_it_says_what_how_large_and_from_where_and_a_no_fetches_nothing() -> None:
    app = make_app()
    async with running(app) as pilot:
        await app.run_action("download_reranker")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        text = " ".join(screen_text(app).split())
        assert NAME in text and "91 MB" in text and "huggingface.co" in text
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        assert ("download_model", NAME) not in app.engine.calls


async def test_a_yes_fetches_it_once_and_the_inspector_can_choose_it() -> None:
    app = make_app()
    app.engine.rerankers = lambda: ["cross-encoder"] * (NAME in app.engine.models) + ["late-interaction", "none"]
    async with running(app) as pilot:
        await pilot.press("f4")
        await until(pilot, lambda: app.current_pane.rerankers == ["late-interaction", "none"])
        await app.run_action("download_reranker")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: app.current_pane.rerankers[0] == "cross-encoder")
        await app.run_action("download_reranker")
        await until(pilot, lambda: "on this machine" in screen_text(app))
        assert app.engine.calls.count(("download_model", NAME)) == 1


async def test_what_fails_is_shown_with_its_next_step() -> None:
    refused = OfflineError(f"{NAME} cannot be fetched", "offline = true", "ragterm config set privacy.offline false")
    app = make_app(FakeEngine(fail_with=refused))
    async with running(app) as pilot:
        await app.run_action("download_reranker")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert "privacy.offline false" in screen_text(app) and app.bridge.downloading == ""
