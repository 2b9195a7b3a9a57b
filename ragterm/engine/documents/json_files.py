"""JSON and JSON Lines: the text is a rendering, since braces and quotes are nothing to read, to embed or to cite.

A member is a line `- key: value`, the members of nested objects carry their path (`- address.city: Paris`), a long string is a
paragraph of its own. What is larger than a dozen lines becomes a section under its key; the records of a list and the lines of
JSON Lines become blocks, each in a section that says which record it is (`record 3: Ann`). Left out, and said in a warning: encoded
data (base64, long hexadecimal strings) and all but the first of long lists of numbers (vectors, coordinates). Lock files of npm
become a table of packages and versions: their checksums and addresses are for programs.

The standard library decodes (RFC 8259; https://jsonlines.org), one record at a time where the file is a list or lines, so that a
dump's objects never exist all at once. Numbers keep their spelling, a repeated key each of its values. What is no JSON in
spite of comments and trailing commas is read as plain text, with a warning that says where it breaks. Nothing here recurses as deep
as a file likes: the decoder stops at the interpreter's limit, sections at a few levels, and values are laid out with a stack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.encodings import decoded_text
from ragterm.engine.documents.json_rendering import Renderer, TooMuch
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

READ_LIMIT = 64 * 1024 * 1024
"""Bytes of a file that are read: far more than the rendering may hold. The rest of a longer one is left out."""
WHOLE_LIMIT = 24 * 1024 * 1024
"""Characters of one value (a record, or a file that is no list): decoded it takes some twenty times as much memory."""
TEXT_LIMIT = 10_000_000
"""Characters of the rendering: about 10,000 pages."""
_LINES = (".jsonl", ".ndjson")
_SPACE = re.compile(r"[ \t\n]*")
# What is never closed matches to its end all the same: tried anew at each following character it would take quadratic time.
_COMMENTS = re.compile(r'("(?:[^"\\\n]|\\.)*+"?)|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|,(?=[ \t\n]*+[\]}])')


class _Number(str):
    """A number as it was written: `1e400`, 5,000 digits and `12.50` all stay what they are."""

    __slots__ = ()


def parse_json(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError where there is no text, or more in one piece than memory should hold."""
    cut = len(data) > READ_LIMIT
    if cut:
        data = data[:READ_LIMIT].rstrip(bytes(range(0x80, 0x100)))
    text, warnings = decoded_text(data, path)
    builder = DocumentBuilder()
    renderer = Renderer(builder, TEXT_LIMIT)
    if cut:
        renderer.warn(f"only the first {READ_LIMIT // 1024**2} MB were read")
    try:
        _read(text, path, renderer, cut)
    except TooMuch:
        renderer.warn(f"only the beginning was read: more than {TEXT_LIMIT // 1_000_000} million characters of text")
    except (json.JSONDecodeError, RecursionError) as error:
        return _as_text(text, path, error, warnings)
    builder.warnings += [*warnings, *renderer.warnings()]
    if not builder.blocks:
        raise ParseError("No text", "the file holds no value that says anything", "nothing to do, or restore the file")
    metadata = renderer.metadata
    title = metadata.pop("title", "") or path.stem
    return builder.finish(title=title, kind="json", parser="json", metadata=metadata)


def _read(text: str, path: Path, renderer: Renderer, cut: bool) -> None:
    start = _past_space(text, 0)
    if path.suffix.lower() in _LINES:
        _lines(text, renderer, cut)
    elif text.startswith("[", start) and _list(text, start, renderer, cut):
        pass
    elif cut or len(text) > WHOLE_LIMIT:
        raise ParseError(
            "Too large for one value",
            f"more than {WHOLE_LIMIT // 1024**2} MB in one JSON object take more memory than reading it should",
            "write its records as JSON Lines, one a line (jq -c '.[]' file.json > file.jsonl), and ingest that",
        )
    else:
        _one(text, start, renderer)


