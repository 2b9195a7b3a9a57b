"""Canonical text: what every parser yields, made before any offset exists.

Documents are untrusted. A terminal that receives their escape sequences moves its cursor, renames its window or writes to
the clipboard, so whole sequences (ECMA-48 / ISO 6429: CSI, OSC, DCS, SOS, PM, APC and the two-character forms, in their 7-bit
and their 8-bit C1 spelling) are removed first, then every control character that is left but newline and tab. Removing only
the ESC byte would leave `[31m` behind as text. Bidi overrides stay: replacing them is the display's business.
"""

from __future__ import annotations

import re

_STRING_LIMIT = 65_536
"""An unterminated string sequence must not swallow a document: beyond this length only its introducer goes."""

_ANYTHING_UNUSUAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")

# The body of a string sequence stops at every other introducer, so that a run of introducers costs linear time.
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]"
    f"|(?:\x1bP|\x90)[^\x07\x1b\x90\x98\x9c-\x9f]{{0,{_STRING_LIMIT}}}(?:\x1b\\\\|\x9c|\x07)"
    f"|(?:\x1b[\\]X^_]|[\x98\x9d-\x9f])[^\n\x07\x1b\x90\x98\x9c-\x9f]{{0,{_STRING_LIMIT}}}(?:\x1b\\\\|\x9c|\x07)"
    "|\x1b[\x20-\x2f]*[\x30-\x7e]"
)
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def canonical(text: str) -> str:
    """`text` without escape sequences, control characters (but newline and tab), lone surrogates and byte order mark, with LF
    line ends. A form feed, a vertical tab and NEL become a line end. No Unicode normalisation. Idempotent."""
    if text.isprintable() or _ANYTHING_UNUSUAL.search(text) is None:
        return text
    text = _SEQUENCE.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _CONTROL.sub("", text)
    return text.lstrip("\ufeff")
