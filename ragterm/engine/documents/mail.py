"""E-mail (RFC 5322, MIME: RFC 2045 to 2049): what was written, by whom and when, and what was attached.

Python's `email` package reads it. Real mail breaks every rule of these standards (unknown charsets, raw 8-bit headers, boundaries
that never come, whole messages in UTF-16), so each step has a fallback and what was noticed is a warning. The text begins with a
block of the headers that people ask for ("what did Anna write in May"); then the body: plain text where there is any worth it,
else HTML through the same walk as web pages. Attachments are members, documents of their own; a forwarded message is one too.
"""

from __future__ import annotations

import contextlib
import email.errors
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ragterm.engine.documents.builder import DocumentBuilder, one_line
from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.encodings import decode
from ragterm.engine.documents.mail_body import add_html, add_text
from ragterm.engine.documents.unpacking import Unpacking
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.documents.places import Staging
    from ragterm.engine.types.documents import ParsedDocument

    _Message = Message[str, str]

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_PARTS_LIMIT = 20_000
_MANY_NAMES = 1_000
_HEADER = re.compile(rb"^(?:From |[!-9;-~]+[ \t]*:)")
_STUB_FACTOR = 10
"""Plain text with less than a tenth of the HTML's words is a notice ("your program cannot show this"), not the message."""
_ALIASES = {
    "iso-8859-1": "cp1252", "latin-1": "cp1252", "us-ascii": "utf-8", "ascii": "utf-8", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "ks_c_5601-1987": "cp949", "unicode-1-1-utf-7": "utf-7",
}  # fmt: skip
_BROKEN = {
    email.errors.NoBoundaryInMultipartDefect: "its parts have no boundary",
    email.errors.StartBoundaryNotFoundDefect: "its parts were not found",
    email.errors.CloseBoundaryNotFoundDefect: "it breaks off",
    email.errors.MultipartInvariantViolationDefect: "its parts were not found",
    email.errors.InvalidBase64CharactersDefect: "an attachment is damaged",
    email.errors.InvalidBase64LengthDefect: "an attachment is damaged",
}


def parse_email(data: bytes, path: Path, staging: Staging | None) -> ParsedDocument:
    """Raises ParseError for what is no e-mail, or holds neither text nor attachments."""
    data = _as_ascii(data)
    if not _HEADER.match(data):
        reason = "it holds nothing but white space" if not data.strip() else "it does not begin with headers"
        raise ParseError("Not an e-mail", reason, "save the message again, as .eml, from the mail program")
    message = cast("_Message", message_from_bytes(data, policy=policy.default))
    unpacking = Unpacking(path, staging, len(data))
    bodies = _Bodies()
    _sort(message, bodies, unpacking)
    members, warnings = unpacking.finish()
    headers = {name: text for name in _SHOWN if (text := _header(message, name))}
    names = [one.name for one in members]
    if not headers and not bodies and not names:
        raise ParseError("No text", "the message has neither headers nor a text", "save it again from the mail program")
    builder = DocumentBuilder()
    _head(builder, headers, names)
    bodies.write(builder)
    builder.warnings += [*bodies.warnings, *warnings, *_defects(message)]
    if not bodies and not names and not bodies.warnings:
        builder.warnings.append("the message has no text")
    metadata = {name.lower(): text[:1000] for name, text in headers.items()}
    if date := _iso(headers.get("Date", "")):
        metadata["date"] = date
    title = headers.get("Subject", "") or path.stem
    return replace(builder.finish(title=title, kind="email", parser="email", metadata=metadata), members=members)


def _as_ascii(data: bytes) -> bytes:
    """The message as its program sent it: without a byte order mark, not in UTF-16, not behind blank lines."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:2]:
        text, _, _ = decode(data)
        data = text.encode()
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t")


def _head(builder: DocumentBuilder, headers: dict[str, str], names: list[str]) -> None:
    lines = [f"{name}: {text[:2000]}" for name, text in headers.items()]
    if names:
        more = f" and {len(names) - _MANY_NAMES:,} more" if len(names) > _MANY_NAMES else ""
        lines.append(f"Attachments: {', '.join(names[:_MANY_NAMES])}{more}")
    builder.add("metadata", "\n".join(lines))


# Headers


def _header(message: _Message, name: str) -> str:
    """A header, decoded (RFC 2047), on one line; "" when there is none."""
    try:
        text = str(message.get(name, ""))
    except Exception:  # noqa: BLE001 - the standard library's parser of addresses and dates fails on some that real programs write
        raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
        text = str(raw)
    if "=?" in text:
        text = _decoded_words(text)
    if any("\udc80" <= c <= "\udcff" for c in text):  # bytes beyond ASCII without any encoding named
        text, _, _ = decode(_raw(text))
    return one_line(text, 4000)


def _decoded_words(text: str) -> str:
    """`=?utf-8?q?caf=C3=A9?=` as text (RFC 2047); as it stands where that cannot be."""
    with contextlib.suppress(LookupError, ValueError, email.errors.HeaderParseError):
        return str(make_header(decode_header(text)))
    return text


def _raw(text: str) -> bytes:
    return b"".join(c.encode("utf-8", "surrogateescape") for c in text)


def _iso(date: str) -> str:
    """The date in ISO 8601, or "" when nobody can read it."""
    from datetime import datetime

    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read(date.strip()).isoformat()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return ""


def _defects(message: _Message) -> Iterator[str]:
    for part in _walk(message):
        for defect in part.defects:
            if said := _BROKEN.get(type(defect)):
                yield f"the message is damaged: {said}"


def _walk(message: _Message) -> Iterator[_Message]:
    waiting = [message]
    for _ in range(_PARTS_LIMIT):
        if not waiting:
            return
        part = waiting.pop()
        yield part
        if part.is_multipart():
            waiting.extend(reversed(cast("list[_Message]", part.get_payload())))


# Parts


class _Bodies:
    """What the message says itself, in order: (text, is it HTML, how its lines are flowed)."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._texts: list[tuple[str, bool, str]] = []

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, part: _Message) -> None:
        text, warnings = _text(part)
        if text.strip():
            self._texts.append((text, part.get_content_subtype() == "html", str(part.get_param("format", "")).lower()))
            self.warnings += warnings

    def add_best(self, plain: _Message | None, html: _Message | None) -> None:
        """One of two versions of the same (multipart/alternative, RFC 2046, section 5.1.4)."""
        if plain is not None and html is not None:
            words, more = (len(re.sub(r"<[^>]*>", " ", _text(part)[0]).split()) for part in (plain, html))
            plain = None if not words or (more > 50 and words * _STUB_FACTOR < more) else plain
        best = plain if plain is not None else html
        if best is not None:
            self.add(best)

    def write(self, builder: DocumentBuilder) -> None:
        for text, is_html, flowed in self._texts:
            if is_html:
                add_html(builder, text)
            else:
                add_text(builder, canonical(text), flowed=flowed == "flowed")


