"""Where the tokens of a document begin: the ruler by which everything in this room is measured.

The tokenizer runs once over the whole text. Tokens between two offsets are then a difference of two look-ups, exact wherever
both offsets are starts of words.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ragterm.engine.types.protocols import Tokenizer

# WordPiece turns a word of more than 100 characters into one unknown token. It is entered as several, so that a blob without
# spaces is cut like any other text and each part of it is small enough to be read.
_LONG_WORD = 100
_PIECE = 4


class TokenRuler:
    """Token counts and token starts of one text."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text = text
        spans = tokenizer.spans(text)
        plain = [start for start, end in spans if end - start <= _LONG_WORD and not text[start : start + 1].isspace()]
        starts = plain if len(plain) == len(spans) else _starts(text, spans)
        # A tokenizer may give several tokens for one character, and in no promised order.
        starts.sort()
        self.starts = starts

    def index(self, offset: int) -> int:
        """The number of tokens that begin before `offset`."""
        return bisect_left(self.starts, offset)

    def count(self, start: int, end: int) -> int:
        """Tokens that begin in `[start, end)`."""
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)


def _starts(text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    starts: list[int] = []
    for start, end in spans:
        while start < end and text[start].isspace():  # some tokenizers count the space before a word
            start += 1
        starts.extend(range(start, end, _PIECE) if end - start > _LONG_WORD else (start,))
    return starts
