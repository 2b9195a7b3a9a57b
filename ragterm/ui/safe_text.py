"""Makes text that nobody vouches for safe to draw: the one door between foreign text and a widget.

Documents, file names, titles, model output and pasted text may hold escape sequences, C1 controls, bidirectional overrides or
square brackets that Textual would read as markup. Here every such character becomes U+FFFD, one for one, so that no
offset moves, and the result is wrapped in a type in which no markup is parsed: `Content` for widgets, titles, tooltips, buttons
and options, `rich.text.Text` for the cells and labels of DataTable and Tree (a `Content` label crashes Tree).
"""

from __future__ import annotations

import re

from rich.text import Text
from textual.content import Content

REPLACEMENT = "\ufffd"

# C0 but tab and newline, DEL, C1, line and paragraph separators (they break lines only in some of the code that draws),
# bidirectional embeddings, overrides and isolates, lone surrogates (they cannot be encoded for the terminal).
_BLOCK = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_UNSAFE = re.compile(f"[{_BLOCK}]")
_BREAKS = str.maketrans({"\n": " ", "\t": " "})


def plain(text: str) -> str:
    """`text` with every dangerous character replaced by U+FFFD, as long as before. Newline and tab stay."""
    return _UNSAFE.sub(REPLACEMENT, text)


def line(text: str) -> str:
    """As `plain`, on one line: newline and tab become a space. For names, titles, table cells, toasts."""
    return plain(text).translate(_BREAKS)


def content(text: str, style: str = "", *, one_line: bool = False) -> Content:
    """Safe text for widgets, border titles, tooltips, buttons and options. `style` is ours, never foreign."""
    return Content.styled(line(text) if one_line else plain(text), style)


def rich_text(text: str, style: str = "", *, one_line: bool = True) -> Text:
    """Safe text for DataTable cells and Tree labels; on one line unless told otherwise."""
    return Text(line(text) if one_line else plain(text), style=style, end="", no_wrap=one_line, overflow="ellipsis")


def shorten(text: str, width: int) -> str:
    """One safe line of at most `width` characters, cut in the middle: both ends of a path say something."""
    text = line(text)
    if len(text) <= width:
        return text
    if width < 5:
        return text[:width]
    head = (width - 1) // 3
    return f"{text[:head]}…{text[-(width - 1 - head) :]}"
