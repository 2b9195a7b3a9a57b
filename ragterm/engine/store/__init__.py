"""The truth of a collection: one SQLite file (WAL) with its documents, chunks, vectors, traces and the work that waits.

Everything else on disk (vector snapshot, keyword index) is derived from it and can be deleted.
"""

from ragterm.engine.store.builds import Build
from ragterm.engine.store.chunks import StoredChunk
from ragterm.engine.store.documents import FileRecord, NewDocument, PackedVersion, pack_version
from ragterm.engine.store.jobs import Job, NewJob
from ragterm.engine.store.leases import Owner
from ragterm.engine.store.locks import IndexerLock
from ragterm.engine.store.store import CollectionStore

__all__ = [
    "Build",
    "CollectionStore",
    "FileRecord",
    "IndexerLock",
    "Job",
    "NewDocument",
    "NewJob",
    "Owner",
    "PackedVersion",
    "StoredChunk",
    "pack_version",
]
