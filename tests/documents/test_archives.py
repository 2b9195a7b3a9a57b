"""Archives: read by their bytes, unpacked under limits, harmful entries refused by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from support.containers import put, tar_of, zip_of

from ragterm.engine.documents import unpacking
from ragterm.engine.documents.member_names import LEADS_OUT
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.places import MAX_DEPTH, Places, Staging
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError
from ragterm.engine.types.members import member_path

FILES = {"a/one.md": "# One\n\nApples.", "two.txt": "Pears. " * 5000}


class Opened:
    """An archive that was parsed into a staging folder, and what lies there."""

    def __init__(self, tmp_path: Path, name: str, content: bytes, max_file_mb: int = 200) -> None:
        self.path = put(tmp_path / name, content)
        self.places = Places(tmp_path / f"{name} unpacked")
        self.parsed: ParsedDocument = parse_file(
            self.path, Staging(str(self.path), str(self.places.folder_of(str(self.path))), max_file_mb)
        )

    def reasons(self) -> dict[str, str]:
        return {one.name: one.skipped for one in self.parsed.members}

    def contents(self) -> dict[str, bytes]:
        """What was unpacked; nothing else lies in the folder."""
        taken = {one.name: self.places.file_of(member_path(str(self.path), one.name)) for one in self.parsed.members}
        there = {name: file.read_bytes() for name, file in taken.items() if file.exists()}
        assert set(there) == {one.name for one in self.parsed.members if not one.skipped}
        assert len(list(self.places.unpacked.rglob("*"))) == len(there) + 1
        return there


@pytest.mark.parametrize(
    ("name", "content", "parser"),
    [
        ("a.zip", zip_of(FILES), "zip"),
        ("a.tar", tar_of(FILES), "tar"),
        ("a.tar.gz", tar_of(FILES, "w:gz"), "tar, gzip"),
        ("a.tgz", tar_of(FILES, "w:gz"), "tar, gzip"),
        ("a.tar.bz2", tar_of(FILES, "w:bz2"), "tar, bzip2"),
        ("a.tar.xz", tar_of(FILES, "w:xz"), "tar, xz"),
        ("wrong.zip", tar_of(FILES, "w:xz"), "tar, xz"),
        ("wrong.tar", zip_of(FILES), "zip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_kind_gives_its_files(tmp_path: Path, name: str, content: bytes, parser: str, check_invariants) -> None:
    opened = Opened(tmp_path, name, content)
    assert opened.contents() == {key: value.encode() for key, value in FILES.items()}
    assert (opened.parsed.kind, opened.parsed.parser, opened.parsed.warnings) == ("archive", parser, ())
    assert [(one.name, one.size) for one in opened.parsed.members] == [("a/one.md", 14), ("two.txt", 35_000)]
    check_invariants(opened.parsed)


@pytest.mark.parametrize(
    ("name", "pack"), [("n.md.gz", gzip.compress), ("n.md.bz2", bz2.compress), ("n.md.xz", lzma.compress)]
)
def test_one_compressed_file(tmp_path: Path, name: str, pack) -> None:
    assert Opened(tmp_path, name, pack(b"# N\n\nPlums.")).contents() == {"n.md": b"# N\n\nPlums."}


def test_hidden_files_tools_and_unsupported_kinds_are_left_out_as_in_a_folder(tmp_path: Path) -> None:
    files = {"a.md": "x", ".git/config": "x", "s/.DS_Store": "x", "node_modules/p/readme.md": "x", "__MACOSX/a.md": "x",
             "film.mp4": "x", "mail.msg": "x", "noending": "x", "dump.yaml": "1" * 300_000}  # fmt: skip
    opened = Opened(tmp_path, "a.zip", zip_of(files))
    assert opened.contents() == {"a.md": b"x"}
    assert opened.reasons() == {
        "a.md": "",
        "film.mp4": "unsupported kind of file (.mp4)",
        "mail.msg": "unsupported kind of file (.msg): save it as .eml",
        "noending": "unsupported kind of file (no ending)",
        "dump.yaml": "data file of 293 KB, over the limit of 256 KB for data",
    }
    assert opened.parsed.warnings == (
        "2 files left out: hidden",
        "folders of tools and caches left out: __MACOSX (1 file), node_modules (1 file)",
    )


def test_names_that_lead_out_are_refused_and_odd_ones_renamed(tmp_path: Path) -> None:
    names = ["../../evil.md", "a/../../up.md", "/abs.md", "C:\\win\\x.md", "nul\x01.md", "..\\back.md"]
    for name, content in (("a.zip", zip_of(dict.fromkeys(names, "x"))), ("a.tar", tar_of(dict.fromkeys(names, "x")))):
        opened = Opened(tmp_path / name, name, content)
        assert opened.reasons() == {
            "evil.md": LEADS_OUT,
            "a/up.md": LEADS_OUT,
            "abs.md": "",
            "win/x.md": "",
            "nul\ufffd.md": "",
            "back.md": LEADS_OUT,
        }
        assert set(opened.contents()) == {"abs.md", "win/x.md", "nul\ufffd.md"}
        assert any("3 files renamed" in warning for warning in opened.parsed.warnings)
        assert {path.name for path in (tmp_path / name).iterdir()} == {name, f"{name} unpacked"}


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    extra = []
    for name, kind, target in (
        ("sym.md", tarfile.SYMTYPE, "/etc/passwd"),
        ("hard.md", tarfile.LNKTYPE, "a.md"),
        ("pipe.md", tarfile.FIFOTYPE, ""),
        ("disk.md", tarfile.BLKTYPE, ""),
    ):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        extra.append(info)
    opened = Opened(tmp_path, "a.tar", tar_of({"a.md": "x"}, extra=extra))
    assert opened.contents() == {"a.md": b"x"}
    assert opened.reasons() == {
        "a.md": "",
        "sym.md": "a link; not followed",
        "hard.md": "a link; not followed",
        "pipe.md": "not a regular file",
        "disk.md": "not a regular file",
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        link = zipfile.ZipInfo("link.md")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert Opened(tmp_path, "b.zip", target.getvalue()).reasons() == {"link.md": "a link; not followed"}


def test_two_files_of_one_name(tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for text in (b"first", b"second"):
            info = tarfile.TarInfo("x/a.md")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    assert Opened(tmp_path, "a.tar", target.getvalue()).contents() == {"x/a.md": b"first", "x/a (2).md": b"second"}


def test_names_without_the_utf8_flag(tmp_path: Path) -> None:
    name = "grün.md"
    content = zip_of({"gr" + "X" * len("ü".encode()) + "n.md": "x"}).replace(b"grXXn.md", name.encode())
    assert set(Opened(tmp_path, "a.zip", content).contents()) == {name}


# Bombs


def zip_of_zeros(megabytes: int, name: str = "zeros.txt") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open(name, "w") as out:
        for _ in range(megabytes):
            out.write(bytes(1024 * 1024))
    return target.getvalue()


def repeated_deflate(megabytes: int) -> bytes:
    """A raw deflate stream of zeros, made once and repeated: quick to build however large it unpacks."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * megabytes + packer.flush()


