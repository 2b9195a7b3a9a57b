"""Figures as a person says them: sizes, durations, counted things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragterm.engine.types.members import document_name

if TYPE_CHECKING:
    from ragterm.engine.types.documents import DocumentRow

import re


def size(count: int) -> str:
    """Bytes as a person says them: "812 B", "14 kB", "3.1 MB"."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.1f} {unit}" if unit in ("MB", "GB") and value < 100 else f"{value:.0f} {unit}"
        value /= 1000
    return ""


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """How a person says it: "8 s", "1 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key in which "page 9" comes before "page 10"."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text.casefold())]


def title_of(row: DocumentRow) -> str:
    """What a document is called in a list."""
    return row.title or document_name(row.path)
