"""The views of a pane as one line that can be clicked: " Candidates │ Before/after │ … "."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from ragterm.ui.widgets.line_view import spot, spots_of, styled


class TabLine(Widget):
    """`views` are (name, label, key); keys are shown so that they are learnt."""

    DEFAULT_CSS = """
    TabLine { height: 1; padding: 0 1; }
    """

    class Chosen(Message):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, views: Sequence[tuple[str, str, str]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.views = list(views)
        self.current = self.views[0][0]

    def choose(self, name: str) -> None:
        self.current = name
        self.refresh()

    def render(self) -> Content:
        parts = []
        for name, label, key in self.views:
            here = spot(name)
            if name == self.current:
                parts.append(styled(f" {label} ", "bold reverse", here))
            else:
                parts.append(Content.assemble(styled(f" {label} ", "", here), styled(f"{key} ", "$text-accent", here)))
        return Content.styled("│", "$text-muted").join(parts)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        content = self.render()
        for start, end, name in spots_of(content):
            if content[:start].cell_length <= offset.x < content[:end].cell_length:
                self.post_message(self.Chosen(name))
