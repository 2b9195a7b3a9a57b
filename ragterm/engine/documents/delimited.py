"""CSV and TSV: delimited text (RFC 4180 and what programs make of it).

The canonical text is a table in the house's form, not the file's own text: a quoted cell may hold line ends, and a chunk may only be
cut between rows; a reader of a citation, the keyword index and the model get cells between ` | ` whether the file has commas,
semicolons, tabs or bars, as they do from a spreadsheet. The words of every cell stay as they are.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.documents import tables
from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ragterm.engine.types.documents import ParsedDocument

_DELIMITERS = ",;\t|"
_SAMPLE = 65_536
_MAX_CELL = 1_000_000
_MAX_CELL_LINES = 500
"""A cell of more lines is a quotation mark that nobody closed."""
_DECLARED = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)


def parse_delimited(text: str, path: Path) -> ParsedDocument:
    """`text` is canonical. Raises ParseError where no cell holds anything."""
    builder = DocumentBuilder()
    declared = _DECLARED.match(text)
    if declared:
        text = text[declared.end() :]
    delimiter = declared.group(1) if declared else find_delimiter(text, "\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        rows, left = _rows(text, delimiter, quoted=True)
    except (csv.Error, _OpenQuote):
        builder.warnings.append("a quotation mark is never closed: quotation marks were read as text")
        rows, left = _rows(text, delimiter, quoted=False)
    if left:
        builder.warnings.append(f"only the first {tables.MAX_ROWS:,} rows were read")
    tables.add_table(builder, rows)
    if not builder.blocks:
        raise ParseError("No text", "the file has no cell with anything in it", "nothing to do, or restore the file")
    return builder.finish(title=path.stem, kind="csv", parser="csv")


class _OpenQuote(Exception):
    pass


def _rows(text: str, delimiter: str, *, quoted: bool) -> tuple[list[list[str]], bool]:
    """The rows that hold something, up to the limit, and whether there are more."""
    rows: list[list[str]] = []
    for row in _reader(_lines(text), delimiter, quoted=quoted):
        if quoted and any(cell.count("\n") > _MAX_CELL_LINES for cell in row):
            raise _OpenQuote
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        if len(rows) == tables.MAX_ROWS:
            return rows, True
        rows.append(cells)
    return rows, False


def _lines(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        end = text.find("\n", place) + 1 or len(text)
        yield text[place:end]
        place = end


def _reader(lines: Iterator[str], delimiter: str, *, quoted: bool) -> Iterator[list[str]]:
    csv.field_size_limit(_MAX_CELL)
    spaces = delimiter != "\t"
    if quoted:
        return csv.reader(lines, delimiter=delimiter, skipinitialspace=spaces)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=spaces, quoting=csv.QUOTE_NONE)


def find_delimiter(text: str, usual: str) -> str:
    """The delimiter that cuts the most rows into one same number of cells, above one; `usual` where none or several do."""
    sample = text[:_SAMPLE]
    if len(sample) < len(text) and "\n" in sample:
        sample = sample[: sample.rindex("\n") + 1]
    best, score = usual, (0.0, 0)
    for delimiter in sorted(_DELIMITERS, key=lambda one: one != usual):
        try:
            widths = Counter(len(row) for row in _reader(_lines(sample), delimiter, quoted=True) if row)
        except csv.Error:
            continue
        total = widths.total()
        width, count = max(((w, n) for w, n in widths.items() if w > 1), key=lambda one: one[1], default=(1, 0))
        found = (round(count / total, 2) if total else 0.0, width)
        if count and found > score:
            best, score = delimiter, found
    return best
