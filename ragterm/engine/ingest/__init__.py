"""From files to a searchable collection: survey, queue, parse, chunk, embed, one transaction per document, indexes.

The queue lives in the store, so that a killed or cancelled ingest is continued where it stood.
"""

from ragterm.engine.ingest.audit import audit, audit_indexes, audit_store
from ragterm.engine.ingest.removing import remove, remove_documents, restore
from ragterm.engine.ingest.rooms import IngestRooms, catch_up
from ragterm.engine.ingest.run import ingest, reingest, resume, unfinished

__all__ = [
    "IngestRooms",
    "audit",
    "audit_indexes",
    "audit_store",
    "catch_up",
    "ingest",
    "reingest",
    "remove",
    "remove_documents",
    "restore",
    "resume",
    "unfinished",
]
