"""Is every file of a tantivy index what was written?

tantivy maps its files into memory and believes them: one turned bit in a term dictionary can end the process, not only
the search. Each file carries a CRC-32 of its body in a footer (`{"version": .., "crc": ..}`, its length, and a magic
number; tantivy's `directory/footer.rs`), which tantivy itself does not check when it opens an index. One pass over the files does.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

_MAGIC = 1337
_TAIL = struct.Struct("<II")  # length of the footer's JSON, magic number
_PIECE = 1 << 20


def live_files(folder: Path) -> list[Path]:
    """The files that `meta.json` speaks of. Others may be half written by another process, or about to be deleted.

    Raises OSError or ValueError when there is no such list.
    """
    segments = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["segments"]
    deletes = {
        segment["segment_id"].replace("-", ""): (segment.get("deletes") or {}).get("opstamp") for segment in segments
    }
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        segment, _, rest = path.name.partition(".")
        if segment in deletes and (not rest.endswith("del") or rest == f"{deletes[segment]}.del"):
            files.append(path)
    return files


def check_file(path: Path) -> None:
    """Raises ValueError when the file is not what was written; a file that is gone (merged away meanwhile) passes."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < _TAIL.size:
                raise ValueError(f"{path.name} is cut off")
            file.seek(size - _TAIL.size)
            length, magic = _TAIL.unpack(file.read(_TAIL.size))
            body = size - _TAIL.size - length
            if magic != _MAGIC or body < 0:
                raise ValueError(f"{path.name} has no footer")
            file.seek(body)
            expected = json.loads(file.read(length))["crc"]
            file.seek(0)
            crc, left = 0, body
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                crc, left = zlib.crc32(piece, crc), left - len(piece)
    except FileNotFoundError:
        return
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} has no footer") from error
    if crc != expected:
        raise ValueError(f"{path.name} has changed since it was written")
