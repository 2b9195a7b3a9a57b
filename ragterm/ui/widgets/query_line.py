"""One line to type a query in, without a frame: the top of Inspector and Layers."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from ragterm.ui.safe_text import content, line


class QueryLine(Input):
    DEFAULT_CSS = """
    QueryLine { width: 1fr; border: none; height: 1; padding: 0 1; background: $surface; }
    QueryLine:focus { border: none; background: $boost; background-tint: $foreground 5%; }
    """

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(placeholder=content(placeholder).plain, id=id, compact=True, select_on_focus=False)

    def show(self, text: str) -> None:
        """Put a text there without a wish to search."""
        with self.prevent(Input.Changed):
            self.value = line(text)

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert_text_at_cursor(line(event.text))
