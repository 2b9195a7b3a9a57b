"""Canonical text: hostile sequences go whole, nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents.clean import canonical

ESC = "\x1b"


@pytest.mark.parametrize(
    ("hostile", "clean"),
    [
        (f"a{ESC}[31mred{ESC}[0m b", "ared b"),
        (f"a{ESC}[?1049hb", "ab"),
        (f"a{ESC}[38;2;1;2;3mb", "ab"),
        ("a\x9b31mb", "ab"),
        (f"a{ESC}]0;title\x07b", "ab"),
        (f"a{ESC}]52;c;aGVsbG8={ESC}\\b", "ab"),
        ("a\x9d0;title\x9cb", "ab"),
        (f"a{ESC}Pq#0;2;0;0;0\n#0~~{ESC}\\b", "ab"),
        ("a\x90data\x9cb", "ab"),
        (f"a{ESC}_apc{ESC}\\b{ESC}^pm{ESC}\\c{ESC}Xsos{ESC}\\d", "abcd"),
        (f"a{ESC}cb{ESC}(Bc{ESC}7d{ESC}#8e", "abcde"),
        (f"{ESC}]0;never ended\nnext line", "0;never ended\nnext line"),
        (f"{ESC}", ""),
        (f"a{ESC}{ESC}[1mb", "ab"),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("one\x0ctwo\x0bthree\x85four", "one\ntwo\nthree\nfour"),
        ("a\x00b\x07c\x08d\x7fe\x80f\x9fg", "abcdefg"),
        ("\ufeffa\ufeffb", "a\ufeffb"),
        ("a\ud800b\udfffc", "abc"),
        ("tab\tstays", "tab\tstays"),
        ("\u202eoverride stays for the display\u202c", "\u202eoverride stays for the display\u202c"),
        ("e\u0301 is not normalised: \u00e9", "e\u0301 is not normalised: \u00e9"),
    ],
)
def test_a_hostile_text_becomes_what_a_reader_meant(hostile: str, clean: str) -> None:
    assert canonical(hostile) == clean


NASTY = st.text(alphabet=st.sampled_from("ab\n\r\t\x1b\x9b\x9d\x90\x9c\x07[]P\\;m0(\x85\x00\ufeff\ud800é"), max_size=60)


@settings(deadline=None)
@given(NASTY | st.text(max_size=60))
def test_what_is_left_is_canonical_and_stays_so(text: str) -> None:
    clean = canonical(text)
    assert canonical(clean) == clean
    assert not clean.startswith("\ufeff")
    for c in clean:
        code = ord(c)
        assert c in "\n\t" or not (code < 0x20 or 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF)


@settings(deadline=None)
@given(
    st.text(
        alphabet=st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff") | st.sampled_from("\n\t")
    )
)
def test_harmless_text_is_not_touched(text: str) -> None:
    assert canonical(text) == text


def test_a_run_of_introducers_costs_linear_time() -> None:
    # Quadratic behaviour on this size would take hours, not the fraction of a second that the suite allows for.
    assert canonical("\x90" * 400_000 + "\x1b]a" * 200_000) == "a" * 200_000
