"""The archives that office programs and e-books save in (ZIP, APPNOTE.TXT 6.3), opened within limits.

A few kilobytes of ZIP can claim to hold gigabytes. Every parser of a zipped format reads its parts through here, where four limits
hold: the size of one part, the sum of what is read, the number of parts, and how much a large part may shrink. What a part says of
its own size is believed when it is too much and never when it is little: parts are inflated piece by piece and counted. XML is
parsed without entities, without DTD and without a network.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import DocumentKind

    Element = Any  # lxml has no type information

MAX_PART = 300 * 1024 * 1024
"""Bytes that one part may have unpacked; Word's own limit for a document is 512 MB."""
MAX_TOTAL = 600 * 1024 * 1024
"""Bytes that all parts of one file may have unpacked together."""
MAX_PARTS = 20_000
MAX_RATIO = 400
"""How many times its packed size a part above RATIO_FLOOR may have. Deflate ends at 1,032; a sheet with one number in a million
cells has 16."""
RATIO_FLOOR = 16 * 1024 * 1024

_OLE = b"\xd0\xcf\x11\xe0"
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    NotImplementedError,
    OSError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class Wording:
    """How errors name a format: "DOCX", "a Word document", and who can save one ("Word or LibreOffice")."""

    name: str
    what: str
    program: str

    @property
    def save_again(self) -> str:
        return f"open it in {self.program}, let it repair the file, and save it again"


class Package:
    """The parts of one archive by name. Damaged ones are left out with a line in `warnings`.

    Raises ParseError: no archive, nothing to unpack from it, protected by a password, past a limit."""

    def __init__(self, data: bytes, wording: Wording, warnings: list[str]) -> None:
        self._data = data
        self._wording = wording
        self._warnings = warnings
        self._read: set[str] = set()
        self._total = 0
        self._entries: dict[str, tuple[int, int, int, bool]] = {}
        if data.startswith(_OLE):
            raise ole_error(data, wording)
        if data.count(b"PK\x01\x02") > MAX_PARTS:
            raise self._too_much(f"the archive has more than {MAX_PARTS:,} parts")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for entry in archive.infolist():
                    self._add(entry)
        except _DAMAGE as error:
            self._entries = _salvage(data)
            if not self._entries:
                what = (
                    "nothing can be unpacked from it" if data.startswith(b"PK") else f"the file is not {wording.what}"
                )
                raise ParseError(f"Damaged {wording.name}", f"{what} ({error})", wording.save_again) from error
            warnings.append("the file is damaged; what could be unpacked was read")

    def _add(self, entry: zipfile.ZipInfo) -> None:
        if entry.is_dir():
            return
        start = entry.header_offset
        name_length, extra_length = struct.unpack_from("<HH", self._data, start + 26)
        start += 30 + name_length + extra_length
        # More than one part of one name: the last counts, as for zipfile; `verify` sees to those behind it.
        self._entries[_clean(entry.filename)] = (
            start,
            entry.compress_size,
            entry.compress_type,
            bool(entry.flag_bits & 1),
        )
        if entry.file_size > MAX_PART:
            raise self._part_too_large(_clean(entry.filename))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def names(self) -> list[str]:
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """A part's bytes, as far as they can be unpacked; nothing where there is no such part."""
        if name not in self._entries:
            return b""
        pieces: list[bytes] = []
        self._unpack(name, pieces.append)
        return b"".join(pieces)

    def verify(self, wanted: Callable[[str], bool] = lambda _: True) -> None:
        """Unpack the wanted parts into nothing: for libraries that open the archive themselves. Raises ParseError."""
        for name in self._entries:
            if wanted(name):
                self._unpack(name, None)

    def rewritten(self, change: Callable[[str, bytes], bytes | None], wanted: Callable[[str], bool]) -> bytes:
        """The archive again, with nothing but what was unpacked within the limits: parts that are not `wanted` are empty, and
        `change(name, bytes)` may give others other bytes, or leave them out (None)."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name in self._entries:
                content = change(name, self.read(name) if wanted(name) else b"")
                if content is not None:
                    archive.writestr(name, content)
        return out.getvalue()

    def tree(self, name: str) -> Element | None:
        """A part's element tree; of a damaged one, what comes before the damage."""
        content = self.read(name)
        tree, whole = parse_xml(content)
        if tree is not None and not whole:
            self._warnings.append(f"{name} is damaged; what could be read of it was read")
        return tree

    def _unpack(self, name: str, keep: Callable[[bytes], object] | None) -> None:
        start, packed, method, encrypted = self._entries[name]
        if encrypted:
            raise ParseError(
                "Password protected",
                "the archive is encrypted",
                f"open it in {self._wording.program} and save a copy without a password",
            )
        size = 0
        first = name not in self._read
        self._read.add(name)
        try:
            for piece in _pieces(self._data, start, packed, method):
                size += len(piece)
                self._total += len(piece) if first else 0
                self._check(name, size, packed)
                if keep is not None:
                    keep(piece)
        except _DAMAGE:
            if first:
                self._warnings.append(f"a part of the file is damaged: {name}")

    def _check(self, name: str, size: int, packed: int) -> None:
        if size > MAX_PART:
            raise self._part_too_large(name)
        if size > RATIO_FLOOR and size > MAX_RATIO * packed:
            raise self._too_much(f"{name} unpacks to more than {MAX_RATIO} times its size")
        if self._total > MAX_TOTAL:
            raise self._too_much(f"its parts are larger than {MAX_TOTAL // 1024**2} MB together")

    def _part_too_large(self, name: str) -> ParseError:
        return self._too_much(f"{name} is larger than {MAX_PART // 1024**2} MB")

    def _too_much(self, limit: str) -> ParseError:
        return ParseError(
            "Unpacks to too much",
            f"{limit}: an archive bomb, or a document beyond all measure",
            "check where the file comes from, or split it",
        )


