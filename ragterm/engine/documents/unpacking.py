"""What every container's parser unpacks through: one door with the rules on it.

A container is a program that writes files, sent by a stranger. Nothing here trusts what it declares: bytes are counted as they
come out. The limits are those of a decompression bomb (a small file that becomes a huge one: Fifield 2019, "A better zip bomb",
https://www.usenix.org/conference/woot19/presentation/fifield): on a member, on the sum, on how often its own size a container may
become, on the number of members. What a survey of a folder would leave out is left out here.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from ragterm.engine.documents.member_names import harmless, numbered
from ragterm.engine.documents.places import MAX_DEPTH, Staging, is_container, staged_name
from ragterm.engine.documents.sources import TOOL_FOLDERS, kind_of, size_text, too_large, unsupported
from ragterm.engine.types.documents import Member
from ragterm.engine.types.errors import ParseError
from ragterm.engine.types.members import containers_of, member_path

MEMBERS_LIMIT = 10_000
"""Members that are taken from one container, and from one file on disk with all that is nested in it."""
SUM_FACTOR = 5
"""All members together may have so many times the bytes of the largest single one (ingest.max_file_mb)."""
RATIO_LIMIT = 200
"""A container may unpack to so many times its own size; text compresses about fivefold, logs thirtyfold."""
RATIO_FREE = 64 * 1024 * 1024
"""Bytes from which on the ratio counts: a small thing harms nobody, however well it was compressed."""
_PIECE = 1024 * 1024

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
"""What Python's readers raise for bytes that are not what they should be; some raise OSError or ValueError."""


class Unpacking:
    """Takes the members of one container. `path` is the container's, `size` its bytes; `found` what to make of it in the end."""

    def __init__(self, path: Path, staging: Staging | None, size: int) -> None:
        self._path = path.as_posix() if os.sep != "/" else str(path)
        self._folder = Path(staging.folder) if staging and staging.folder else None
        self._changed = Path(staging.file).stat().st_mtime_ns if staging and staging.folder else 0
        self._deep = len(containers_of(self._path)) + 1 >= MAX_DEPTH
        self._size = size
        self._most = (staging.max_file_mb if staging else Staging("").max_file_mb) * 1024 * 1024
        self._room = SUM_FACTOR * self._most
        self._names: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._tools: Counter[str] = Counter()
        self._unpacked = 0
        self.members: list[Member] = []
        self.warnings: list[str] = []

    @property
    def full(self) -> bool:
        """No more members are taken; they are counted on."""
        return len(self.members) >= MEMBERS_LIMIT

    def add(self, name: str, size: int, source: Callable[[], BinaryIO] | None, refused: str = "") -> None:
        """One member: its name and size as the container states them, how to read it, or why it cannot be. Raises ParseError when the
        whole container is a bomb or the disk is full."""
        safe, reason = harmless(name)
        folders = safe.split("/")
        if tool := next((folder for folder in folders[:-1] if folder in TOOL_FOLDERS), ""):
            self._tools[tool] += 1
            return
        if any(part.startswith(".") for part in folders):
            self._counts["hidden"] += 1
            return
        if self.full:
            self._counts["beyond"] += 1
            return
        if safe != name.removeprefix("./") and not reason:
            self._counts["renamed"] += 1
        safe = self._unique(safe)
        path = member_path(self._path, safe)
        reason = refused or reason or self._why_not(path, size)
        if not reason and source is not None:
            size, reason = self._take(path, source)
        self.members.append(Member(safe, size, reason))

    def finish(self) -> tuple[tuple[Member, ...], list[str]]:
        """The members, and the warnings about what is not among them."""
        said = list(self.warnings)
        if beyond := self._counts["beyond"]:
            said.append(f"{beyond:,} more files left out: over the limit of {MEMBERS_LIMIT:,} files in a container")
        if renamed := self._counts["renamed"]:
            said.append(f"{_files(renamed)} renamed: the names could not be used as they are")
        if hidden := self._counts["hidden"]:
            said.append(f"{_files(hidden)} left out: hidden")
        if self._tools:
            listed = ", ".join(f"{name} ({_files(count)})" for name, count in sorted(self._tools.items()))
            said.append(f"folders of tools and caches left out: {listed}")
        return tuple(self.members), said

    def declared(self, total: int) -> None:
        """What the container says that it unpacks to, before anything is unpacked. Raises ParseError for a bomb."""
        if total > RATIO_FREE and total > RATIO_LIMIT * max(1, self._size):
            raise bomb(total, self._size)

    def _unique(self, name: str) -> str:
        number, unique = 1, name
        while unique in self._names:
            number += 1
            unique = numbered(name, number)
        self._names.add(unique)
        return unique

    def _why_not(self, path: str, size: int) -> str:
        if kind_of(path) is None:
            return unsupported(path)
        if self._deep and is_container(path):
            return f"containers within containers are opened {MAX_DEPTH} deep; unpack it"
        if reason := too_large(path, size, self._most):
            return reason
        return self._no_room() if size > self._room - self._unpacked else ""

    def _no_room(self) -> str:
        limit = f"{size_text(self._room)} ({SUM_FACTOR} times ingest.max_file_mb)"
        return f"left out: the files of this container come to more than {limit}"

    def _take(self, path: str, source: Callable[[], BinaryIO]) -> tuple[int, str]:
        """(bytes, why it was not taken)."""
        target = self._folder / staged_name(path) if self._folder is not None else None
        # Two workers may unpack one container at once, each for another reason: neither writes into the other's file.
        part = target.with_suffix(f".{token_hex(4)}") if target is not None else None
        size, reason = 0, ""
        try:
            with _opened(source) as stream, _writing(part) as out:
                while piece := _read(stream):
                    size += len(piece)
                    self._unpacked += len(piece)
                    if self._unpacked > RATIO_FREE and self._unpacked > RATIO_LIMIT * max(1, self._size):
                        raise bomb(self._unpacked, self._size)
                    if size > self._most:
                        reason = f"more than {size_text(self._most)}, the limit (ingest.max_file_mb)"
                    else:
                        reason = too_large(path, size, self._most)
                    if not reason and self._unpacked > self._room:
                        reason = self._no_room()
                    if reason:
                        break
                    _write(out, piece)
        except _Unreadable as error:
            reason = f"damaged: {error}" if not error.known else str(error)
        except BaseException:
            _remove(part)
            raise
        if reason:
            _remove(part)
        elif part is not None and target is not None:
            # A member has its container's time of change: unchanged as long as that is.
            os.utime(part, ns=(self._changed, self._changed))
            part.replace(target)
        return size, reason


