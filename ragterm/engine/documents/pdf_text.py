"""A PDF page's lines, from pdfium's list of characters: their text, their place, and the gaps inside them.

pdfium breaks the stream of a page's characters into lines where the next one stands elsewhere. It writes an end-of-line hyphen,
and the line end behind it, as one mark (see `hyphens`). Boxes are asked for at the two ends and the middle of a line and around
its spaces only: a call for each character would take longer than pdfium takes to read the page.
"""

from __future__ import annotations

import codecs
import ctypes
import re
import sys
import threading
from array import array
from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import accumulate, repeat
from operator import sub
from typing import Any

from ragterm.engine.documents.hyphens import MARK
from ragterm.engine.documents.pdf_layout import Line

WIDE_GAP = 1.4
"""Heights of a character between two words from which on they stand in different cells."""
NARROW_GAP = 0.7
"""Heights of a character between two words from which on the gutter between two columns may run there."""
_LONG = 25
"""Characters of a line from which on its density says something."""
_MANY_GAPS = 0.34
_AT_ONCE = 1024
"""Boxes that are asked for before they are copied."""
_SPACE = re.compile(r"[ \t\xa0]+")
_SYMBOLS = {
    **dict.fromkeys(map(chr, range(0xF8E5, 0xF8FF)), " "),  # Adobe's pieces of tall brackets
    "\uf0b7": "•",
    "\uf0a7": "▪",
    "\uf0d8": "➢",
    "\uf0fc": "✓",
    "\ufffe": MARK,
    "\xad": MARK,
    "\uffff": " ",
}
"""One character for one, so that indices stay pdfium's."""
_decode = codecs.utf_16_le_decode if sys.byteorder == "little" else codecs.utf_16_be_decode


_Span = tuple[int, int, str, str]
"""Where a line begins and ends, its text, and the mark of a hyphen behind it."""
_Piece = tuple[str, float, float]
"""The text between two gaps, its left and its right."""
_Gap = tuple[int, int, float, float]
"""Between which two characters a gap lies, and between which two places."""
_Sides = Callable[[list[int], list[int]], tuple[list[float], list[float]]]
"""The right sides of some characters, the left sides of others."""


def characters(text_page: Any, count: int) -> str:
    """The page's text, one character for each of pdfium's indices.

    The text function is quick, but it leaves out what has no Unicode value and writes two units for what is beyond the first
    plane. Where it yields as many units as there are characters and no half of a pair, it did neither."""
    from pypdfium2 import raw

    units = array("H", bytes(2 * (count + 1)))
    place = ctypes.cast(units.buffer_info()[0], ctypes.POINTER(ctypes.c_ushort))
    written = raw.FPDFText_GetText(text_page, 0, count, place)
    if written == count + 1:
        text, _ = _decode(units[:count], "replace", True)
        if len(text) == count:
            return _with_symbols(text)
    code_of = _quick("FPDFText_GetUnicode", ctypes.c_uint)
    codes = map(code_of, repeat(_pointer(_address(text_page)), count), range(count))
    return _with_symbols("".join([chr(code) if code < 0x110000 else "\ufffd" for code in codes]))


def _with_symbols(text: str) -> str:
    if not text.isascii():
        for (
            symbol,
            plain,
        ) in _SYMBOLS.items():  # a search for each is ten times as quick as `str.translate` with them all
            if symbol in text:
                text = text.replace(symbol, plain)
    return text


