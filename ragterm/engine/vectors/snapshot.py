"""A snapshot: named arrays in one file that is whole or recognised as not.

    offset 0    magic b"RAGTERMV", format version (uint32), length and CRC-32 of the header (uint32 each); little endian
    offset 20   the header: JSON, the caller's values and a table of sections (name, dtype, shape, offset, bytes, CRC-32)
    aligned     the sections, each at a multiple of 64 bytes, zeros between them; nothing after the last

Written aside, flushed to disk and renamed over the old file, so that a reader finds the old one or the new one. Every byte
is covered when it is read: header and sections by their checksums, the gaps by being zero, the end by the length.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.types.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sections = Mapping[str, NDArray[Any]]

MAGIC = b"RAGTERMV"
VERSION = 3
ALIGNMENT = 64
_PREFIX = struct.Struct("<8sIII")
_DTYPES = frozenset({"|b1", "|i1", "|u1", "<i4", "<i8", "<f4", "<f8"})
_STALE_SECONDS = 3600


class SnapshotError(StoreError):
    """The file is missing, damaged, of another version, or not a snapshot of this kind: rebuild it."""


def write_snapshot(path: Path, kind: str, values: Mapping[str, Any], sections: Sections) -> None:
    """Replace the file at `path`. `values` is JSON; `kind` must be asked for when reading."""
    arrays = {name: np.ascontiguousarray(array) for name, array in sections.items()}
    table: list[dict[str, Any]] = [
        {
            "name": name,
            "dtype": array.dtype.newbyteorder("<").str if array.dtype.itemsize > 1 else array.dtype.str,
            "shape": list(array.shape),
            "offset": 0,
            "bytes": array.nbytes,
            "crc": zlib.crc32(_bytes_of(array)),
        }
        for name, array in arrays.items()
    ]
    header = _lay_out({"kind": kind, "values": dict(values), "sections": table})
    aside = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.partial")
    try:
        with aside.open("wb") as file:
            file.write(_PREFIX.pack(MAGIC, VERSION, len(header), zlib.crc32(header)))
            file.write(header)
            for entry, array in zip(table, arrays.values(), strict=True):
                file.write(b"\0" * (entry["offset"] - file.tell()))
                file.write(_bytes_of(array))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync_folder(path.parent)
    _sweep(path)


def read_values(path: Path, kind: str) -> dict[str, Any]:
    """The values alone, without looking at the sections. Raises SnapshotError."""
    try:
        with path.open("rb") as file:
            prefix = file.read(_PREFIX.size)
            length = _PREFIX.unpack(prefix)[2] if len(prefix) == _PREFIX.size else 0
            header = _header_of(path, np.frombuffer(prefix + file.read(length), dtype=np.uint8))[0]
    except OSError as error:
        raise _unusable(path, str(error)) from error
    if header.get("kind") != kind:
        raise _unusable(path, f"it holds {header.get('kind')}, not {kind}")
    return dict(header["values"])


def read_snapshot(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The values and the arrays (views into one buffer) of the file at `path`. Raises SnapshotError."""
    try:
        buffer = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise _unusable(path, "there is none") from error
    except OSError as error:
        raise _unusable(path, str(error)) from error
    header, end = _header_of(path, buffer)
    try:
        return _read_sections(path, kind, buffer, end, header)
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(path, f"its header makes no sense ({error})") from error


def _header_of(path: Path, buffer: NDArray[np.uint8]) -> tuple[dict[str, Any], int]:
    """The header, and where it ends."""
    if len(buffer) < _PREFIX.size:
        raise _unusable(path, "it is cut short")
    magic, version, length, crc = _PREFIX.unpack(buffer[: _PREFIX.size].tobytes())
    if magic != MAGIC:
        raise _unusable(path, "it is not a snapshot")
    if version != VERSION:
        raise _unusable(path, f"its format is version {version}, this program writes {VERSION}")
    raw = buffer[_PREFIX.size : _PREFIX.size + length].tobytes()
    if len(raw) != length or zlib.crc32(raw) != crc:
        raise _unusable(path, "its header is damaged")
    try:
        header = json.loads(raw)
    except ValueError as error:
        raise _unusable(path, f"its header makes no sense ({error})") from error
    return header, _PREFIX.size + length


def _read_sections(
    path: Path, kind: str, buffer: NDArray[np.uint8], end: int, header: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if header["kind"] != kind:
        raise _unusable(path, f"it holds {header['kind']}, not {kind}")
    arrays: dict[str, NDArray[Any]] = {}
    for entry in header["sections"]:
        start, size = entry["offset"], entry["bytes"]
        part = buffer[start : start + size]
        if len(part) != size:
            raise _unusable(path, "it is cut short")
        if buffer[end:start].any() or zlib.crc32(_bytes_of(part)) != entry["crc"] or entry["dtype"] not in _DTYPES:
            raise _unusable(path, f"its section {entry['name']} is damaged")
        arrays[entry["name"]] = part.view(np.dtype(entry["dtype"])).reshape(entry["shape"])
        end = start + size
    if end != len(buffer):
        raise _unusable(path, "something follows its end")
    return dict(header["values"]), arrays


def _unusable(path: Path, why: str) -> SnapshotError:
    return SnapshotError("The snapshot cannot be used", f"{path}: {why}", "it will be rebuilt by itself")


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _lay_out(header: dict[str, Any]) -> bytes:
    """The header as bytes, with the offsets of its sections filled in: its own length depends on them, so until it settles."""
    length = 0
    while True:
        end = _PREFIX.size + length
        for entry in header["sections"]:
            entry["offset"] = -(-end // ALIGNMENT) * ALIGNMENT
            end = entry["offset"] + entry["bytes"]
        text = json.dumps(header, separators=(",", ":")).encode()
        if len(text) <= length:
            return text.ljust(length)
        length = len(text)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable. Not every system lets a folder be opened; the file is whole either way."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sweep(path: Path) -> None:
    """Remove what a writer that was killed left behind; a younger one may belong to a writer at work."""
    for aside in path.parent.glob(f"{path.name}.*.partial"):
        with suppress(OSError):
            if time.time() - aside.stat().st_mtime > _STALE_SECONDS:
                aside.unlink()
