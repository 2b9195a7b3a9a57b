"""Markers: every form becomes [n]; what resolves to nothing goes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragterm.engine.answering.citations import marked_sentences, resolve_markers, without_markers


@pytest.mark.parametrize(
    ("written", "text", "removed"),
    [
        ("It is so [1].", "It is so [1].", ()),
        ("It is so [1, 2].", "It is so [1][2].", ()),
        ("It is so [1][3].", "It is so [1][3].", ()),
        ("It is so【2】.", "It is so[2].", ()),
        ("It is so 【2†source】.", "It is so [2].", ()),
        ("It is so [Source 1; 3].", "It is so [1][3].", ()),
        ("It is so [passage 2].", "It is so [2].", ()),
        ("It is so [1-3].", "It is so [1][2][3].", ()),
        ("It is so [^1].", "It is so [1].", ()),
        ("It is so [9].", "It is so.", (9,)),
        ("It is so [0] and so [1].", "It is so and so [1].", (0,)),
        ("It is so [1, 7].", "It is so [1].", (7,)),
        ("So [7], so [8], so [7].", "So, so, so.", (7, 8)),
        ("In [2019] it was `a[1]` and\n```\nb[9]\n```\n", "In [2019] it was `a[1]` and\n```\nb[9]\n```\n", ()),
        ("An [open bracket", "An [open bracket", ()),
        ("[1-999]", "[1]", (999,)),
    ],
)
def test_resolve(written: str, text: str, removed: tuple[int, ...]) -> None:
    resolved = resolve_markers(written, {1, 2, 3})
    assert resolved.text == text
    assert resolved.removed == removed


@given(st.text("ab .[],;1239【】\n`-", max_size=60))
def test_only_known_markers_are_left_and_resolving_again_changes_nothing(text: str) -> None:
    once = resolve_markers(text, {1, 2})
    outside_code = re.sub(r"`[^`\n]+`|```.*?(?:```|\Z)", "", once.text, flags=re.S)
    assert set(re.findall(r"\[(\d{1,3})\]", outside_code)) <= {"1", "2"}
    assert not {1, 2} & set(once.removed)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One is so [1]. Two is so [2][3].", [("One is so [1].", (1,)), ("Two is so [2][3].", (2, 3))]),
        ("One is so. [1] Two is so. [2]", [("One is so. [1]", (1,)), ("Two is so. [2]", (2,))]),
        ("One is so.[1] Two.", [("One is so.[1]", (1,)), ("Two.", ())]),
        ("- first thing [1]\n- second thing [2]\n", [("first thing [1]", (1,)), ("second thing [2]", (2,))]),
        ("No marker here. None there.", [("No marker here.", ()), ("None there.", ())]),
        ("As follows:\n\n**Yes** [1][1].", [("As follows:", ()), ("**Yes** [1][1].", (1,))]),
        ("", []),
        ("One is so.\n\n[1]", [("One is so.\n\n[1]", (1,))]),
    ],
)
def test_a_marker_belongs_to_its_sentence(text: str, sentences: list[tuple[str, tuple[int, ...]]]) -> None:
    assert [(text[m.start : m.end], m.markers) for m in marked_sentences(text)] == sentences


@given(st.text("abC. [12]\n-", max_size=80))
def test_sentences_are_ordered_spans(text: str) -> None:
    at = 0
    for each in marked_sentences(text):
        assert at <= each.start < each.end <= len(text)
        at = each.end


def test_without_markers() -> None:
    assert without_markers("It is [1][2] so [3].") == "It is so."
