"""The lines that are always there: on top the panes, at the bottom what the app works on and with, and the keys.

Each is one widget with one line of `Content`; their click targets are actions written here, never foreign text.
"""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

from ragterm.ui.safe_text import line, shorten

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def _click(action: str) -> Style:
    return Style.from_meta({"@click": action})


class TopBar(Widget):
    """The name, the four panes (a click shows one), and on the right how far an ingest is."""

    DEFAULT_CSS = """
    TopBar { height: 1; background: $panel; color: $text-muted; dock: top; padding: 0 1;
        link-style: none; link-color: $text-muted; link-background: $panel; link-style-hover: underline;
        link-background-hover: $panel; link-color-hover: $foreground; }
    """
    active: reactive[str] = reactive("")
    doing: reactive[str] = reactive("")

    def __init__(self, panes: tuple[str, ...]) -> None:
        super().__init__(id="top")
        self.panes = panes

    def render(self) -> Content:
        parts: list[Any] = [("ragterm", "bold $accent"), " "]
        for number, name in enumerate(self.panes, 1):
            label = Content(f" {number} {name.capitalize()} ")
            if name == self.active:
                label = label.stylize("bold $background on $primary")
            else:
                label = label.stylize(_click(f"app.show('{name}')"))
            parts.extend((" ", label))
        left = Content.assemble(*parts)
        room = self.content_size.width - left.cell_length - 1
        right = shorten(self.doing, max(0, room)) if room > 8 else ""
        gap = " " * max(1, self.content_size.width - left.cell_length - Content(right).cell_length)
        return Content.assemble(left, gap, (right, "$accent"))


class StatusBar(Widget):
    """Collection, its size, which model answers, what is warming."""

    DEFAULT_CSS = """
    StatusBar { height: 1; background: $panel; color: $text-muted; padding: 0 1;
        link-style: none; link-color: $foreground; link-background: $panel; link-style-hover: underline;
        link-background-hover: $panel; link-color-hover: $accent; }
    """
    collection: reactive[str] = reactive("")
    documents: reactive[int | None] = reactive(None)
    chunks: reactive[int] = reactive(0)
    llm: reactive[str] = reactive("")
    notice: reactive[str] = reactive("")
    limit: reactive[str] = reactive("")
    warming: reactive[str] = reactive("")
    beat: reactive[int] = reactive(0)

    def __init__(self) -> None:
        super().__init__(id="status")

    def on_mount(self) -> None:
        self._timer = self.set_interval(0.12, self._tick, pause=True)

    def _tick(self) -> None:
        self.beat += 1

    def watch_warming(self, warming: str) -> None:
        if not self.is_mounted:
            return
        if warming:
            self._timer.resume()
        else:
            self._timer.pause()

    def render(self) -> Content:
        parts: list[Any] = [Content(f"▤ {line(self.collection)}").stylize(_click("app.pick_collection"))]
        if self.documents is not None:
            parts.append(f" · {self.documents:,} documents · {self.chunks:,} chunks")
        if self.limit:
            parts.append((f" · only {line(self.limit)}", "$warning"))
        answers = line(self.llm) if self.llm else "…"
        parts.append(Content.assemble("   answers: ", Content(answers).stylize(_click("app.show_model"))))
        if self.warming:
            parts.append((f"   {SPINNER[self.beat % len(SPINNER)]} warming: {line(self.warming)}", "$accent"))
        return Content.assemble(*parts).truncate(max(1, self.content_size.width), ellipsis=True)


class KeyBar(Widget):
    """The keys that work now, on the last line: one widget where Textual's Footer is one for each key, mounted anew whenever the
    focus moves. A click presses the key; a tooltip says more."""

    DEFAULT_CSS = """
    KeyBar { height: 1; dock: bottom; background: $footer-background; color: $foreground; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._places: list[tuple[int, int, str, str]] = []  # start, end, key, tooltip
        self._said = ""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda screen: self.refresh())

    def render(self) -> Content:
        room = self.content_size.width
        parts: list[Any] = []
        at = 0
        seen: set[str] = set()
        self._places = []
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or not active.enabled or binding.action in seen:
                continue
            seen.add(binding.action)
            key, label = self.app.get_key_display(binding), binding.description
            width = cell_len(key) + cell_len(label) + 1
            if at + width > room:
                break
            parts.extend([(key, "bold $footer-key-foreground"), f" {label}   "])
            self._places.append((at, at + width, binding.key, active.tooltip or label))
            at += width + 3
        return Content.assemble(*parts)

    def _place(self, x: int) -> tuple[int, int, str, str] | None:
        return next((place for place in self._places if place[0] <= x - 1 < place[1]), None)

    def on_click(self, event: events.Click) -> None:
        if (place := self._place(event.x)) is not None:
            self.app.simulate_key(place[2])

    def on_mouse_move(self, event: events.MouseMove) -> None:
        place = self._place(event.x)
        said = place[3] if place else ""
        if said != self._said:
            self._said = said
            self.tooltip = Content(said) if said else None
