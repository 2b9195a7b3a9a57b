"""Where a document's bytes lie: at its path, or, when it is a member of a container, where that was unpacked to, and of a web page,
where it was fetched to.

A container is unpacked into `<collection>/unpacked/<its document id>/`, each member under its own document id: no name from inside
a container ever becomes a name on disk. What is there is a convenience, no truth: it may go at any time, and is made again from
the container when it is needed (`ingest.containers`). Whatever opens, stats or hashes a document's file asks here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ragterm.engine.documents.sources import document_id, hash_file, kind_of
from ragterm.engine.types.members import containers_of, is_member, outermost
from ragterm.engine.types.web import is_url

MAX_DEPTH = 3
"""So many containers are opened, one in the other; what lies deeper is left out with a reason."""

CONTAINER_KINDS = frozenset({"email", "archive"})


@dataclass(frozen=True, slots=True)
class Staging:
    """What a parser is told of places: `file` holds the bytes, `folder` takes the members ("" for a document that has none), none of
    them larger than `max_file_mb`."""

    file: str
    folder: str = ""
    max_file_mb: int = 200


def is_container(path: str) -> bool:
    return kind_of(path) in CONTAINER_KINDS


def staged_name(path: str) -> str:
    """The name of a member's bytes in its container's folder."""
    return document_id(path)


class Places:
    """The places of one collection's documents. `folder` is the collection's."""

    def __init__(self, folder: Path) -> None:
        self.unpacked = folder / "unpacked"
        self.fetched = folder / "fetched"

    def folder_of(self, container: str) -> Path:
        """Where a container's members are unpacked to."""
        return self.unpacked / document_id(container)

    def file_of(self, path: str) -> Path:
        """The file with the document's bytes, whether it is there or not."""
        containers = containers_of(path)
        if containers:
            return self.folder_of(containers[-1]) / staged_name(path)
        return self.fetched / document_id(path) if is_url(path) else Path(path)

    def stat(self, path: str) -> tuple[int, int]:
        """(bytes, time of change in ns). Raises OSError."""
        status = self.file_of(path).stat()
        return status.st_size, status.st_mtime_ns

    def hash(self, path: str) -> str:
        """SHA-256 (hex) of the document's bytes. Raises OSError."""
        return hash_file(self.file_of(path))

    def staging(self, path: str, max_file_mb: int) -> Staging | None:
        """What a parser must be told of this document, None when its path says it all."""
        container = is_container(path)
        if not container and not is_member(path) and not is_url(path):
            return None
        folder = str(self.folder_of(path)) if container else ""
        return Staging(str(self.file_of(path)), folder, max_file_mb)

    def let_go(self, path: str) -> None:
        """The unpacked bytes of a member are not needed any more."""
        if is_member(path):
            with contextlib.suppress(OSError):
                self.file_of(path).unlink()

    def clear(self) -> None:
        """Nothing that was unpacked is needed any more."""
        shutil.rmtree(self.unpacked, ignore_errors=True)


def exists(path: str) -> bool:
    """Whether the document's file is on disk: of a member, the file that holds it. Whether it still holds it, only its parser can
    say; of a page, only its server."""
    return is_url(path) or os.path.lexists(outermost(path))
