"""Whether what a page's fonts say is text: a font without a Unicode map yields anything but.

Four kinds of rubbish are known. Characters that no text has (control characters, private use, U+FFFD); glyph names and
numbers instead of letters (`/g18/g152`, `(cid:12)`); bytes of one encoding read in another (`Ã¤`, `Ð¿Ñ€`); and letters put in
each other's place, where "The" reads `7KH`. The last is found by statistics: a substitution keeps the uneven frequencies of a
language (its entropy) but gives them to the wrong letters, so that the relative entropy to every language's own frequencies
is high (Shannon 1949, Communication theory of secrecy systems, section 13). Hexadecimal digits, genes and codes are even or
few-lettered and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import log
from operator import mul

from ragterm.engine.documents.pdf_layout import Line

_UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\x00\x01\x03-\x08\x0b-\x1f\x7f-\x9f]")
"""Not U+0002: it marks a hyphen."""
_GLYPH_NAMES = re.compile(
    r"\(cid:\d{1,5}\)|/(?:[gGcCaA]|cid|glyph|index|uni|char)(?:\d{1,5}|[0-9A-F]{2,4})(?=[/\s(]|$)", re.MULTILINE
)
_WRONG_DECODING = re.compile(
    "[ÂÃ][\u0080-\u00bf]|â[€\u0080][\u0080-\u00bf™œ\u009d“”˜¢¦–—]|[ÐÑ][\u0080-\u00bf‚-›€ŠŒŽšœžŸƒˆ˜]"
)
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_COMMON = b"eationrsEATIONRS"
_SAMPLE = 1500
_ENOUGH_LETTERS = 300
"""Fewer say too little about frequencies: a page of formulas looks odd too."""
_FAR = 0.68
"""Nats from the nearest language. Measured: pages in thirteen languages at most 0.2, formulas 0.58, shifted and swapped alphabets
0.73 and more."""
_ENTROPY = (2.5, 3.02)
"""Nats of a language's letters, in whatever order they are."""

# Per mille, a to z, accents left out: the usual published counts.
_LANGUAGES = {
    "English": (82, 15, 28, 43, 127, 22, 20, 61, 70, 2, 8, 40, 24, 67, 75, 19, 1, 60, 63, 91, 28, 10, 24, 2, 20, 1),
    "French": (84, 9, 33, 37, 170, 11, 9, 7, 76, 6, 1, 55, 30, 71, 59, 25, 14, 67, 79, 72, 64, 18, 0, 4, 1, 3),
    "German": (71, 19, 27, 51, 164, 17, 30, 46, 66, 3, 14, 34, 25, 98, 30, 7, 0, 70, 76, 62, 52, 8, 19, 0, 0, 11),
    "Spanish": (120, 22, 40, 50, 126, 7, 18, 7, 70, 5, 0, 50, 32, 70, 95, 25, 9, 69, 80, 46, 41, 11, 0, 2, 10, 5),
    "Portuguese": (146, 10, 39, 50, 130, 10, 13, 8, 62, 4, 0, 28, 47, 44, 108, 25, 12, 65, 68, 43, 36, 16, 0, 3, 0, 5),
    "Italian": (117, 9, 45, 37, 118, 12, 16, 6, 101, 0, 0, 65, 25, 69, 98, 31, 5, 64, 50, 56, 30, 21, 0, 0, 0, 12),
    "Turkish": (129, 28, 26, 47, 89, 5, 26, 12, 137, 0, 47, 59, 38, 75, 32, 9, 0, 67, 48, 33, 51, 10, 0, 0, 33, 15),
    "Polish": (99, 17, 43, 37, 87, 1, 17, 10, 83, 18, 28, 44, 25, 62, 75, 24, 0, 52, 52, 25, 21, 0, 58, 0, 32, 65),
    "Dutch": (75, 16, 12, 59, 189, 8, 34, 24, 65, 15, 22, 36, 22, 100, 61, 16, 0, 64, 37, 68, 20, 29, 15, 0, 0, 14),
    "Finnish": (158, 3, 3, 10, 80, 2, 4, 19, 108, 20, 50, 58, 32, 88, 60, 18, 0, 29, 79, 88, 50, 23, 1, 0, 17, 1),
    "Czech": (106, 8, 16, 39, 120, 1, 1, 14, 94, 14, 29, 38, 24, 69, 85, 19, 0, 49, 52, 57, 37, 53, 0, 0, 29, 32),
}  # fmt: skip


_LOGARITHMS = [
    # No letter is impossible: names are foreign.
    [log((count + 0.2) / (sum(language) + 26 * 0.2)) for count in language]
    for language in _LANGUAGES.values()
]


def is_garbled(text: str) -> bool:
    """Whether nothing on this page can be trusted to be what is printed there."""
    return 3 * rubbish(text) > len(text) or reads_wrongly(text)


def reads_wrongly(text: str) -> bool:
    """Whether these are characters, but the wrong ones."""
    sample = text[:_SAMPLE]
    others = sample.encode("latin-1", "replace").translate(None, _COMMON)
    if len(sample) - len(others) >= 0.36 * len(sample):
        return False  # as in every language with Latin letters: no need to look closer
    return _is_wrongly_decoded(sample) or _is_substituted(sample)


def readable_lines(lines: Sequence[Line]) -> list[Line]:
    """The lines without those of which at least half is rubbish. Short ones stay: pieces of tall brackets stand in formulas."""
    return [line for line in lines if len(line.text) < 12 or 2 * rubbish(line.text) < len(line.text)]


def rubbish(text: str) -> int:
    """Characters that are none, and those of glyph names."""
    count = len(_UNREADABLE.findall(text))
    if "/" in text or "(cid:" in text:
        names = _GLYPH_NAMES.findall(text)
        if len(names) > 2:
            count += sum(map(len, names))
    return count


def _is_wrongly_decoded(text: str) -> bool:
    if not any(c in text for c in "ÂÃâÐÑ"):
        return False
    pairs = sum(map(len, _WRONG_DECODING.findall(text)))
    return 3 * pairs > len("".join(text.split()))


def _is_substituted(text: str) -> bool:
    letters = list(map(text.lower().count, "abcdefghijklmnopqrstuvwxyz"))
    total = sum(letters)
    if total < _ENOUGH_LETTERS or len(_BEYOND_ASCII.findall(text)) > total:
        return False
    shares = [count / total for count in letters]
    entropy = -sum(share * log(share) for share in shares if share)
    if not _ENTROPY[0] < entropy < _ENTROPY[1]:
        return False
    return all(-entropy - sum(map(mul, shares, language)) > _FAR for language in _LOGARITHMS)


def page_ranges(numbers: Iterable[int]) -> str:
    """`2, 5-6` for 2, 5 and 6."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return ", ".join(shown[:40]) + (f" and {len(shown) - 40} more ranges" if len(shown) > 40 else "")
