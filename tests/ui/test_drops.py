"""Dropped paths, as real terminals write them."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.ui.drops import dropped_paths, might_be_paths, missing_path, typed_paths


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("plain.pdf", "two words.pdf", "it's (1) & co [x].md", "ümläut 100%.txt", 'quo"te.txt'):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder with space").mkdir()
    return tmp_path


def test_backslash_before_spaces(place: Path) -> None:
    text = str(place / "two words.pdf").replace(" ", "\\ ") + " "
    assert dropped_paths(text) == [str(place / "two words.pdf")]


def test_single_quotes_with_an_apostrophe_inside(place: Path) -> None:
    path = str(place / "it's (1) & co [x].md")
    assert dropped_paths("'" + path.replace("'", "'\\''") + "' ") == [path]


def test_double_quotes(place: Path) -> None:
    path = str(place / "two words.pdf")
    assert dropped_paths(f'"{path}"') == [path]


def test_raw_with_spaces_quotes_and_a_newline_at_the_end(place: Path) -> None:
    for name in ("two words.pdf", "it's (1) & co [x].md", 'quo"te.txt', "folder with space"):
        assert dropped_paths(f"{place / name}\r\n") == [str(place / name)]


@pytest.mark.parametrize("start", ["file://", "file://localhost", "file:"])
def test_urls_with_percent_encoding(place: Path, start: str) -> None:
    path = str(place / "ümläut 100%.txt")
    assert dropped_paths(start + quote(path)) == [path]


def test_a_file_on_another_machine_is_not_ours(place: Path) -> None:
    assert dropped_paths("file://elsewhere" + quote(str(place / "plain.pdf"))) == []


def test_several_at_once(place: Path) -> None:
    one, two = str(place / "two words.pdf"), str(place / "it's (1) & co [x].md")
    for text in (
        f"{shlex.quote(one)} {shlex.quote(two)} ",
        f"{one}\n{two}\n",
        f"{one}\r{two}",
        f"file://{quote(one)}\r\nfile://{quote(two)}\r\n",
        f"file://{quote(one)} file://{quote(two)}",
        f"{one} {two}",
        "{} {}".format(
            *(p.replace(" ", "\\ ").replace("'", "\\'").replace("(", "\\(").replace(")", "\\)") for p in (one, two))
        ),
        f"'{one}' \"{two}\"",
    ):
        assert dropped_paths(text) == [one, two], text


def test_each_path_once_in_order(place: Path) -> None:
    one, two = str(place / "plain.pdf"), str(place / "folder with space")
    assert dropped_paths(f"{two}\n{one}\n{two}\n") == [two, one]


def test_home(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv("HOME", str(place))
    assert dropped_paths("~/two\\ words.pdf") == [str(place / "two words.pdf")]


def test_windows_paths() -> None:
    there = {r"C:\Users\Ann Lee\a.pdf", r"D:\b.pdf", r"\\server\share\c.pdf"}.__contains__
    assert dropped_paths(r'"C:\Users\Ann Lee\a.pdf"', there) == [r"C:\Users\Ann Lee\a.pdf"]
    assert dropped_paths(r"C:\Users\Ann Lee\a.pdf", there) == [r"C:\Users\Ann Lee\a.pdf"]
    assert dropped_paths(r'"C:\Users\Ann Lee\a.pdf" D:\b.pdf', there) == [r"C:\Users\Ann Lee\a.pdf", r"D:\b.pdf"]
    assert dropped_paths(r"\\server\share\c.pdf", there) == [r"\\server\share\c.pdf"]
    assert dropped_paths("file:///C:/Users/x.pdf", {"C:/Users/x.pdf"}.__contains__) == ["C:/Users/x.pdf"]


def test_those_that_exist_count(place: Path) -> None:
    assert dropped_paths(f"{place / 'plain.pdf'}\n{place / 'gone.pdf'}") == [str(place / "plain.pdf")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "/",
        "What is the refund policy?",
        "/help",
        "/nowhere/at/all.pdf",
        "~nobody",
        "read/write",
        "// a comment\nint main() {}",
        "/* a comment */",
        "'quoted words'",
        "\x00/etc",
        "/etc\x00",
        "[/foo] b",
        "/" + "x" * 300_000,
        "/" + "x" * 5_000,
    ],
)
def test_a_text_is_a_text(text: str) -> None:
    assert dropped_paths(text) == []


def test_a_path_within_a_sentence_is_a_text(place: Path) -> None:
    path = place / "plain.pdf"
    assert dropped_paths(f"please read {path}") == []
    assert dropped_paths(f"{path} is what I mean") == []
    assert dropped_paths(f"{path}\nis what I mean") == []


def test_a_relative_name_counts_only_where_paths_are_typed(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.chdir(place)
    assert dropped_paths("plain.pdf") == []
    assert typed_paths("plain.pdf") == ["plain.pdf"]
    assert typed_paths("'two words.pdf' plain.pdf") == ["two words.pdf", "plain.pdf"]
    assert typed_paths("two words.pdf") == ["two words.pdf"]
    assert typed_paths("gone.pdf") == []
    assert dropped_paths("./plain.pdf") == ["./plain.pdf"]


# Names that a file can have and a terminal can paste: anything but NUL, a slash and line breaks, not blank at its ends.
_NAMES = (
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\\\0\r\n", exclude_categories=["Cc", "Zl", "Zp"]),
        min_size=1,
        max_size=30,
    )
    .map(str.strip)
    .filter(lambda name: name.strip() and name not in (".", "..") and not name.startswith("~"))
)


@settings(deadline=None, max_examples=300)
@given(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
def test_every_name_survives_every_way_of_writing(names: list[str]) -> None:
    paths = [f"/place/{name}" for name in names]
    there = set(paths).__contains__
    for text in (
        " ".join(map(shlex.quote, paths)),
        "\n".join(paths) + "\n",
        "\r\n".join(f"file://{quote(path)}" for path in paths),
        " ".join("".join(c if c.isalnum() or c in "/._-" else "\\" + c for c in path) for path in paths) + " ",
    ):
        assert might_be_paths(text)
        assert dropped_paths(text, there) == paths, text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/no/such", "/no/such"),
        (" '/no/such file.pdf' ", "/no/such file.pdf"),
        ("./notes", "./notes"),
        ("/etc is what, exactly?", None),
        ("what is /etc", None),
        ("/", None),
        ("~", None),
        ("a\n/b", None),
    ],
)
def test_a_missing_path_is_one_word_that_begins_like_one(text: str, path: str | None) -> None:
    assert missing_path(text) == path