def gzip_of_zeros(megabytes: int) -> bytes:
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + repeated_deflate(megabytes) + struct.pack("<II", 0, megabytes << 20)


def zip_that_lies(megabytes: int) -> bytes:
    """One entry that declares a few bytes and unpacks to many."""
    body = repeated_deflate(megabytes)
    name = b"small.txt"
    fields = (20, 0, 8, 0, 0, zlib.crc32(b""), len(body), 5)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *fields, len(name), 0) + name
    central = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, *fields, len(name), 0, 0, 0, 0, 0, 0) + name
    at = len(local) + len(body)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), at, 0)
    return local + body + central + end


def test_a_gigabyte_in_a_megabyte_is_refused(tmp_path: Path) -> None:
    body = repeated_deflate(1024)
    name = b"zeros.txt"
    fields = (20, 0, 8, 0, 0, 0, len(body), 1 << 30)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *fields, len(name), 0) + name
    central = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, *fields, len(name), 0, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local) + len(body), 0)
    content = local + body + central + end
    assert len(content) < 1.5e6
    with pytest.raises(ParseError, match=r"1024 MB or more, .* the limit is 200 times") as caught:
        Opened(tmp_path, "bomb.zip", content)
    assert "unpack it yourself" in caught.value.hint


@pytest.mark.parametrize("name", ["bomb.txt.gz", "bomb.tar.gz"])
def test_a_stream_that_does_not_say_how_long_it_is(tmp_path: Path, name: str, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "RATIO_FREE", 8 << 20)
    monkeypatch.setattr("ragterm.engine.documents.archives.RATIO_FREE", 8 << 20)
    if name.endswith(".tar.gz"):
        info = tarfile.TarInfo("zeros.md")
        info.size = 32 << 20
        content = gzip.compress(info.tobuf() + bytes(info.size))
    else:
        content = gzip_of_zeros(32)
    with pytest.raises(ParseError, match="the limit is 200 times"):
        Opened(tmp_path, name, content)
    assert not [path for path in (tmp_path / f"{name} unpacked").rglob("*") if path.is_file()]


def test_what_an_entry_declares_is_not_believed(tmp_path: Path) -> None:
    opened = Opened(tmp_path, "a.zip", zip_that_lies(64))
    assert opened.reasons()["small.txt"].startswith("damaged") and opened.contents() == {}


