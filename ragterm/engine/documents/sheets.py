"""XLSX, XLS and XLSB: python-calamine reads the cells, the package says what it does not. (ODS is read in `open_document`.)

A formula is its value as it was saved. Dates, times and whole numbers are written as a person reads them; other number formats
(percent, currency) are not known to the library. Cells that were merged over rows say their value in each, so that every row stands
for itself. calamine holds a sheet as a full rectangle and ends the process when that is too large, so the extent of each sheet is
looked up in its XML before.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents import tables
from ragterm.engine.documents.builder import DocumentBuilder, Sections
from ragterm.engine.documents.office_properties import core_properties
from ragterm.engine.documents.packages import Package, Wording
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

WORDING = Wording("XLSX", "an Excel workbook", "Excel or LibreOffice")
MAX_CELLS = 1_000_000
"""Filled cells that are read of one workbook."""
MAX_EXTENT = 12_000_000
"""Cells of the rectangle around a sheet's filled ones; calamine needs 32 bytes for each."""

_ROW_OF = re.compile(rb"""\br\s*=\s*["'][A-Z]{0,3}(\d{1,7})["']""")
_COLUMN_OF = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})\d""")
_NO_VALUE = re.compile(rb"(?:</f>|<f[^>]{0,200}/>)(?:<v\s*/>|<v></v>)?</c>")
_DEFAULT_NAME = re.compile(r"(?:sheet|tabelle|feuil|hoja|foglio|blad|лист)\s?1", re.IGNORECASE)


def parse_sheets(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError: damaged, protected by a password, not a workbook, empty, unpacks to too much."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    builder = DocumentBuilder()
    metadata: dict[str, str] = {}
    too_wide: set[str] = set()
    if data.startswith(b"PK"):
        package = Package(data, WORDING, builder.warnings)
        if "content.xml" in package:
            from ragterm.engine.documents.open_document import parse_open_document

            return parse_open_document(data, path)
        if not any(name.startswith("xl/") for name in package.names):
            raise ParseError("Not an Excel workbook", "the archive holds no workbook", WORDING.save_again)
        package.verify(lambda name: name.startswith("xl/") and not _is_sheet(name))
        too_wide = _look_over(package, builder)
        metadata = core_properties(package.tree("docProps/core.xml"))
    elif "EncryptedPackage".encode("utf-16-le") in data or not data.startswith(b"\xd0\xcf\x11\xe0"):
        _refuse(data)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        _Sheets(builder, workbook, too_wide).add()
    except PasswordError as error:
        raise _protected() from error
    except CalamineError as error:
        if "password" in str(error).lower() or "encrypt" in str(error).lower():
            raise _protected() from error
        raise _damaged(error) from error
    except BaseException as error:  # what panics in the library is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(error) from None
    if not builder.blocks:
        why = builder.warnings[0] if builder.warnings else "no sheet has a cell with anything in it"
        raise ParseError("No text", why, "nothing to do, or restore the file")
    title = metadata.pop("title", "") or path.stem
    return builder.finish(title=title, kind="xlsx", parser="calamine", metadata=metadata)


def _refuse(data: bytes) -> None:
    if data.lstrip().startswith(b"<?xml") and b"urn:schemas-microsoft-com:office:spreadsheet" in data[:4096]:
        raise ParseError(
            "Old Excel format", "this is an XML spreadsheet of Excel 2003", "open it in Excel and save it as .xlsx"
        )
    Package(data, WORDING, [])  # says what is wrong
    raise ParseError("Not an Excel workbook", "nothing here reads this file", WORDING.save_again)


def _damaged(error: BaseException) -> ParseError:
    return ParseError("Damaged workbook", f"the cells cannot be read ({error})"[:300], WORDING.save_again)


def _protected() -> ParseError:
    return ParseError(
        "Password protected", "the workbook is encrypted", "open it in Excel and save a copy without a password"
    )


def _is_sheet(name: str) -> bool:
    return "/worksheets/" in name and name.endswith(".xml")


def _look_over(package: Package, builder: DocumentBuilder) -> set[str]:
    """The names of sheets whose rectangle is beyond the limit. Warns of formulas that were saved without a value."""
    names = {target: name for name, target in _sheet_parts(package)}
    too_wide: set[str] = set()
    for part in package.names:
        if not _is_sheet(part):
            continue
        xml = package.read(part)
        rows, columns = _extent(xml)
        name = names.get(part, posixpath.basename(part))
        if rows * columns > MAX_EXTENT:
            too_wide.add(name)
            builder.warnings.append(
                f"sheet {name!r} was left out: it reaches over {rows:,} rows and {columns:,} columns, more than "
                f"{MAX_EXTENT // 1_000_000} million cells; delete what stands far outside of the table"
            )
        if _NO_VALUE.search(xml):
            builder.warnings.append(
                f"sheet {name!r} has formulas without a saved value: open the file in Excel or LibreOffice and save it"
            )
    return too_wide


def _extent(xml: bytes) -> tuple[int, int]:
    rows = max(map(int, set(_ROW_OF.findall(xml))), default=0)
    columns = 1
    for letters in set(_COLUMN_OF.findall(xml)):
        column = 0
        for letter in letters:
            column = column * 26 + letter - 64
        columns = max(columns, column)
    return rows, columns


def _sheet_parts(package: Package) -> Iterator[tuple[str, str]]:
    """(name of a sheet, its part)."""
    workbook, relations = package.tree("xl/workbook.xml"), package.tree("xl/_rels/workbook.xml.rels")
    if workbook is None or relations is None:
        return
    targets = {one.get("Id"): one.get("Target") or "" for one in relations}
    for sheet in workbook.iter("{*}sheet"):
        identity = next((value for key, value in sheet.attrib.items() if key.endswith("}id")), "")
        target = targets.get(identity, "")
        yield sheet.get("name") or "", posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")


class _Sheets:
    def __init__(self, builder: DocumentBuilder, workbook: Any, too_wide: set[str]) -> None:
        self._builder = builder
        self._workbook = workbook
        self._too_wide = too_wide
        self._cells = 0

    def add(self) -> None:
        sheets = [sheet for sheet in self._workbook.sheets_metadata if "WorkSheet" in str(sheet.typ)]
        hidden = [repr(sheet.name) for sheet in sheets if "Hidden" in str(sheet.visible)]
        if hidden:
            self._builder.warnings.append(f"hidden in the workbook, and read: {', '.join(hidden[:20])}")
        for sheet in sheets:
            if sheet.name in self._too_wide:
                continue
            if self._cells >= MAX_CELLS:
                self._builder.warnings.append(
                    f"only the first {MAX_CELLS:,} cells were read: sheet {sheet.name!r} and those after it were left out"
                )
                break
            self._sheet(sheet.name, alone=len(sheets) == 1)

    def _sheet(self, name: str, *, alone: bool) -> None:
        sheet = self._workbook.get_sheet_by_name(name)
        found = list(tables.regions(self._rows(sheet, name)))
        if not found:
            return
        named = not (alone and _DEFAULT_NAME.fullmatch(name.strip()))
        if named:
            self._builder.add("heading", " ".join(name.split()), level=1)
        for region in found:
            self._builder.sections = Sections()
            if named:
                self._builder.sections.enter(1, " ".join(name.split()))
            tables.add_table(self._builder, region, level=2 if named else 1)

    def _rows(self, sheet: Any, name: str) -> Iterator[list[str]]:
        starting = _merged_over_rows(sheet)
        running: dict[int, tuple[int, str]] = {}
        filled = 0
        for at, row in enumerate(sheet.iter_rows()):
            cells = [tables.cell_text(value) for value in row]
            for column, bottom in starting.get(
                at, ()
            ):  # rows are counted from the first of the sheet, columns from the first filled
                running[column] = (bottom, cells[column] if column < len(cells) else "")
            for column, (bottom, text) in list(running.items()):
                if at > bottom:
                    del running[column]
                elif column < len(cells) and any(cells):
                    cells[column] = text
            count = sum(map(bool, cells))
            filled += bool(count)
            self._cells += count
            if filled > tables.MAX_ROWS or self._cells > MAX_CELLS:
                limit = (
                    f"{tables.MAX_ROWS:,} rows" if filled > tables.MAX_ROWS else f"{MAX_CELLS:,} cells of the workbook"
                )
                self._builder.warnings.append(f"sheet {name!r}: only the first {limit} were read")
                return
            yield cells


def _merged_over_rows(sheet: Any) -> dict[int, list[tuple[int, int]]]:
    """First row -> (column, last row) of the cells that were merged over rows."""
    found: dict[int, list[tuple[int, int]]] = {}
    first_column = sheet.start[1] if sheet.start else 0
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or ():
        if bottom > top:
            found.setdefault(top, []).append((left - first_column, bottom))
    return found
