"""Paths of documents that lie inside other files: `/docs/mail.eml!/report.pdf`, `a.zip!/b.zip!/c.txt`.

`!/` stands between a container and what is in it, as in a JAR URL (java.net.JarURLConnection), and only behind the name of a file
that can be one: a folder called `Important!` is a folder. Everything here works on the string alone; where the bytes lie is
`documents.places`'s business.
"""

from __future__ import annotations

import re
from pathlib import PurePath

SEPARATOR = "!/"
EMAIL_ENDINGS = (".eml",)
ARCHIVE_ENDINGS = (".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz")
_BOUNDARY = re.compile(rf"(?:{'|'.join(map(re.escape, (*EMAIL_ENDINGS, *ARCHIVE_ENDINGS)))})(?=!/)", re.IGNORECASE)


def member_path(container: str, name: str) -> str:
    """The path of the member `name` of a container."""
    return f"{container}{SEPARATOR}{name}"


def containers_of(path: str) -> list[str]:
    """The containers that a document lies in, outermost first; empty for a file of its own."""
    return [path[: found.end()] for found in _BOUNDARY.finditer(path)]


def is_member(path: str) -> bool:
    return _BOUNDARY.search(path) is not None


def outermost(path: str) -> str:
    """The file on disk that holds the document; the document's own file when it is no member."""
    found = _BOUNDARY.search(path)
    return path[: found.end()] if found else path


def child_of(container: str, path: str) -> str:
    """The path of that member of `container` which is `path`, or in which it lies."""
    inner = path[len(container) + len(SEPARATOR) :]
    return member_path(container, outermost(inner))


def below(container: str, path: str) -> bool:
    """Whether the document lies in this container, at whatever depth."""
    return path.startswith(container + SEPARATOR)


def document_name(path: str) -> str:
    """What a person calls a document: "report.pdf", "report.pdf in mail.eml"."""
    places = [*containers_of(path), path]
    return " in ".join(PurePath(place).name for place in reversed(places))
