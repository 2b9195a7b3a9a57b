"""What goes before a chunk's text for the model and the keyword index: title, headings, a table's header.

A chunk out of its document has lost what it is about; a few tokens bring it back. What the chunk's own text already opens
with is not said twice.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from ragterm.engine.types.protocols import Tokenizer

_SEPARATOR = " > "
_SPACES = re.compile(r"\s+")
_MARKUP = re.compile(r"^[#\s]+|[#\s]+$")


class ContextWriter:
    """Contexts of one document, each at most `limit` tokens."""

    def __init__(self, title: str, tokenizer: Tokenizer, limit: int) -> None:
        self._title = plain(title)
        self._limit = limit
        self._count: Callable[[str], int] = functools.cache(lambda text: tokenizer.count([text])[0])
        self._tokenizer = tokenizer
        self.write = functools.cache(self._write)

    def tokens(self, context: str) -> int:
        return self._count(context) if context else 0

    def _write(self, path: tuple[str, ...], opening: str = "", header: str = "") -> str:
        """`path` are the headings above, outermost first; `opening` is the beginning of the chunk's text; `header` a table header."""
        names = [plain(name) for name in path]
        if self._title and not (names and _same(names[0], self._title)):
            names.insert(0, self._title)
        names = [name for i, name in enumerate(names) if name and (i == 0 or not _same(name, names[i - 1]))]
        if names and _same(names[-1], plain(opening[: len(names[-1]) + 8])[: len(names[-1])]):
            names.pop()
        above = self._fit_names(names)
        left = self._limit - self.tokens(above)
        header = self._cut(plain_lines(header), left - 1) if header and left > 4 else ""
        return "\n".join(part for part in (above, header) if part)

    def _fit_names(self, names: Sequence[str]) -> str:
        """All names if they fit; else the first and the last ones, the middle left out; at last their beginnings."""
        if not names or self._limit <= 0:
            return ""
        whole = _SEPARATOR.join(names)
        if self._count(whole) <= self._limit:
            return whole
        for kept in range(len(names) - 2, 0, -1):
            shorter = _SEPARATOR.join([names[0], "…", *names[-kept:]])
            if self._count(shorter) <= self._limit:
                return shorter
        if len(names) == 1:
            return self._cut(names[0], self._limit)
        ends = [self._cut(name, self._limit // 2 - 2) for name in (names[0], names[-1])]
        return self._cut(_SEPARATOR.join(end for end in ends if end), self._limit)

    def _cut(self, text: str, limit: int) -> str:
        """The beginning of `text` with at most `limit` tokens, at a word's end where there is one."""
        if limit <= 0:
            return ""
        # A token is at least a character's worth of text in every tokenizer here: no need to look further than this.
        text = text[: limit * 40]
        spans = self._tokenizer.spans(text)
        kept = limit
        while len(spans) > limit or (spans and self._count(text) > limit):
            if kept <= 0:
                return ""
            end = spans[min(kept, len(spans)) - 1][1]
            space = text.rfind(" ", 0, end + 1)
            text = text[: space if space > end // 2 else end].rstrip()
            spans = self._tokenizer.spans(text)
            kept = len(spans) - 1
        return text


def plain(text: str) -> str:
    """One line without heading marks."""
    return _MARKUP.sub("", _SPACES.sub(" ", text)).strip()


def plain_lines(text: str) -> str:
    """A table header without its rule."""
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line.strip(" |+-=:"))


def _same(a: str, b: str) -> bool:
    return a.casefold() == b.casefold()
