"""Citation markers in what a model wrote, and the sentences that carry them.

Models write `[1]`, `[1, 2]`, `[1][3]`, `[1-3]`, `【1】`, `[Source 2]` before or after the full stop. All become `[n]`.
A marker that names no passage of the prompt is taken out of the text and recorded: it cannot be resolved, so it must
not look as if it could.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ragterm.engine.types.sentences import sentence_spans

_NUMBERS = r"\^?\d{1,3}(?:\s*[-–]\s*\d{1,3})?"
_MARKER = re.compile(
    rf"[\[【［]\s*(?:(?:passages?|sources?|documents?|docs?|citations?|refs?)\.?\s*)?#?({_NUMBERS}(?:\s*[,;&]\s*{_NUMBERS})*)"
    r"\s*(?:†[^\]】］\n]{0,80})?[\]】］]",
    re.IGNORECASE,
)
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`", re.DOTALL)
_PLAIN_MARKERS = re.compile(r"(?:\s*\[\d{1,3}\])+")
_PLAIN_MARKER = re.compile(r"\[(\d{1,3})\]")
_LONGEST_RANGE = 20


@dataclass(frozen=True, slots=True)
class Resolved:
    """`text` holds only markers that resolve, each as `[n]`; `removed` are the others, in order, each once."""

    text: str
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MarkedSentence:
    """A sentence `text[start:end]` of an answer, markers included, with the numbers it carries, in order, each once."""

    start: int
    end: int
    markers: tuple[int, ...]


def resolve_markers(text: str, known: Collection[int]) -> Resolved:
    """Bring every marker of `text` into the form `[n]` and take out those that are not `known`. Code is left as it
    is."""
    removed: list[int] = []
    pieces: list[str] = []
    at = 0
    code = [m.span() for m in _CODE.finditer(text)]
    for match in _MARKER.finditer(text):
        if any(start <= match.start() < end for start, end in code):
            continue
        numbers = list(dict.fromkeys(_numbers(match.group(1))))
        valid = [n for n in numbers if n in known]
        removed += [n for n in numbers if n not in known]
        before = text[at : match.start()]
        # Without its marker "so [9]." must not become "so ."
        pieces.append(before if valid else before.rstrip(" \t"))
        pieces += [f"[{n}]" for n in valid]
        at = match.end()
    pieces.append(text[at:])
    return Resolved("".join(pieces), tuple(dict.fromkeys(removed)))


def _numbers(written: str) -> list[int]:
    numbers: list[int] = []
    for part in re.split(r"[,;&]", written):
        ends = [int(n) for n in re.findall(r"\d+", part)]
        low, high = ends[0], ends[-1]
        numbers += range(low, high + 1) if low <= high < low + _LONGEST_RANGE else ends
    return numbers


def marked_sentences(text: str) -> list[MarkedSentence]:
    """The sentences of an answer whose markers are resolved. Markers after a full stop belong to the sentence before
    it."""
    spans: list[tuple[int, int]] = []
    for start, end in sentence_spans(text):
        if spans and (lead := _PLAIN_MARKERS.match(text, start, end)):
            spans[-1] = (spans[-1][0], lead.end())
            start = lead.end()
            while start < end and not (text[start].isalnum() or text[start] in "*_`\"'“‘«([$€£+-"):
                start += 1
            if not any(c.isalnum() for c in text[start:end]):
                spans[-1] = (spans[-1][0], end)
                continue
        spans.append((start, end))
    return [
        MarkedSentence(start, end, tuple(dict.fromkeys(int(n) for n in _PLAIN_MARKER.findall(text[start:end]))))
        for start, end in spans
    ]


def without_markers(text: str) -> str:
    """`text` without its `[n]` markers."""
    return _PLAIN_MARKERS.sub("", text)