def read_lines(text_page: Any, rotation: int, width: float, height: float, *, weights: bool = True) -> list[Line]:
    """The lines in the order in which the page draws them. `text_page` is pdfium's handle. `rotation` (0, 90, 180, 270 degrees
    clockwise), `width` and `height` (points) are the page's as it is displayed; so are the places of the lines. Without
    `weights` no line is bold."""
    from pypdfium2 import raw

    text = characters(text_page, max(0, raw.FPDFText_CountChars(text_page)))
    handle = _pointer(_address(text_page))
    is_bold = _bold(handle)

    def boxes(indices: list[int]) -> Boxes:
        edges = _edges(handle, indices)
        found = edges[0::4].tolist(), edges[2::4].tolist(), edges[3::4].tolist(), edges[1::4].tolist()
        return _turned(found, rotation, width, height) if rotation else found

    def sides(ends: list[int], starts: list[int]) -> tuple[list[float], list[float]]:
        if rotation:
            return boxes(ends)[1], boxes(starts)[0]
        edges = _edges(handle, ends + starts)
        return edges[2 : 4 * len(ends) : 4].tolist(), edges[4 * len(ends) :: 4].tolist()

    spans = _spans(text)
    count = len(spans)
    lefts, rights, bottoms, tops = boxes([span[0] for span in spans] + [span[1] - 1 for span in spans])
    rights, last_bottoms, last_tops = rights[count:], bottoms[count:], tops[count:]
    del lefts[count:], bottoms[count:], tops[count:]
    sizes = [size if size > 1.0 else 1.0 for size in map(sub, tops, bottoms)]
    uneven = [n for n, size in enumerate(sizes) if abs(last_tops[n] - last_bottoms[n] - size) > 0.01]
    if uneven:
        # The first character may be a raised footnote mark, the last one an index: the middle of three heights is the line's.
        _, _, low, high = boxes([(spans[n][0] + spans[n][1]) // 2 for n in uneven])
        for at, n in enumerate(uneven):
            sizes[n] = max(sorted((sizes[n], last_tops[n] - last_bottoms[n], high[at] - low[at]))[1], 1.0)
    for n, size in enumerate(sizes):
        if abs(last_bottoms[n] - bottoms[n]) > 3 * size:  # set vertically or turned: its width says nothing
            rights[n] = lefts[n]
    gaps = _gaps(text, spans, lefts, rights, sizes, sides)
    lines = []
    for n, (start, end, words, mark) in enumerate(spans):
        cells: tuple[str, ...] = (words,)
        pieces: tuple[_Piece, ...] = ()
        if n in gaps:
            cells, pieces = _parts(text, spans[n], lefts[n], rights[n], sizes[n], gaps[n])
        # Only what may be a heading is asked about; at both ends: a bold label before its value is none.
        bold = (
            weights
            and end - start < 90
            and (words[0].isupper() or words[0].isdigit())
            and words[-1] not in ".,;"
            and is_bold(start)
            and is_bold(end - 1)
        )
        lines.append(Line(words + mark, lefts[n], rights[n], bottoms[n], tops[n], sizes[n], bold, cells, pieces))
    return lines


def _spans(text: str) -> list[_Span]:
    spans = []
    following = 0
    for line in text.replace("\r", "\n").replace(MARK, "\n").split("\n"):
        start = following
        following += len(line) + 1
        if not line:
            continue
        end = following - 1
        mark = MARK if text[end : end + 1] == MARK else ""
        if line[0].isspace() or line[-1].isspace():
            end -= len(line) - len(line.rstrip())
            line = line.strip()
            start = end - len(line)
        if line:
            spans.append((start, end, line, mark))
    return spans


def _gaps(
    text: str,
    spans: list[_Span],
    lefts: list[float],
    rights: list[float],
    sizes: list[float],
    sides: _Sides,
) -> dict[int, list[_Gap]]:
    """The gaps of lines that have any. A gap makes a line longer than its characters are: of the long lines the loosest quarter is
    looked at, the next one when that shows any gaps, and the denser half when it shows many."""
    wide = [n for n, size in enumerate(sizes) if rights[n] - lefts[n] > 8 * size]
    long = [n for n in wide if spans[n][1] - spans[n][0] >= _LONG]
    long.sort(key=lambda n: (spans[n][1] - spans[n][0]) * sizes[n] / (rights[n] - lefts[n]))
    quarter, half = (len(long) // 4 + 1, len(long) // 2 + 1) if len(long) >= 8 else (len(long), len(long))
    first = sorted({*wide} - {*long[quarter:]})
    found = _gaps_of(text, spans, first, sizes, sides)
    if found:
        many = len(found) > _MANY_GAPS * len(first)
        found |= _gaps_of(text, spans, long[quarter : None if many else half], sizes, sides)
    return found


def _gaps_of(
    text: str, spans: list[_Span], chosen: list[int], sizes: list[float], sides: _Sides
) -> dict[int, list[_Gap]]:
    if not chosen:
        return {}
    ends: list[int] = []
    starts: list[int] = []
    begins = []
    for n in chosen:
        begins.append(len(starts))
        start, end, line, _ = spans[n]
        if "  " in line or "\t" in line or "\xa0" in line:
            spaces = [space.span() for space in _SPACE.finditer(text, start, end)]
            ends += [first - 1 for first, _ in spaces]
            starts += [following for _, following in spaces]
        else:  # as most are: five times as quick
            words = list(accumulate([len(word) + 1 for word in line.split(" ")], initial=start))[1:-1]
            ends += [word - 2 for word in words]
            starts += words
    before, after = sides(ends, starts)
    widths = list(map(sub, after, before))
    found: dict[int, list[_Gap]] = {}
    for n, begin, end in zip(chosen, begins, [*begins[1:], len(widths)], strict=True):
        least = NARROW_GAP * sizes[n]
        if begin < end and max(widths[begin:end]) > least:
            found[n] = [
                (ends[at] + 1, starts[at], before[at], after[at]) for at in range(begin, end) if widths[at] > least
            ]
    return found


def _parts(
    text: str, span: _Span, left: float, right: float, size: float, gaps: list[_Gap]
) -> tuple[tuple[str, ...], tuple[_Piece, ...]]:
    """The cells between wide gaps and the pieces between all gaps."""
    start, end, _, mark = span
    cells, pieces = [], []
    cell = begin = start
    for stop, go_on, before, after in gaps:
        pieces.append((text[begin:stop], left, before))
        begin, left = go_on, after
        if after - before > WIDE_GAP * size:
            cells.append(text[cell:stop])
            cell = go_on
    return (*cells, text[cell:end]), (*pieces, (text[begin:end] + mark, left, right))


Boxes = tuple[list[float], list[float], list[float], list[float]]
"""Lefts, rights, bottoms and tops, in points."""


class _Room(threading.local):
    """Where pdfium writes boxes (FS_RECTF: left, top, right, bottom), with a pointer to the place of each."""

    def __init__(self) -> None:
        self.edges = array("f", bytes(16 * _AT_ONCE))
        whole = (ctypes.c_float * (4 * _AT_ONCE)).from_buffer(self.edges)
        self.places = [ctypes.byref(whole, 16 * at) for at in range(_AT_ONCE)]


_room = _Room()


def _edges(text_page: Any, indices: list[int]) -> array[float]:
    """Left, top, right and bottom of each of these characters' boxes."""
    box = _quick("FPDFText_GetLooseCharBox", None)
    edges = array("f")
    for at in range(0, len(indices), _AT_ONCE):
        part = indices[at : at + _AT_ONCE]
        deque(map(box, repeat(text_page), part, _room.places), maxlen=0)
        edges += _room.edges[: 4 * len(part)]
    return edges


@cache
def _quick(name: str, result: type | None) -> Callable[..., Any]:
    """A function of pdfium that is called for thousands of characters. Its arguments are to be plain numbers and pointers made by
    `byref`, which ctypes takes as they are: its checks of declared types, the objects it makes of them and the release of the
    interpreter's lock would be two thirds of each call."""
    from pypdfium2 import raw

    address = ctypes.cast(getattr(raw, name), ctypes.c_void_p).value or 0
    return ctypes.PYFUNCTYPE(result)(address)


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def _pointer(address: int) -> Any:
    """What lies at `address`, as an argument for a quick function. The address may not be 0."""
    return ctypes.byref(ctypes.c_char.from_address(address))


def _bold(text_page: Any) -> Callable[[int], bool]:
    name = ctypes.create_string_buffer(256)  # the name, and behind it the flags that nobody reads
    weight, font = _quick("FPDFText_GetFontWeight", ctypes.c_int), _quick("FPDFText_GetFontInfo", ctypes.c_ulong)
    at_name, length_of_name, at_flags = ctypes.byref(name), ctypes.c_ulong(128), ctypes.byref(name, 128)

    def is_bold(index: int) -> bool:
        """By weight, or by name: the standard fonts carry no weight."""
        if weight(text_page, index) >= 600:
            return True
        length = font(text_page, index, at_name, length_of_name, at_flags)
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
