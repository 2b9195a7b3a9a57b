"""An ingest in a process of its own, to be killed: `python ingest_process.py FOLDER DOCS SECONDS`. Prints "ready" when it begins
and "done" when it has ended by itself."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.ingesting import SETTINGS, Library

from ragterm.engine.ingest import ingest, resume, unfinished


def main(folder: str, docs: str, seconds: str) -> None:
    library = Library(Path(folder), float(seconds))
    print("ready", flush=True)
    if unfinished(library.store):
        resume(library.rooms(), SETTINGS)
    ingest([docs], library.rooms(), SETTINGS)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
