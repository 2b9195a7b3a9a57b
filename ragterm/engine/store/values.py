"""How single values lie in SQLite's columns: paths, lists, large texts, instants, vectors."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from ragterm.engine.types.documents import Block

_BLOCKS_AT_ONCE = 500


def path_in(path: str) -> str | bytes:
    """A path as a column value. A POSIX file name need not be UTF-8: such a one is kept as its bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def path_out(value: str | bytes) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else value


def now() -> str:
    """The present instant, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def json_list(values: Sequence[str]) -> str:
    return json.dumps(list(values), ensure_ascii=False) if values else "[]"


@lru_cache(maxsize=4096)
def strings(text: str) -> tuple[str, ...]:
    """The tuple of strings in a JSON list. Cached: the chunks of a section share their section path."""
    return tuple(json.loads(text))


def text_hash(text: str) -> int:
    """64 bits of SHA-256 as SQLite's signed integer: finds equal texts, which are then compared whole."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)


def pack_text(text: str) -> bytes:
    return zlib.compress(text.encode(), 1)


def unpack_text(blob: bytes) -> str:
    return zlib.decompress(blob).decode()


def pack_blocks(blocks: Sequence[Block]) -> bytes:
    """Blocks as compressed JSON, one list of some hundred blocks per line: neither writing nor reading a document of a
    hundred thousand blocks holds the interpreter lock in one piece."""
    packer = zlib.compressobj(1)
    parts = []
    for at in range(0, len(blocks), _BLOCKS_AT_ONCE):
        rows = [[b.kind, b.start, b.end, b.page, list(b.section), b.level] for b in blocks[at : at + _BLOCKS_AT_ONCE]]
        parts.append(packer.compress(json.dumps(rows).encode() + b"\n"))
    parts.append(packer.flush())
    return b"".join(parts)


def unpack_blocks(blob: bytes) -> tuple[Block, ...]:
    lines: Iterable[bytes] = zlib.decompress(blob).splitlines()
    return tuple(
        Block(kind, start, end, page, tuple(section), level)
        for line in lines
        for kind, start, end, page, section, level in json.loads(line)
    )
