"""Rows of a table, and its header: where a table may be cut.

A row is a line, except in raw CSV, where a quoted cell may hold line breaks (RFC 4180, section 2, rule 6).
"""

from __future__ import annotations

import re

_LINE = re.compile(r"[^\n]*\S[^\n]*")
_TABLE_RULE = re.compile(r"[ \t]*[|+]?[ \t:|+=-]*-[ \t:|+=-]*$")
_LONGEST_ROW = 200
"""Lines that one row may have: a quote that is never closed must not swallow the rest of the file."""


def table_rows(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The spans of the rows of the table `text[start:end]`, blank lines left out."""
    lines = [m.span() for m in _LINE.finditer(text, start, end)]
    # Where cells stand between bars, or in a single column, each row is a line, and a quote is a quote: `3" pipe`.
    first = text[slice(*lines[0])] if lines else ""
    if '"' not in text[start:end] or "|" in first or not any(delimiter in first for delimiter in ",;\t"):
        return lines
    rows: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        last, quotes = at, text.count('"', *lines[at])
        while quotes % 2 and last + 1 < len(lines) and last - at < _LONGEST_ROW:
            last += 1
            quotes += text.count('"', *lines[last])
        if quotes % 2:
            last = at
        rows.append((lines[at][0], lines[last][1]))
        at = last + 1
    return rows


def table_header(text: str, rows: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The span of a table's header: its first row, with the rule below it in a Markdown table. None for a table of one row."""
    if len(rows) < 2:
        return None
    ruled = len(rows) > 2 and _TABLE_RULE.match(text[slice(*rows[1])])
    return rows[0][0], rows[1][1] if ruled else rows[0][1]
