"""Subtitles: cues become paragraphs that open with their time; pysubs2 is the independent reference for times and words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.subtitles import parse_subtitles
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def parse(text: str, name: str) -> ParsedDocument:
    return parse_subtitles(text.encode(), Path(name))


SRT = """\
1
00:00:01,000 --> 00:00:03,500
<i>Hello there,</i>
how are you?

2
00:00:03,600 --> 00:00:05,000
MARY: {\\an8}I am fine.
3
00:00:06,000 --> 00:00:07,000

4
00:00:20,000 --> 00:00:22,000
1984

5
00:11:10,000 --> 00:11:12,000 X1:100 X2:200
Later <font color="red">on</font>.
"""


def test_subrip(check_invariants: Check) -> None:
    document = parse(SRT, "film.srt")
    check_invariants(document)
    assert document.text.split("\n\n") == [
        "[00:00:01] Hello there, how are you?",
        "[00:00:03] MARY: I am fine.",
        "[00:00:20] 1984",
        "[00:11:10] Later on.",
    ]
    assert [b.section for b in document.blocks] == [("from 00:00:00",)] * 3 + [("from 00:10:00",)]
    assert document.metadata == {"duration": "00:11:12"}


VTT = """\
WEBVTT - A lecture
Kind: captions
Language: en

STYLE
::cue { color: red }

NOTE
not said

intro
00:01.000 --> 00:03.000 align:start position:0%
<v Prof. X>Welcome to the <b>lecture</b> &amp; more.</v>

NOTE also not said

2
00:00:04.000 --> 00:00:05.000
<v.loud Ann>Thanks<00:00:04.500><c> a lot</c> <ruby>漢<rt>kan</rt></ruby>
"""


def test_webvtt() -> None:
    document = parse(VTT, "x.vtt")
    assert document.title == "A lecture"
    assert document.metadata["language"] == "en"
    assert document.text.split("\n\n") == [
        "[00:00:01] Prof. X: Welcome to the lecture & more.",
        "[00:00:04] Ann: Thanks a lot 漢",
    ]


ASS = """\
[Script Info]
Title: Film
Original Script: Ann

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial,broken

[Events]
Format: Layer, Start, End, Style, Name, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,not shown
Dialogue: 0,0:00:03.00,0:00:04.00,Default,Bob,{\\i1}Hi{\\i0},\\Nfriend
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,First.
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,{\\p1}m 0 0 l 1 1{\\p0}
Dialogue: 0,nonsense,0:00:04.00,Default,,bad
"""


@pytest.mark.parametrize("name", ["x.ass", "x.ssa", "x.srt"])
def test_substation_alpha(name: str) -> None:
    document = parse(ASS, name)
    assert document.text.split("\n\n") == ["[00:00:01] First.", "[00:00:03] Bob: Hi, friend"]
    assert (document.title, document.metadata["author"]) == ("Film", "Ann")
    assert document.warnings == ("1 line left out: the times cannot be read",)


def test_captions_that_roll_say_each_line_once() -> None:
    lines = ["so today", "so today\nwe talk about", "we talk about", "we talk about\nretrieval."]
    cues = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n{text}\n\n" for n, text in enumerate(lines, 1))
    assert parse(cues, "x.srt").text == "[00:00:01] so today we talk about retrieval."


def test_cues_with_broken_times_are_counted_and_left_out() -> None:
    document = parse("1\n00:00:01,000 --> 00:00:02,000\ngood\n\n2\n0:x --> y\nlost\n", "x.srt")
    assert "lost" not in document.text
    assert document.warnings == ("1 cue left out: the times cannot be read",)


@pytest.mark.parametrize(
    "text", ["just words\n", "1\n00:00:01,000 --> 00:00:02,000\n<i></i>\n", "[Events]\nDialogue: x\n"]
)
def test_a_file_without_cues_is_refused(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text, "x.srt")
    assert caught.value.title == "No text"


@pytest.mark.parametrize("form", ["srt", "vtt", "ass"])
def test_every_word_and_time_that_pysubs2_writes_is_read(form: str, check_invariants: Check) -> None:
    from pysubs2 import SSAEvent, SSAFile

    chance = random.Random(7)
    subtitles = SSAFile()
    at = 0
    for number in range(300):
        at += chance.randrange(0, 9000)
        words = " ".join(f"w{number}x{k}" for k in range(chance.randrange(1, 9)))
        subtitles.append(
            SSAEvent(start=at, end=at + 1500, text=f"{{\\i1}}{words}{{\\i0}}" + chance.choice([".", "", "\\Nand so"]))
        )
        at += 1500
    document = parse(subtitles.to_string(form), f"x.{form}")
    check_invariants(document)
    expected = [word for event in subtitles for word in event.plaintext.split()]
    assert re.sub(r"\[\d\d:\d\d:\d\d\] ", "", document.text).split() == expected
    stamps = re.findall(r"\[(\d\d):(\d\d):(\d\d)\] (w\d+)", document.text)
    begins = {event.plaintext.split("x")[0]: event.start // 1000 for event in subtitles}
    assert len(stamps) > 50
    assert all(int(h) * 3600 + int(m) * 60 + int(s) == begins[first] for h, m, s, first in stamps)


@pytest.mark.data
def test_real_files(data: Path, check_invariants: Check) -> None:
    paths = sorted((data / "files" / "encodings").rglob("*.srt"))
    assert paths
    for path in paths:
        document = parse_file(path)
        check_invariants(document)
        assert document.kind == "subtitles" and document.text.startswith("[00:00:")


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.sampled_from([
            "00:01.000 --> 00:02.000", "0:0:1,5-->0:0:2,5", "1", "NOTE", "STYLE", "WEBVTT", "", "words.", "A: b", "<v X>hi", "{\\p1}",
            "-->", "<", "[Events]", "Dialogue: 0,0:00:01.00,0:00:02.00,,,,,,,t", "Format: Start, End, Text", "\u2028",
        ]),
        max_size=30,
    ),
    st.sampled_from(["x.srt", "x.vtt", "x.ass"]),
)  # fmt: skip
def test_any_lines_are_read_or_refused(check_invariants: Check, lines: list[str], name: str) -> None:
    try:
        document = parse("\n".join(lines), name)
    except ParseError as error:
        assert error.title == "No text"
    else:
        check_invariants(document)
