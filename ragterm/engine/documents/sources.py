"""What a path holds, before anything is opened: files that can be parsed, by kind, and why the others are not.

One pass of `os.scandir`, which knows a file's type without asking the disk again. Everything is sorted, so that two surveys of
one folder are equal. Every file found is either in `files` or in `skipped` with its reason; folders of tools, hidden ones and what
ignore files leave out are one line a root each.
"""

# Lists of words read as words: SIM905 would have one quoted string a line. Paths stay strings here (PTH):
# building a Path for each of 10,000 files takes longer than finding them, and `Path.resolve` would follow links.
# ruff: noqa: SIM905, PTH100, PTH111, PTH116, PTH119, PTH122, PTH123

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ragterm.engine.documents.formats import ADVICE, BY_ENDING
from ragterm.engine.documents.generated import unwanted_by_name
from ragterm.engine.documents.ignoring import Rules, is_bare_repository, rules_above
from ragterm.engine.documents.languages import CODE_NAMES, DATA_ENDINGS
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import DocumentKind
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.ingesting import Survey
from ragterm.engine.types.members import is_member
from ragterm.engine.types.web import is_url

DATA_LIMIT = 256 * 1024
"""Bytes up to which a data file (YAML, INI, XML, ...) is read as text: settings and small tables, not dumps."""

TOOL_FOLDERS = frozenset("node_modules bower_components __pycache__ venv site-packages __MACOSX $RECYCLE.BIN".split())
_TEXT_NAMES = frozenset(
    "readme license licence copying copyright notice authors contributors maintainers changelog changes news history todo install "
    "contributing thanks credits version manifest codeowners".split()
)


def kind_of(path: str | Path) -> DocumentKind | None:
    """The kind a file is parsed as, by its name alone; None for a kind that is not supported. A web page is HTML unless its address
    ends like another document."""
    address = _SLASHES.sub(r"\1//", str(path))  # a Path has lost one of the two
    if is_url(address) and not is_member(address):
        ending = os.path.splitext(urlsplit(address).path)[1].lower()
        kind = BY_ENDING.get(ending, "html")
        return "html" if kind == "code" else kind
    name = os.path.basename(path)
    if name in CODE_NAMES:
        return "code"
    ending = os.path.splitext(name)[1].lower()
    if ending in BY_ENDING:
        return BY_ENDING[ending]
    # README, LICENSE-MIT, CHANGELOG.old: known names, without an ending or with one that is no format of its own.
    known = _NAME_PARTS.split(name.lower(), maxsplit=1)[0] in _TEXT_NAMES
    return "text" if known and (not ending or ending in _NO_FORMAT) else None


_IGNORE_FILES_NAMED = 5
_SLASHES = re.compile(r"^(https?:)/(?!/)", re.IGNORECASE)
_NAME_PARTS = re.compile(r"[.\-_ ]")
_NO_FORMAT = frozenset(".old .orig .bak .in .mit .apache .bsd .gpl .lgpl .en .de .fr .es .1 .2 .3".split())


def document_id(path: str | Path) -> str:
    """16 hexadecimal digits of the SHA-256 of the absolute path, or of the address of a page: survives re-ingestion."""
    if is_url(str(path)):
        return hashlib.sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:16]


