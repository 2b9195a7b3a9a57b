"""Looking at a file before it is parsed: has it changed, what is its hash, is it still there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ragterm.engine.documents.generated import HEAD_BYTES, unwanted_by_content
from ragterm.engine.documents.sources import hash_file, kind_of
from ragterm.engine.store import CollectionStore, FileRecord, Job

_READS = 3
_REST_SECONDS = 0.3


@dataclass(frozen=True)
class Examined:
    """A file as it lies on disk and as the ledger knows it. `content_hash` is "" when `unchanged` is by size and time alone;
    `gone` and `error` say why there is none; `unwanted` why the file is not for a reader."""

    size: int = 0
    mtime_ns: int = 0
    content_hash: str = ""
    record: FileRecord | None = None
    original: FileRecord | None = None
    unchanged: bool = False
    gone: bool = False
    error: str = ""
    unwanted: str = ""


def examine(job: Job, store: CollectionStore) -> Examined:
    """Stat, compare with the ledger, hash. `original` is the indexed document with the same bytes under another path that is
    still on disk."""
    record = store.documents.record(job.document_id)
    known = record is not None and record.state == "indexed" and not job.force
    try:
        for _ in range(_READS):
            before = Path(job.path).stat()
            size, mtime_ns = before.st_size, before.st_mtime_ns
            if record is not None and known and (record.size, record.mtime_ns) == (size, mtime_ns):
                return Examined(size, mtime_ns, record.content_hash, record, unchanged=True)
            unwanted = "" if job.force else _unwanted(job.path)
            content_hash = hash_file(job.path)
            if not moved_since(job.path, size, mtime_ns):
                break
            time.sleep(_REST_SECONDS)
        else:
            return Examined(size, mtime_ns, "", record, error="the file keeps changing while it is read")
    except (FileNotFoundError, NotADirectoryError):
        return Examined(record=record, gone=True)
    except OSError as error:
        return Examined(record=record, error=error.strerror or str(error))
    if record is not None and known and record.content_hash == content_hash:
        return Examined(size, mtime_ns, content_hash, record, unchanged=True)
    if unwanted and job.path not in store.roots.all():  # a file that was named is taken all the same
        return Examined(size, mtime_ns, content_hash, record, unwanted=unwanted)
    original = store.documents.indexed_with_hash(content_hash)
    if original is not None and (original.document_id == job.document_id or not Path(original.path).exists()):
        original = None
    return Examined(size, mtime_ns, content_hash, record, original)


def _unwanted(path: str) -> str:
    kind = kind_of(path) or ""
    with Path(path).open("rb") as file:
        return unwanted_by_content(path, kind, file.read(HEAD_BYTES))


def moved_since(path: str, size: int, mtime_ns: int) -> bool:
    """Whether the file is another one than when it was hashed. Raises FileNotFoundError when it is gone."""
    status = Path(path).stat()
    return (status.st_size, status.st_mtime_ns) != (size, mtime_ns)
