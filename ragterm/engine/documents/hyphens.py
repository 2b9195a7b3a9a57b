"""End-of-line hyphens: `manip-` `ulate` is one word, `highest-` `scoring` keeps its hyphen, and only the text knows which.

pdfium marks both as U+0002. The document's own vocabulary decides: the spelling that occurs elsewhere wins; if neither
does, two halves that both occur as words of their own are a compound, anything else is a broken word.
"""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

MARK = "\x02"
_WORD = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_HALF_BEFORE = re.compile(r"[^\W\d_]+\Z")
_HALF_AFTER = re.compile(r"[^\W\d_]+")
_BROKEN = re.compile(rf"(?:(?<![^\W\d_])[^\W\d_]++)?+{MARK}[^\S\n]*+[^\W\d_]*+")
_WORD_LIMIT = 100
"""Characters of a text in which its last word is looked for."""
_ALWAYS = frozenset(
    "self non well ex cross multi high low state long short real end co all half quasi vice mid single two three four".split()
)
"""First halves that English joins with a hyphen."""


class Vocabulary:
    """The words of a document, those broken at a line end left out."""

    def __init__(self, lines: Iterable[str]) -> None:
        whole = list(lines)
        if not any(MARK in line for line in whole):
            self._counts: Counter[str] = Counter()
            return
        text = "\n".join([_BROKEN.sub(" ", line) if MARK in line else line for line in whole])
        tokens = Counter(text.lower().split())
        self._counts = Counter({token: count for token, count in tokens.items() if token.isalpha()})
        mixed = [f"{token} " * count for token, count in tokens.items() if not token.isalpha()]
        self._counts.update(_WORD.findall("".join(mixed)))
        for word in [word for word in self._counts if "-" in word]:
            for part in word.split("-"):
                self._counts[part] += 1

    def keeps_hyphen(self, before: str, after: str) -> bool:
        """Whether the hyphen between the end of `before` and the start of `after` belongs to the word."""
        left, right = _HALF_BEFORE.search(before[-_WORD_LIMIT:]), _HALF_AFTER.match(after)
        if left is None or right is None:
            return True
        first, second = left.group().lower(), right.group().lower()
        if right.group()[0].isupper() and not left.group().isupper():
            return True
        joined, hyphened = self._counts[first + second], self._counts[f"{first}-{second}"]
        if joined or hyphened:
            return hyphened > joined
        if first in _ALWAYS and len(second) > 3:
            return True
        return min(len(first), len(second)) >= 3 and bool(self._counts[first]) and bool(self._counts[second])

    def join(self, before: str, after: str) -> str:
        """`before` (without its mark) and `after` as one text."""
        return f"{before}-{after}" if self.keeps_hyphen(before, after) else before + after

    def mend(self, text: str) -> str:
        """`text` with every mark resolved."""
        pieces = text.split(MARK)
        whole = pieces[0]
        for piece in pieces[1:]:
            whole = self.join(whole.rstrip(), piece.lstrip())
        return whole
