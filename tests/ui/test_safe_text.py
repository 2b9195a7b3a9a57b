"""Foreign text on its way to a widget: nothing dangerous is left, no offset moves, no markup is read."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_engine import HOSTILE
from textual.content import Content

from ragterm.ui.safe_text import content, line, plain, rich_text, shorten

DANGEROUS = [
    *map(chr, [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)]),
    *"\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "\ud800",
    "\udfff",
]


@pytest.mark.parametrize("character", DANGEROUS, ids=lambda c: f"U+{ord(c):04X}")
def test_each_dangerous_character_becomes_one_replacement(character: str) -> None:
    assert plain(f"a{character}b") == "a\ufffdb"


def test_newline_and_tab_stay_in_text_and_become_spaces_on_a_line() -> None:
    assert plain("a\n\tb") == "a\n\tb"
    assert line("a\n\tb") == "a  b"
    assert plain("a\rb") == "a\ufffdb"


@given(st.text(st.characters(codec=None), max_size=300))
def test_length_is_kept_and_only_controls_change(text: str) -> None:
    safe = plain(text)
    assert len(safe) == len(text)
    assert len(line(text)) == len(text)
    for before, after in zip(text, safe, strict=True):
        if after != before:
            assert after == "\ufffd"
            assert unicodedata.category(before) in ("Cc", "Cs", "Cf", "Zl", "Zp")
        else:
            assert unicodedata.category(before) not in ("Cs", "Zl", "Zp")
            assert unicodedata.category(before) != "Cc" or before in "\n\t"
    safe.encode("utf-8")


def test_letters_of_every_script_stay() -> None:
    text = "Grüße, мир, 世界, שלום, مرحبا, हिन्दी, 👩‍👩‍👧 e\u0301 \u200d\u200c\u200f"
    assert plain(text) == text


@pytest.mark.parametrize("text", ["a [/foo] b", "[b +", "[red]x", "[@click=app.quit]x[/]", "\\[x]", HOSTILE])
def test_no_markup_is_read(text: str) -> None:
    made = content(text)
    assert isinstance(made, Content)
    assert made.plain == plain(text)
    assert made.spans == []
    assert rich_text(text).plain == line(text)
    assert rich_text(text).spans == []


def test_a_style_of_ours_covers_all() -> None:
    assert [(span.start, span.end) for span in content("abc", "bold").spans] == [(0, 3)]


@pytest.mark.parametrize("width", [1, 4, 5, 10, 40])
def test_shorten_keeps_both_ends(width: int) -> None:
    path = "/home/someone/with/a/rather/long/way/to/report.pdf"
    short = shorten(path, width)
    assert len(short) <= width
    if width >= 10:
        assert short.startswith("/h") and short.endswith(".pdf") and "…" in short
    assert shorten("ab\x1bc", 10) == "ab\ufffdc"
