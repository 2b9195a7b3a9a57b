"""The registry of actions: every one has a handler, keys that terminals leave alone, and can be remapped."""

from __future__ import annotations

from importlib import import_module

import pytest
from support.ui import make_app, running, screen_text, until
from textual.screen import Screen

from ragterm.ui.actions import ACTIONS, actions_of, bindings, keymap
from ragterm.ui.app import PANES, RagtermApp
from ragterm.ui.panes.documents import DocumentsPane
from ragterm.ui.screens.dialogs import ConfirmScreen, ErrorScreen, TextScreen
from ragterm.ui.screens.lesson import LessonScreen
from ragterm.ui.screens.preview import PreviewScreen
from ragterm.ui.screens.source import SourceScreen
from ragterm.ui.widgets.ledger import IngestLedger

TAKEN = {"ctrl+j", "ctrl+m", "ctrl+h", "ctrl+i", "ctrl+e", "ctrl+k", "ctrl+q", "f1", "f5", "f6"}
OWNERS: dict[str, type] = {
    "app": RagtermApp,
    "documents": DocumentsPane,
    "dialog": TextScreen,
    "confirm": ConfirmScreen,
    "error": ErrorScreen,
    "source": SourceScreen,
    "lesson": LessonScreen,
    "ledger": IngestLedger,
    "preview": PreviewScreen,
}
for _name in PANES[1:]:
    try:
        OWNERS[_name] = getattr(import_module(f"ragterm.ui.panes.{_name}"), f"{_name.capitalize()}Pane")
    except ModuleNotFoundError:
        continue


def test_ids_are_unique_and_every_action_says_what_it_does() -> None:
    assert len({one.id for one in ACTIONS}) == len(ACTIONS)
    for one in ACTIONS:
        assert one.label and one.tooltip and one.handler, one.id


@pytest.mark.parametrize("action", ACTIONS, ids=lambda one: one.id)
def test_a_handler_exists_where_the_scope_says(action) -> None:
    if action.scope not in OWNERS:
        pytest.skip(f"no owner of {action.scope} yet")
    name = action.handler.partition("(")[0]
    owner = RagtermApp if name.startswith("app.") else OWNERS[action.scope]
    handler = f"action_{name.removeprefix('app.')}"
    assert hasattr(owner, handler) or hasattr(Screen, handler)


@pytest.mark.parametrize("action", [one for one in ACTIONS if one.keys], ids=lambda one: one.id)
def test_no_action_hangs_on_a_key_that_terminals_take(action) -> None:
    keys = {key for one in actions_of(action.scope) if one.handler == action.handler for key in one.keys.split(",")}
    if action.id == "app.quit":
        keys.add("ctrl+c")  # pressed twice
    assert keys - TAKEN, keys


def test_no_key_means_two_things_in_one_place() -> None:
    for scope in {one.scope for one in ACTIONS}:
        keys = [key for one in actions_of(scope) for key in one.keys.split(",") if key]
        assert len(keys) == len(set(keys)), scope


def test_letters_and_digits_never_have_priority() -> None:
    for one in ACTIONS:
        if one.priority:
            assert all(
                len(key) > 1 and key not in ("slash", "space", "question_mark") for key in one.keys.split(",")
            ), one.id


def test_bindings_carry_the_id_by_which_they_are_remapped() -> None:
    assert {binding.id for binding in bindings("documents")} == {one.id for one in actions_of("documents") if one.keys}


def test_unknown_ids_are_told_apart() -> None:
    assert keymap({"app.help": "f12", "app.halp": "f11"}) == ({"app.help": "f12"}, ["app.halp"])


async def test_a_key_can_be_remapped_and_an_action_without_one_gets_one() -> None:
    app = make_app(keys={"app.help": "f12", "app.new_collection": "f11", "no.such": "f10"})
    async with running(app) as pilot:
        await until(pilot, lambda: "no.such in [interface.keys] is no action" in screen_text(app))
        await pilot.press("f12")
        assert type(app.screen).__name__ == "HelpScreen"
        await pilot.press("escape", "ctrl+g")
        assert len(app.screen_stack) == 1
        await pilot.press("f11")
        assert isinstance(app.screen, TextScreen)
