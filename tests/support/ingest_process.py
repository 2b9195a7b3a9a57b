"""An ingest for a process of its own, to be killed. Prints "ready" when it begins and "done" when it has ended by itself."""

from __future__ import annotations

from pathlib import Path

from support.ingesting import SETTINGS, Library

from ragterm.engine.ingest import ingest, resume, unfinished


def main(folder: Path, docs: Path, seconds: float) -> None:
    library = Library(folder, seconds)
    print("ready", flush=True)
    if unfinished(library.store):
        resume(library.rooms(), SETTINGS)
    ingest([docs], library.rooms(), SETTINGS)
    print("done", flush=True)


def limited(limit: int, folder: Path, docs: Path) -> None:
    """The same where no file may grow beyond so many bytes: to SQLite and tantivy a full disk (sqlite.org/rescode.html#full)."""
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    main(folder, docs, 0.0)
