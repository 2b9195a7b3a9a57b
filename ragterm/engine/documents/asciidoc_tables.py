"""Rows of an AsciiDoc table (https://docs.asciidoctor.org/asciidoc/latest/tables/build-a-basic-table/): cells come one after the
other, and the number of columns says where a row ends."""

from __future__ import annotations

import csv
import re

_CELL = re.compile(
    r"(?:(?<=\s)|^)((?:\d{1,3}(?:\.\d{1,3})?|\.\d{1,3})[+*])?[<^>]?(?:\.[<^>])?[adehlmsv]?\|", re.MULTILINE
)
_REPEATED = re.compile(r"(\d{1,3})\*")
MOST_COLUMNS = 200


def table_rows(lines: list[str], sign: str, columns: str, form: str) -> list[list[str]]:
    """The rows. Their number of cells is what the columns say, or as many as stand in the first line."""
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return []
    if sign in ",:" or form in ("csv", "dsv", "tsv"):
        separator = "\t" if form == "tsv" else ":" if sign == ":" or form == "dsv" else ","
        return _separated(lines, separator)
    text = "\n".join(line for line in lines if not line.startswith("//"))
    if sign == "!":
        text = text.replace("|", "\\|").replace("!", "|")
    found = list(_CELL.finditer(text.replace("\\|", "\x00\x00")))
    cells: list[str] = []
    for place, one in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        span = one.group(1) or ""
        cell = text[one.end() : end].strip().replace("\\|", "|")
        many = min(int(span[:-1]), MOST_COLUMNS) if span.endswith("*") and span[:-1].isdigit() else 1
        cells += [cell] * many
        if span.endswith("+") and (wide := span[:-1].partition(".")[0]).isdigit():
            cells += [""] * (min(int(wide), MOST_COLUMNS) - 1)
    width = _count(columns) or len(_CELL.findall(lines[first].replace("\\|", "  "))) or 1
    return [cells[at : at + width] for at in range(0, len(cells), width)]


def _count(columns: str) -> int:
    """`1,2,3`, `3*`, `<1,^2a`: how many columns are described."""
    if not columns:
        return 0
    parts = re.split(r"[,;]", columns.strip('" '))[:MOST_COLUMNS]
    if len(parts) == 1 and parts[0].isdigit() and int(parts[0]) > 1:
        return 1
    total = 0
    for part in parts:
        repeated = _REPEATED.match(part.strip())
        total += min(int(repeated.group(1)), MOST_COLUMNS) if repeated else 1
    return min(total, MOST_COLUMNS)


def _separated(lines: list[str], separator: str) -> list[list[str]]:
    try:
        return [
            row
            for row in csv.reader([line for line in lines if line.strip()], delimiter=separator, strict=False)
            if row
        ]
    except csv.Error:
        return [line.split(separator) for line in lines if line.strip()]
