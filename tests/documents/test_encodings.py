"""Bytes to text: marks, patterns, statistics, damage."""

from __future__ import annotations

import codecs
import random
import re
from pathlib import Path

import pytest

from ragterm.engine.documents.encodings import decode, is_binary

GERMAN = "Die Prüfung der Größe ist für Kunden über 100 € möglich – „später“ gilt nicht.\n" * 5
RUSSIAN = "Возврат товара возможен в течение четырнадцати дней после покупки.\n" * 5


@pytest.mark.parametrize(
    "name", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("text", ["Plain words, and a line.\n", GERMAN, RUSSIAN, "短い日本語の文章です。\n二行目。\n"])
def test_unicode_encodings_are_recognised_with_and_without_a_mark(name: str, text: str) -> None:
    decoded, _, warnings = decode(text.encode(name))
    assert decoded == text
    assert not warnings


@pytest.mark.parametrize(
    ("name", "text"),
    [("cp1252", GERMAN), ("cp1251", RUSSIAN), ("koi8-r", RUSSIAN), ("iso2022_jp", "日本語の文章です。\n" * 5)],
)
def test_legacy_encodings_are_recognised(name: str, text: str) -> None:
    assert decode(text.encode(name))[0] == text


def test_latin_1_is_read_as_its_superset() -> None:
    text, name, _ = decode(
        "He said \x93caf\xe9\x94 and \x91d\xe9j\xe0 vu\x92 once more to the people.".encode("latin-1")
    )
    assert "“café”" in text
    assert name == "cp1252"


def test_the_old_macintosh_is_told_from_windows_by_its_quotes() -> None:
    line = "The printer doesn’t answer, says the log. "
    text, name, _ = decode((line + "Nothing else is written here. " * 4000).encode("mac_roman"))
    assert text.startswith(line)
    assert name == "mac_roman"


def test_japanese_without_extensions_is_read_by_the_standard() -> None:
    text = "価格は−五千円です。文章は短い。\n" * 10
    assert decode(text.encode("shift_jis"))[0] == text
    extended = "①番目の文章です。価格は㈱に。\n" * 10
    assert decode(extended.encode("cp932"))[0] == extended


def test_one_bad_byte_does_not_turn_a_document_into_another_encoding() -> None:
    text, name, warnings = decode(GERMAN.encode() + b"\xff\n" + GERMAN.encode())
    assert name == "utf-8"
    assert text == GERMAN + "\ufffd\n" + GERMAN
    assert warnings == ["1 place could not be read as utf-8"]


def test_binary_data_is_told_from_text() -> None:
    assert is_binary(random.Random(1).randbytes(4096))
    assert is_binary(b"\x89PNG\r\n\x1a\n" + b"text" * 100)
    assert is_binary(b"PK\x03\x04" + b"text" * 100)
    for text in ("words\n" * 100, GERMAN, RUSSIAN):
        for name in ("utf-8", "utf-16-le", "utf-16", "utf-32-be"):
            assert not is_binary(text.encode(name))
    assert not is_binary(RUSSIAN.encode("koi8-r"))
    assert not is_binary(b"a log line\n" * 200 + b"\x00\x00")
    assert not is_binary(b"")


@pytest.mark.data
def test_labelled_files_decode_to_the_text_of_their_label(data: Path) -> None:
    """At least 49 of the 50 that Python can decode exactly, all of them but for 0.2 % of the characters."""
    exact = total = 0
    for path in sorted((data / "files" / "encodings").rglob("*")):
        if not path.is_file():
            continue
        name = re.sub(r"(?<=\d)-[a-z]{5,}$", "", path.parent.name)
        raw = path.read_bytes()
        assert not is_binary(raw), path
        try:
            codecs.lookup(name)
        except LookupError:
            continue
        expected = raw.decode(name).lstrip("\ufeff")
        found = decode(raw)[0].lstrip("\ufeff")
        total += 1
        exact += found == expected
        assert len(found) == len(expected), path
        assert sum(a != b for a, b in zip(found, expected, strict=True)) <= len(expected) / 500, path
    assert total == 50
    assert exact >= 49
