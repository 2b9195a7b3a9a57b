"""A long plain text in a window of its own, to read and to copy: the exact prompt that a model received."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ragterm.ui.safe_text import content, plain
from ragterm.ui.widgets.line_view import Line, LineView


class PlainText(LineView):
    """`text` wrapped; lines that start with one of `headings` stand out."""

    def __init__(self, text: str, headings: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.text = plain(text)
        self.headings = headings

    def make_lines(self, width: int) -> list[Line]:
        lines = []
        for row in self.text.split("\n"):
            style = "bold $text-accent" if self.headings and row.startswith(self.headings) else ""
            lines.extend(Line(piece) for piece in content(row, style).wrap(width))
        return lines


class TextScreen(ModalScreen[None]):
    DEFAULT_CSS = """
    TextScreen { align: center middle; background: $background 60%; }
    TextScreen > Vertical {
        width: 90%; max-width: 130; height: 90%; border: round $border; background: $surface; padding: 0 1;
    }
    TextScreen PlainText { height: 1fr; }
    TextScreen #said { height: 1; color: $text-muted; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "dismiss", "Close"),
        Binding("y", "copy", "Copy"),
    ]

    def __init__(self, title: str, text: str, said: str = "", headings: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.shown = text
        self.heading = title
        self.said = said
        self.headings = headings

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = content(self.heading, one_line=True)
            box.border_subtitle = Content("y copy · esc close")
            if self.said:
                yield Static(content(self.said, one_line=True), id="said")
            yield PlainText(self.shown, self.headings)

    def on_mount(self) -> None:
        self.query_one(PlainText).focus()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(plain(self.shown))
        self.app.notify("Copied", markup=False, timeout=2)
