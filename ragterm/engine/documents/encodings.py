"""Bytes to text: detected, not assumed.

In order: a byte order mark; strict UTF-8; UTF-16 and UTF-32 without a mark, by what their decoding looks like; then statistics
(chardet: 48 of the 50 labelled files of the test data decode to the right characters, charset-normalizer 43; what it
confuses in the other two is told apart here). A file that is mostly UTF-8 with broken places stays UTF-8: one bad byte must
not turn every accent of a document into two letters.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections import Counter
from pathlib import Path

from ragterm.engine.documents.clean import canonical
from ragterm.engine.types.errors import ParseError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEVEN_BIT = re.compile(rb"\x1b\$[@AB)(*+]|\x1b\([BJI]|~\{[\x21-\x7e]{2}")
"""ISO-2022-JP/KR/CN and HZ switch alphabets in 7-bit text: valid ASCII, and nonsense when read as such."""
_SAMPLE = 65_536
_WESTERN = "àáâäåæçèéêëíîïñòóôöøùúûüßœÀÁÂÄÅÆÇÈÉÊËÍÎÏÑÓÔÖØÙÚÛÜŒ“”„‘’–—…€•°§«»¡¿£™®©·\xa0".encode("cp1252")
_SINGLE_BYTE = re.compile(r"cp\d{3,4}|iso8859-\d+|mac-.*|koi8-.*|hp-roman8|cp437|tis-620|kz1048|ptcp154")
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0C, 0x0D, 0x1B})
_MAGIC = (
    b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x7fELF", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"\xd0\xcf\x11\xe0",
    b"Rar!", b"\xca\xfe\xba\xbe", b"SQLite format 3\x00", b"\xfd7zXZ", b"(\xb5/\xfd", b"OggS", b"ID3",
)  # fmt: skip


def is_binary(data: bytes) -> bool:
    """Whether `data` is no text in any encoding: a known signature, or control characters that no decoding explains."""
    if data.startswith(_MAGIC):
        return True
    if data.startswith(tuple(mark for mark, _ in _MARKS)):
        return False
    sample = data[:_SAMPLE]
    if not sample or _SEVEN_BIT.search(sample):
        return False
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls <= len(sample) // 100:
        return False
    return _wide(sample) is None


def decoded_text(data: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """The canonical text of a file that is text, and what was noticed about its encoding. Raises ParseError: binary, or empty."""
    if is_binary(data):
        raise ParseError(
            "Not a text file",
            f"{path.name} holds binary data in spite of its name",
            "give the file the ending that it should have",
        )
    decoded, _, warnings = decode(data)
    text = canonical(decoded)
    if not text.strip():
        raise ParseError("No text", "the file holds nothing but white space", "nothing to do, or restore the file")
    return text, tuple(warnings)


def decode(data: bytes) -> tuple[str, str, list[str]]:
    """Text, the name of its encoding (Python's), and what the reader should know about the guess.

    Nothing is raised: bytes that no encoding explains become U+FFFD and are counted in a warning. Line ends and control
    characters are left as they are (`clean.canonical` comes next)."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _lenient(data[len(mark) :], name)
    if not _SEVEN_BIT.search(data[:_SAMPLE]):
        if b"\x00" not in data[:_SAMPLE]:
            try:
                return data.decode("utf-8"), "utf-8", []
            except UnicodeDecodeError:
                pass
        elif wide := _wide(data[:_SAMPLE]):
            return _lenient(data, wide)
        almost = data.decode("utf-8", "replace")
        broken = almost.count("\ufffd")
        beyond_ascii = sum(c > "\x7f" for c in almost) - broken
        if broken * 10 <= beyond_ascii or not broken:
            return almost, "utf-8", [_broken(broken, "utf-8")] if broken else []
    return _guess(data)


def _guess(data: bytes) -> tuple[str, str, list[str]]:
    import chardet

    found = chardet.detect(data[: 4 * _SAMPLE])
    name = str(found.get("encoding") or "")
    try:
        name = codecs.lookup(name).name if name else "cp1252"
    except LookupError:
        name = "cp1252"
    if name in {
        "ascii",
        "iso8859-1",
    }:  # Browsers read Latin-1 as Windows-1252: the same letters, and quotes where Latin-1 has C1
        name = "cp1252"
    if _SINGLE_BYTE.fullmatch(name) and _is_western(data):
        name = "cp1252"
    if name == "cp1252" and _is_macintosh(data):
        name = "mac_roman"
    if name == "cp932" and _decodes(data, "shift_jis"):
        name = "shift_jis"  # without Microsoft's additions the standard's own characters are meant: − and not －
    text, name, warnings = _lenient(data, name)
    if warnings and name != "cp1252" and text.count("\ufffd") * 50 > len(text):
        text, name, warnings = _lenient(data, "cp1252")
    if float(found.get("confidence") or 0.0) < 0.5:
        warnings.append(f"the encoding is a guess: read as {name}")
    return text, name, warnings


def _is_western(data: bytes) -> bool:
    """Whether the few bytes beyond ASCII are all everyday Western letters and typographic marks: too few for statistics, which then
    like rare code pages."""
    beyond = bytes(byte for byte in data[: 4 * _SAMPLE] if byte > 0x7F)
    return bool(beyond) and len(beyond) < 20 and not beyond.translate(None, _WESTERN)


def _is_macintosh(data: bytes) -> bool:
    """Whether what Windows reads as a capital within a word (Õ in `DonÕt`) is everyday text as the old Macintosh reads it."""
    around = {data[at - 1 : at + 2] for at in _beyond_ascii(data)}
    windows = [piece for piece in around if _has_inner_capital(piece.decode("cp1252", "replace"))]
    macintosh = [piece for piece in around if _has_inner_capital(piece.decode("mac_roman"))]
    return bool(windows) and 2 * len(windows) >= len(around) and not macintosh


def _beyond_ascii(data: bytes) -> list[int]:
    return [found.start() for found in itertools.islice(re.finditer(rb"[\x80-\xff]", data), 1000)]


def _has_inner_capital(piece: str) -> bool:
    return len(piece) == 3 and piece[0].islower() and piece[1].isupper() and piece[2].islower()


def _decodes(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _lenient(data: bytes, name: str) -> tuple[str, str, list[str]]:
    try:
        return data.decode(name), name, []
    except (UnicodeDecodeError, ValueError):
        text = data.decode(name, "replace")
        return text, name, [_broken(max(1, text.count("\ufffd")), name)]


def _broken(count: int, name: str) -> str:
    return f"{count} {'place' if count == 1 else 'places'} could not be read as {name}"


def _wide(sample: bytes) -> str | None:
    """UTF-32 or UTF-16 without a mark: the one whose decoding is letters, spaces and line ends."""
    best, name = 0.0, None
    for candidate, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        try:
            text = sample[: len(sample) // width * width].decode(candidate)
        except UnicodeDecodeError as error:
            if error.end < len(sample) - 4:
                continue
            text = sample[: error.start].decode(candidate)
        if not text or "\x00" in text:
            continue
        score = _likeness(text)
        if score > best:
            best, name = score, candidate
    return name if best > 0.5 else None


def _likeness(text: str) -> float:
    """How much `text` looks like writing, 0 to 1: ASCII, letters that keep to two blocks of 256, or East Asian ones. The wrong
    byte order scatters an alphabet over the whole plane."""
    blocks = Counter(ord(c) >> 8 for c in text if c > "~")
    alphabet = {block for block, _ in blocks.most_common(2)}
    score = 0.0
    for c in text:
        if " " <= c <= "~" or c in "\n\r\t":
            score += 1.0
        elif c > "~" and ord(c) >> 8 in alphabet and ord(c) < 0x3000:
            score += 0.9
        elif "\u3000" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7a3":
            score += 0.6
    return score / len(text)
