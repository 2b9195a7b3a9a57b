"""The line in which a question is typed: Enter sends it, up and down recall earlier ones, the field grows with the text."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from ragterm.ui.safe_text import content, plain

PLACEHOLDER = "Ask your documents, or drop a folder here"


class Prompt(TextArea):
    """`asked` holds the questions of this session, oldest first."""

    DEFAULT_CSS = """
    Prompt {
        height: auto;
        min-height: 3;
        max-height: 9;
        border: round $border-blurred;
        background: transparent;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        border-title-align: left; border-subtitle-align: right;
        border-title-color: $foreground; border-subtitle-color: $foreground;
        &:focus { border: round $border; background-tint: $foreground 0%; }
        & .text-area--cursor-line { background: transparent; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("shift+enter,alt+enter", "newline", "New line", show=False, id="chat.newline"),
        Binding("pageup", "pass_on('pageup')", "Scroll up", show=False),
        Binding("pagedown", "pass_on('pagedown')", "Scroll down", show=False),
    ]

    class Submitted(Message):
        """Enter was pressed on a text that is not empty."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class ScrollWished(Message):
        """A key for the conversation was pressed while the prompt has the focus: "pageup", "pagedown"."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None, placeholder: str = PLACEHOLDER) -> None:
        super().__init__(
            id=id,
            tab_behavior="focus",
            highlight_cursor_line=False,
            placeholder=content(placeholder),
            compact=False,
            soft_wrap=True,
        )
        self.asked: list[str] = []
        self._recalled = 0
        """How many questions back; 0 is what is being typed."""
        self._draft = ""

    def remember(self, question: str) -> None:
        if not self.asked or self.asked[-1] != question:
            self.asked.append(question)
        self._recalled = 0

    def replace_text(self, text: str) -> None:
        self.text = plain(text)
        self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            if text := self.text.strip():
                self.post_message(self.Submitted(text))
        elif (event.key == "up" and self.cursor_at_first_line and self._recall(1)) or (
            event.key == "down" and self.cursor_at_last_line and self._recall(-1)
        ):
            event.stop()
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        if result := self._replace_via_keyboard(
            plain(event.text.replace("\r\n", "\n").replace("\r", "\n")), *self.selection
        ):
            self.move_cursor(result.end_location)
            self.focus()

    def _recall(self, step: int) -> bool:
        """Go `step` questions further back; False where there is none (the key then moves the cursor)."""
        wanted = self._recalled + step
        if not 0 <= wanted <= len(self.asked):
            return False
        if self._recalled == 0:
            self._draft = self.text
        self._recalled = wanted
        self.replace_text(self._draft if wanted == 0 else self.asked[-wanted])
        return True

    def action_newline(self) -> None:
        self._replace_via_keyboard("\n", *self.selection)

    def action_pass_on(self, key: str) -> None:
        self.post_message(self.ScrollWished(key))
