"""The stream filter, against a regular expression written independently of it and run over the whole text."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragterm.engine.llm.filter import EscapeFilter, ThinkingFilter, without_escapes

ESC = "\x1b"
# ECMA-48, as one expression: strings (to their end, the line's end or another escape), CSI, other escapes, controls.
_WHOLE = re.compile(
    "(?:\x1b[\\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\n\x1b\x9c\x18\x1a]*(?:[\x07\x9c\x18\x1a]|\x1b\\\\|(?=\x1b)|(?=\n)|$)"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|\x1b[ -/]*[0-~]?"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def reference(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", _WHOLE.sub("", text))


ALPHABET = st.text(
    st.sampled_from(
        [*list("ab[]P^_X\\;?0m !/~@é中\n\t\r\x00\x07\x18\x1a\x1b\x1b\x1b\x1b\x7f\x80\x90\x9b\x9c\x9d"), "�"]
    ),
    max_size=60,
)


@given(ALPHABET, st.lists(st.integers(0, 60), max_size=12))
def test_pieces_joined_equal_the_whole_text_filtered(text: str, cuts: list[int]) -> None:
    ends = sorted({min(c, len(text)) for c in cuts} | {0, len(text)})
    stream = EscapeFilter()
    joined = "".join(stream.feed(text[a:b]) for a, b in itertools.pairwise(ends))
    assert joined == reference(text)


@given(st.text(max_size=80))
def test_nothing_but_newline_and_tab_is_left_of_the_controls(text: str) -> None:
    kept = without_escapes(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", kept)
    kept.encode("utf-8")  # raises on a lone surrogate


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (["red ", ESC, "[3", "1mtext", ESC + "[", "0m."], "red text."),
        (["a", ESC, "]52;c;aGk", "=\x07b"], "ab"),
        ([ESC + "]0;title", ESC, "\\", "after"], "after"),
        (["never ", ESC + "]8;;http://x", " closed\nnext line"], "never \nnext line"),
        (["\x9b2", "Jx"], "x"),
        (["plain\ttext\r", "\n"], "plain\ttext\n"),
        ([ESC + "(", "Bx", ESC + "c", "y"], "xy"),
    ],
)
def test_a_sequence_that_straddles_two_tokens_goes(pieces: list[str], kept: str) -> None:
    stream = EscapeFilter()
    assert "".join(map(stream.feed, pieces)) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<think>hm, well</think>\n\nThe answer.", "The answer."),
        ("\n<think>\n</think>Yes", "Yes"),
        ("No thoughts here <think>x</think>", "No thoughts here <think>x</think>"),
        ("<th", "<th"),
        ("<think>never ends", ""),
        ("", ""),
        ("<thinker> is a word", "<thinker> is a word"),
    ],
)
def test_inline_thoughts_are_no_part_of_the_answer_however_they_are_cut(text: str, kept: str) -> None:
    for size in (1, 3, 7, 100):
        stream = ThinkingFilter()
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        assert "".join(map(stream.feed, pieces)) + stream.flush() == kept
