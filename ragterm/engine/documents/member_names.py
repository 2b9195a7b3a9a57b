"""Names from inside containers, made harmless.

A member's name is what a stranger wrote: it may climb out of the container (`../../.ssh/config`, "Zip Slip"), be absolute, carry
a drive, a NUL or an escape sequence. It never becomes a name on disk here (see `places`), but it is shown, stored and compared.
"""

from __future__ import annotations

import re

from ragterm.engine.types.display import REPLACEMENT, one_line

_DRIVE = re.compile(r"[A-Za-z]:|\?")
_LONGEST = 1000
LEADS_OUT = "its name leads out of the container; refused"


def harmless(name: str) -> tuple[str, str]:
    """(the name as a relative path that can be shown and stored, why the member is refused or ""). A name that is harmless comes
    back as it is; one that is only written for another place (absolute, with a drive or backslashes) is made relative."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    refused = LEADS_OUT if ".." in parts else ""
    parts = [part for part in parts if part != ".."]
    while parts and _DRIVE.fullmatch(parts[0]):
        del parts[0]
    kept = "/".join(map(_part, parts)) or "unnamed"
    if len(kept) > _LONGEST:
        refused = refused or f"its name is longer than {_LONGEST} characters"
        kept = kept[: _LONGEST // 2] + "…" + kept[1 - _LONGEST // 2 :].lstrip("/")
    return kept, refused


def _part(part: str) -> str:
    part = one_line(part)
    # A folder called `a.zip!` would read as the inside of an archive.
    return part[:-1] + REPLACEMENT if part.endswith("!") else part


def numbered(name: str, number: int) -> str:
    """The second file of one name: `report (2).pdf`."""
    folder, slash, file = name.rpartition("/")
    stem, dot, ending = file.rpartition(".")
    return f"{folder}{slash}{stem} ({number}).{ending}" if dot and stem else f"{folder}{slash}{file} ({number})"
