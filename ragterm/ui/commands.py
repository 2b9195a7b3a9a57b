"""The command palette: the registry of actions, and what follows from the state (collections to switch to)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from ragterm.ui.actions import ACTIONS
from ragterm.ui.safe_text import line

if TYPE_CHECKING:
    from ragterm.ui.app import RagtermApp


@dataclass(frozen=True, slots=True)
class Command:
    title: str
    help: str
    run: Callable[[], Any]


class RagtermCommands(Provider):
    """Entries follow the state: an action that its pane refuses now is not offered."""

    def commands(self) -> Iterator[Command]:
        app = cast("RagtermApp", self.app)
        for action in ACTIONS:
            if not action.palette or not app.offers(action):
                continue
            title = action.label if action.scope == "app" else f"{action.scope.capitalize()}: {action.label}"
            keys = app.keys_of(action)
            yield Command(title, action.tooltip + (f"  ({keys})" if keys else ""), partial(app.run_registered, action))
        for name in app.collection_names:
            if name != app.bridge.collection:
                yield Command(
                    f"Collection: {line(name)}", "Work on this collection", partial(app.bridge.switch_collection, name)
                )

    async def discover(self) -> Hits:
        for command in self.commands():
            yield DiscoveryHit(Content(command.title), command.run, text=command.title, help=command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self.commands():
            score = matcher.match(command.title)
            if score > 0:
                yield Hit(score, highlight(command.title, query), command.run, text=command.title, help=command.help)


def highlight(title: str, query: str) -> Content:
    """`title` with the letters of `query` underlined where they stand in order. No markup is made or read."""
    found = Content(title)
    at = 0
    for letter in query.casefold():
        place = title.casefold().find(letter, at)
        if place < 0:
            break
        found = found.stylize("underline", place, place + 1)
        at = place + 1
    return found
