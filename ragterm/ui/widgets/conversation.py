"""The questions and answers of a session, one below the other, as one scroll of lines.

It follows the text that streams in only while the reader is at the end. `selected` is the exchange that keys act on: the last one
until the reader moves. Scrollback is bounded: the oldest exchanges leave it (their traces stay in the history).
"""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.timer import Timer

from ragterm.ui.widgets.answer import Exchange
from ragterm.ui.widgets.citation import MUTED
from ragterm.ui.widgets.line_view import Line, LineView

MAX_EXCHANGES = 100
MAX_LINES = 20_000
FRAME = 1 / 15
"""Seconds between two drawings of a text that streams in."""
CATCH_UP = 0.01
"""Seconds at a time for what is out of view: the loop must not wait."""


class Conversation(LineView):
    """`exchanges`, oldest first. While there are none, `welcome` is shown."""

    DEFAULT_CSS = """
    Conversation {
        height: 1fr;
        padding: 1 1 0 1;
        background: $background;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "step(1)", "Next citation", show=False),
        Binding("shift+tab", "step(-1)", "Previous citation", show=False),
        Binding("enter", "open", "Open", show=False),
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("ctrl+up,left_square_bracket", "move(-1)", "Earlier answer", show=False),
        Binding("ctrl+down,right_square_bracket", "move(1)", "Later answer", show=False),
        *(Binding(str(n), f"cite({n})", f"Citation {n}", show=False) for n in range(1, 10)),
    ]

    class CitationMissing(Message):
        """The selected answer has no citation of this number."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.exchanges: list[Exchange] = []
        self.welcome: list[Line] = []
        self.dropped = 0
        self._starts: list[int] = []
        self._stale: list[Exchange] = []
        self._catching_up: Timer | None = None
        self._selected: int | None = None
        self._pending = False
        self._following = True

    # --- Content ----------------------------------------------------------------------------------------------------------------

    def make_lines(self, width: int) -> list[Line]:
        if not self.exchanges:
            return self.make_welcome(width)
        lines: list[Line] = []
        if self.dropped:
            said = f"{self.dropped} earlier question{'s' * (self.dropped != 1)}: see the history in the Inspector"
            lines += [Line(Content.styled(said, MUTED)), Line(Content(""))]
        in_view = self._in_view()
        self._starts, self._stale = [], []
        for number, exchange in enumerate(self.exchanges):
            self._starts.append(len(lines))
            if number in in_view or not exchange.stale_lines() or exchange.under_way or exchange.made_for(width):
                lines.extend(exchange.lines(width))
            else:
                lines.extend(exchange.stale_lines())
                self._stale.append(exchange)
        if self._stale and self._catching_up is None:
            self._catching_up = self.set_timer(FRAME / 4, self._catch_up)
        return lines

    def _in_view(self) -> range:
        """The numbers of the exchanges that can be seen, by the last layout; of the last ones where there is none."""
        if len(self._starts) != len(self.exchanges):
            return range(max(0, len(self.exchanges) - 3), len(self.exchanges))
        top = self.scroll_offset.y
        return range(self.exchange_at(top), self.exchange_at(top + self.size.height) + 1)

    def _catch_up(self) -> None:
        """After a change of width: make the lines of what is out of view bit by bit, the latest first, the view staying where it is."""
        self._catching_up = None
        until = time.perf_counter() + CATCH_UP
        while self._stale:
            self._stale.pop().lines(self._made_at)
            if time.perf_counter() >= until:
                break
        self.relayout()

    def relayout(self) -> None:
        """As ever, but the line at the top of the view stays there when lines above it become more or fewer."""
        if self._following or not self._starts:
            super().relayout()
            if self._following and self.exchanges:
                self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
            return
        top = self.scroll_offset.y
        number = self.exchange_at(top)
        within = top - self._starts[number]
        super().relayout()
        if number < len(self._starts) and self._starts[number] + within != top:
            self.scroll_to(y=self._starts[number] + within, animate=False, force=True)

    def make_welcome(self, width: int) -> list[Line]:
        """What an empty conversation says; `ChatPane` knows."""
        return self.welcome

    def add(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self._selected = None
        self.spot = ""
        while len(self.exchanges) > MAX_EXCHANGES or (len(self.exchanges) > 1 and len(self.lines) > MAX_LINES):
            gone = self.exchanges.pop(0)
            self.lines = self.lines[len(gone.lines(max(1, self._made_at))) :]
            self.dropped += 1
        self._following = True
        self.show_changes()

    def clear(self) -> None:
        self.exchanges.clear()
        self._starts, self._stale, self._following = [], [], True
        self.dropped = 0
        self._selected = None
        self.spot = ""
        self.relayout()
        self.scroll_to(y=0, animate=False)

    def changed(self, exchange: Exchange) -> None:
        """`exchange` has more to show; drawn at the next frame, not at each token."""
        exchange.touch()
        if not self._pending:
            self._pending = True
            self.set_timer(FRAME, self.show_changes)

    def show_changes(self) -> None:
        self._pending = False
        self._following = self._following or self.is_vertical_scroll_end
        self.relayout()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._following = new_value >= self.max_scroll_y

    # --- Selection --------------------------------------------------------------------------------------------------------------

    @property
    def selected(self) -> Exchange | None:
        """The exchange that keys act on."""
        if not self.exchanges:
            return None
        at = len(self.exchanges) - 1 if self._selected is None else min(self._selected, len(self.exchanges) - 1)
        return self.exchanges[at]

    def select(self, index: int) -> None:
        self._selected = max(0, min(index, len(self.exchanges) - 1))
        self.redraw()

    def exchange_at(self, index: int) -> int:
        """The number of the exchange that line `index` belongs to."""
        return max(0, bisect_right(self._starts, index) - 1)

    def action_move(self, step: int) -> None:
        if not self.exchanges:
            return
        now = len(self.exchanges) - 1 if self._selected is None else self._selected
        self.select(now + step)
        assert self._selected is not None
        self.spot = ""
        self.scroll_to(y=self._starts[self._selected], animate=False)

    # --- Citations ----------------------------------------------------------------------------------------------------------------

    def action_step(self, step: int) -> None:
        """To the next or previous spot; past the last one the focus moves on."""
        names = [name for _, name in self.all_spots()]
        at = names.index(self.spot) + step if self.spot in names else self._first_spot(names, step)
        if 0 <= at < len(names):
            self.go_to_spot(names[at])
            if self.exchanges:
                lines = {name: line for line, name in self.all_spots()}
                self.select(self.exchange_at(lines[names[at]]))
            return
        self.spot = ""
        self.redraw()
        (self.screen.focus_next if step > 0 else self.screen.focus_previous)()

    def _first_spot(self, names: list[str], step: int) -> int:
        """Where tabbing begins: at the selected answer, or at the top of an empty conversation."""
        selected = self.selected
        mine = [i for i, n in enumerate(names) if selected is None or n.split(":")[1:2] == [str(selected.number)]]
        if not mine:
            return len(names) if step > 0 else -1
        return mine[0] if step > 0 else mine[-1]

    def action_open(self) -> None:
        if self.spot:
            self.post_message(self.SpotChosen(self, self.spot))
        else:
            self.action_step(1)

    def action_cite(self, number: int) -> None:
        exchange = self.selected
        if exchange is None:
            names = [name for _, name in self.all_spots() if name.startswith("example:")]
            if number <= len(names):
                self.post_message(self.SpotChosen(self, names[number - 1]))
            return
        citations = exchange.answer.citations if exchange.answer else ()
        names = [f"cite:{exchange.number}:{i}" for i, one in enumerate(citations) if one.marker == number]
        if names:
            # A number may stand for several places of one chunk: pressed again, it goes to the next.
            at = names.index(self.spot) + 1 if self.spot in names else 0
            self.go_to_spot(names[at % len(names)])
            self.post_message(self.SpotChosen(self, self.spot))
            return
        self.post_message(self.CitationMissing(number))

    # --- Events -------------------------------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and self.exchanges:
            self.select(self.exchange_at(offset.y + self.scroll_offset.y))
