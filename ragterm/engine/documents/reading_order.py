"""The order in which a page's lines are read: a recursive cut along its widest white space.

The XY-cut of Nagy and Seth (Hierarchical representation of optically scanned documents, ICPR 1984) splits a page at the white bands
of its projections. A heading across two columns closes every vertical band, and a gap between paragraphs that happens to be at one
height in both columns opens a horizontal one. So, as in Breuel's layout analysis (Two geometric algorithms for layout analysis,
DAS 2002), the gutter is looked for first: the tallest white rectangle with columns of text on both sides, wherever on the page it
begins and ends. What is above it is read first, then its left side, its right side, and what is below it, each cut again
in the same way.

Only what looks like running text makes a column: at least three lines on either side that fill their width. Cells of a table do
not, and their rows stay rows. Where no gutter is found, or the page draws one column after the other anyway, its own order
stands, but for parts that were drawn out of turn (a header drawn last).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from operator import attrgetter
from statistics import median

from ragterm.engine.documents.pdf_layout import Line

MIN_LINES = 3
"""Lines that make a column."""
MIN_CHARACTERS = 12
"""Of the usual line of a column: shorter ones are cells."""
_GUTTER = 0.7
"""Width of a gutter, in line heights."""
_BACKWARDS = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_MAX_DEPTH = 8
_CANDIDATES = 8
_NEAR = 3.0
"""Points by which the left ends of a column's lines may differ."""


_at = attrgetter("at")
_Item = Line
"""A line, or the part of one between two wide gaps. Its `at` is the line's place in the page's own order; on pages written from
right to left, left and right are mirrored."""


def in_reading_order(lines: Sequence[Line]) -> list[Line]:
    """The lines as they are read. A line that runs across a gutter is cut there; nothing else changes, nothing is lost."""
    if len(lines) < 2 or _is_plain(lines):
        return list(lines)
    items = _items(lines, _sign(lines))
    parts = [_in_turn(part) for part in _cut(items, 0)]
    if parts[0] is items:  # nothing to cut, nothing out of turn
        return list(lines)
    if len(items) == len(lines):  # whole lines
        return [lines[item.at] for part in parts for item in part]
    ordered: list[Line] = []
    for part in parts:
        for at, pieces in groupby(part, key=_at):
            ordered.append(_joined(lines[at], list(pieces)))
    return ordered


def _is_plain(lines: Sequence[Line]) -> bool:
    """Drawn from the top to the bottom in unbroken lines, as most pages are: nothing to do."""
    height = lines[0].top
    for line in lines:
        if line.pieces or line.top > height + 0.5 * line.size:
            return False
        height = line.top
    return True


def rows_joined(lines: Iterable[Line]) -> list[Line]:
    """Lines that follow each other on one baseline, far apart, are the cells of one row."""
    rows: list[Line] = []
    for line in lines:
        before = rows[-1] if rows else None
        if (
            before is not None
            and abs(before.bottom - line.bottom) < 0.25 * line.size
            and line.left - before.right > 1.4 * max(line.size, before.size)
        ):
            cells = (*before.cells, *line.cells)
            bold = before.bold and line.bold
            rows[-1] = replace(
                before, text=f"{before.text} {line.text}", right=line.right, cells=cells, bold=bold, pieces=()
            )
        else:
            rows.append(line)
    return rows


def _sign(lines: Sequence[Line]) -> int:
    """1 where columns run from left to right, -1 where most letters are of a script that is written from right to left."""
    backwards = sum([len(_BACKWARDS.findall(line.text)) for line in lines if not line.text.isascii()])
    return -1 if backwards and 2 * backwards > sum([sum(map(str.isalpha, line.text)) for line in lines]) else 1


def _items(lines: Sequence[Line], sign: int) -> list[_Item]:
    items = []
    for at, line in enumerate(lines):
        line.at = at
        if not line.pieces and sign > 0:
            items.append(line)
            continue
        for text, left, right in line.pieces or ((line.text, line.left, line.right),):
            ends = (left, right) if sign > 0 else (-right, -left)
            items.append(Line(text, *ends, line.bottom, line.top, line.size, line.bold, (), at=at))
    return items


