"""Recognises files and folders in pasted text. A terminal has no drag and drop: what is dropped into it arrives
as a paste.

Every terminal writes the paths in its own way: with backslashes before spaces (Terminal.app, Ghostty), in
single quotes (GNOME Terminal, which writes an apostrophe as '\\''), in double quotes (Windows Terminal), raw
(kitty), as `file://` URLs with percent encoding, one a line as text/uri-list has them, several with spaces
between them, with or without a space or newline at the end. The text is read in each of these ways; the first
reading in which every part is a path that exists wins. A text in which no reading finds a path that exists is a
text. Pure functions; `exists` is the only thing that touches the disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ragterm.engine.types.web import is_url

LONGEST = 200_000
"""Characters. Longer pastes are text: no terminal drops that many paths at once."""

# A path that can be told from a word: from the root, from home, from here by a dot, a URL, a Windows drive or share.
_START = r"(?:/|~[/\\]|~$|\.{1,2}/|file:/|[A-Za-z]:[\\/]|\\\\)"
_LOOKS = re.compile(rf"^['\"]?{_START}")
_NEXT = re.compile(rf"\s+(?=['\"]?{_START})")
_WINDOWS = re.compile(r"^['\"]?(?:[A-Za-z]:[\\/]|\\\\)")
_WINDOWS_PART = re.compile(r'"([^"]+)"|\'([^\']+)\'|(\S+)')


def dropped_paths(text: str, exists: Callable[[str], bool] | None = None) -> list[str]:
    """The existing files and folders that `text` consists of, in order, each once; empty when it is a text like
    any other.

    Where some parts exist and others do not, those that exist; a part that does not even look like a path makes
    it a text."""
    if not might_be_paths(text):
        return []
    there = exists or path_exists
    best: list[str] = []
    for reading in readings(text):
        found = [path for path in reading if there(path)]
        if found and len(found) == len(reading):
            return list(dict.fromkeys(found))
        if len(found) > len(best):
            best = found
    return list(dict.fromkeys(best))


def typed_paths(text: str, exists: Callable[[str], bool] | None = None) -> list[str]:
    """As `dropped_paths`, for a field in which only paths are typed: a relative name counts too, and the address of a web page."""
    there = exists or path_exists
    whole = text.strip()
    if is_url(whole) and len(whole.split()) == 1:
        return [whole]
    if whole and (there(expand(whole))):
        return [expand(whole)]
    found = dropped_paths(text, there)
    if found or not whole:
        return found
    parts = [expand(part) for part in _split_shell(whole) or ()]
    return parts if parts and all(there(part) for part in parts) else []


def might_be_paths(text: str) -> bool:
    """A first look that costs nothing: may this be a drop at all? Without the disk."""
    stripped = text.strip()
    return bool(stripped) and stripped != "/" and len(text) <= LONGEST and _LOOKS.match(stripped) is not None


def missing_path(text: str) -> str | None:
    """What was typed, if it can only be meant as one path (one word by the shell's rules that begins like one);
    for a text in which `dropped_paths` found nothing."""
    whole = text.strip()
    parts = _split_shell(whole) if might_be_paths(whole) and "\n" not in whole else None
    if parts is None or len(parts) != 1 or not re.search(r"[\\/].", whole):
        return None
    return expand(parts[0])


def readings(text: str) -> Iterator[list[str]]:
    """Every way in which `text` may be a list of paths, the likeliest first. Parts are expanded, never empty."""
    whole = text.strip()
    lines = [one.strip() for one in re.split(r"[\r\n]+", whole)]
    lines = [one for one in lines if one]
    if not lines or not all(_LOOKS.match(one) for one in lines):
        return
    if len(lines) == 1:
        yield [expand(lines[0])]
    else:
        yield [expand(one) for one in lines]
    for split in (_split_windows, _split_shell, _split_before_paths):
        parts = [split(one) for one in lines]
        if all(found is not None and all(_LOOKS.match(part) for part in found) for found in parts):
            reading = [expand(part) for found in parts for part in found or ()]
            if reading:
                yield reading


def _split_shell(line: str) -> list[str] | None:
    """Backslashes and quotes as a shell reads them."""
    if _WINDOWS.match(line):
        return None
    import shlex  # not needed before the first frame

    try:
        return shlex.split(line)
    except ValueError:  # an apostrophe that is part of a name
        return None


def _split_windows(line: str) -> list[str] | None:
    """Backslashes are part of the path; quotes hold what has spaces."""
    if not _WINDOWS.match(line):
        return None
    return [a or b or c for a, b, c in _WINDOWS_PART.findall(line)]


def _split_before_paths(line: str) -> list[str] | None:
    """Raw paths with raw spaces: a new one begins where a space is followed by the start of a path."""
    return [part.strip() for part in _NEXT.split(line) if part.strip()]


def expand(part: str) -> str:
    """A path as the file system takes it: quotes around it gone, URL decoded, home put in, Windows drive mapped under WSL."""
    part = part.strip()
    if len(part) > 1 and part[0] == part[-1] and part[0] in "'\"":
        part = part[1:-1]
    if part[:6].lower() == "file:/":
        part = _from_url(part)
    if part == "~" or part.startswith(("~/", "~\\")):
        try:
            return str(Path(part).expanduser())
        except RuntimeError:  # no home folder
            return part
    if re.match(r"^[A-Za-z]:[\\/]", part) and Path("/mnt", part[0].lower()).is_dir():
        return f"/mnt/{part[0].lower()}/" + part[3:].replace("\\", "/")
    return part


def _from_url(url: str) -> str:
    try:
        pieces = urlsplit(url.replace("\\", "/"))
    except ValueError:
        return url
    if pieces.netloc not in ("", "localhost", "127.0.0.1"):
        return url  # a file on another machine
    # Names need not be UTF-8 on disk: surrogateescape is how Python's own file functions spell such bytes.
    path = unquote(pieces.path, errors="surrogateescape")
    return path[1:] if re.match(r"^/[A-Za-z]:/", path) else path


def path_exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long, not allowed, or a NUL in it
        return False
