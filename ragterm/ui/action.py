"""What an action is: a name, a label, keys and a handler. All of them are in `actions`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """`keys` is a comma-separated list of Textual key names. `show`: in the footer. `palette`: in the command palette."""

    id: str
    label: str
    tooltip: str
    keys: str
    handler: str
    show: bool = False
    priority: bool = False
    palette: bool = True

    @property
    def scope(self) -> str:
        return self.id.partition(".")[0]
