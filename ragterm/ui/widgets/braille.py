"""A canvas of braille dots: 2 by 4 dots in a character cell, so a map of 100 by 30 cells has 200 by 120 points.

The block U+2800 to U+28FF holds every subset of eight dots; a subset's offset in the block is the sum of its dots' bits
(The Unicode Standard, chapter 21, "Braille"). A terminal cell has one colour: where dots of several inks share a cell, the ink
with the highest priority colours it. A glyph (a letter or a symbol) laid on a cell hides the dots under it, so that what
matters can be told without colour. Pure: numbers in, text and inks out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

BLANK = 0x2800
# _BITS[row][column]: dots 1 2 3 7 go down the left column, 4 5 6 8 down the right one.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(slots=True)
class BrailleCanvas:
    """`width` x `height` in character cells; dots run from (0, 0), top left, to (2 * width - 1, 4 * height - 1). An ink is any small
    number; a higher one wins the cell. Whatever falls outside is ignored."""

    width: int
    height: int
    _dots: dict[tuple[int, int], int] = field(default_factory=dict)
    _inks: dict[tuple[int, int], int] = field(default_factory=dict)
    _glyphs: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)

    @property
    def dots_wide(self) -> int:
        return 2 * self.width

    @property
    def dots_high(self) -> int:
        return 4 * self.height

    def dot(self, x: int, y: int, ink: int = 0) -> None:
        """Set one dot."""
        if not (0 <= x < self.dots_wide and 0 <= y < self.dots_high):
            return
        cell = (x >> 1, y >> 2)
        self._dots[cell] = self._dots.get(cell, 0) | _BITS[y & 3][x & 1]
        if ink >= self._inks.get(cell, ink):
            self._inks[cell] = ink

    def line(self, x0: int, y0: int, x1: int, y1: int, ink: int = 0) -> None:
        """A straight line, both ends included (Bresenham 1965)."""
        across, down = abs(x1 - x0), -abs(y1 - y0)
        step_x, step_y = (1 if x0 < x1 else -1), (1 if y0 < y1 else -1)
        error = across + down
        while True:
            self.dot(x0, y0, ink)
            if (x0, y0) == (x1, y1):
                return
            doubled = 2 * error
            if doubled >= down:
                error += down
                x0 += step_x
            if doubled <= across:
                error += across
                y0 += step_y

    def curve(self, x0: int, y0: int, x1: int, y1: int, ink: int = 0) -> None:
        """A line that leaves and arrives level (smoothstep), for connecting rows: crossings stay readable."""
        span = x1 - x0
        if span <= 0:
            self.line(x0, y0, x1, y1, ink)
            return
        before = y0
        for x in range(x0, x1 + 1):
            t = (x - x0) / span
            y = round(y0 + (y1 - y0) * t * t * (3 - 2 * t))
            low, high = sorted((before, y))
            for between in range(low, high + 1):
                self.dot(x, between, ink)
            before = y

    def glyph(self, x: int, y: int, character: str, ink: int = 0) -> None:
        """Lay `character` (one cell wide) over the cell that holds dot (x, y); the higher ink stays."""
        cell = (x >> 1, y >> 2)
        if not (0 <= cell[0] < self.width and 0 <= cell[1] < self.height):
            return
        there = self._glyphs.get(cell)
        if there is None or ink >= there[1]:
            self._glyphs[cell] = (character, ink)

    def cell(self, column: int, row: int) -> tuple[str, int | None]:
        """The character of a cell and its ink (None: nothing there)."""
        if (laid := self._glyphs.get((column, row))) is not None:
            return laid
        bits = self._dots.get((column, row), 0)
        if not bits:
            return " ", None
        return chr(BLANK + bits), self._inks[(column, row)]

    def row(self, row: int) -> list[tuple[str, int | None]]:
        """A row of cells as runs of one ink: [("⠁⠂", 1), ("  ", None), ...]; together `width` characters."""
        runs: list[tuple[str, int | None]] = []
        for column in range(self.width):
            character, ink = self.cell(column, row)
            if runs and runs[-1][1] == ink:
                runs[-1] = (runs[-1][0] + character, ink)
            else:
                runs.append((character, ink))
        return runs

    def glyph_inks(self) -> set[int]:
        """The inks of the glyphs that can be seen."""
        return {ink for _, ink in self._glyphs.values()}

    def copy(self) -> BrailleCanvas:
        """The same picture, to draw on."""
        return BrailleCanvas(self.width, self.height, dict(self._dots), dict(self._inks), dict(self._glyphs))

    def text(self) -> str:
        """The whole picture without inks."""
        return "\n".join("".join(run for run, _ in self.row(y)) for y in range(self.height))


SPARKS = " ▁▂▃▄▅▆▇█"


def sparkline(values: list[int] | list[float], width: int) -> str:
    """`values` as bars of eight heights, at most `width` of them (neighbours are added up when there are more). A value above
    zero is never drawn as nothing."""
    if not values or width <= 0:
        return ""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(values[a:b]) for a, b in pairwise(edges)]
    top = max(values)
    if top <= 0:
        return SPARKS[0] * len(values)
    return "".join(SPARKS[0] if v <= 0 else SPARKS[max(1, round(8 * v / top))] for v in values)


EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int) -> str:
    """A horizontal bar of `width` cells, filled from the left to the eighth of a cell; `share` is cut to [0, 1]. Any share above
    zero shows at least an eighth."""
    if width <= 0:
        return ""
    share = min(1.0, max(0.0, share))
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (EIGHTHS[rest] if rest else "")
    return drawn.ljust(width)
