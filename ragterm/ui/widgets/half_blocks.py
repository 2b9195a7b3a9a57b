"""A picture in half blocks, for terminals that show nothing finer: two pixels a cell, the upper as foreground, the lower as background.

The rows are made beforehand, in a thread: in few colours, so that neighbours are often equal and make one segment. A page of white
paper is then a few hundred segments, where one for each cell would hold up the event loop for a fifth of a second.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from PIL import Image

COLOURS = 24


@dataclass(frozen=True, slots=True)
class HalfBlocks:
    """`rows` are strips of the same width."""

    rows: tuple[Strip, ...]


def half_blocks(picture: Image.Image) -> HalfBlocks:
    """An RGB picture of as many columns as it has pixels, and half as many rows."""
    few = picture.quantize(colors=COLOURS)
    palette = few.getpalette() or []
    colours = [Color.from_rgb(*palette[at : at + 3]) for at in range(0, len(palette) - 2, 3)]
    styles: dict[tuple[int, int], Style] = {}
    width, height = few.size
    pixels = few.tobytes()
    rows = []
    for y in range(0, height - 1, 2):
        upper, lower = pixels[y * width : (y + 1) * width], pixels[(y + 1) * width : (y + 2) * width]
        segments = []
        for pair, run in itertools.groupby(zip(upper, lower, strict=True)):
            if pair not in styles:
                styles[pair] = Style(color=colours[pair[0]], bgcolor=colours[pair[1]])
            segments.append(Segment("▀" * len(list(run)), styles[pair]))
        rows.append(Strip(segments, width))
    return HalfBlocks(tuple(rows))


class HalfBlockPicture(Widget):
    """Shows `image`; its owner gives it the size of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self._image: HalfBlocks | None = None

    @property
    def image(self) -> HalfBlocks | None:
        return self._image

    @image.setter
    def image(self, image: HalfBlocks | None) -> None:
        self._image = image
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        row = self._image.rows[y] if self._image is not None and y < len(self._image.rows) else Strip([], 0)
        # The style is only looked up where it is seen: that takes as long as the rest of a line.
        return row if row.cell_length == width else row.adjust_cell_length(width, self.rich_style)
