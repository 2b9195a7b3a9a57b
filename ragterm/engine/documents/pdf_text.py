"""A PDF page's lines, from pdfium's list of characters: their text, their place, and the gaps inside them.

pdfium breaks the stream of a page's characters into lines where the next one stands elsewhere. It writes an end-of-line hyphen,
and the line end behind it, as one mark (see `hyphens`). Boxes are asked for at the two ends and the middle of a line and around
its spaces only: a call for each character would take longer than pdfium takes to read the page.
"""

from __future__ import annotations

import ctypes
import re
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from itertools import repeat
from operator import sub
from typing import Any

from ragterm.engine.documents.hyphens import MARK
from ragterm.engine.documents.pdf_layout import Line

WIDE_GAP = 1.4
"""Heights of a character between two words from which on they stand in different cells."""
NARROW_GAP = 0.7
"""Heights of a character between two words from which on the gutter between two columns may run there."""
_LINE = re.compile(rf"[^\r\n{MARK}]+{MARK}?|{MARK}")
_SPACE = re.compile(r"[ \t\xa0]+")
_SYMBOLS = str.maketrans(
    {
        **dict.fromkeys(map(chr, range(0xF8E5, 0xF8FF)), " "),  # Adobe's pieces of tall brackets
        "\uf0b7": "•",
        "\uf0a7": "▪",
        "\uf0d8": "➢",
        "\uf0fc": "✓",
        "\ufffe": MARK,
        "\xad": MARK,
        "\uffff": " ",
    }
)
"""One character for one, so that indices stay pdfium's."""
_ANY_SYMBOL = re.compile("[" + "".join(map(chr, _SYMBOLS)) + "]")


def characters(text_page: Any, count: int) -> str:
    """The page's text, one character for each of pdfium's indices.

    The text function is quick, but it leaves out what has no Unicode value and writes two units for what is beyond the first
    plane. Where it yields as many units as there are characters and no half of a pair, it did neither."""
    from pypdfium2 import raw

    units = (ctypes.c_ushort * (count + 1))()
    text_page = text_page.raw
    written = raw.FPDFText_GetText(text_page, 0, count, units)
    if written == count + 1:
        text = bytes(units)[: 2 * count].decode("utf-16-le", "replace")
        if len(text) == count:
            return text.translate(_SYMBOLS) if _ANY_SYMBOL.search(text) else text
    codes = map(raw.FPDFText_GetUnicode, repeat(text_page, count), range(count))
    return "".join([chr(code) if code < 0x110000 else "\ufffd" for code in codes]).translate(_SYMBOLS)


