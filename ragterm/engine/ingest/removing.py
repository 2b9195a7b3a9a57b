"""Taking documents out of a collection, with the proof that nothing of them is left, and putting them back."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ragterm.engine.documents.places import exists
from ragterm.engine.documents.sources import document_id
from ragterm.engine.ingest.rooms import IngestRooms, catch_up
from ragterm.engine.ingest.run import OnProgress, ingest
from ragterm.engine.store import CollectionStore, IndexerLock, Owner
from ragterm.engine.types.ingesting import Removal
from ragterm.engine.types.members import containers_of
from ragterm.engine.types.settings import Settings


def remove(
    document_ids: Sequence[str],
    rooms: IngestRooms,
    settings: Settings,
    on_progress: OnProgress | None = None,
    *,
    keep: bool = True,
) -> Removal:
    """Remove documents from the collection (never from disk), containers with their members, then ask store and indexes what is left
    of them. Duplicates of a removed original take its place. With `keep` they can be put back until the next start; a collection
    that follows its folders leaves their files alone from now on."""
    store = rooms.store
    there = [one for one in _with_members(document_ids, store) if store.documents.record(one) is not None]
    keys = _keys_of(store, there)
    store.remove_documents(there, aside=Owner.this_process() if keep else None)
    store.roots.leave_out(there)
    heirs = [one.path for one in store.documents.widowed() if exists(one.path)]
    if heirs:
        ingest(heirs, rooms, settings, on_progress, remember=False)
    elif there:
        _follow(rooms)
    chunks, vectors = _left_in_store(store, there, keys)
    behind = min(rooms.dense.generation, rooms.keyword.generation) < store.generation
    return Removal(
        documents=tuple(there),
        chunks=len(keys),
        chunks_left=chunks,
        vectors_left=max(vectors, len(set(rooms.dense.keys().tolist()) & keys)),
        keyword_hits_left=len(rooms.keyword.keys(there)) if there else 0,
        waiting=behind,
        can_be_undone=keep and bool(there),
        in_their_place=tuple(heirs),
    )


def remove_documents(
    document_ids: Sequence[str], rooms: IngestRooms, settings: Settings, on_progress: OnProgress | None = None
) -> int:
    """`remove`, when only the number matters."""
    return len(remove(document_ids, rooms, settings, on_progress).documents)


def restore(rooms: IngestRooms, document_ids: Sequence[str] | None = None) -> list[str]:
    """Put removed documents back, vectors and all: these, or those of the last removal. The ids of what is back; a document that
    the collection has again, or whose build is gone, is not among them."""
    store = rooms.store
    back = store.aside.put_back(store.aside.last() if document_ids is None else document_ids)
    store.roots.take_in(back)
    if back:
        _follow(rooms)
    return back


def _with_members(document_ids: Sequence[str], store: CollectionStore) -> list[str]:
    """These documents, and what lies in those of them that are containers."""
    paths = {record.path for id_ in document_ids if (record := store.documents.record(id_)) is not None}
    below = [path for path in store.documents.member_paths() if not paths.isdisjoint(containers_of(path))]
    return list(dict.fromkeys([*document_ids, *map(document_id, below)]))


def _follow(rooms: IngestRooms) -> None:
    """Bring the indexes to the store, unless another process is at it: then that one does."""
    lock = IndexerLock(rooms.store.folder)
    if lock.try_acquire():
        try:
            catch_up(rooms.store, rooms.dense, rooms.keyword)
            rooms.flush()
        finally:
            lock.release()


def _keys_of(store: CollectionStore, ids: Sequence[str]) -> set[int]:
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT key FROM chunks WHERE document_id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
        )
        return {key for (key,) in rows}


def _left_in_store(store: CollectionStore, ids: Sequence[str], keys: set[int]) -> tuple[int, int]:
    with store.reading() as connection:
        (vectors,) = connection.execute(
            "SELECT count(*) FROM vectors WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(sorted(keys)),)
        ).fetchone()
    return len(_keys_of(store, ids)), int(vectors)
