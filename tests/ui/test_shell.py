"""The shell: panes, help, palette, drops, errors, quitting. On the real app with an engine that only speaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_engine import FakeEngine
from support.ui import make_app, paste, running, screen_lines, screen_text, until, write_files
from textual.widgets import Input

from ragterm.engine.types.errors import Cancelled, LlmError
from ragterm.ui import messages
from ragterm.ui.app import PANES
from ragterm.ui.screens.dialogs import ConfirmScreen, ErrorScreen, PickScreen, TextScreen
from ragterm.ui.screens.drop import DropScreen
from ragterm.ui.screens.help import HelpScreen


@pytest.mark.parametrize("keys", [("alt+1", "alt+2", "alt+3", "alt+4"), ("f2", "f3", "f4", "f7")])
async def test_panes_are_switched_from_anywhere(keys: tuple[str, ...]) -> None:
    app = make_app()
    async with running(app) as pilot:
        for name, key in [*zip(PANES, keys, strict=True), (PANES[1], keys[1]), (PANES[0], keys[0])]:
            await pilot.press(key)
            await pilot.pause()
            assert app.switcher.current == name
            assert app.top.active == name


async def test_a_pane_that_is_wanted_while_it_is_being_made_is_shown_when_it_is_whole() -> None:
    import asyncio

    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await asyncio.gather(
            *(app.ensure_pane("chat") for _ in range(2)), app.show_pane("chat"), app.show_pane("layers")
        )
        await until(pilot, lambda: len(app.switcher.children) == 4)
        assert app.switcher.current == "layers"


async def test_digits_switch_panes_but_not_while_typing() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.query_one("#filter", Input).focus()
        await pilot.press("2")
        assert app.switcher.current == "documents"
        assert app.query_one("#filter", Input).value == "2"
        await pilot.press("escape", "3")
        assert app.switcher.current == "inspector"


async def test_the_next_pane_comes_round() -> None:
    app = make_app()
    async with running(app) as pilot:
        seen = []
        for _ in PANES:
            await pilot.press("ctrl+t")
            seen.append(app.switcher.current)
        assert seen == ["chat", "inspector", "layers", "documents"]


async def test_a_click_on_the_top_line_shows_a_pane() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.click("#top", offset=(screen_lines(app)[0].index("Inspector") + 2, 0))
        await pilot.pause()
        assert app.switcher.current == "inspector"


async def test_a_click_on_a_key_presses_it() -> None:
    app = make_app()
    async with running(app) as pilot:
        at = screen_lines(app)[-1].index("Palette")
        await pilot.click("#keys", offset=(at, 0))
        await pilot.pause()
        assert type(app.screen).__name__ == "CommandPalette"


@pytest.mark.parametrize("height", [24, 50])
async def test_every_pane_draws_at_every_size(height: int) -> None:
    """Started narrow and made wider, and the other way round."""
    widths = [80, 99, 120, 160, 250]
    app = make_app()
    async with running(app, size=(widths[0], height)) as pilot:
        for width in widths if height == 24 else [*reversed(widths)]:
            await pilot.resize_terminal(width, height)
            for name in PANES:
                await app.show_pane(name)
                await pilot.pause()
                lines = screen_lines(app)
                assert len(lines) == height
                assert len(lines[0]) == width
                assert lines[0].startswith(" ragterm")
                assert "default" in lines[-2]
                assert lines[-1].strip()


async def test_the_status_line_says_what_one_works_with() -> None:
    app = make_app()
    async with running(app):
        assert "default · 25 documents · 100 chunks" in screen_lines(app)[-2]
        assert "answers: extractive" in screen_lines(app)[-2]


async def test_help_follows_the_focus() -> None:
    app = make_app()
    async with running(app, size=(120, 60)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "What ragterm knows" in screen_text(app)
        assert "Re-ingest: Read the marked documents again" in screen_text(app)
        await pilot.press("escape")
        app.query_one("#filter", Input).focus()
        await pilot.press("question_mark")
        assert app.query_one("#filter", Input).value == "?"
        await pilot.press("ctrl+g")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_the_palette_offers_what_can_be_done_now() -> None:
    app = make_app()
    async with running(app, size=(120, 70)) as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Documents: Remove" in screen_text(app))
        assert "Documents: Pause" not in screen_text(app)  # nothing is running
        await pilot.press(*"filter")
        await until(pilot, lambda: "Documents: Remove" not in screen_text(app))
        await pilot.press("enter")
        await pilot.pause()
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await until(pilot, lambda: app.query_one("#filter").has_focus)


@pytest.mark.parametrize("pane", PANES)
async def test_a_drop_is_recognised_in_every_pane(tmp_path: Path, pane: str) -> None:
    folder = write_files(tmp_path / "two words", ["a.md", "b.md", "c.txt", "d.xyz", "e.zip"])
    app = make_app()
    async with running(app) as pilot:
        await app.show_pane(pane)
        await paste(pilot, f"'{folder}' ")
        await until(pilot, lambda: isinstance(app.screen, DropScreen))
        assert "3 files, 2 kinds unsupported" in screen_text(app)
        assert "2  markdown" in screen_text(app) and ".xyz (1)" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: ("ingest", (str(folder),), "default") in app.engine.calls)
        await until(pilot, lambda: not app.bridge.ingesting and app.switcher.current == "documents")
        await until(pilot, lambda: "28 documents" in screen_lines(app)[-2])


async def test_a_drop_can_be_declined_and_can_go_to_a_new_collection(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", ["a.md"])
    app = make_app()
    async with running(app) as pilot:
        await paste(pilot, str(folder))
        await until(pilot, lambda: isinstance(app.screen, DropScreen))
        await pilot.press("escape")
        assert app.engine.calls == []
        await paste(pilot, f"file://{folder}")
        await until(pilot, lambda: isinstance(app.screen, DropScreen))
        await pilot.press(*"contracts", "enter")  # what stands there is selected
        await until(pilot, lambda: ("ingest", (str(folder),), "contracts") in app.engine.calls)
        await until(pilot, lambda: "contracts · 1 documents" in screen_lines(app)[-2])


async def test_nothing_that_can_be_read_is_said_and_nothing_is_ingested(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", ["a.zip"])
    app = make_app()
    async with running(app) as pilot:
        await paste(pilot, str(folder))
        await until(pilot, lambda: "Nothing to ingest" in screen_text(app))
        await pilot.press("enter")
        await pilot.pause()
        assert app.engine.calls == [] and len(app.screen_stack) == 1


async def test_a_text_goes_to_the_field_that_has_the_focus() -> None:
    app = make_app()
    async with running(app) as pilot:
        field = app.query_one("#filter", Input)
        field.focus()
        await paste(pilot, "/no/such/path at all")
        await until(pilot, lambda: field.value == "/no/such/path at all")
        assert len(app.screen_stack) == 1


async def test_a_path_can_be_typed(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", ["a.md"])
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("ctrl+o")
        assert isinstance(app.screen, TextScreen)
        await pilot.press(*"nowhere", "enter")
        assert "there is no such file or folder" in screen_text(app)
        app.screen.query_one(Input).value = str(folder)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DropScreen))


async def test_paths_given_at_the_start_are_ingested_without_asking(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", ["a.md", "b.md"])
    app = make_app(FakeEngine(count=0), paths=(str(folder),))
    async with running(app) as pilot:
        await until(pilot, lambda: ("ingest", (str(folder),), "default") in app.engine.calls)
        await until(pilot, lambda: "2 documents" in screen_lines(app)[-2])
        assert len(app.screen_stack) == 1


async def test_an_interrupted_ingest_is_offered_at_the_start() -> None:
    app = make_app(FakeEngine(waiting=7), first="chat")
    async with running(app) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "7 files wait" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: ("resume", "default") in app.engine.calls)
        await until(pilot, lambda: app.switcher.current == "documents")


async def test_quitting_asks_only_while_an_ingest_runs(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", [f"{n}.md" for n in range(50)])
    app = make_app(FakeEngine(step=0.05))
    async with running(app) as pilot:
        app.bridge.ingest([str(folder)])
        await until(pilot, lambda: app.bridge.ingesting)
        await pilot.press("ctrl+q")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("escape")
        assert app.is_running and len(app.screen_stack) == 1
        app.bridge.cancel_ingest()
        await until(pilot, lambda: not app.bridge.ingesting)
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert app._exit


async def test_ctrl_c_twice_quits_and_once_does_not() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert "Press ctrl+c again to quit" in screen_text(app)
        assert not app._exit
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app._exit


async def test_an_error_names_the_next_step_and_can_be_copied() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.show_error(LlmError("Ollama does not answer", "at 127.0.0.1:11434 [/foo]", "start it with: ollama serve"))
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert "Ollama does not answer" in screen_text(app)
        assert "at 127.0.0.1:11434 [/foo]" in screen_text(app)
        assert "→ start it with: ollama serve" in screen_text(app)
        await pilot.press("c")
        assert app.clipboard == "Ollama does not answer: at 127.0.0.1:11434 [/foo]\nnext: start it with: ollama serve"
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_the_unforeseen_is_shown_with_its_traceback_to_copy_and_a_cancel_is_no_error() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.show_error(Cancelled())
        await pilot.pause()
        assert len(app.screen_stack) == 1
        try:
            raise KeyError("x[/foo]")
        except KeyError as error:
            app.show_error(error, "drawing")
        await until(pilot, lambda: "Something unforeseen: KeyError" in screen_text(app))
        assert "Traceback" in app.screen.copyable


async def test_an_ingest_that_breaks_is_an_error_dialog_and_the_app_goes_on(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", ["a.md"])
    app = make_app(FakeEngine(fail_with=LlmError("It broke", "in the middle", "try again")))
    async with running(app) as pilot:
        app.offer_paths([str(folder)], ask=False)
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        await pilot.press("escape")
        assert not app.bridge.ingesting
        assert app.top.doing == ""


async def test_a_second_ingest_is_refused_with_a_word(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", [f"{n}.md" for n in range(50)])
    app = make_app(FakeEngine(step=0.05))
    async with running(app) as pilot:
        app.bridge.ingest([str(folder)])
        app.offer_paths([str(folder)], ask=False)
        await until(pilot, lambda: "An ingest is already running" in screen_text(app))
        app.bridge.cancel_ingest()


async def test_the_collection_is_picked_from_a_list() -> None:
    engine = FakeEngine()
    engine.create_collection("contracts [/foo]")
    app = make_app(engine)
    async with running(app) as pilot:
        await pilot.press("ctrl+b")
        assert isinstance(app.screen, PickScreen)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "contracts [/foo] · 0 documents" in screen_lines(app)[-2])


async def test_the_doctor_reports() -> None:
    app = make_app()
    async with running(app) as pilot:
        await app.run_action("checkup")
        await until(pilot, lambda: "terminal colours" in screen_text(app))


async def test_a_limited_question_reaches_chat_and_the_status_line() -> None:
    app = make_app()
    heard = []
    async with running(app) as pilot:
        app.bridge.publish = _spy(app.bridge.publish, heard)
        app.post_message(messages.QuestionLimited(("abc",), ("The handbook",)))
        await until(pilot, lambda: "only The handbook" in screen_lines(app)[-2])
        assert app.switcher.current == "chat"
        assert [one.documents for one in heard if isinstance(one, messages.LimitChanged)] == [("abc",)]
        await app.run_action("unlimit")
        await until(pilot, lambda: "only The handbook" not in screen_lines(app)[-2])


def _spy(publish, heard):
    def spied(news):
        heard.append(news)
        publish(news)

    return spied


async def test_what_warms_is_said_until_it_is_warm() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.bridge.publish(messages.WarmingProgressed("exporting the model [/x]"))
        await until(pilot, lambda: "warming: exporting the model [/x]" in screen_lines(app)[-2])
        app.bridge.publish(messages.EngineWarmed("ollama:llama3.2"))
        await until(pilot, lambda: "answers: ollama:llama3.2" in screen_lines(app)[-2])
        assert "warming" not in screen_lines(app)[-2]


@pytest.mark.parametrize("what", ["traces", "caches", "everything"])
async def test_what_is_stored_is_deleted_only_after_a_question(what: str) -> None:
    app = make_app()
    async with running(app) as pilot:
        await app.run_action(f"delete_data('{what}')")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("enter")  # the focus is on "Keep"
        assert app.engine.calls == []
        await app.run_action(f"delete_data('{what}')")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: app.engine.calls == [("delete_data", what)])