def _joined(line: Line, pieces: Sequence[_Item]) -> Line:
    """The line that these parts of `line` are."""
    if len(pieces) == max(len(line.pieces), 1):
        return line
    places = {text: (left, right) for text, left, right in line.pieces}
    left, right = places[pieces[0].text][0], places[pieces[-1].text][1]
    texts = tuple(piece.text for piece in pieces)
    cells = tuple(text for text in line.cells if any(text in part or part in text for part in texts))
    cells = cells if len(texts) > 1 and len(cells) > 1 else (" ".join(texts),)
    return replace(line, text=" ".join(texts), left=left, right=right, cells=cells, pieces=())


# The cut


def _cut(items: list[_Item], depth: int) -> list[list[_Item]]:
    """The parts of a region in the order in which they are read, each in the page's own order."""
    found = _gutter(items) if depth < _MAX_DEPTH and len(items) >= 2 * MIN_LINES else None
    if found is None:
        return [items]
    above, left, right, below = found
    parts: list[list[_Item]] = []
    for part in (above, left, right, below):
        if part:
            parts += _cut(sorted(part, key=_at), depth + 1)
    return parts


_Quarters = tuple[list[_Item], list[_Item], list[_Item], list[_Item]]


def _gutter(items: Sequence[_Item]) -> _Quarters | None:
    """What is above, left, right and below of the tallest gutter. None when there is none."""
    size = median(item.size for item in items)
    width = _GUTTER * size
    long = [item for item in items if len(item.text) >= MIN_CHARACTERS]
    lefts_of_long, rights_of_long = sorted([item.left for item in long]), sorted([item.right for item in long])
    starts = _column_starts(items, lefts_of_long, width)
    if not starts:
        return None
    downwards = sorted(items, key=lambda item: (-item.top, item.left))
    large = 1.15 * size
    best: _Quarters | None = None
    tallest = 2.5 * size
    for start in starts:
        edge = start - width
        # Two: half of three.
        if bisect_right(rights_of_long, edge) < 2 or len(long) - bisect_left(lefts_of_long, start) < 2:
            continue
        begin = lefts = rights = 0
        for end, item in enumerate(downwards):
            if item.left >= start:
                rights += 1
            elif item.right <= edge and (item.size < large or not _separates(item, downwards, start)):
                lefts += 1
            else:
                if lefts >= MIN_LINES and rights >= MIN_LINES:
                    best, tallest = _taller(best, tallest, downwards, begin, end, start, size)
                crosses = item.right > edge
                begin, lefts, rights = (end + 1, 0, 0) if crosses else (end, 1, 0)
        if lefts >= MIN_LINES and rights >= MIN_LINES:
            best, tallest = _taller(best, tallest, downwards, begin, len(downwards), start, size)
    return best


def _taller(
    best: _Quarters | None, tallest: float, items: Sequence[_Item], begin: int, end: int, start: float, size: float
) -> tuple[_Quarters | None, float]:
    """The gutter at `start` beside items[begin:end] where it is one, and taller than the best so far."""
    left = [one for one in items[begin:end] if one.left < start]
    right = [one for one in items[begin:end] if one.left >= start]
    height = min(_top(left), _top(right)) - max(_bottom(left), _bottom(right))
    if height <= tallest or not _are_columns(left, right):
        return best, tallest
    return _quarters(items, begin, end, start, size), height


def _column_starts(items: Sequence[_Item], lefts: Sequence[float], width: float) -> list[float]:
    """Where lines begin below each other with others to the left of them: the most frequent first. `lefts` are those of lines long
    enough, sorted."""
    nearest = sorted([item.right for item in items])[MIN_LINES - 1] + width
    clusters: list[tuple[int, float]] = []
    at = 0
    while at < len(lefts):
        end = at
        while end < len(lefts) and lefts[end] - lefts[at] <= _NEAR:
            end += 1
        if end - at >= 2 and lefts[at] >= nearest:
            clusters.append((end - at, lefts[at] - 0.01))
        at = end
    clusters.sort(reverse=True)
    return [start for _, start in clusters[:_CANDIDATES]]


