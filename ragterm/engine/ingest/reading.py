"""Looking at a file before it is parsed: has it changed, what is its hash, is it still there."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ragterm.engine.documents.generated import HEAD_BYTES, unwanted_by_content
from ragterm.engine.documents.places import Places, exists
from ragterm.engine.documents.sources import kind_of
from ragterm.engine.store import CollectionStore, FileRecord, Job
from ragterm.engine.types.members import is_member

_READS = 3
_REST_SECONDS = 0.3


@dataclass(frozen=True)
class Examined:
    """A file as it lies on disk and as the ledger knows it. `content_hash` is "" when `unchanged` is by size and time alone;
    `gone` and `error` say why there is none; `packed`: its bytes have to be unpacked first; `unwanted` why the file is not for a
    reader."""

    size: int = 0
    mtime_ns: int = 0
    content_hash: str = ""
    record: FileRecord | None = None
    original: FileRecord | None = None
    unchanged: bool = False
    gone: bool = False
    packed: bool = False
    error: str = ""
    unwanted: str = ""


def examine(job: Job, store: CollectionStore, places: Places) -> Examined:
    """Stat, compare with the ledger, hash. `original` is the indexed document with the same bytes under another path that is
    still on disk."""
    record = store.documents.record(job.document_id)
    known = record is not None and record.state == "indexed" and not job.force
    try:
        for _ in range(_READS):
            size, mtime_ns = places.stat(job.path)
            if record is not None and known and (record.size, record.mtime_ns) == (size, mtime_ns):
                return Examined(size, mtime_ns, record.content_hash, record, unchanged=True)
            unwanted = "" if job.force else _unwanted(job.path, places)
            content_hash = places.hash(job.path)
            if places.stat(job.path) == (size, mtime_ns):
                break
            time.sleep(_REST_SECONDS)
        else:
            return Examined(size, mtime_ns, "", record, error="the file keeps changing while it is read")
    except (FileNotFoundError, NotADirectoryError):
        packed = is_member(job.path) and exists(job.path)
        return Examined(record=record, gone=not packed, packed=packed)
    except OSError as error:
        return Examined(record=record, error=error.strerror or str(error))
    if record is not None and known and record.content_hash == content_hash:
        return Examined(size, mtime_ns, content_hash, record, unchanged=True)
    if unwanted and job.path not in store.roots.all():  # a file that was named is taken all the same
        return Examined(size, mtime_ns, content_hash, record, unwanted=unwanted)
    original = store.documents.indexed_with_hash(content_hash)
    if original is not None and (original.document_id == job.document_id or not exists(original.path)):
        original = None
    return Examined(size, mtime_ns, content_hash, record, original)


def _unwanted(path: str, places: Places) -> str:
    kind = kind_of(path) or ""
    with places.file_of(path).open("rb") as file:
        return unwanted_by_content(path, kind, file.read(HEAD_BYTES))