def _one(text: str, start: int, renderer: Renderer) -> None:
    """The file as one value; as several where others follow the first one; without comments at last."""
    decoder = _decoder()
    try:
        value, end = decoder.raw_decode(text, start)
        following = _past_space(text, end)
        if following < len(text):
            if text[following] not in '{["':
                raise json.JSONDecodeError("Extra data", text, end)
            if text.find("\n", start, end) == -1:
                _lines(text, renderer, cut=False)
            else:
                _list(text, start, renderer, cut=False, bare=True)
            return
    except json.JSONDecodeError:
        bare = _COMMENTS.sub(lambda found: found.group(1) or "", text)
        if bare == text:
            raise
        start = _past_space(bare, 0)
        if bare.startswith("[", start) and _list(bare, start, renderer, cut=False):
            return
        try:
            value, end = decoder.raw_decode(bare, start)
        except json.JSONDecodeError:
            value, end = None, 0
        if not end or _past_space(bare, end) < len(bare):
            raise
    renderer.document(value)


def _list(text: str, start: int, renderer: Renderer, cut: bool, *, bare: bool = False) -> bool:
    """The values of a list (`bare`: that stand one after the other without one), one at a time; False where not even the first one
    can be read."""
    decoder = _decoder()
    at, number = start if bare else _past_space(text, start + 1), 0
    while at < len(text) if bare else not text.startswith("]", at):
        try:
            value, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            if number == 0:
                return False
            if not cut:
                line = text.count("\n", 0, error.pos if isinstance(error, json.JSONDecodeError) else at) + 1
                renderer.warn(f"broken in line {line:,}: what follows record {number:,} was left out")
            break
        if end - at > WHOLE_LIMIT:
            renderer.warn(f"record {number + 1:,} is larger than {WHOLE_LIMIT // 1024**2} MB and was left out")
            value = None
        number += 1
        renderer.record(value, f"record {number}")
        del value
        at = _past_space(text, end)
        if text.startswith(",", at):
            at = _past_space(text, at + 1)
        elif not bare and not text.startswith("]", at):
            if not cut:
                renderer.warn(f"broken in line {text.count(chr(10), 0, at) + 1:,}: what follows was left out")
            break
    renderer.end_records()
    return True


def _lines(text: str, renderer: Renderer, cut: bool) -> None:
    """JSON Lines: a broken line costs that line."""
    decoder = _decoder()
    broken: list[int] = []
    read = 0
    for number, line in enumerate(_split(text), 1):
        if not line.strip():
            continue
        try:
            if len(line) > WHOLE_LIMIT:
                raise ValueError
            value, end = decoder.raw_decode(line, _past_space(line, 0))
            if _past_space(line, end) < len(line):
                raise ValueError
        except (ValueError, RecursionError):
            broken.append(number)
            continue
        read += 1
        renderer.record(value, f"line {number}")
    renderer.end_records()
    if broken and cut:
        broken.pop()
    if broken and not read:
        raise json.JSONDecodeError("no line of it is JSON", text, 0)
    if broken:
        shown = ", ".join(f"{number:,}" for number in broken[:10])
        more = f" and {len(broken) - 10:,} more" if len(broken) > 10 else ""
        renderer.warn(f"{'lines' if len(broken) > 1 else 'line'} {shown}{more} left out: no valid JSON")


def _split(text: str) -> Iterator[str]:
    """Lines end at LF alone: JSON strings may hold U+2028 as it is."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end == -1 else end
        yield text[at:end]
        at = end + 1


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _decoder() -> json.JSONDecoder:
    """Objects become tuples of pairs, so that no key is lost; numbers, NaN and Infinity stay text."""
    return json.JSONDecoder(
        strict=False, object_pairs_hook=tuple, parse_int=_Number, parse_float=_Number, parse_constant=_Number
    )


def _as_text(text: str, path: Path, error: Exception, warnings: tuple[str, ...]) -> ParsedDocument:
    from ragterm.engine.documents.text import parse_text

    if isinstance(error, json.JSONDecodeError):
        reason = f"no valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
    else:
        reason = "nested too deeply for JSON"
    document = parse_text(text, path)
    return replace(document, kind="json", title=path.stem, warnings=(*warnings, f"{reason}: read as plain text"))