class _Unreadable(Exception):
    def __init__(self, message: str, known: bool = False) -> None:
        super().__init__(message)
        self.known = known


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Python's readers of a container raise all sorts of things for bytes that are not what they should be."""
    try:
        yield
    except NotImplementedError as error:
        raise _Unreadable("compressed in a way that is not supported; unpack it", known=True) from error
    except (*DAMAGED, OSError, ValueError, RuntimeError) as error:
        raise _Unreadable(str(error) or type(error).__name__) from error


def _opened(source: Callable[[], BinaryIO]) -> BinaryIO:
    with _reading():
        return source()


def _read(stream: BinaryIO) -> bytes:
    with _reading():
        return stream.read(_PIECE)


@contextlib.contextmanager
def _writing(part: Path | None) -> Iterator[BinaryIO | None]:
    if part is None:
        yield None
        return
    try:
        part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        out = part.open("xb")
    except OSError as error:
        raise _disk(error) from error
    with out:
        yield out


def _write(out: BinaryIO | None, piece: bytes) -> None:
    if out is None:
        return
    try:
        out.write(piece)
    except OSError as error:
        raise _disk(error) from error


def _remove(part: Path | None) -> None:
    if part is not None:
        with contextlib.suppress(OSError):
            part.unlink()


def _disk(error: OSError) -> ParseError:
    return ParseError(
        "The container cannot be unpacked",
        error.strerror or str(error),
        "make room on the disk, then ingest again",
        stage="read",
    )


def bomb(unpacked: int, size: int) -> ParseError:
    times = unpacked / max(1, size)
    return ParseError(
        "Refused: it may be a decompression bomb",
        f"{size_text(size)} unpack to {size_text(unpacked)} or more, {times:,.0f} times as much; the limit is {RATIO_LIMIT} times",
        "if you trust it, unpack it yourself and ingest the folder",
    )


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"
