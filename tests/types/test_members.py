"""Paths into containers: what they name, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragterm.engine.documents.member_names import LEADS_OUT, harmless, numbered
from ragterm.engine.types.members import (
    below,
    child_of,
    containers_of,
    document_name,
    is_member,
    member_path,
    outermost,
)


def test_the_parts_of_a_path() -> None:
    path = "/d/a.zip!/x/b.TAR!/c.txt"
    assert containers_of(path) == ["/d/a.zip", "/d/a.zip!/x/b.TAR"] and outermost(path) == "/d/a.zip"
    assert child_of("/d/a.zip", path) == "/d/a.zip!/x/b.TAR" and child_of("/d/a.zip!/x/b.TAR", path) == path
    assert below("/d/a.zip", path) and not below("/d/a", path) and not below(path, path)
    assert document_name(path) == "c.txt in b.TAR in a.zip"
    assert document_name("/d/mail.eml!/report.pdf") == "report.pdf in mail.eml"


@pytest.mark.parametrize(
    "path", ["/d/Important!/a.txt", "/d/a.zip", "/d/a.zip/b.txt", "/d/a.zipped!/b", "/d/mail.eml!"]
)
def test_what_is_no_member(path: str) -> None:
    assert not is_member(path) and outermost(path) == path and containers_of(path) == []
    assert document_name(path) == path.rpartition("/")[2]


@pytest.mark.parametrize(
    ("name", "kept", "refused"),
    [
        ("a/b.txt", "a/b.txt", False), ("./a.txt", "a.txt", False), ("/etc/passwd.txt", "etc/passwd.txt", False),
        ("../../etc/x.txt", "etc/x.txt", True), ("a/../../x.txt", "a/x.txt", True), ("..\\..\\x.txt", "x.txt", True),
        ("C:\\Users\\x.txt", "Users/x.txt", False), ("C:/D:/x.txt", "x.txt", False), ("\\\\?\\C:\\x.txt", "x.txt", False),
        ("a\x00.txt", "a\ufffd.txt", False), ("\x1b[2Ja.txt", "\ufffd[2Ja.txt", False), ("a\u202etxt.exe", "a\ufffdtxt.exe", False),
        ("b.zip!/c.txt", "b.zip\ufffd/c.txt", False), ("", "unnamed", False), ("a\nb.txt", "a b.txt", False),
        ("..", "unnamed", True), ("a..b/c...txt", "a..b/c...txt", False),
    ],
)  # fmt: skip
def test_names_made_harmless(name: str, kept: str, refused: bool) -> None:
    assert harmless(name) == (kept, LEADS_OUT if refused else "")


@given(st.text(alphabet=st.sampled_from("ab./\\:!?C\x00\x1b\n\u202e") | st.characters(codec="utf-8"), max_size=60))
def test_a_harmless_name_stays_inside(name: str) -> None:
    kept, _ = harmless(name)
    parts = kept.split("/")
    assert kept and not kept.startswith("/") and "\\" not in kept and "\x00" not in kept
    assert not {"", ".", ".."} & set(parts)
    assert harmless(kept)[0] == kept
    assert containers_of(member_path("/d/a.zip", kept)) == ["/d/a.zip"]


def test_second_files_of_a_name() -> None:
    assert numbered("x/report.pdf", 2) == "x/report (2).pdf" and numbered("Makefile", 3) == "Makefile (3)"


def test_a_very_long_name_is_refused_and_shortened() -> None:
    kept, refused = harmless("a/" * 3000 + "x.txt")
    assert len(kept) <= 1000 and "longer" in refused and harmless(kept)[0] == kept
