"""The small dialogs: a question with yes and no, a line of text, a choice from a list, an error that can be copied.

Each is a `ModalScreen` that returns its result; Esc is always "no". Everything shown passes `safe_text`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from ragterm.engine.types.errors import RagtermError
from ragterm.ui.actions import bindings
from ragterm.ui.safe_text import content, line, plain

DIALOG_CSS = """ $NAME { align: center middle; background: $background 55%; } $NAME:ansi { background:
transparent; } $NAME > .dialog { width: 84; max-width: 96%; height: auto; max-height: 92%; padding: 1 2;
background: $surface; border: round $border; border-title-color: $accent; border-title-style: bold;
border-subtitle-color: $text-muted; } $NAME:ansi > .dialog { background: ansi_default; } $NAME .dialog-text {
height: auto; max-height: 24; } $NAME .dialog-text > Static { height: auto; } $NAME .buttons { height: auto;
align-horizontal: right; margin-top: 1; } $NAME .buttons > Button { margin-left: 2; min-width: 12; } $NAME Input
{ margin-top: 1; } $NAME OptionList { height: auto; max-height: 20; border: none; background: transparent; }
"""


def dialog_css(name: str) -> str:
    """The CSS that all dialogs share, for the screen class `name`."""
    return DIALOG_CSS.replace("$NAME", name)


class ConfirmScreen(ModalScreen[bool]):
    """Asks one question. `danger` gives the focus to "no", so that Enter alone does no harm."""

    DEFAULT_CSS = dialog_css("ConfirmScreen")
    BINDINGS: ClassVar[list[Any]] = bindings("confirm")

    def __init__(
        self, title: str, body: str | Content, *, yes: str = "Yes", no: str = "No", danger: bool = False
    ) -> None:
        super().__init__()
        self.heading, self.body, self.yes, self.no, self.danger = title, body, yes, no, danger

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = content(self.heading, one_line=True)
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(self.body if isinstance(self.body, Content) else content(self.body))
            with Horizontal(classes="buttons"):
                yield Button(content(self.no, one_line=True), id="no")
                yield Button(content(self.yes, one_line=True), id="yes", variant="error" if self.danger else "primary")

    def on_mount(self) -> None:
        self.query_one("#no" if self.danger else "#yes", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)

    def action_other(self) -> None:
        self.focus_next()


class TextScreen(ModalScreen[str | None]):
    """Asks for one line. `check(text)` returns what is wrong with it, or nothing; `hidden` shows dots for what is typed."""

    DEFAULT_CSS = (
        dialog_css("TextScreen") + "TextScreen #wrong { color: $error; height: auto; display: none; margin-top: 1; }"
    )
    BINDINGS: ClassVar[list[Any]] = bindings("dialog")

    def __init__(
        self,
        title: str,
        body: str,
        *,
        value: str = "",
        placeholder: str = "",
        check: Callable[[str], str] | None = None,
        hidden: bool = False,
    ) -> None:
        super().__init__()
        self.heading, self.body, self.value, self.placeholder, self.check = title, body, value, placeholder, check
        self.hidden = hidden

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = content(self.heading, one_line=True)
            dialog.border_subtitle = Content("Enter accepts · Esc cancels")
            yield Static(content(self.body))
            yield Input(line(self.value), placeholder=line(self.placeholder), password=self.hidden)
            yield Static("", id="wrong", markup=False)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        wrong = self.check(event.value) if self.check else ""
        if wrong:
            note = self.query_one("#wrong", Static)
            note.update(content(wrong))
            note.display = True
        elif event.value.strip():
            self.dismiss(event.value)

    def action_close(self) -> None:
        self.dismiss(None)


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a list; `detail` stands quietly beside it."""

    id: str
    label: str
    detail: str = ""


class PickScreen(ModalScreen[str | None]):
    """Chooses one of a list; `preview(id)` is called as the cursor moves, with the first choice again on Esc."""

    DEFAULT_CSS = dialog_css("PickScreen")
    BINDINGS: ClassVar[list[Any]] = bindings("dialog")

    def __init__(
        self, title: str, choices: Sequence[Choice], *, current: str = "", preview: Callable[[str], None] | None = None
    ) -> None:
        super().__init__()
        self.heading, self.choices, self.current, self.preview = title, tuple(choices), current, preview

    def compose(self) -> ComposeResult:
        options = []
        for choice in self.choices:
            mark = "● " if choice.id == self.current else "  "
            label = Content.assemble(mark, content(choice.label, one_line=True))
            options.append(Option(Content.assemble(label, "  ", (line(choice.detail), "$text-muted"))))
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = content(self.heading, one_line=True)
            dialog.border_subtitle = Content("Enter chooses · Esc cancels")
            yield OptionList(*options)

    def on_mount(self) -> None:
        found = [i for i, choice in enumerate(self.choices) if choice.id == self.current]
        self.query_one(OptionList).highlighted = found[0] if found else 0

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if self.preview is not None:
            self.preview(self.choices[event.option_index].id)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.choices[event.option_index].id)

    def action_close(self) -> None:
        if self.preview is not None and self.current:
            self.preview(self.current)
        self.dismiss(None)


class ErrorScreen(ModalScreen[None]):
    """What failed, why, and the next thing to type; `c` copies all of it, with the traceback of what was unforeseen."""

    DEFAULT_CSS = (
        dialog_css("ErrorScreen")
        + """
    ErrorScreen > .dialog { border: round $error; border-title-color: $error; }
    """
    )
    BINDINGS: ClassVar[list[Any]] = bindings("error")

    def __init__(self, error: BaseException, doing: str = "") -> None:
        super().__init__()
        self.error, self.doing = error, doing

    @property
    def copyable(self) -> str:
        """Everything there is to know, for a report."""
        parts = [f"{self.doing}: " if self.doing else "", str(self.error)]
        if isinstance(self.error, RagtermError) and self.error.hint:
            parts.append(f"\nnext: {self.error.hint}")
        if not isinstance(self.error, RagtermError):
            parts.append("\n" + "".join(traceback.format_exception(self.error)))
        return plain("".join(parts))

    def compose(self) -> ComposeResult:
        if isinstance(self.error, RagtermError):
            title, message, hint = self.error.title, self.error.message, self.error.hint
        else:
            title = f"Something unforeseen: {type(self.error).__name__}"
            message, hint = str(self.error), "the log in the home folder holds the details"
        parts: list[Any] = [(plain(message), "")] if message else []
        if hint:
            parts.append(("\n\n→ " if message else "→ ", "$accent bold"))
            parts.append(plain(hint))
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = content(title, one_line=True)
            dialog.border_subtitle = Content("c copies · Esc closes")
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(Content.assemble(*parts))
            with Horizontal(classes="buttons"):
                yield Button(Content("Copy"), id="copy")
                yield Button(Content("Close"), id="close", variant="primary")

    def on_mount(self) -> None:
        self.query_one("#close", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "copy":
            self.action_copy()
        else:
            self.dismiss(None)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.copyable)
        self.app.notify("Copied", markup=False, timeout=2)

    def action_close(self) -> None:
        self.dismiss(None)