def _separates(item: _Item, items: Sequence[_Item], start: float) -> bool:
    """Whether a larger line on the left is a heading across both columns, too short to reach into the second: the other side is
    white beside it."""
    high, low = item.top + 0.3 * item.size, item.bottom - 0.3 * item.size
    beside = [one for one in items if one.left >= start]
    for one in beside:
        if one.bottom < high and one.top > low:
            return False
    return any(one.bottom >= item.top for one in beside) and any(one.top <= item.bottom for one in beside)


def _quarters(items: Sequence[_Item], begin: int, end: int, start: float, size: float) -> _Quarters:
    """What stands alone above or below both columns, set off from them, is no part of either."""
    run = list(items[begin:end])
    above, below = list(items[:begin]), list(items[end:])
    left = [one for one in run if one.left < start]
    right = [one for one in run if one.left >= start]
    high = min(_top(left), _top(right))
    for side in (left, right):  # both sorted from the top
        while len(side) > MIN_LINES and side[0].bottom > high and side[0].bottom - side[1].top > 0.8 * size:
            above.append(side.pop(0))
    low = max(_bottom(left), _bottom(right))
    for side in (left, right):
        while len(side) > MIN_LINES and side[-1].top < low and side[-2].bottom - side[-1].top > 0.8 * size:
            below.append(side.pop())
    return above, left, right, below


def _top(items: Sequence[_Item]) -> float:
    return max([item.top for item in items])


def _bottom(items: Sequence[_Item]) -> float:
    return min([item.bottom for item in items])


def _are_columns(left: Sequence[_Item], right: Sequence[_Item]) -> bool:
    """Whether both sides are columns of text that the page does not draw one after the other anyway."""
    sides = sorted([(item.at, 0, item.top) for item in left] + [(item.at, 1, item.top) for item in right])
    turns = [[top for _, _, top in turn] for _, turn in groupby(sides, key=lambda one: one[1])]
    if (len(turns) == 2 and sides[0][1] == 0) or not (_is_text(left) and _is_text(right)):
        return False
    if len(turns) <= 3:
        return True
    if sum(len(set(map(round, tops))) for tops in turns) > 1.4 * len(turns):
        # Drawn in turns of several lines: where they begin at one height, each turn is a cell, its lines broken within it.
        pairs = list(pairwise(turns))[::2]
        level = sum(abs(max(a) - max(b)) < 0.5 * left[0].size for a, b in pairs)
        if level >= 0.8 * len(pairs):
            return False
    return _goes_on(left) or _goes_on(right)


def _is_text(side: Sequence[_Item]) -> bool:
    """Whether these lines fill their side of the gutter, be it one column or several, and have more than a few characters."""
    if median(len(item.text) for item in side) < MIN_CHARACTERS:
        return False
    width = max(item.right for item in side) - min(item.left for item in side)
    covered = sum((item.right - item.left) * item.size for item in side)
    if covered < 0.4 * width * (_top(side) - _bottom(side)):
        return False
    text = "".join([item.text for item in side])
    return 2 * sum(map(str.isalpha, text)) >= len(text)


def _goes_on(side: Sequence[_Item]) -> bool:
    """Whether lines begin in the middle of a sentence: with a small letter, or one of a script without them."""
    firsts = [next((c for c in item.text if c.isalnum()), "") for item in side]
    return 10 * sum(c.isalpha() and not c.isupper() for c in firsts) >= 3 * len(firsts)


# The page's own order


def _in_turn(items: list[_Item]) -> list[_Item]:
    """Parts that were drawn out of turn, put where they stand. Parts beside each other keep the order in which they were
    drawn."""
    flows: list[list[_Item]] = []
    low = 0.0
    for item in items:
        if flows and item.top <= low + 0.5 * item.size:
            flows[-1].append(item)
        else:
            flows.append([item])
        low = item.top
    if len(flows) == 1:
        return items
    spans = sorted(((_top(flow), _bottom(flow), number) for number, flow in enumerate(flows)), reverse=True)
    groups: list[list[int]] = []
    low = 0.0
    for top, bottom, number in spans:
        if groups and top > low + 0.2 * flows[number][0].size:
            groups[-1].append(number)
            low = min(low, bottom)
        else:
            groups.append([number])
            low = bottom
    return [item for group in groups for number in sorted(group) for item in flows[number]]
