"""RTF: documents written by hand after the specification; words compared with striprtf."""

# ruff: noqa: E501
# RTF is not cut where a line of code would be.

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from striprtf.striprtf import rtf_to_text

from ragterm.engine.documents import rtf
from ragterm.engine.documents.rtf import parse_rtf
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]

HEAD = (
    r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\froman\fcharset0 Times;}{\f1\fswiss\fcharset204 Arial;}{\f2\fnil\fcharset128 Mincho;}}"
    r"{\colortbl;\red0\green0\blue0;}{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}{\s3 caption;}{\*\cs10 Link;}}"
)


def parse(body: str) -> ParsedDocument:
    return parse_rtf((HEAD + body + "}").encode("latin-1"), Path("letter.rtf"))


def texts(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(b.kind, document.text[b.start : b.end]) for b in document.blocks]


def test_headings_lists_tables_and_properties(check_invariants: Check) -> None:
    document = parse(
        r"{\info{\title The {\b B}ook}{\author Ann}{\keywords a, b}{\creatim\yr2020\mo5\dy1\hr3}}{\header On every page}"
        r"\pard\s1 Chapter\par\pard Text\par\pard\s2 Part\par{\listtext\f0 \'b7\tab}\pard\ls1 one\par{\listtext 2.\tab}two\par"
        r"\trowd\cellx1\cellx2\pard\intbl Year\cell Days\cell\row\trowd\pard\intbl 2024\par (leap)\cell 25\cell\row\pard\s3 Table 1\par"
    )
    check_invariants(document)
    assert document.title == "The Book"
    assert document.metadata == {"author": "Ann", "keywords": "a, b", "date": "2020-05-01"}
    assert texts(document) == [
        ("heading", "Chapter"),
        ("paragraph", "Text"),
        ("heading", "Part"),
        ("list", "- one\n2. two"),
        ("table", "Year | Days\n2024 (leap) | 25"),
        ("caption", "Table 1"),
    ]
    assert document.blocks[-1].section == ("Chapter", "Part")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"Caf\'e9 \'80", "Café €"),
        (r"{\f1\'cc\'ee\'f1\'ea\'e2\'e0} ", "Москва"),
        (r"{\f2\'93\'fa\'96{\b {}}} x", None),  # a letter cut in two by a group is lost, and nothing else
        (r"{\f2\'93\'fa\'96\'7b}", "日本"),
        (r"\uc1\u8364?\u-10179?\u-8704?", "€😀"),
        (r"\uc2\u8364\'80\'80{\uc0\u8364}!", "€€!"),
        (r"\ldblquote a\rdblquote\emdash b\line c\~d\_e\-f", "“a”—b\nc\xa0d\u2011ef"),
        (r"a\{b\}\\c", "a{b}\\c"),
        (r"shown{\v hidden}{\deleted gone}{\*\unknown secret}{\pict\wmetafile8 0102}", "shown"),
        (r'{\field{\*\fldinst HYPERLINK "http://x"}{\fldrslt link}}', "link"),
        (r"{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt \pard boxed\par}}{\shprslt again}}", "boxed"),
        (r"{\header {\shp{\*\shpinst{\shptxt in the header}}}}body", "body"),
        (r"{\upr{plain}{\*\ud{unicode}}}", "unicode"),
        (r"a{\pict\bin5 }}}}}}b", "ab"),
    ],
)  # fmt: skip
def test_characters_and_what_is_no_text(body: str, text: str | None) -> None:
    found = parse(body).text
    assert found == text if text is not None else found.endswith("x")


def test_notes_stand_under_the_number_of_their_reference() -> None:
    document = parse(
        r"One{\super\chftn{\footnote\pard{\super\chftn} first\par}} two{\super\chftn{\footnote second}} three\par next"
    )
    assert texts(document) == [
        ("paragraph", "One[1] two[2] three"),
        ("paragraph", "next"),
        ("footnote", "[1] first"),
        ("footnote", "[2] second"),
    ]


def test_the_same_words_as_another_reader() -> None:
    body = "".join(
        rf"\pard Paragraph {n} of \'e9t\'e9 with {{\b bold}} words, {{\i slanted}} ones and \u8364? {n * 7}.\par" + "\n"
        for n in range(200)
    )
    assert parse(body).text.split() == rtf_to_text(HEAD + body + "}").split()


def test_a_file_that_broke_off_is_read_as_far_as_it_goes() -> None:
    data = (HEAD + r"\pard whole\par half of").encode()
    assert parse_rtf(data, Path("x")).text == "whole\n\nhalf of"


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"Dear all", "Not an RTF file"),
        (rb"{\rtf1\ansi }", "No text"),
        (rb"{\rtf1 " + b"{" * 5000, "Too deeply nested"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, title: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_rtf(data, Path("x.rtf"))
    assert caught.value.title == title and caught.value.message and caught.value.hint


@pytest.mark.parametrize(
    "unit",
    [r"{\field{\*\fldinst HYPERLINK ", "{}", r"\'", r"\u1 ", r"{\footnote x}", r"\cell ", r"{\*\a ", "\\", r"\bin-1 ", r"\par x", r"{\pict\bin"],
)  # fmt: skip
def test_every_token_is_looked_at_once(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted:
        """The pattern of tokens, and how many characters it was given and took."""

        calls = taken = 0

        def match(self, text: str, place: int) -> re.Match[str] | None:
            found = token.match(text, place)
            self.calls += 1
            self.taken += found.end() - place if found else 0
            return found

    token, counted = rtf._TOKEN, Counted()
    monkeypatch.setattr(rtf, "_TOKEN", counted)
    text = HEAD + unit * 1_900
    with contextlib.suppress(ParseError):
        parse_rtf(text.encode(), Path("x.rtf"))
    assert 950 <= counted.calls <= counted.taken <= len(text)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from([*r"{}\;a ", r"\par", r"\u8364?", r"\'e9", r"\cell", r"\row", r"\intbl", r"{\footnote ", r"\pard", r"\ud83d", r"\bin3 ", r"{\*\x", r"\s1 ", r"{\stylesheet", r"{\info", r"\uc9"]), max_size=40))  # fmt: skip
def test_nothing_but_a_parse_error_comes_of_any_tokens(tokens: list[str]) -> None:
    try:
        document = parse("".join(tokens))
    except ParseError:
        return
    assert document.text.strip() and document.blocks[-1].end <= len(document.text)
