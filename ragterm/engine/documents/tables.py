"""Rows of cells to blocks: what is the header, what is a title above the table, where one table ends and the next begins.

Spreadsheets and delimited files say nothing of this; people see it. The rules are few and look only at which cells are filled and
which hold numbers: a lone filled cell above rows of several is a title; a second row that begins empty under filled cells and holds
no number continues the header; a first row of numbers above columns of numbers is no header, and the columns get their letters.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.markup import table_line

MAX_ROWS = 50_000
"""Rows that are read of one sheet or delimited file; what lies below is named in a warning."""

Row = list[str]

_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,'\s]*(?:[eE][-+]?\d+)?\s?[%$€£¥]?\)?")
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_SAMPLE = 200


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """The house's form of a table: one row a line, ` | ` between cells, the header first, empty rows left out."""
    lines = (table_line(list(row)) for row in rows)
    return "\n".join(line for line in lines if line.strip(" |"))


def add_table(builder: DocumentBuilder, rows: Sequence[Row], *, level: int = 1) -> None:
    """Append one table of data: a title above it as a heading of `level`, further ones as captions, its header as one row,
    empty rows and columns left out."""
    grid = _without_empty_columns([row for row in rows if any(row)])
    if not grid:
        return
    if len(grid[0]) == 1:
        _add_column(builder, [row[0] for row in grid])
        return
    at = 0
    while at < len(grid) - 1 and at < 10 and sum(map(bool, grid[at])) == 1:
        title = next(filter(None, grid[at]))
        if at == 0 and len(title) <= 120:
            builder.add("heading", title, level=level)
        else:
            builder.add("caption", title)
        at += 1
    builder.add("table", table_text(_with_header(grid[at:])))


def regions(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The tables of a sheet: an empty row ends one when what follows fills other columns or begins with a title of its own."""
    current: list[Row] = []
    for part in _between_empty_rows(rows):
        if current and _begins_anew(current, part):
            yield current
            current = []
        current += part
    if current:
        yield current


def _between_empty_rows(rows: Iterable[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        if any(row):
            part.append(row)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _begins_anew(current: list[Row], following: list[Row]) -> bool:
    before = _filled(current[-_SAMPLE:])
    after = _filled(following[:_SAMPLE])
    titled = len(following) > 1 and sum(map(bool, following[0])) == 1 < sum(map(bool, following[1]))
    return not after <= before or titled or (len(after) == 1 < len(before))


def _filled(rows: Iterable[Row]) -> set[int]:
    return {at for row in rows for at, cell in enumerate(row) if cell}


def _without_empty_columns(rows: list[Row]) -> list[Row]:
    kept = sorted(_filled(rows))
    return [[row[at] if at < len(row) else "" for at in kept] for row in rows]


def _add_column(builder: DocumentBuilder, cells: list[str]) -> None:
    """A single column: a list of values is a table still, longer texts are paragraphs."""
    if len(cells) > 2 and all(len(cell) < 80 for cell in cells):
        builder.add("table", table_text([cell] for cell in cells))
        return
    for cell in cells:
        builder.add("paragraph", cell)


def _with_header(grid: list[Row]) -> list[Row]:
    if len(grid) > 2 and _continues_header(grid):
        above, filled = "", []
        for cell, own_start in zip(grid[0], grid[1], strict=True):
            above = cell or (above if own_start else "")
            filled.append(above)
        joined = [" ".join(filter(None, (a, b if b != a else ""))) for a, b in zip(filled, grid[1], strict=True)]
        return [joined, *grid[2:]]
    if _has_no_header(grid):
        return [[column_name(at) for at in range(len(grid[0]))], *grid]
    return grid


def _continues_header(grid: list[Row]) -> bool:
    first, second, third = grid[:3]
    return (
        bool(first[0])
        and not second[0]
        and bool(third[0])
        and not any(map(is_number, first + second))
        and any(b and not a for a, b in zip(first, second, strict=True))
    )


def _has_no_header(grid: list[Row]) -> bool:
    """Whether the first row holds numbers like the columns of numbers below it (years stand above numbers as names)."""
    below = grid[1 : 1 + _SAMPLE]
    columns = [
        at
        for at in range(len(grid[0]))
        if below and sum(is_number(row[at]) for row in below) * 5 > sum(bool(row[at]) for row in below) * 4
    ]
    numbers = [at for at in columns if is_number(grid[0][at]) and not _YEAR.fullmatch(grid[0][at])]
    return len(numbers) * 2 > len(columns) > 0


def is_number(cell: str) -> bool:
    return len(cell) < 40 and _NUMBER.fullmatch(cell) is not None


def column_name(at: int) -> str:
    """0 is A, 26 is AA: what a spreadsheet writes above the column."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(65 + rest) + name
    return name


def cell_text(value: object) -> str:
    """A cell as a person reads it: 45123 for 45123.0, 2024-05-01 for midnight of that day, TRUE for a truth value."""
    match value:
        case str():
            return " ".join(value.split())
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".15g")
        case datetime.datetime():
            if value.time() == datetime.time():
                return value.date().isoformat()
            return value.isoformat(" ", "seconds" if value.second else "minutes")
        case datetime.time():
            return value.isoformat("seconds" if value.second else "minutes")
        case datetime.timedelta():
            hours, rest = divmod(round(value.total_seconds()), 3600)
            return f"{hours}:{rest // 60:02}" + (f":{rest % 60:02}" if rest % 60 else "")
        case datetime.date():
            return value.isoformat()
        case _:
            return ""
