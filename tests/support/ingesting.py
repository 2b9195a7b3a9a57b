"""A whole collection for tests of the ingest: real store, real indexes, real parsers (in threads), a cheap embedder."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from support.cheap_embedder import DIMENSIONS, CheapEmbedder

from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.places import Staging
from ragterm.engine.ingest import IngestRooms
from ragterm.engine.keyword import TantivyIndex
from ragterm.engine.store import CollectionStore
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.ingesting import IngestReport
from ragterm.engine.types.settings import IngestSettings, Settings
from ragterm.engine.vectors.dense import CollectionDenseIndex

SETTINGS = Settings(ingest=IngestSettings(workers=1))


class ThreadParsers:
    """The parsers without their processes: quick to start. `before` runs first, with the path.

    Files are read one at a time: pdfium is not safe to use from two threads, and takes the whole process with it."""

    def __init__(self, before: Callable[[Path], None] | None = None) -> None:
        self._threads = ThreadPoolExecutor(2)
        self._before = before
        self._one_at_a_time = Lock()
        self.parsed: list[str] = []

    def submit(self, path: Path, staging: Staging | None = None) -> Future[ParsedDocument]:
        return self._threads.submit(self._parse, path, staging)

    def _parse(self, path: Path, staging: Staging | None) -> ParsedDocument:
        if self._before is not None:
            self._before(path)
        self.parsed.append(path.name)
        with self._one_at_a_time:
            return parse_file(path, staging)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


class Library:
    """A collection in `folder`, its rooms, and what was asked of them. `before` runs in the parser, before it reads a file."""

    def __init__(self, folder: Path, seconds: float = 0.0, processes: bool = False) -> None:
        self.store = CollectionStore(folder)
        self.dense = CollectionDenseIndex(folder / "vectors", DIMENSIONS, identity=CheapEmbedder.model_id)
        self.dense.load()
        self.keyword = TantivyIndex(folder / "keyword")
        self.embedder = CheapEmbedder(seconds)
        self.loaded = 0
        self.before: Callable[[Path], None] | None = None
        self.parsed: list[str] = []
        self._processes = processes

    def rooms(self) -> IngestRooms:
        kinds = {} if self._processes else {"parsers": self._parsers}
        flush = lambda: self.dense.save(build_graph=False)  # noqa: E731
        return IngestRooms(self.store, self.dense, self.keyword, self._load, flush, **kinds)

    def _load(self) -> CheapEmbedder:
        self.loaded += 1
        return self.embedder

    def _parsers(self, settings: IngestSettings) -> ThreadParsers:
        parsers = ThreadParsers(self.before)
        parsers.parsed = self.parsed
        return parsers

    def close(self) -> None:
        self.keyword.close()
        self.dense.close()
        self.store.close()


def write(folder: Path, **texts: str) -> None:
    """Markdown files by name; `a__b` is `a/b.md`."""
    for name, text in texts.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def counts(report: IngestReport) -> dict[str, int]:
    """How many files had each outcome that any had."""
    return {name: count for name, count in report.counts.items() if count}