def test_the_limit_on_one_member(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 8192
    files = {"big.txt": noise, "ok.txt": "x"}
    declared = Opened(tmp_path, "a.zip", zip_of(files), max_file_mb=1)
    assert declared.reasons() == {"big.txt": "2 MB, over the limit of 1 MB (ingest.max_file_mb)", "ok.txt": ""}
    counted = Opened(tmp_path, "big.txt.gz", gzip.compress(noise), max_file_mb=1)
    assert counted.reasons() == {"big.txt": "more than 1 MB, the limit (ingest.max_file_mb)"} and not counted.contents()


def test_the_limit_on_the_sum(tmp_path: Path) -> None:
    files = {f"{n}.txt": bytes(range(256)) * 4096 for n in range(7)}
    reasons = Opened(tmp_path, "a.zip", zip_of(files), max_file_mb=1).reasons()
    assert [bool(reasons[f"{n}.txt"]) for n in range(7)] == [False] * 5 + [True] * 2
    assert "5 MB (5 times ingest.max_file_mb)" in reasons["6.txt"]


def test_the_limit_on_the_number(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "MEMBERS_LIMIT", 5)
    opened = Opened(tmp_path, "a.zip", zip_of({f"{n}.md": "x" for n in range(8)}))
    assert len(opened.contents()) == 5
    assert "3 more files left out: over the limit of 5 files in a container" in opened.parsed.warnings


def test_the_limit_on_the_depth(tmp_path: Path) -> None:
    deep = Path("/d/" + "".join(f"{n}.zip!/" for n in range(1, MAX_DEPTH)) + "deep.zip")
    inner = put(tmp_path / "inner", zip_of({"more.zip": b"x", "x.md": "x"}))
    parsed = parse_file(deep, Staging(str(inner)))
    assert {one.name: one.skipped for one in parsed.members} == {
        "more.zip": f"containers within containers are opened {MAX_DEPTH} deep; unpack it",
        "x.md": "",
    }
    above = Path("/d/" + "".join(f"{n}.zip!/" for n in range(2, MAX_DEPTH)) + "deep.zip")
    assert [one.skipped for one in parse_file(above, Staging(str(inner))).members] == ["", ""]


# Damaged, encrypted, empty, foreign


def test_a_zip_that_breaks_off_gives_what_is_there(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(40_000)
    whole = zip_of({"one.md": "# One\n\nApples. " * 50, "two.txt": noise, "three.md": "x"})
    opened = Opened(tmp_path, "a.zip", whole[: len(whole) - 20_000])
    assert opened.contents() == {"one.md": b"# One\n\nApples. " * 50}
    assert opened.reasons()["two.txt"].startswith("damaged")
    assert any("the archive is damaged" in warning for warning in opened.parsed.warnings)


def test_what_is_packed_inside_a_broken_zip_is_not_taken_for_its_own(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("inner.zip", zip_of({"deep.md": "x"}))
        archive.writestr("one.md", "x")
    opened = Opened(tmp_path, "a.zip", target.getvalue()[:-40])
    assert set(opened.contents()) == {"inner.zip", "one.md"}


def test_a_zip_written_as_a_stream_that_breaks_off(tmp_path: Path) -> None:
    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, piece) -> int:
            self.data += piece
            return len(piece)

    target = Unseekable()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("one.md", "# One\n\nApples. " * 5000)
        archive.writestr("two.md", "# Two")
    cut = bytes(target.data).rindex(b"PK\x01\x02", 0, -80)
    assert Opened(tmp_path, "a.zip", bytes(target.data[:cut])).contents() == {
        "one.md": b"# One\n\nApples. " * 5000,
        "two.md": b"# Two",
    }


def test_one_damaged_member_costs_itself(tmp_path: Path) -> None:
    whole = bytearray(zip_of({"one.md": "Apples and pears. " * 100, "two.md": "Plums."}))
    whole[45] ^= 0xFF
    opened = Opened(tmp_path, "a.zip", bytes(whole))
    assert opened.contents() == {"two.md": b"Plums."} and opened.reasons()["one.md"].startswith("damaged")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_that_breaks_off(tmp_path: Path, mode: str) -> None:
    noise = random.Random(1).randbytes(60_000)
    whole = tar_of({"one.md": "Apples.", "two.txt": noise, "three.md": "x"}, mode)
    opened = Opened(tmp_path, "a.tar", whole[: len(whole) // 2])
    assert opened.contents()["one.md"] == b"Apples." and "three.md" not in opened.reasons()
    assert opened.parsed.warnings


def encrypted(content: bytes) -> bytes:
    """The same ZIP with every entry flagged as encrypted."""
    data = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 4)
    return bytes(data)


def test_an_encrypted_archive_says_so(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match=r"encrypted.*2 files") as caught:
        Opened(tmp_path, "a.zip", encrypted(zip_of({"one.md": "x", "two.md": "y"})))
    assert "password" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.zip", zip_of({}), "no file in it"),
        ("a.zip", zip_of({".hidden": "x"}), "hidden"),
        ("a.zip", b"Rar!\x1a\x07\x01\x00 and so on", "RAR archive"),
        ("a.zip", b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
        ("a.gz", b"plain text", "Not an archive"),
        ("a.tar", b"plain text" * 100, "damaged"),
        ("a.tar.gz", b"\x1f\x8b\x08 no more", "damaged"),
        ("a.zip", b"PK\x03\x04 no more", "damaged"),
        ("a.zip", b"", "Empty file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    with pytest.raises(ParseError) as caught:
        Opened(tmp_path, name, content)
    assert says in str(caught.value) and caught.value.hint
