"""What can be read of a ZIP whose directory is missing: a download that broke off.

Each file in a ZIP is preceded by a local header of its own (APPNOTE.TXT, section 4.3.7), and a deflated one says by itself where it
ends (RFC 1951). So the files before the break are read from the front, without the directory at the end.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial
from typing import BinaryIO, cast

from ragterm.engine.documents.unpacking import Unpacking

_MARK = b"PK\x03\x04"
_HEADER = struct.Struct("<4sHHHHHIIIHH")
_STORED, _DEFLATED = 0, 8
_PIECE = 64 * 1024
_ENCRYPTED, _LENGTH_BEHIND, _UTF8 = 0x1, 0x8, 0x800


def salvage(data: bytes, unpacking: Unpacking) -> int:
    """Give every file that begins with a readable header to `unpacking`; how many there were."""
    found = at = 0
    while (at := data.find(_MARK, at)) >= 0 and at + _HEADER.size <= len(data):
        _, _, flags, method, _, _, _, packed, size, name_length, extra_length = _HEADER.unpack_from(data, at)
        start = at + _HEADER.size + name_length + extra_length
        raw = data[at + _HEADER.size : at + _HEADER.size + name_length]
        at += len(_MARK)
        if start > len(data) or not raw or raw.endswith(b"/"):
            continue
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        refused = ""
        if flags & _ENCRYPTED:
            refused = "encrypted: unpack it with its password, and ingest the folder"
        elif method not in (_STORED, _DEFLATED) or (method == _STORED and flags & _LENGTH_BEHIND):
            refused = "damaged: its length is lost with the directory"
        length = len(data) - start if flags & _LENGTH_BEHIND else packed
        if method == _STORED and start + length > len(data):
            refused = refused or "damaged: it breaks off"
        unpacking.add(name, size, partial(_source, data, start, length, method), refused)
        found += 1
        if not flags & _LENGTH_BEHIND:
            at = max(at, start + packed)
    return found


def _source(data: bytes, start: int, length: int, method: int) -> BinaryIO:
    if method == _DEFLATED:
        return cast(BinaryIO, _Deflated(data, start, length))
    return io.BytesIO(data[start : start + length])


class _Deflated(io.RawIOBase):
    """A raw deflate stream inside `data`, inflated as it is read. Raises EOFError when it breaks off."""

    def __init__(self, data: bytes, start: int, length: int) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._data = memoryview(data)[start : start + length]
        self._at = 0

    def read(self, count: int = -1) -> bytes:
        inflater = self._inflater
        while not inflater.eof:
            packed = inflater.unconsumed_tail or self._data[self._at : self._at + _PIECE]
            if not inflater.unconsumed_tail:
                self._at += len(packed)
            if not packed:
                raise EOFError("it breaks off")
            if piece := inflater.decompress(packed, max(0, count)):
                return piece
        return b""
