"""BibTeX: a paragraph an entry, its fields in the order that a reference has (http://www.bibtex.org/Format/).

By hand: an entry is a name and fields in braces or quotes, and what is left of a damaged file should be read. Values end where
their braces balance; one pass, and an entry that is never closed ends where the next one begins."""

from __future__ import annotations

import re
from pathlib import Path

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.latex_words import words_of
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

_ENTRY = re.compile(r"^[ \t]*@([A-Za-z]{1,40})[ \t]*[{(][ \t]*([^\s,{}()=\"]{0,200})[ \t]*,", re.MULTILINE)
_FIELD = re.compile(r"([A-Za-z][\w-]{0,40})[ \t\n]*=[ \t\n]*")
_VALUE = re.compile(r"\\[\s\S]|([{}\"])")
_BARE = re.compile(r"[\w.:+/-]{1,200}")
_FIRST = (
    "author", "editor", "title", "journal", "journaltitle", "booktitle", "publisher", "school", "institution", "year", "date",
    "volume", "number", "pages", "doi", "url",
)  # fmt: skip
_LEFT_OUT = frozenset({
    "file", "bdsk-url-1", "bdsk-file-1", "date-added", "date-modified", "timestamp", "biburl", "bibsource", "owner", "mendeley-groups",
})  # fmt: skip


def parse_bibtex(text: str, path: Path, warnings: tuple[str, ...] = ()) -> ParsedDocument:
    """Raises ParseError where there is no entry."""
    builder = DocumentBuilder()
    builder.warnings += warnings
    words = words_of({})
    starts = [
        found for found in _ENTRY.finditer(text) if found.group(1).lower() not in ("comment", "string", "preamble")
    ]
    for number, found in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        fields = {key: words(value) for key, value in _fields(text[found.end() : end]).items() if key not in _LEFT_OUT}
        order = [*(name for name in _FIRST if fields.get(name)), *(name for name in fields if name not in _FIRST)]
        lines = [f"[{found.group(2)}] {found.group(1).lower()}"]
        lines += [f"- {name}: {' '.join(fields[name].split())}" for name in order if fields[name]]
        builder.add("list", "\n".join(lines))
    if not builder.blocks:
        raise ParseError("No text", "no entry was found in it", "check that it is a BibTeX file")
    return builder.finish(title=path.stem, kind="latex", parser="bibtex", metadata={"entries": str(len(starts))})


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while field := _FIELD.search(text, at):
        value, at = _value(text, field.end())
        found.setdefault(field.group(1).lower(), value)
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    """A value and the place behind it: in braces, in quotes, or a bare word."""
    sign = text[at : at + 1]
    if sign not in ('"', "{"):
        bare = _BARE.match(text, at)
        return (bare.group(), bare.end()) if bare else ("", at)
    depth = 0
    for mark in _VALUE.finditer(text, at + 1):
        one = mark.group(1)
        if depth == 0 and one == ("}" if sign == "{" else '"'):
            return text[at + 1 : mark.start()], mark.end()
        depth += one == "{"
        depth -= one == "}" and depth > 0
    return text[at + 1 :].rstrip("} \n\t"), len(text)