def hash_file(path: str | Path) -> str:
    """SHA-256 (hex) of the file's bytes. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def survey(paths: Sequence[str | Path], max_file_mb: int, control: Control | None = None) -> Survey:
    """Walk `paths` (folders whole, in order of name). Hidden files and folders, folders of tools, links that lead back up, files
    over `max_file_mb`, generated and special files, and what an ignore file names are left out with a reason; a file named directly
    is taken even when it is hidden, ignored or generated.

    Raises NotFoundError for a path that is not there, Cancelled."""
    walk = _Walk(max_file_mb * 1024 * 1024, control or Control())
    for path in paths:
        if is_url(str(path)):
            walk.page(str(path))
        else:
            walk.root(os.path.abspath(os.path.expanduser(path)))
    return Survey(
        roots=tuple(walk.roots),
        files=tuple(sorted(walk.files)),
        kinds=dict(sorted(walk.kinds.items())),
        unsupported=dict(sorted(walk.unsupported.items())),
        skipped=tuple(walk.skipped),
        bytes=walk.bytes,
        ignored=tuple(sorted(walk.ignored)),
    )


class _Walk:
    def __init__(self, limit: int, control: Control) -> None:
        self.limit = limit
        self.control = control
        self.roots: list[str] = []
        self.files: set[str] = set()
        self.seen: set[str] = set()
        self.folders: set[tuple[int, int]] = set()
        self.kinds: Counter[str] = Counter()
        self.unsupported: Counter[str] = Counter()
        self.skipped: list[tuple[str, str]] = []
        self.ignored: list[str] = []
        self.noted: set[str] = set()
        self.bytes = 0

    def page(self, url: str) -> None:
        """A web page is asked for when it is fetched."""
        self.roots.append(url)
        self.files.add(url)
        self.kinds[kind_of(url) or "html"] += 1

    def root(self, path: str) -> None:
        try:
            status = os.stat(path)
        except OSError as error:
            reason = "there is no such file or folder" if isinstance(error, FileNotFoundError) else str(error.strerror)
            raise NotFoundError(
                "Path not found", f"{printable(path)}: {reason}", "check the spelling, or drag the folder in"
            ) from error
        self.roots.append(printable(path))
        if not stat.S_ISDIR(status.st_mode):
            self.file(path, status, named=True)
            return
        hidden, tools, ignored = 0, Counter[str](), Counter[str]()
        waiting = [(path, rules_above(path))]
        while waiting:
            self.control.checkpoint()
            folder, rules = waiting.pop()
            try:
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in self.folders:
                    continue
                self.folders.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.skip(folder, f"the folder cannot be read: {error.strerror}")
                continue
            names = {entry.name for entry in listed}
            if is_bare_repository(names):
                self.skip(folder, "a Git repository without a working tree")
                continue
            rules = rules.inside(folder, names)
            self.note_limits(rules)
            below: list[tuple[str, Rules]] = []
            for entry in listed:
                name, is_folder = entry.name, _is_folder(entry)
                if name.startswith("."):
                    hidden += 1
                elif is_folder and name in TOOL_FOLDERS:
                    tools[name] += 1
                elif by := rules.left_out_by(entry.path, is_folder and not entry.is_symlink()):
                    ignored[by] += 1
                    self.ignored.append(entry.path + os.sep if is_folder else entry.path)
                elif is_folder:
                    below.append((entry.path, rules))
                else:
                    self.entry(entry)
            waiting.extend(reversed(below))
        if hidden:
            self.skip(path, f"{hidden} hidden {'file or folder' if hidden == 1 else 'files and folders'} left out")
        if tools:
            self.skip(
                path,
                "folders of tools and caches left out: "
                + ", ".join(f"{n} {name}" for name, n in sorted(tools.items())),
            )
        if ignored:
            self.skip(path, _left_out(ignored, path))

    def note_limits(self, rules: Rules) -> None:
        """Say once of each ignore file that not all of it is used."""
        for file in (*rules.git, *rules.own):
            if file.left_off and file.path not in self.noted:
                self.noted.add(file.path)
                lines = "1 line is" if file.left_off == 1 else f"{file.left_off} lines are"
                self.skip(file.path, f"{lines} not used: too many lines, or too many stars in a line")

    def entry(self, entry: os.DirEntry[str]) -> None:
        try:
            status = entry.stat()
        except OSError as error:
            broken = entry.is_symlink()
            self.skip(entry.path, "a link that leads nowhere" if broken else f"cannot be read: {error.strerror}")
            return
        self.file(entry.path, status)

    def file(self, path: str, status: os.stat_result, named: bool = False) -> None:
        if path in self.seen:
            return
        self.seen.add(path)
        if not stat.S_ISREG(status.st_mode):
            self.skip(path, "not a regular file")
            return
        kind = kind_of(path)
        if not named and (why := unwanted_by_name(path)):
            self.skip(path, why)
        elif kind is None:
            self.unsupported[printable(os.path.splitext(path)[1].lower())] += 1
            self.skip(path, unsupported(path))
        elif printable(path) != path:
            self.skip(path, "its name is not valid text; rename it")
        elif is_member(path):
            self.skip(path, "its path reads as if it lay inside an archive; rename the folder that ends in '!'")
        elif reason := too_large(path, status.st_size, self.limit):
            self.skip(path, reason)
        else:
            self.files.add(path)
            self.kinds[kind] += 1
            self.bytes += status.st_size

    def skip(self, path: str, reason: str) -> None:
        self.skipped.append((printable(path), reason))


def unsupported(path: str) -> str:
    """Why a file whose kind is None is not read, and where there is one the way out."""
    ending = printable(os.path.splitext(path)[1].lower())
    advice = f": {ADVICE[ending]}" if ending in ADVICE else ""
    return f"unsupported kind of file ({ending or 'no ending'}){advice}"


def too_large(path: str, size: int, limit: int) -> str:
    """Why a file of so many bytes is not read, "" when it is. `limit` is in bytes."""
    if size > limit:
        return f"{size_text(size)}, over the limit of {size_text(limit)} (ingest.max_file_mb)"
    if size > DATA_LIMIT and os.path.splitext(path)[1].lower() in DATA_ENDINGS:
        return f"data file of {size_text(size)}, over the limit of {size_text(DATA_LIMIT)} for data"
    return ""


def printable(path: str) -> str:
    """A path as text that can be stored: bytes that are no UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _left_out(counts: Counter[str], root: str) -> str:
    """`3 files and folders left out: 2 by .gitignore, 1 by sub/.ragtermignore`; files of the folders above by their whole path."""
    total = sum(counts.values())
    below = root.rstrip(os.sep) + os.sep
    said = [
        f"{count} by {printable(path.removeprefix(below))}" for path, count in counts.most_common(_IGNORE_FILES_NAMED)
    ]
    rest = total - sum(count for _, count in counts.most_common(_IGNORE_FILES_NAMED))
    if rest:
        said.append(f"{rest} by {len(counts) - _IGNORE_FILES_NAMED} other ignore files")
    return f"{total} {'file or folder' if total == 1 else 'files and folders'} left out: {', '.join(said)}"


def size_text(count: int) -> str:
    return f"{count / 1024**2:.0f} MB" if count >= 1024**2 else f"{count / 1024:.0f} KB"