def _sort(message: _Message, bodies: _Bodies, unpacking: Unpacking) -> None:
    """Bodies to `bodies`, everything else to `unpacking`."""
    waiting = [message]
    for _ in range(_PARTS_LIMIT):
        if not waiting:
            return
        part = waiting.pop()
        kind = part.get_content_type()
        parts = cast("list[_Message]", part.get_payload()) if part.is_multipart() else []
        if kind == "multipart/alternative" and not _is_attached(part):
            below = [one for one in parts if not one.is_multipart() and not _is_attached(one)]
            plain = next((one for one in below if one.get_content_type() == "text/plain"), None)
            html = next((one for one in below if one.get_content_type() == "text/html"), None)
            # HTML with its pictures is a multipart/related of its own: its text is looked for there.
            related = next((one for one in parts if one.get_content_type() == "multipart/related"), None)
            if html is None and related is not None:
                within = [one for one in _walk(related) if one.get_content_type() == "text/html"]
                html = within[0] if within else None
            bodies.add_best(plain, html)
            others = [one for one in _leaves(parts) if one is not plain and one is not html]
            waiting.extend(
                reversed([one for one in others if _is_attached(one) or one.get_content_maintype() != "text"])
            )
        elif kind == "message/rfc822" and parts:
            _add_message(parts[0], part, unpacking)
        elif kind == "multipart/encrypted" or kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            bodies.warnings.append("the message is encrypted: save it from the program that can open it")
        elif parts:
            waiting.extend(reversed(parts))
        elif part.is_multipart():
            continue
        elif kind in ("text/plain", "text/html") and not _is_attached(part):
            bodies.add(part)
        else:
            _add_part(part, unpacking)


def _leaves(parts: list[_Message]) -> Iterator[_Message]:
    for part in parts:
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            yield from (one for one in _walk(part) if not one.is_multipart())
        else:
            yield part


def _is_attached(part: _Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_file_name(part))


def _file_name(part: _Message) -> str:
    try:
        name = str(part.get_filename() or "")
    except Exception:  # noqa: BLE001 - a parameter that the standard library cannot read
        return ""
    if any("\ud800" <= c <= "\udfff" for c in name):
        name, _, _ = decode(_raw(name))
    return one_line(name).replace("/", "_").replace("\\", "_")


def _add_part(part: _Message, unpacking: Unpacking) -> None:
    kind = part.get_content_type()
    data = cast(bytes, part.get_payload(decode=True) or b"")
    name = _file_name(part)
    if not name:
        if kind in ("text/calendar", "text/x-amp-html", "application/pgp-encrypted") or not data.strip():
            return
        name = "attachment" + _ending(kind)
    unpacking.add(name, len(data), lambda: io.BytesIO(data))


def _add_message(message: _Message, part: _Message, unpacking: Unpacking) -> None:
    """A message within the message: a document of its own, called by its subject."""
    try:
        data = message.as_bytes(policy=policy.compat32.clone(max_line_length=0))
    except Exception:  # noqa: BLE001 - a header that cannot be written back as it was read
        data = message.as_string(policy=policy.compat32).encode("utf-8", "surrogateescape")
    name = _file_name(part) or (_header(message, "Subject") or "message").replace("/", "_").replace("\\", "_")[:120]
    if not name.lower().endswith(".eml"):
        name += ".eml"
    unpacking.add(name.lstrip("."), len(data), lambda: io.BytesIO(data))


def _ending(kind: str) -> str:
    import mimetypes

    return (
        {"text/plain": ".txt", "text/html": ".html", "image/jpeg": ".jpg"}.get(kind)
        or mimetypes.guess_extension(kind)
        or ""
    )


def _text(part: _Message) -> tuple[str, list[str]]:
    """A text part, decoded: by what it declares where that fits, else by detection."""
    data = cast(bytes, part.get_payload(decode=True) or b"")
    try:
        declared = (part.get_content_charset() or "").strip("'\" ").lower()
    except Exception:  # noqa: BLE001 - a charset parameter that is none
        declared = ""
    for name in ("utf-8", _ALIASES.get(declared, declared)):
        # Seven-bit encodings (ISO-2022, HZ, UTF-7) are valid UTF-8 as well: what is declared comes first there.
        if name == "utf-8" and declared.startswith(("iso-2022", "hz", "utf-7", "utf-16", "utf-32", "unicode-1-1")):
            continue
        try:
            return data.decode(name), []
        except (LookupError, ValueError):
            continue
    text, _, warnings = decode(data)
    return text, warnings
