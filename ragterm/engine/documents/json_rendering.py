"""Values as text that reads well: lines `- path: value`, paragraphs, sections. See json_files.py for the form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ragterm.engine.documents.builder import DocumentBuilder, one_line
from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.tables import table_text

_SMALL = 12
"""Members that a nested value may have to stay in the lines of what holds it."""
_DEEPEST = 4
"""Levels of sections; what is nested deeper is a path in its line."""
_LONG = 300
"""Characters after which a string is a paragraph."""
_PATH = 400
"""Characters of a path: nested keys must not multiply."""
_A_LINE = 30
"""Values of a list that stand in one line."""
_BLOCK = 40
"""Lines of one block."""
_NUMBERS = 16
"""Longer lists of nothing but numbers are vectors or coordinates: the first few stand for all."""
_ENCODED = re.compile(r"data:[a-z]{1,20}/[\w.+-]{1,60};base64,|(?:[0-9a-fA-F]{128,}|[A-Za-z0-9+/_=-]{256,})\Z")
_NAMES = ("title", "name", "label", "question", "id", "key", "url", "path")
_KEPT = {"title": "title", "name": "title", "description": "description", "author": "author", "date": "date",
         "version": "version", "license": "license", "language": "language"}  # fmt: skip

Object = tuple[tuple[str, Any], ...]


class TooMuch(Exception):
    """The rendering has reached its limit."""


class Renderer:
    """Appends values to a document. An object is a tuple of (key, value), a list a list; numbers are strings of a class of their
    own, all other strings plain."""

    def __init__(self, builder: DocumentBuilder, limit: int) -> None:
        self.builder = builder
        self.metadata: dict[str, str] = {}
        self._limit = limit
        self._warnings: list[str] = []
        self._encoded = self._vectors = 0
        self._lines: list[str] = []
        self._scalars: list[str] = []
        self._scalars_from = ""

    def warn(self, text: str) -> None:
        self._warnings.append(text)

    def warnings(self) -> list[str]:
        found = list(self._warnings)
        if self._encoded:
            found.append(f"{self._encoded:,} encoded {'value was' if self._encoded == 1 else 'values were'} left out")
        if self._vectors:
            found.append(f"{self._vectors:,} long {'list' if self._vectors == 1 else 'lists'} of numbers cut short")
        return found

    def document(self, value: Any) -> None:
        """A file that is one value."""
        if isinstance(value, tuple):
            for key, member in value:
                if (name := _KEPT.get(key.lower())) and type(member) is str and 0 < len(member) <= 500:
                    self.metadata.setdefault(name, member)
            packages = _locked(value)
            if packages:
                self._add("table", table_text([("package", "version", "license"), *packages]))
                self.warn("a lock file: packages and versions are kept, checksums and addresses are not")
                return
        self._value(value, 0)

    def record(self, value: Any, name: str) -> None:
        """One of many: a line of JSON Lines, a member of a list."""
        if not _holds(value):
            self._scalars_from = self._scalars_from or name
            self._scalars += self._inline(value)
            if len(self._scalars) >= _BLOCK:
                self.end_records()
            return
        self.end_records()
        self._record(value, name, 0)

    def end_records(self) -> None:
        """Records without members are gathered: this writes them."""
        lines, self._scalars = self._scalars, []
        name, self._scalars_from = self._scalars_from, ""
        if lines:
            self.builder.sections.enter(1, f"from {name}" if len(lines) > 1 else name)
        for line in lines:
            self._line("", line)
        self._flush()

    def _record(self, value: Any, name: str, level: int) -> None:
        label = _label(value)
        self.builder.sections.enter(level + 1, f"{name}: {label}" if label else name)
        self._value(value, level + 1)

    def _value(self, value: Any, level: int) -> None:
        """A value in the section that is open. Recurses at most `_DEEPEST` deep."""
        if isinstance(value, tuple):
            # Its own members first: below a section's heading they would seem to belong to that section.
            apart = []
            for key, member in value:
                if level < _DEEPEST and _holds(member) and not _is_small(member):
                    apart.append((key, member))
                else:
                    self._flat(member, key)
            self._flush()
            for key, member in apart:
                self._add("heading", one_line(key) or '""', level=level + 1)
                self._value(member, level + 1)
        elif isinstance(value, list) and level < _DEEPEST and any(map(_holds, value)) and not _is_numeric(value):
            for number, member in enumerate(value, 1):
                self._record(member, f"record {number}", level)
        else:
            self._flat(value, "")
            self._flush()

    def _flat(self, value: Any, path: str) -> None:
        """A value with all that it holds as lines with paths."""
        waiting: list[Iterator[tuple[str, Any]]] = [iter([(path, value)])]
        while waiting:
            following = next(waiting[-1], None)
            if following is None:
                waiting.pop()
                continue
            path, value = following
            if isinstance(value, tuple) and value:
                waiting.append(_members(value, path))
            elif isinstance(value, list) and value and any(map(_holds, value)) and not _is_numeric(value):
                waiting.append(_items(value, path))
            else:
                for text in self._inline(value):
                    self._line(path, text)

    def _inline(self, value: Any) -> Iterator[str]:
        """The text of a value without members: one, or several for a long list."""
        if isinstance(value, (list, tuple)):
            if not value:
                yield self._text(value)
                return
            if _is_numeric(value):
                numbers = _numbers(value)
                first = list(islice(numbers, _NUMBERS))
                more = sum(1 for _ in numbers)
                self._vectors += more > 0
                yield ", ".join(first) + (f", … ({len(first) + more:,} numbers)" if more else "")
                return
            texts = [self._text(member) for member in value]
            for at in range(0, len(texts), _A_LINE):
                if sum(map(len, texts[at : at + _A_LINE])) <= _LONG:
                    yield ", ".join(texts[at : at + _A_LINE])
                else:
                    yield from texts[at : at + _A_LINE]
        else:
            yield self._text(value)

    def _text(self, value: Any) -> str:
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (list, tuple)):
            return "[]" if isinstance(value, list) else "{}"
        # Each by itself: joined with what follows, half an escape sequence would take that with it.
        text = canonical(str(value)) if type(value) is str else str(value)
        if len(text) > 128 and type(value) is str and _ENCODED.match(text):
            self._encoded += 1
            return f"({len(text):,} characters of encoded data)"
        return text

    def _line(self, path: str, text: str) -> None:
        text, path = text.strip(), canonical(path)
        if len(text) > _LONG or "\n" in text:
            self._flush()
            self._add("paragraph", f"{path}: {text}" if path else text)
            return
        self._lines.append(f"- {path}: {text}" if path else f"- {text}")
        if len(self._lines) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        self._add("list", "\n".join(lines))

    def _add(self, kind: Any, text: str, level: int = 0) -> None:
        left = self._limit - self.builder.length
        if len(text) > left:
            self.builder.add(kind, text[:left], level=level)
            raise TooMuch
        self.builder.add(kind, text, level=level)


def _holds(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and bool(value)


def _members(value: Object, path: str) -> Iterator[tuple[str, Any]]:
    for key, member in value:
        yield _longer(path, f".{key}" if path else key), member


def _items(value: list[Any], path: str) -> Iterator[tuple[str, Any]]:
    for number, member in enumerate(value, 1):
        yield _longer(path, f"[{number}]"), member


def _longer(path: str, step: str) -> str:
    whole = " ".join(f"{path}{step}".split())
    return whole if len(whole) <= _PATH else f"…{whole[-_PATH:]}"


def _is_small(value: Any) -> bool:
    """Whether a value has few members, counted no further than that takes."""
    waiting, count = [iter((value,))], 0
    while waiting:
        member = next(waiting[-1], waiting)
        if member is waiting:
            waiting.pop()
            continue
        count += 1
        if count > 2 * _SMALL or (type(member) is str and len(member) > _LONG):
            return False
        if isinstance(member, tuple):
            waiting.append(iter([below for _, below in member[: 2 * _SMALL + 1]]))
        elif isinstance(member, list) and not _is_numeric(member):
            waiting.append(iter(member))
    return True


def _is_numeric(value: Any, depth: int = 4) -> bool:
    """Whether there are numbers alone in a list and the lists in it. Deeper than coordinates go it does not look, so that each
    value is looked at a few times at most."""
    if not isinstance(value, list) or not value or depth == 0:
        return False
    return all(_is_numeric(member, depth - 1) if isinstance(member, list) else _is_number(member) for member in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and type(value) is not str


def _numbers(value: Any) -> Iterator[str]:
    for member in value:
        if isinstance(member, list):
            yield from _numbers(member)
        else:
            yield member


def _label(value: Any) -> str:
    """What a record calls itself: a short title, name or id."""
    if not isinstance(value, tuple):
        return ""
    found = {key.lower(): str(member) for key, member in value[:50] if isinstance(member, str) and len(member) <= 80}
    return next((" ".join(found[name].split()) for name in _NAMES if found.get(name, "").strip()), "")


def _locked(value: Object) -> list[tuple[str, str, str]]:
    """The packages of an npm lock file (https://docs.npmjs.com/cli/configuring-npm/package-lock-json); none for any other."""
    members = dict(value)
    packages = members.get("packages") or members.get("dependencies")
    if "lockfileVersion" not in members or not isinstance(packages, tuple):
        return []
    rows: list[tuple[str, str, str]] = []
    for key, about in packages:
        if key and isinstance(about, tuple):
            found = {name: str(text) for name, text in about if isinstance(text, str)}
            name = key.rpartition("node_modules/")[2]
            rows.append((name, found.get("version", ""), found.get("license", "")))
    return rows