def read_lines(text_page: Any, rotation: int, width: float, height: float, *, weights: bool = True) -> Iterator[Line]:
    """The lines in the order in which the page draws them. `rotation` (0, 90, 180, 270 degrees clockwise), `width` and `height`
    (points) are the page's as it is displayed; so are the places of the lines. Without `weights` no line is bold."""
    text = characters(text_page, text_page.count_chars())
    is_bold = _bold(text_page.raw)
    spans: list[tuple[str, int, int, int]] = []
    indices: list[int] = []
    for found in _LINE.finditer(text):
        words = found.group()
        start = found.start() + len(words) - len(words.lstrip())
        end = found.start() + len(words.rstrip().rstrip(MARK))
        if end > start:
            spans.append((words, start, end, len(indices)))
            indices.append(start)
            for space in _SPACE.finditer(text, start, end):
                indices += (space.start() - 1, space.end())
            indices += (end - 1, (start + end) // 2)
    boxes = _boxes(text_page.raw, indices)
    lefts, rights, bottoms, tops = _turned(boxes, rotation, width, height) if rotation else boxes
    for number, (words, start, end, first) in enumerate(spans):
        last = (spans[number + 1][3] if number + 1 < len(spans) else len(indices)) - 2
        left, bottom, top, right = lefts[first], bottoms[first], tops[first], rights[last]
        size, ending = top - bottom, tops[last] - bottoms[last]
        if abs(ending - size) > 0.01:
            # The first character may be a raised footnote mark, the last one an index: the middle of three heights is the line's.
            size = sorted((size, ending, tops[last + 1] - bottoms[last + 1]))[1]
        size = max(size, 1.0)
        if abs(bottoms[last] - bottom) > 3 * size:  # set vertically or turned: its width says nothing
            right = left
        pieces: list[tuple[str, float, float]] = []
        cells: list[str] = []
        cell = start
        if last - first > 1 and right - left > 8 * size:
            gaps = list(map(sub, lefts[first + 2 : last : 2], rights[first + 1 : last : 2]))
            if max(gaps) > NARROW_GAP * size:
                begin, from_left = start, left
                for at, gap in zip(range(first + 1, last, 2), gaps, strict=True):
                    if gap > NARROW_GAP * size:
                        stop, go_on = indices[at] + 1, indices[at + 1]
                        pieces.append((text[begin:stop], from_left, rights[at]))
                        begin, from_left = go_on, lefts[at + 1]
                        if gap > WIDE_GAP * size:
                            cells.append(text[cell:stop])
                            cell = go_on
                pieces.append((text[begin:end] + (MARK if words.endswith(MARK) else ""), from_left, right))
        cells.append(text[cell:end])
        # Only what may be a heading is asked about; at both ends: a bold label before its value is none.
        bold = weights and end - start < 90 and text[end - 1] not in ".,;" and is_bold(start) and is_bold(end - 1)
        yield Line(words.strip(" \t\xa0"), left, right, bottom, top, size, bold, tuple(cells), pieces=tuple(pieces))


Boxes = tuple[list[float], list[float], list[float], list[float]]
"""Lefts, rights, bottoms and tops, in points."""


def _boxes(handle: Any, indices: list[int]) -> Boxes:
    """The boxes of these characters."""
    box = ctypes.c_float * 4  # FS_RECTF: left, top, right, bottom
    found = (ctypes.c_float * (4 * len(indices)))()
    start, step = ctypes.addressof(found), ctypes.sizeof(box)
    page = ctypes.cast(handle, ctypes.c_void_p).value
    places = range(start, start + step * len(indices), step)
    deque(map(_box_function(), repeat(page), indices, places), maxlen=0)
    edges = array("f", bytes(found))
    return edges[0::4].tolist(), edges[2::4].tolist(), edges[3::4].tolist(), edges[1::4].tolist()


@cache
def _box_function() -> Callable[[Any, int, int], int]:
    """pdfium's function for a character's box, with plain addresses for arguments: of the many calls, ctypes' checks of
    the pointers' types and the release of the interpreter's lock would be the larger half."""
    from pypdfium2 import raw

    address = ctypes.cast(raw.FPDFText_GetLooseCharBox, ctypes.c_void_p).value
    kind = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    return kind(address or 0)


def _bold(handle: Any) -> Callable[[int], bool]:
    from pypdfium2 import raw

    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()

    def is_bold(index: int) -> bool:
        """By weight, or by name: the standard fonts carry no weight."""
        if raw.FPDFText_GetFontWeight(handle, index) >= 600:
            return True
        length = raw.FPDFText_GetFontInfo(handle, index, name, 128, flags)
        return 0 < length <= 128 and b"bold" in name.value.lower()

    return is_bold


def _turned(boxes: Boxes, rotation: int, width: float, height: float) -> Boxes:
    """The same on a page that is displayed turned."""
    lefts, rights, bottoms, tops = boxes
    if rotation == 90:
        return bottoms, tops, [height - x for x in rights], [height - x for x in lefts]
    if rotation == 180:
        return (
            [width - x for x in rights],
            [width - x for x in lefts],
            [height - y for y in tops],
            [height - y for y in bottoms],
        )
    if rotation == 270:
        return [width - y for y in tops], [width - y for y in bottoms], lefts, rights
    return boxes
