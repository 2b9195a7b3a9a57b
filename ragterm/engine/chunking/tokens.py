"""Where the tokens of a document begin: the ruler by which everything in this room is measured.

The tokenizer runs once over the whole text. Tokens between two offsets are then a difference of two look-ups, exact wherever
both offsets are starts of words.
"""

from __future__ import annotations

from bisect import bisect_left

from ragterm.engine.types.protocols import Tokenizer

# WordPiece turns a word of more than 100 characters into one unknown token. It is entered as several, so that a blob without
# spaces is cut like any other text and each part of it is small enough to be read.
_LONG_WORD = 100
_PIECE = 4


class TokenRuler:
    """Token counts and token starts of one text."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text = text
        starts: list[int] = []
        last = -1
        for start, end in tokenizer.spans(text):
            # Some tokenizers count the space before a word, and may give several tokens for one character.
            while start < end and text[start].isspace():
                start += 1
            start = max(start, last)
            if end - start > _LONG_WORD:
                starts.extend(range(start, end, _PIECE))
            else:
                starts.append(start)
            last = starts[-1]
        self.starts = starts

    def index(self, offset: int) -> int:
        """The number of tokens that begin before `offset`."""
        return bisect_left(self.starts, offset)

    def count(self, start: int, end: int) -> int:
        """Tokens that begin in `[start, end)`."""
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)
