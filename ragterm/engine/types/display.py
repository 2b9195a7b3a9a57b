"""Foreign text made fit to be shown: what could steer a terminal is replaced one for one, so that no offset moves.

C0 controls (but newline and tab), DEL, C1 controls, bidirectional overrides and isolates, line and paragraph separators and
lone surrogates become U+FFFD. See Unicode Technical Report 36, section 2.10, on bidirectional text spoofing.
"""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNSAFE_IN_LINE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def displayable(text: str) -> str:
    """`text` with every unsafe character replaced by U+FFFD; same length; newline and tab are kept."""
    return _UNSAFE.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """For names, titles and table cells: as `displayable`, with newlines and tabs turned into spaces. Same length."""
    return _UNSAFE_IN_LINE.sub(REPLACEMENT, text.replace("\n", " ").replace("\t", " "))
