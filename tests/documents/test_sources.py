"""The survey of folders: what is taken, what is not and why, in which order."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from ragterm.engine.documents.sources import DATA_LIMIT, document_id, hash_file, kind_of, survey
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, NotFoundError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.md", "markdown"), ("A.MARKDOWN", "markdown"), ("a.pdf", "pdf"), ("a.HTM", "html"), ("a.docx", "docx"), ("a.py", "code"),
        ("a.txt", "text"), ("a.rst", "rst"), ("a.log", "text"), ("a.csv", "csv"), ("a.json", "json"), ("README", "text"),
        ("LICENSE", "text"), ("LICENSE-MIT", "text"), ("README.txt", "text"), ("CHANGELOG.old", "text"),
        ("Makefile", "code"), ("Dockerfile", "code"), ("CMakeLists.txt", "code"), ("readme.doc", None), ("license.png", None),
        ("a.mp4", None), ("noending", None), ("a.doc", None), ("version.dll", None),
    ],
)  # fmt: skip
def test_kinds_by_name(name: str, kind: str | None) -> None:
    assert kind_of(Path("/somewhere") / name) == kind


def build(root: Path) -> None:
    for name, size in {
        "b.md": 3, "a.txt": 4, "sub/c.pdf": 5, "sub/deep/d.py": 6, "film.mp4": 1, "other.MP4": 1, "noending": 1, "big.txt": 2_000_000,
        "dump.yaml": DATA_LIMIT + 1, "settings.json": 10, ".hidden.md": 1, ".git/config": 1, "node_modules/x/readme.md": 1,
        "sub/__pycache__/x.py": 1, "sub/node_modules/y.md": 1,
    }.items():  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def test_every_file_is_taken_or_has_a_reason(tmp_path: Path) -> None:
    build(tmp_path)
    found = survey([tmp_path], max_file_mb=1)
    assert [os.path.relpath(path, tmp_path) for path in found.files] == [
        "a.txt",
        "b.md",
        "settings.json",
        "sub/c.pdf",
        "sub/deep/d.py",
    ]
    assert found.kinds == {"code": 1, "json": 1, "markdown": 1, "pdf": 1, "text": 1}
    assert found.unsupported == {"": 1, ".mp4": 2}
    assert found.bytes == 3 + 4 + 5 + 6 + 10
    assert {(os.path.relpath(path, tmp_path), reason) for path, reason in found.skipped} == {
        ("big.txt", "2 MB, over the limit of 1 MB (ingest.max_file_mb)"),
        ("dump.yaml", "data file of 256 KB, over the limit of 256 KB for data"),
        ("film.mp4", "unsupported kind of file (.mp4)"),
        ("other.MP4", "unsupported kind of file (.mp4)"),
        ("noending", "unsupported kind of file (no ending)"),
        (".", "2 hidden files and folders left out"),
        (".", "folders of tools and caches left out: 1 __pycache__, 2 node_modules"),
    }
    assert survey([tmp_path], max_file_mb=1) == found


def test_overlapping_paths_count_once_and_a_hidden_file_can_be_named(tmp_path: Path) -> None:
    build(tmp_path)
    found = survey([tmp_path, tmp_path / "sub", tmp_path / "b.md", tmp_path / ".hidden.md"], max_file_mb=1)
    assert len(found.files) == len(set(found.files)) == 6
    assert str(tmp_path / ".hidden.md") in found.files
    assert len(found.roots) == 4


def test_links_are_followed_without_going_round(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.md").write_text("x")
    (inner / "loop").symlink_to(tmp_path)
    (inner / "nowhere.md").symlink_to(tmp_path / "missing.md")
    found = survey([tmp_path], max_file_mb=1)
    assert [os.path.relpath(path, tmp_path) for path in found.files] == ["inner/a.md"]
    assert found.skipped == ((str(inner / "nowhere.md"), "a link that leads nowhere"),)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_special_files_and_unreadable_names_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    expected = {"not a regular file"}
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.md")).write_bytes(b"x")
        expected.add("its name is not valid text; rename it")
    except OSError:  # a file system that wants valid names
        pass
    found = survey([tmp_path], max_file_mb=1)
    assert not found.files
    assert {reason for _, reason in found.skipped} == expected
    for path, _ in found.skipped:
        path.encode()


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nope"):
        survey([tmp_path / "nope"], max_file_mb=1)


def test_a_survey_can_be_cancelled(tmp_path: Path) -> None:
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        survey([tmp_path], 1, control)


def test_identity_comes_from_the_path_and_versions_from_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"content")
    monkeypatch.chdir(tmp_path)
    assert document_id("a.md") == document_id(path) == hashlib.sha256(str(path).encode()).hexdigest()[:16]
    assert hash_file(path) == hashlib.sha256(b"content").hexdigest()
