"""ZIP, TAR (plain, gzip, bzip2, xz) and single compressed files: containers whose members are documents of their own.

Python's own readers do it (`zipfile`, `tarfile`, `gzip`, `bz2`, `lzma`); nothing is ever extracted by them: members are read as
streams, through `unpacking`. The kind of archive is taken from its bytes, not from its name. An archive's own text is a listing for
the reader of the ledger; it is not cut into chunks (`chunking.registry`), because a list of file names answers no question and would
stand before the files that do.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.sources import printable, size_text
from ragterm.engine.documents.unpacking import DAMAGED, RATIO_FREE, RATIO_LIMIT, Unpacking, bomb
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.documents.places import Staging
    from ragterm.engine.types.documents import ParsedDocument

_LISTED = 500
_LOCAL = b"PK\x03\x04"
_ENCRYPTED = "encrypted: unpack it with its password, and ingest the folder"
_COMPRESSED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))
_FOREIGN = ((b"Rar!", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"(\xb5/\xfd", "Zstandard"))


def parse_archive(data: bytes, path: Path, staging: Staging | None) -> ParsedDocument:
    """Raises ParseError for what is no archive, is encrypted as a whole, holds nothing, or is a decompression bomb."""
    unpacking = Unpacking(path, staging, len(data))
    compressed = next((name for mark, name in _COMPRESSED if data.startswith(mark)), "")
    if data.startswith((_LOCAL, b"PK\x05\x06", b"PK\x07\x08")) or (
        not compressed and not _is_tar(data[:512]) and zipfile.is_zipfile(io.BytesIO(data))
    ):
        parser = "zip"
        _unzip(data, unpacking)
    elif compressed:
        parser = _decompress(data, compressed, path, unpacking)
    elif _is_tar(data[:512]) or path.suffix.lower() == ".tar":
        parser = "tar"
        _untar(io.BytesIO(data), unpacking, len(data))
    else:
        raise _no_archive(data)
    return _document(unpacking, path, parser)


def _document(unpacking: Unpacking, path: Path, parser: str) -> ParsedDocument:
    members, warnings = unpacking.finish()
    if not members:
        reason = "; ".join(warnings) or "there is no file in it"
        raise ParseError("Nothing to read in the archive", reason, "nothing to do, or pack it again")
    if all(one.skipped == _ENCRYPTED for one in members):
        raise ParseError(
            "The archive is encrypted",
            f"all {len(members):,} files in it need a password" if len(members) > 1 else "its file needs a password",
            "unpack it with its password, and ingest the folder",
        )
    builder = DocumentBuilder()
    lines = [f"{one.name}  {size_text(one.size)}" for one in members[:_LISTED]]
    if len(members) > _LISTED:
        lines.append(f"and {len(members) - _LISTED:,} more")
    builder.add("list", "\n".join(lines))
    builder.warnings += warnings
    return replace(builder.finish(title=path.name, kind="archive", parser=parser), members=members)


def _no_archive(data: bytes) -> ParseError:
    foreign = next((name for mark, name in _FOREIGN if data.startswith(mark)), "")
    if foreign:
        return ParseError(
            "Unsupported kind of archive",
            f"it is a {foreign} archive in spite of its name",
            "unpack it and ingest the folder",
        )
    return ParseError(
        "Not an archive", "neither ZIP, TAR, gzip, bzip2 nor xz", "give the file the ending that it should have"
    )


# ZIP


def _unzip(data: bytes, unpacking: Unpacking) -> None:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        if data.startswith(_LOCAL) and min((one.header_offset for one in archive.infolist()), default=0):
            # The directory at the end is that of an archive inside this one, whose own is lost.
            raise zipfile.BadZipFile("its directory is missing")
    except (*DAMAGED, NotImplementedError, ValueError, OSError) as error:
        from ragterm.engine.documents.zip_salvage import salvage

        if not salvage(data, unpacking):
            raise ParseError(
                "The archive is damaged", str(error), "fetch it again, or repair it (zip -FF) and ingest it then"
            ) from error
        unpacking.warnings.append("the archive is damaged (its directory is missing): read as far as it goes")
        return
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        unpacking.declared(sum(entry.file_size for entry in entries))
        for entry in entries:
            unpacking.add(
                _zip_name(entry),
                entry.file_size,
                partial(_opened, archive, entry),
                _zip_refusal(entry),
            )


def _opened(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BinaryIO:
    return cast(BinaryIO, archive.open(entry))


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """Names without the UTF-8 flag are code page 437 by the specification (APPNOTE.TXT, appendix D), and UTF-8 from many programs."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _zip_refusal(entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & 0x1:
        return _ENCRYPTED
    mode = entry.external_attr >> 16
    if entry.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a link; not followed" if stat.S_ISLNK(mode) else "not a regular file"
    return ""


# TAR


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _untar(stream: BinaryIO, unpacking: Unpacking, size: int) -> None:
    try:
        with tarfile.open(fileobj=_Counted(stream, size), mode="r|") as archive:
            for entry in archive:
                if not entry.isdir():
                    unpacking.add(
                        printable(entry.name),
                        entry.size,
                        partial(_extracted, archive, entry),
                        _tar_refusal(entry),
                    )
    except (*DAMAGED, tarfile.TarError, OSError, ValueError) as error:
        if not unpacking.members:
            raise ParseError("The archive is damaged", str(error), "fetch it again, or pack it again") from error
        unpacking.warnings.append(f"the archive is damaged: read as far as it goes ({error})")


def _extracted(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> BinaryIO:
    return cast(BinaryIO, archive.extractfile(entry))


def _tar_refusal(entry: tarfile.TarInfo) -> str:
    if entry.issym() or entry.islnk():
        return "a link; not followed"
    if not entry.isreg():
        return "not a regular file"
    return "a sparse file; unpack it" if entry.issparse() else ""


class _Counted(io.RawIOBase):
    """A stream that refuses to give more than a container of `size` bytes may become."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._given = 0

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        piece = self._stream.read(count)
        self._given += len(piece)
        if self._given > RATIO_FREE and self._given > RATIO_LIMIT * self._size:
            raise bomb(self._given, self._size)
        return piece


# gzip, bzip2, xz


def _decompress(data: bytes, how: str, path: Path, unpacking: Unpacking) -> str:
    """A compressed TAR, or one compressed file, named like the archive without its last ending."""
    try:
        with _stream(data, how) as stream:
            head = stream.read(512)
    except (*DAMAGED, OSError, ValueError) as error:
        raise ParseError("The archive is damaged", str(error), "fetch it again") from error
    names = [ending.lower() for ending in path.suffixes[-2:]]
    if _is_tar(head) or names[-1:] in ([".tgz"], [".tbz"], [".tbz2"], [".txz"]) or names[:1] == [".tar"]:
        with _stream(data, how) as stream:
            _untar(cast(BinaryIO, stream), unpacking, len(data))
        return f"tar, {how}"
    unpacking.add(path.stem, 0, lambda: cast(BinaryIO, _stream(data, how)))
    return how


def _stream(data: bytes, how: str) -> IO[bytes]:
    file = io.BytesIO(data)
    if how == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    return cast(IO[bytes], bz2.BZ2File(file) if how == "bzip2" else lzma.LZMAFile(file))
