"""The Documents pane keeps a collection in step: the proof of a removal, its undo, and the switch that follows the folders."""

from __future__ import annotations

from pathlib import Path

from support.fake_engine import FakeEngine
from support.ui import make_app, running, screen_text, until, write_files

from ragterm.engine.types.ingesting import Removal
from ragterm.ui import messages


async def test_a_removal_shows_its_proof_and_is_undone_with_one_key() -> None:
    app = make_app()
    said = "1 document removed: 0 chunks, 0 vectors and 0 keyword hits are left · u undoes it"
    async with running(app) as pilot:
        await pilot.press("down", "x", "y")
        await until(pilot, lambda: said in screen_text(app))
        await until(pilot, lambda: "Documents of default: 25" in screen_text(app))
        await pilot.press("u")
        await until(pilot, lambda: "1 document put back" in screen_text(app))
        await until(pilot, lambda: "Documents of default: 26" in screen_text(app))
        await pilot.press("u")
        await until(pilot, lambda: "nothing was removed since the start" in screen_text(app))


async def test_a_removal_that_is_not_proven_says_so() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.bridge.publish(messages.DocumentsRemoved("default", Removal(("x",), 3, 1, 0, 0)))
        await until(
            pilot, lambda: "1 chunks, 0 vectors and 0 keyword hits are left: run `ragterm doctor`" in screen_text(app)
        )


async def test_the_switch_follows_the_folders_live(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", ["a.md", "b.md"])
    app = make_app(FakeEngine(watched=folder))
    async with running(app) as pilot:
        assert not app.bridge.followed and "following" not in screen_text(app)
        await pilot.press("w")
        await until(pilot, lambda: "following its folders" in screen_text(app))
        assert ("follows", True, "default") in app.engine.calls
        await until(pilot, lambda: "Documents of default: 28" in screen_text(app))  # the first look
        write_files(folder, ["c.md"])
        await until(pilot, lambda: "Documents of default: 29" in screen_text(app))
        await until(pilot, lambda: "Done:" in screen_text(app))
        await until(pilot, lambda: not app.bridge.ingesting)
        await pilot.press("w")
        await until(pilot, lambda: "the folders are no longer followed" in screen_text(app))
        write_files(folder, ["d.md"])
        assert app.bridge.followed == "" and ("follows", False, "default") in app.engine.calls


async def test_a_collection_that_was_followed_is_followed_at_the_next_start_and_only_while_it_is_shown(
    tmp_path: Path,
) -> None:
    folder = write_files(tmp_path / "docs", ["a.md"])
    app = make_app(FakeEngine(watched=folder, followed={"default"}))
    async with running(app) as pilot:
        await until(pilot, lambda: app.bridge.followed == "default")
        app.bridge.switch_collection("other")
        await until(pilot, lambda: app.bridge.followed == "")
        app.bridge.switch_collection("default")
        await until(pilot, lambda: app.bridge.followed == "default")
    app.bridge.close()
    assert app.bridge.followed == "" and not app.bridge.ingesting


async def test_what_a_watch_notices_is_said() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.bridge.publish(messages.FollowingNoticed("default", "/docs \x1b[31m[/x] is gone or empty"))
        await until(pilot, lambda: "is gone or empty" in screen_text(app))
        assert "\x1b" not in screen_text(app)