def parse_xml(content: bytes) -> tuple[Element | None, bool]:
    """The root (None: there is none) and whether the XML was whole. Entities are left alone, nothing is fetched."""
    from lxml import etree

    if not content.strip(b"\x00 \r\n\t"):
        return None, True
    options = {
        "resolve_entities": False,
        "no_network": True,
        "load_dtd": False,
        "remove_comments": True,
        "remove_pis": True,
    }
    try:
        return etree.fromstring(content, etree.XMLParser(huge_tree=False, **options)), True
    except (etree.XMLSyntaxError, ValueError):
        pass
    try:
        return etree.fromstring(content, etree.XMLParser(recover=True, **options)), False
    except (etree.XMLSyntaxError, ValueError):
        return None, False


def ole_error(data: bytes, wording: Wording) -> ParseError:
    """Why a compound file of the old Office (MS-CFB) is not read: encrypted, or of an older format."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return ParseError(
            "Password protected",
            "the file is encrypted",
            f"open it in {wording.program} and save a copy without a password",
        )
    for stream, title, what, hint in (
        ("WordDocument", "Old Word format", "a .doc file", "open it in Word or LibreOffice and save it as .docx"),
        ("PowerPoint Document", "Old PowerPoint format", "a .ppt file", "open it in PowerPoint or LibreOffice and save it as .pptx"),
        ("Workbook", "Old Excel format", "a .xls file", "give it the ending .xls"),
        ("__properties_version1.0", "Outlook message", "a .msg file", "open it in Outlook or Thunderbird and save it as .eml"),
    ):  # fmt: skip
        if stream.encode("utf-16-le") in data:
            return ParseError(title, f"this is {what} under another name", hint)
    if wording.name == "DOCX":
        return ParseError(
            "Old Word format",
            "this is a .doc file under another name",
            "open it in Word or LibreOffice and save it as .docx",
        )
    return ParseError("Old Office format", f"the file is not {wording.what}", wording.save_again)


_MIMETYPES: tuple[tuple[bytes, DocumentKind], ...] = (
    (b"application/epub+zip", "epub"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "xlsx"),
    (b"application/vnd.oasis.opendocument.", "odt"),
)
_FOLDERS: tuple[tuple[str, DocumentKind], ...] = (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx"))


def kind_of_package(data: bytes) -> DocumentKind | None:
    """What an archive is by its first part (EPUB and OpenDocument say so there) or the folders in it; None for any other."""
    declared = data[30:120]
    if declared.startswith(b"mimetype"):
        return next((kind for mimetype, kind in _MIMETYPES if mimetype in declared), None)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [_clean(name) for name in archive.namelist()]
    except _DAMAGE:
        names = list(_salvage(data))
    for folder, kind in _FOLDERS:
        if any(name.startswith(folder) for name in names):
            return kind
    if "META-INF/container.xml" in names:
        return "epub"
    return "odt" if "content.xml" in names and "META-INF/manifest.xml" in names else None


def _clean(name: str) -> str:
    return name.replace("\\", "/").lstrip("/")


def _salvage(data: bytes) -> dict[str, tuple[int, int, int, bool]]:
    """Parts of an archive whose directory is lost or wrong: found by their own headers (APPNOTE.TXT 4.3.7)."""
    found: dict[str, tuple[int, int, int, bool]] = {}
    place = data.find(b"PK\x03\x04")
    while place != -1 and place + 30 <= len(data) and len(found) < MAX_PARTS:
        flags, method, packed, name_length, extra_length = struct.unpack_from("<6xHH8xI4xHH", data, place)
        start = place + 30 + name_length + extra_length
        name = _clean(data[place + 30 : place + 30 + name_length].decode("utf-8", "replace"))
        following = data.find(b"PK\x03\x04", start)
        end = start + packed if packed else (following if following != -1 else len(data))
        end = min(end, len(data))
        if name and not name.endswith("/") and start < end:
            found.setdefault(name, (start, end - start, method, bool(flags & 1)))
        place = following
    return found


_STEP = 1 << 20


def _pieces(data: bytes, start: int, packed: int, method: int) -> Iterator[bytes]:
    """The unpacked bytes of a part, at most a megabyte at a time. Raises zlib.error after the last good ones."""
    raw = memoryview(data)[start : start + packed]
    if method == zipfile.ZIP_STORED:
        for at in range(0, len(raw), _STEP):
            yield bytes(raw[at : at + _STEP])
        return
    if method != zipfile.ZIP_DEFLATED:
        raise NotImplementedError(f"compression method {method}")
    stream = zlib.decompressobj(-15)
    for at in range(0, len(raw), 4096):
        fed: bytes | memoryview = raw[at : at + 4096]
        while fed and not stream.eof:
            yield stream.decompress(fed, _STEP)
            fed = stream.unconsumed_tail
    yield stream.flush()
    if not stream.eof:
        raise zlib.error("the data ends in the middle")
