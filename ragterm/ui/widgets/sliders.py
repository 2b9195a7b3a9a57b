"""Sliders on one line, each over a few values: by keys, by click, drag and wheel. At their right there is room to say something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from ragterm.ui.widgets.line_view import safe, styled
from ragterm.ui.widgets.status_line import two_sided

GAP = 3


@dataclass(slots=True)
class Slider:
    """`values` ascend; `at` is the index of the one chosen."""

    name: str
    values: tuple[int, ...]
    at: int

    @property
    def value(self) -> int:
        return self.values[self.at]

    @property
    def width(self) -> int:
        return len(self.name) + 1 + len(self.values) + 1 + len(str(self.values[-1]))


class SliderLine(Widget, can_focus=True):
    DEFAULT_CSS = """
    SliderLine { height: 1; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "slide(-1)", "Less", show=False),
        Binding("right", "slide(1)", "More", show=False),
        Binding("up", "other(-1)", "The slider before", show=False),
        Binding("down", "other(1)", "The next slider", show=False),
    ]

    class Changed(Message):
        """Slider `name` stands at `value` now."""

        def __init__(self, name: str, value: int) -> None:
            super().__init__()
            self.name = name
            self.value = value

    def __init__(self, sliders: Sequence[Slider], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.sliders = list(sliders)
        self.active = 0
        self.said: tuple[Content, ...] = ()
        self._held: int | None = None

    def value(self, name: str) -> int:
        return next(one.value for one in self.sliders if one.name == name)

    def say(self, *said: Content) -> None:
        """What stands at the right: the first of these that fits, the last one cut."""
        self.said = tuple(safe(one) for one in said)
        self.refresh()

    def move(self, name: str, by: int) -> None:
        for index, one in enumerate(self.sliders):
            if one.name == name:
                self._set(index, one.at + by)

    def _set(self, index: int, at: int) -> None:
        self.active = index
        slider = self.sliders[index]
        at = max(0, min(at, len(slider.values) - 1))
        if at != slider.at:
            slider.at = at
            self.post_message(self.Changed(slider.name, slider.value))
        self.refresh()

    def render(self) -> Content:
        parts = []
        for index, one in enumerate(self.sliders):
            name = "bold $text-accent" if self.has_focus and index == self.active else "$text-muted"
            track = Content.assemble(
                styled("━" * one.at, "$text-primary"),
                styled("●", "bold $text-accent"),
                styled("─" * (len(one.values) - one.at - 1), "$text-disabled"),
            )
            number = styled(str(one.value).ljust(len(str(one.values[-1]))), "bold")
            parts.append(Content.assemble(styled(one.name, name), " ", track, " ", number))
        left = Content(" " * GAP).join(parts)
        room = self.size.width - left.cell_length - GAP
        said = next((one for one in self.said if one.cell_length <= room), self.said[-1] if self.said else Content(""))
        return two_sided(left, said.truncate(max(0, room), ellipsis=True), self.size.width)

    # --- Keys and mouse -----------------------------------------------------------------------------------------------------------

    def action_slide(self, by: int) -> None:
        self._set(self.active, self.sliders[self.active].at + by)

    def action_other(self, by: int) -> None:
        self.active = (self.active + by) % len(self.sliders)
        self.refresh()

    def _under(self, x: int) -> tuple[int, int] | None:
        """(slider, index of the value) at column `x` of the content; the index may lie outside when the mouse is beside the track."""
        start = 0
        for index, one in enumerate(self.sliders):
            if start <= x < start + one.width:
                return index, x - start - len(one.name) - 1
            start += one.width + GAP
        return None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        offset = event.get_content_offset(self)
        found = self._under(offset.x) if offset is not None else None
        if found is not None:
            self._held = found[0]
            self.capture_mouse()
            self._set(*found)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._held is not None:
            start = sum(one.width + GAP for one in self.sliders[: self._held])
            x = event.screen_x - self.content_region.x
            self._set(self._held, x - start - len(self.sliders[self._held].name) - 1)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._held = None
        self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, by: int) -> None:
        offset = event.get_content_offset(self)
        found = self._under(offset.x) if offset is not None else None
        if found is not None:
            event.stop()
            self._set(found[0], self.sliders[found[0]].at + by)
