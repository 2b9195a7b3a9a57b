"""One line with something to say at its left and something to know at its right; the right side wins where both do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from ragterm.ui.widgets.line_view import safe, styled


def two_sided(left: Content, right: Content, width: int) -> Content:
    """`left` … `right` in exactly `width` cells."""
    if right.cell_length > width:
        return right.truncate(width, ellipsis=True)
    room = width - right.cell_length - 2
    left = left.truncate(max(0, room), ellipsis=True) if room > 3 else Content("")
    return Content.assemble(left, " " * (width - left.cell_length - right.cell_length), right)


class StatusLine(Widget):
    DEFAULT_CSS = """
    StatusLine { height: 1; padding: 0 1; color: $text; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.left = Content("")
        self.right = Content("")

    def say(self, left: Content | None = None, right: Content | None = None) -> None:
        if left is not None:
            self.left = safe(left)
        if right is not None:
            self.right = safe(right)
        self.refresh()

    def render(self) -> Content:
        return two_sided(self.left, self.right, self.size.width)


def key_hints(hints: Sequence[tuple[str, str]], width: int) -> Content:
    """("enter", "ask"), ... as "enter ask  esc leave": as many from the left as fit into `width`, none cut in two."""
    made = Content("")
    for key, meaning in hints:
        one = Content.assemble(styled(key, "$text-accent"), styled(f" {meaning}", "$text-muted"))
        longer = Content.assemble(made, "  ", one) if made else one
        if longer.cell_length > width:
            break
        made = longer
    return made
