"""What crosses the pipe between a parser worker and the pool: length-prefixed frames of JSON and UTF-8.

Documents are hostile and the worker is where they strike, so nothing that comes from it is unpickled: a frame is a small JSON
header, then the text as bytes (decoding a long text must not hold the interpreter), and the header is checked like any input.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, get_args

from ragterm.engine.documents.member_names import harmless
from ragterm.engine.types.documents import Block, BlockKind, DocumentKind, Member, ParsedDocument
from ragterm.engine.types.errors import ParseError

_LENGTHS = struct.Struct(">II")
MAX_HEADER = 256 * 1024 * 1024
MAX_BODY = 1024 * 1024 * 1024
_BLOCK_KINDS = frozenset(get_args(BlockKind))
_DOCUMENT_KINDS = frozenset(get_args(DocumentKind))


class BrokenFrame(Exception):
    """What arrived is no frame: the other side is gone, or not itself any more."""


def write_frame(stream: BinaryIO, header: dict[str, Any], text: str = "") -> None:
    head = json.dumps(header).encode("ascii")
    body = text.encode("utf-8")
    stream.write(_LENGTHS.pack(len(head), len(body)))
    stream.write(head)
    stream.write(body)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], str]:
    """Raises BrokenFrame, also when the stream ends."""
    head_length, body_length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if head_length > MAX_HEADER or body_length > MAX_BODY:
        raise BrokenFrame("a frame of impossible length")
    head = _exactly(stream, head_length)
    body = _exactly(stream, body_length)
    try:
        header = json.loads(head)
        text = body.decode("utf-8")
    except ValueError as error:
        raise BrokenFrame(str(error)) from error
    if not isinstance(header, dict):
        raise BrokenFrame("a frame without a header")
    return header, text


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count) if count else b""
    if len(data) != count:
        raise BrokenFrame("the stream ended")
    return data


def document_header(document: ParsedDocument) -> dict[str, Any]:
    """Everything but the text. Sections repeat, so each path is written once."""
    paths: dict[tuple[str, ...], int] = {}
    blocks = [
        (b.kind, b.start, b.end, b.page, paths.setdefault(b.section, len(paths)), b.level) for b in document.blocks
    ]
    return {
        "blocks": blocks,
        "sections": list(paths),
        "title": document.title,
        "kind": document.kind,
        "parser": document.parser,
        "pages": document.pages,
        "metadata": document.metadata,
        "warnings": document.warnings,
        "members": [(one.name, one.size, one.skipped) for one in document.members],
    }


def document_from(header: dict[str, Any], text: str) -> ParsedDocument:
    """Raises BrokenFrame when the header does not describe this text."""
    try:
        sections = [tuple(str(title) for title in path) for path in header["sections"]]
        blocks: list[Block] = []
        last = 0
        for kind, start, end, page, section, level in header["blocks"]:
            if kind not in _BLOCK_KINDS or not last <= start < end <= len(text):
                raise BrokenFrame("a block outside the text")
            blocks.append(Block(kind, start, end, page, sections[section], level))
            last = end
        if header["kind"] not in _DOCUMENT_KINDS:
            raise BrokenFrame("an unknown kind of document")
        return ParsedDocument(
            text=text,
            blocks=tuple(blocks),
            title=str(header["title"]),
            kind=header["kind"],
            parser=str(header["parser"]),
            pages=None if header["pages"] is None else int(header["pages"]),
            metadata={str(key): str(value) for key, value in header["metadata"].items()},
            warnings=tuple(map(str, header["warnings"])),
            members=tuple(_member(*one) for one in header.get("members", ())),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BrokenFrame(f"a header that cannot be read: {error!r}") from error


def _member(name: object, size: object, skipped: object) -> Member:
    if harmless(str(name))[0] != name:
        raise BrokenFrame("a member with a harmful name")
    return Member(str(name), int(str(size)), str(skipped))


def error_header(error: ParseError, *, retire: bool = False) -> dict[str, Any]:
    """`retire`: the worker ends after this answer, because its memory is not what it was."""
    return {
        "error": {"title": error.title, "message": error.message, "hint": error.hint, "stage": error.stage},
        "retire": retire,
    }


def error_from(header: dict[str, Any]) -> ParseError | None:
    """The error in an answer, None when it holds a document."""
    fields = header.get("error")
    if not isinstance(fields, dict):
        return None
    return ParseError(
        *(str(fields.get(key, "")) for key in ("title", "message", "hint")), stage=str(fields.get("stage", "parse"))
    )
