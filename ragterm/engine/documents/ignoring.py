"""Which files the folder itself asks to leave alone: `.gitignore` as Git reads it, and `.ragtermignore` in the same language.

The rules are those of gitignore(5): a pattern counts from the folder of its file, the last one that matches decides, a deeper file
wins over a shallower one, and what lies in a folder that is left out cannot be taken back in. Each pattern is matched by pathspec's
gitwildmatch against the entry itself; the folders above it were judged on the way down.

`.gitignore` (and `.git/info/exclude`) count in a repository only, from its root down, as in Git; a repository inside another one
begins anew. `.ragtermignore` counts everywhere, from the root of the file system down, and has the last word. Git takes a file that
was once added whatever the rules say; here the rules alone decide.
"""

# Paths stay strings, as in the survey (PTH).
# ruff: noqa: PTH113, PTH114, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

GIT_FILE = ".gitignore"
OWN_FILE = ".ragtermignore"
_MOST_BYTES = 256 * 1024
_MOST_LINES = 5_000
_MOST_WILDCARDS = 3
"""Stars in one segment of a pattern, and double stars in all: matching backtracks, and a pattern is foreign text."""

_STARS = re.compile(r"\*+")
_FOLDERS_BELOW = re.compile(r"(^!?/?|/)\*\*/ *$")
_DIRECTORY_MARK = "ps_d"
"""pathspec's name for the slash after a matched folder: where it stands tells the entry from a folder above it."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    include: bool

    def matches(self, path: str, folder: bool) -> bool:
        if _DIRECTORY_MARK not in self.regex.groupindex:
            return self.regex.search(path) is not None
        found = self.regex.search(path + "/" if folder else path)
        if found is None:
            return False
        at = found.start(_DIRECTORY_MARK)
        return at == len(path) if folder else at == -1


class IgnoreFile:
    """The patterns of one file. `folder` is where they count from, `path` the file; `left_off` counts the lines that were not
    understood or cost too much to match."""

    def __init__(self, folder: str, path: str, lines: list[str]) -> None:
        self.folder = folder
        self.path = path
        self.left_off = max(0, len(lines) - _MOST_LINES)
        self._patterns: list[_Pattern] = []
        for line in lines[:_MOST_LINES]:
            if _costly(line):
                self.left_off += 1
            elif (pattern := _compile(line)) is not None:
                self._patterns.append(pattern)
        self._patterns.reverse()
        # Most files match nothing at all: one expression says so.
        whole = "|".join(f"(?:{one.regex.pattern.replace(f'?P<{_DIRECTORY_MARK}>', '?:')})" for one in self._patterns)
        self._any = re.compile(whole or r"(?!)", re.DOTALL)

    def verdict(self, path: str, folder: bool) -> bool | None:
        """True: left out; False: taken back in; None: nothing is said about it. `path` is absolute."""
        relative = path[len(self.folder) :].lstrip("/").replace(os.sep, "/")
        if self._any.search(relative + "/" if folder else relative) is None:
            return None
        for pattern in self._patterns:
            if pattern.matches(relative, folder):
                return pattern.include
        return None


def _costly(line: str) -> bool:
    if line.startswith("#"):
        return False
    return (
        len(line) > 1000
        or line.count("**") > _MOST_WILDCARDS
        or any(len(_STARS.findall(segment)) > _MOST_WILDCARDS for segment in line.split("/"))
    )


def _compile(line: str) -> _Pattern | None:
    from pathspec import GitIgnoreSpec

    # In Git `a/**/` is every folder below a; pathspec reads it as a itself.
    line = _FOLDERS_BELOW.sub(r"\1**/*/", line)
    try:
        (made,) = GitIgnoreSpec.from_lines([line]).patterns or (None,)
    except ValueError:  # as Git does: a pattern that is none is passed over
        return None
    regex: Any = getattr(made, "regex", None)
    return None if made is None or made.include is None or regex is None else _Pattern(regex, bool(made.include))


@dataclass(frozen=True, slots=True)
class Rules:
    """The ignore files that count in one folder, the shallowest first."""

    git: tuple[IgnoreFile, ...] = ()
    own: tuple[IgnoreFile, ...] = ()
    in_repository: bool = False

    def left_out_by(self, path: str, folder: bool) -> str:
        """The ignore file that leaves this entry out, "" when it is taken. `path` is absolute; what lies above it is not judged."""
        for files in (self.own, self.git):
            for file in reversed(files):
                verdict = file.verdict(path, folder)
                if verdict is not None:
                    return file.path if verdict else ""
        return ""

    def inside(self, folder: str, names: frozenset[str] | set[str]) -> Rules:
        """The rules in `folder`, whose parent's these are; `names` is what it holds."""
        git, own, in_repository = self.git, self.own, self.in_repository
        if ".git" in names:
            git, in_repository = tuple(_read(folder, os.path.join(folder, ".git", "info", "exclude"))), True
        if in_repository and GIT_FILE in names:
            git = (*git, *_read(folder, os.path.join(folder, GIT_FILE)))
        if OWN_FILE in names:
            own = (*own, *_read(folder, os.path.join(folder, OWN_FILE)))
        return (
            self
            if (git, own, in_repository) == (self.git, self.own, self.in_repository)
            else Rules(git, own, in_repository)
        )


def rules_above(folder: str) -> Rules:
    """What the folders above `folder` say about it and what it holds. Absolute path."""
    rules = Rules()
    for above in _parents(folder):
        present = {name for name in (".git", GIT_FILE, OWN_FILE) if os.path.lexists(os.path.join(above, name))}
        if present:
            rules = rules.inside(above, present)
    return rules


def _parents(folder: str) -> list[str]:
    """The outermost first."""
    found = []
    while (above := os.path.dirname(folder)) != folder:
        found.append(above)
        folder = above
    return found[::-1]


def _read(folder: str, path: str) -> Iterator[IgnoreFile]:
    """A link is not followed, as in Git: it could lead anywhere."""
    if os.path.islink(path) or not os.path.isfile(path):
        return
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES)
    except OSError:
        return
    lines = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")).split("\n")
    yield IgnoreFile(folder, path, [line.removesuffix("\r") for line in lines])


def is_bare_repository(names: frozenset[str] | set[str]) -> bool:
    """A Git repository without a working tree: all that it holds is Git's own."""
    return {"HEAD", "objects", "refs", "config"} <= names
