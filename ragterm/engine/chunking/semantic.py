"""Topic shifts: a chunk ends where what is said changes.

TextTiling (Hearst 1997, "TextTiling: Segmenting Text into Multi-paragraph Subtopic Passages", Computational Linguistics 23(1),
sections 5.1 to 5.3) with sentences as its units. Each gap between two sentences is scored by how alike the few sentences before it
and the few after it are; the depth of a gap is how far its score lies below the nearest peaks on both sides; gaps deeper than the
mean less half a standard deviation are boundaries, the deepest first, none close to another; a boundary next to a paragraph break
is moved there.

The likeness is the cosine of the mean sentence embeddings; without an embedder it is the paper's own, the cosine of the word counts
of the two blocks. Stretches that are too long for the window are cut at their deepest gap, tiny ones join the neighbour that they
differ from less.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ragterm.engine.chunking.spans import RUNNING_TEXT_TOKENS, MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.chunking.units import sentence_starts
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray

BLOCK = 3
"""Sentences on each side of a gap. (The paper's blocks hold 10 sequences of 20 words; embeddings say as much with fewer words.)"""
APART = 3
"""Sentences between two boundaries at least (the paper's "three intervening token-sequences")."""
TINY = 0.2
"""Of the room: a shorter stretch is no chunk of its own."""

_AT_ONCE = 2000
"""Sentences that are compared at once: what the vectors of a document of any length cost in memory ends here."""
_BATCH = 64
_LONGEST = 2000
"""Characters of a sentence that are embedded; a window of tokens is shorter than this."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = """
the and for are was were that this these those with from has have had not but its his her their our your they you she him them
which who what when where how than then there here been being will would can could may might should shall must about into over
under also such some any all each more most other only own same very just one two
"""
_STOP_WORDS = frozenset(_STOP.split())


def chunk_semantic(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """Chunks that end at topic shifts, disjoint, none longer than the window. `tools.embed` is called with batches of at most 64
    sentences; None compares words instead."""
    measured = MeasuredDocument(document, build_id, tools, settings, RUNNING_TEXT_TOKENS)
    units = _units(measured)
    return measured.chunks(
        span
        for at in range(0, max(1, len(units) - 1), _AT_ONCE)
        for span in _tiles(measured, units[at : at + _AT_ONCE + 1], tools.embed)
    )


def _units(measured: MeasuredDocument) -> list[int]:
    """Where the sentences begin, and the end of the text. A heading is no sentence of its own: it goes with the one below it."""
    text = measured.text
    headings = [block.end for block in measured.blocks if block.kind == "heading"]
    units: list[int] = []
    for start in sentence_starts(text, 0, len(text)):
        above = bisect_right(headings, start) - 1
        if not units or above < 0 or text[headings[above] : start].strip():
            units.append(start)
    return [*units, len(text)]


def _tiles(
    measured: MeasuredDocument, units: Sequence[int], embed: Callable[[Sequence[str]], FloatArray] | None
) -> Iterator[Span]:
    if len(units) < 2:
        return
    texts = [measured.text[a:b] for a, b in pairwise(units)]
    scores = _embedded_likeness(texts, embed) if embed and len(texts) > 1 else _lexical_likeness(texts)
    depths = depth_scores(_smoothed(scores))
    breaks = [gap for gap, text in enumerate(texts[:-1]) if "\n\n" in text[len(text.rstrip()) :]]
    tokens = [measured.ruler.index(offset) for offset in units]

    def room(first: int) -> int:
        touched = measured.blocks_in(units[first], units[first + 1])
        return measured.least_left(touched[0].section) if touched else measured.room

    shifts = sorted({_nearest(breaks, gap) for gap in boundaries(depths)})
    tiles = _short_enough(_between(shifts, len(texts)), depths, breaks, tokens, room)
    for first, stop in _none_tiny(tiles, depths, tokens, room):
        yield measured.span(units[first], units[stop])


def _embedded_likeness(texts: Sequence[str], embed: Callable[[Sequence[str]], FloatArray]) -> list[float]:
    """For each of the n - 1 gaps the cosine between the mean vectors of the sentences around it."""
    import numpy as np

    short = [" ".join(text[:_LONGEST].split()) for text in texts]
    vectors = np.concatenate([embed(short[at : at + _BATCH]) for at in range(0, len(short), _BATCH)])
    sums = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)])
    gaps = np.arange(1, len(texts))
    before = sums[gaps] - sums[np.maximum(gaps - BLOCK, 0)]
    after = sums[np.minimum(gaps + BLOCK, len(texts))] - sums[gaps]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines = (before * after).sum(axis=1) / np.maximum(lengths, 1e-12)
    # Rounded: the last digits depend on which texts shared a batch, and a boundary must not.
    return [round(float(cosine), 4) for cosine in cosines]


def _lexical_likeness(texts: Sequence[str]) -> list[float]:
    """The paper's block comparison (section 5.2): the cosine of the word counts on both sides of each gap."""
    counts = [Counter(w for w in _WORD.findall(text.casefold()) if w not in _STOP_WORDS) for text in texts]
    scores = []
    for gap in range(1, len(texts)):
        before: Counter[str] = sum(counts[max(0, gap - BLOCK) : gap], Counter())
        after: Counter[str] = sum(counts[gap : gap + BLOCK], Counter())
        dot = sum(n * after[word] for word, n in before.items())
        squares = sum(n * n for n in before.values()) * sum(n * n for n in after.values())
        scores.append(dot / squares**0.5 if squares else 0.0)
    return scores


def _smoothed(scores: Sequence[float]) -> list[float]:
    """A moving average over three gaps (section 5.3: "average smoothing")."""
    return [sum(scores[max(0, at - 1) : at + 2]) / len(scores[max(0, at - 1) : at + 2]) for at in range(len(scores))]


def depth_scores(scores: Sequence[float]) -> list[float]:
    """Section 5.3: how far each gap's score lies below the nearest peak to its left plus that to its right, >= 0. Linear: the peak
    on one side is that of the neighbour for as long as the scores climb away from the gap."""
    left, right = list(scores), list(scores)
    for at in range(1, len(scores)):
        if scores[at - 1] >= scores[at]:
            left[at] = left[at - 1]
    for at in range(len(scores) - 2, -1, -1):
        if scores[at + 1] >= scores[at]:
            right[at] = right[at + 1]
    return [a + b - 2 * score for a, b, score in zip(left, right, scores, strict=True)]


def boundaries(depths: Sequence[float]) -> list[int]:
    """The gaps that are topic shifts, ascending; gap g lies before sentence g + 1. Deepest first, deeper than mean - sd / 2, `APART`
    sentences from every other and from both ends."""
    if not depths:
        return []
    mean = sum(depths) / len(depths)
    spread = (sum((depth - mean) ** 2 for depth in depths) / len(depths)) ** 0.5
    taken: set[int] = set()
    for gap in sorted(range(len(depths)), key=lambda gap: (-depths[gap], gap)):
        if depths[gap] <= max(mean - spread / 2, 1e-9):
            break
        if taken.isdisjoint(range(gap - APART + 1, gap + APART)) and APART <= gap + 1 <= len(depths) + 1 - APART:
            taken.add(gap)
    return sorted(taken)


def _nearest(breaks: Sequence[int], gap: int) -> int:
    """The paragraph break next to a gap, if one is nearer than two boundaries may be; else the gap."""
    at = bisect_right(breaks, gap)
    near = [one for one in breaks[max(0, at - 1) : at + 1] if abs(one - gap) < APART]
    return min(near, key=lambda one: abs(one - gap), default=gap)


_Tile = tuple[int, int]
"""Sentences `[first, stop)`."""


def _between(gaps: Sequence[int], sentences: int) -> list[_Tile]:
    return list(pairwise([0, *(gap + 1 for gap in gaps), sentences]))


def _short_enough(
    tiles: Sequence[_Tile],
    depths: Sequence[float],
    breaks: Sequence[int],
    tokens: Sequence[int],
    room: Callable[[int], int],
) -> list[_Tile]:
    """Tiles that are too long are cut at the deepest gap of their middle half (by tokens), at one between paragraphs before one
    inside, until they fit or are one sentence."""
    between = {gap + 1 for gap in breaks}
    done: list[_Tile] = []
    pending = list(reversed(tiles))
    while pending:
        first, stop = pending.pop()
        length = tokens[stop] - tokens[first]
        if stop - first < 2 or length <= room(first):
            done.append((first, stop))
            continue
        inner = range(first + 1, stop)
        middle = [at for at in inner if length / 4 <= tokens[at] - tokens[first] <= 3 * length / 4]
        centre = (tokens[first] + tokens[stop]) / 2
        middle = [at for at in middle if at in between] or middle
        near = sorted(middle or inner, key=lambda at: abs(tokens[at] - centre))
        cut = max(near, key=lambda at: depths[at - 1]) if middle else near[0]
        pending += [(cut, stop), (first, cut)]
    return done


def _none_tiny(
    tiles: Sequence[_Tile], depths: Sequence[float], tokens: Sequence[int], room: Callable[[int], int]
) -> list[_Tile]:
    """A tiny tile joins the neighbour across the shallower gap, where both fit into one chunk."""
    result: list[_Tile] = []
    waiting = list(reversed(tiles))
    while waiting:
        first, stop = waiting.pop()
        limit = room(first)
        if tokens[stop] - tokens[first] < TINY * limit:
            options = []
            if result and tokens[stop] - tokens[result[-1][0]] <= room(result[-1][0]):
                options.append((depths[first - 1], 0))
            if waiting and tokens[waiting[-1][1]] - tokens[first] <= limit:
                options.append((depths[stop - 1], 1))
            if options:
                if min(options)[1] == 0:
                    result[-1] = (result[-1][0], stop)
                else:
                    waiting[-1] = (first, waiting[-1][1])
                continue
        result.append((first, stop))
    return result
