"""The feed of the embedder: one thread cuts documents into chunks, two embed chunks across documents.

The embedder never waits for a document to be complete: it takes whatever chunks are there, up to a window, sorted by length
so that a batch holds texts of about one length and no padding, in slices of about half a second, so that a pause or a cancel
is obeyed at once. Two slices are always under way: while the last batches of one are computed the first of the next already
are, and no core waits. A document is handed on when its last chunk is embedded.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragterm.engine.chunking import ChunkingTools, chunk_document
from ragterm.engine.documents.resemblance import Signature, signature
from ragterm.engine.ingest.rooms import live_build
from ragterm.engine.store import Build, CollectionStore, Job, PackedVersion, pack_version
from ragterm.engine.store.values import text_hash
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Chunk, Document, ParsedDocument
from ragterm.engine.types.errors import ParseError, RagtermError
from ragterm.engine.types.protocols import Embedder
from ragterm.engine.types.settings import ChunkingSettings

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import FloatArray

log = logging.getLogger(__name__)

WINDOW_CHUNKS = 192
SLICE_TOKENS = 4096
EMBEDDING_THREADS = 2


@dataclass(eq=False)
class Work:
    """One file on its way. `began` is by the monotonic clock; `before` says whether the document was indexed already."""

    job: Job
    began: float
    size: int = 0
    mtime_ns: int = 0
    content_hash: str = ""
    kind: str = ""
    before: bool = False
    rereads: int = 0
    tries: int = 0
    unpackings: int = 0
    document: Document | None = None
    packed: PackedVersion | None = None
    signature: Signature | None = None
    hashes: dict[str, int] = field(default_factory=dict)
    chunks: Sequence[Chunk] = ()
    vectors: FloatArray | None = None
    missing: int = 0
    reused: int = 0


@dataclass(frozen=True)
class Warmed:
    """The model is loaded and the build is there."""

    build: Build
    warning: str


@dataclass(frozen=True)
class Chunked:
    work: Work
    tokens: int


@dataclass(frozen=True)
class Unreadable:
    work: Work
    error: ParseError


@dataclass(frozen=True)
class Embedded:
    """A slice is done: so many chunks and tokens; `complete` are the documents that lack nothing any more."""

    chunks: int
    tokens: int
    complete: tuple[Work, ...]


@dataclass(frozen=True)
class Broken:
    """The feed itself failed (no model, a damaged store): the ingest cannot go on."""

    error: BaseException


class IdleClock:
    """Sums up the time in which all of so many threads wait for work; the caller holds a lock around each call. `known` and
    `until` are the sum and the time since the start as they were when work last arrived."""

    def __init__(self, threads: int) -> None:
        self._threads, self._waiting = threads, 0
        self.restart()

    def restart(self) -> None:
        self.known = self.until = self._sum = 0.0
        self._start = self._since = time.monotonic()

    def begins(self) -> None:
        self._waiting += 1
        if self._waiting == self._threads:
            self._since = time.monotonic()

    def ends(self) -> None:
        if self._waiting == self._threads:
            self._sum += time.monotonic() - self._since
        self._waiting -= 1

    def arrived(self) -> None:
        now = time.monotonic()
        self.known = self._sum + (now - self._since if self._waiting == self._threads else 0.0)
        self.until = now - self._start


_Slice = Sequence[tuple[Work, int]]


class EmbeddingFeed:
    """`put` takes parsed files; `events` receives Warmed, Chunked, Unreadable, Embedded and Broken. `close()` ends the threads
    after the slices in work."""

    def __init__(
        self,
        store: CollectionStore,
        load_embedder: Callable[[], Embedder],
        chunking: ChunkingSettings,
        control: Control,
        events: queue.SimpleQueue[object],
    ) -> None:
        self._store = store
        self._load_embedder = load_embedder
        self._settings = chunking
        self._control = control
        self._events = events
        self._parsed: queue.SimpleQueue[tuple[Work, ParsedDocument] | None] = queue.SimpleQueue()
        self._pending: deque[tuple[Work, int]] = deque()
        self._slices: deque[_Slice] = deque()
        self._there = threading.Condition()
        self._idle = IdleClock(EMBEDDING_THREADS)
        self._closed = False
        self._embedder: Embedder | None = None
        self._build: Build | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            for work, name in (
                (self._chunk_all, "ragterm-chunk"),
                *((self._embed_all, "ragterm-embed"),) * EMBEDDING_THREADS,
            )
        ]
        for thread in self._threads:
            thread.start()

    def put(self, work: Work, parsed: ParsedDocument) -> None:
        self._parsed.put((work, parsed))

    def idle_seconds(self) -> tuple[float, float]:
        """How long all embedding threads had nothing to do while there were files still to come, and out of how long: from the
        loaded model to the last chunks."""
        return self._idle.known, self._idle.until

    def backlog(self) -> int:
        """Chunks that wait for the embedder."""
        return len(self._pending) + sum(len(piece) for piece in tuple(self._slices))

    def close(self) -> None:
        with self._there:
            self._closed = True
            self._there.notify_all()
        log.info("the embedder was idle %.2f of %.2f s while files waited", *self.idle_seconds())
        self._parsed.put(None)
        for thread in self._threads:
            # A model that is being loaded or exported cannot be interrupted; its thread ends by itself, having done nothing.
            thread.join(None if self._embedder is not None else 0.5)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread's boundary: the conductor raises it again
            self._events.put(Broken(error))

    # Chunking

    def _chunk_all(self) -> None:
        embedder = self._load_embedder()
        if self._closed:
            return
        build, warning = live_build(self._store, embedder, self._settings)
        self._embedder, self._build = embedder, build
        with self._there:
            self._idle.restart()
        self._events.put(Warmed(build, warning))
        while (item := self._parsed.get()) is not None and not self._closed:
            work, parsed = item
            try:
                self._chunk(work, parsed, embedder, build)
            except ParseError as error:
                self._events.put(Unreadable(work, error))
            except RagtermError:
                raise
            except Exception as error:
                # One odd text must cost its own row in the ledger, not the whole ingest.
                log.exception("chunking %s failed", work.job.path)
                hint = "report it, with the file if you can"
                self._events.put(
                    Unreadable(work, ParseError("The text cannot be cut", repr(error), hint, stage="chunk"))
                )

    def _chunk(self, work: Work, parsed: ParsedDocument, embedder: Embedder, build: Build) -> None:
        import numpy as np

        document = Document(
            id=work.job.document_id,
            path=work.job.path,
            title=parsed.title,
            kind=parsed.kind,
            content_hash=work.content_hash,
            text=parsed.text,
            blocks=parsed.blocks,
            pages=parsed.pages,
            parser=parsed.parser,
            metadata=parsed.metadata,
            warnings=parsed.warnings,
        )
        chunks = chunk_document(document, build.id, ChunkingTools.of(embedder), build.chunking)
        if not chunks and parsed.kind != "archive":
            hint = (
                "a scan needs text recognition (OCR) first"
                if parsed.kind == "pdf"
                else "open it and see whether it has text"
            )
            raise ParseError("No usable text", f"{parsed.kind} file without words", hint)
        texts = [chunk.embedding_text for chunk in chunks]
        known = self._store.chunks.vectors_of_texts(texts, build.model_id)
        vectors = np.zeros((len(chunks), embedder.dimensions), dtype=np.float32)
        missing = []
        for number, text in enumerate(texts):
            if text in known:
                vectors[number] = known[text]
            else:
                missing.append(number)
        work.document, work.chunks, work.vectors = document, chunks, vectors
        work.packed, work.hashes = pack_version(document), {text: text_hash(text) for text in set(texts)}
        work.signature = signature(document.text)
        work.missing, work.reused = len(missing), len(chunks) - len(missing)
        self._events.put(Chunked(work, sum(chunks[number].tokens for number in missing)))
        if not missing:
            self._events.put(Embedded(work.reused, 0, (work,)))
            return
        with self._there:
            self._idle.arrived()
            self._pending.extend((work, number) for number in missing)
            self._there.notify_all()

    # Embedding

    def _embed_all(self) -> None:
        while piece := self._next_slice():
            while self._control.paused and not self._closed:
                time.sleep(0.05)
            if self._closed or self._control.cancelled:
                return
            self._embed(piece)

    def _next_slice(self) -> _Slice:
        """Wait for the next slice of the window; a new window is opened when it is used up. Empty when it is over."""
        with self._there:
            self._idle.begins()
            self._there.wait_for(lambda: self._slices or self._pending or self._closed)
            self._idle.ends()
            if self._closed:
                return ()
            if not self._slices:
                window = [self._pending.popleft() for _ in range(min(WINDOW_CHUNKS, len(self._pending)))]
                window.sort(key=lambda item: item[0].chunks[item[1]].tokens)
                self._slices.extend(_slices(window))
            return self._slices.popleft()

    def _embed(self, piece: _Slice) -> None:
        assert self._embedder is not None
        vectors = self._embedder.embed_documents([work.chunks[number].embedding_text for work, number in piece])
        tokens = sum(work.chunks[number].tokens for work, number in piece)
        complete = []
        with self._there:
            for (work, number), vector in zip(piece, vectors, strict=True):
                assert work.vectors is not None
                work.vectors[number] = vector
                work.missing -= 1
                if work.missing == 0:
                    complete.append(work)
        reused = sum(work.reused for work in complete)
        self._events.put(Embedded(len(piece) + reused, tokens, tuple(complete)))


def _slices(window: _Slice) -> list[_Slice]:
    """Cut a window into pieces of about SLICE_TOKENS."""
    pieces, start, tokens = [], 0, 0
    for at, (work, number) in enumerate(window):
        size = work.chunks[number].tokens
        if at > start and tokens + size > SLICE_TOKENS:
            pieces.append(window[start:at])
            start, tokens = at, 0
        tokens += size
    pieces.append(window[start:])
    return pieces
