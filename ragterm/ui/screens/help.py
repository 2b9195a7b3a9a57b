"""Help that follows the focus: what the place is for, and every key that works there now, grouped by where it comes from."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ragterm.ui.actions import bindings
from ragterm.ui.panes.pane import Pane
from ragterm.ui.screens.dialogs import dialog_css

if TYPE_CHECKING:
    from ragterm.ui.app import RagtermApp


HEADINGS = {
    "RowTable": "In the list",
    "OptionList": "In the list",
    "Input": "While typing",
    "TextArea": "While typing",
    "Prompt": "While typing",
}


def help_screen(app: RagtermApp) -> HelpScreen:
    """Help for what has the focus now: its keys first, then its pane's, then those that work everywhere."""
    pane = app.current_pane
    groups: dict[str, dict[str, tuple[list[str], str, str]]] = {}
    for active in app.screen.active_bindings.values():
        binding, node = active.binding, active.node
        if not binding.description or not active.enabled or binding.system:
            continue
        if node is app:
            heading = "Everywhere"
        elif isinstance(node, Pane):
            heading = node.scope.capitalize()
        else:
            heading = HEADINGS.get(type(node).__name__, "Here" if node is not app.screen else "Moving")
        rows = groups.setdefault(heading, {})
        keys, _, _ = rows.setdefault(binding.action, ([], binding.description, active.tooltip))
        keys.append(app.get_key_display(binding))
    order = sorted(groups, key=lambda name: (name == "Everywhere", name in HEADINGS.values(), name == "Moving"))
    shown = [
        (name, [(", ".join(dict.fromkeys(keys)), label, tip) for keys, label, tip in groups[name].values()])
        for name in order
    ]
    return HelpScreen(pane.scope.capitalize(), pane.PURPOSE, shown)


class HelpScreen(ModalScreen[None]):
    """`groups` are (heading, [(keys, label, tooltip)]), in the order in which they are shown."""

    DEFAULT_CSS = (
        dialog_css("HelpScreen") + "HelpScreen > .dialog { height: 90%; } HelpScreen VerticalScroll { height: 1fr; }"
    )
    BINDINGS: ClassVar[list[Any]] = bindings("dialog")

    def __init__(self, title: str, purpose: str, groups: list[tuple[str, list[tuple[str, str, str]]]]) -> None:
        super().__init__()
        self.heading, self.purpose, self.groups = title, purpose, groups

    def compose(self) -> ComposeResult:
        room = max(30, min(84, self.app.size.width * 96 // 100) - 8)
        widest = min(16, max((len(keys) for _, rows in self.groups for keys, _, _ in rows), default=8))
        parts: list[Any] = [self.purpose, "\n"] if self.purpose else []
        for heading, rows in self.groups:
            parts.append((f"\n{heading}\n", "bold $accent"))
            for keys, label, tooltip in rows:
                said = f"{label}: {tooltip}" if tooltip and tooltip != label else label
                lines = textwrap.wrap(said, room - widest - 3) or [""]
                parts.append((f"{keys:>{widest}}  ", "bold $primary"))
                for number, one in enumerate(lines):
                    parts.append((" " * (widest + 2) if number else "") + one + "\n")
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self.heading)
            dialog.border_subtitle = Content("Esc closes")
            with VerticalScroll():
                yield Static(Content.assemble(*parts))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_close(self) -> None:
        self.dismiss(None)
