"""The vocabulary of a document decides about hyphens at line ends."""

from __future__ import annotations

import pytest

from ragterm.engine.documents.hyphens import MARK, Vocabulary


@pytest.mark.parametrize(
    ("document", "broken", "mended"),
    [
        ("we manipulate it", f"to manip{MARK}ulate", "to manipulate"),
        ("the highest-scoring one", f"the highest{MARK}scoring", "the highest-scoring"),
        ("chat models that are optimized", f"chat{MARK}optimized models", "chat-optimized models"),
        ("graph-based and node-wise", f"graph{MARK}wise", "graph-wise"),
        ("nothing of it", f"con{MARK}firming this", "confirming this"),
        ("a self made", f"self{MARK}contained", "self-contained"),
        ("", f"Jean{MARK}Paul", "Jean-Paul"),
        ("", f"INTRO{MARK}DUCTION", "INTRODUCTION"),
        ("", f"COVID{MARK}19", "COVID-19"),
        ("both in formation and information", f"in{MARK}formation", "information"),
        ("", f"won{MARK}\n  derful", "wonderful"),
    ],
)
def test_a_hyphen_goes_or_stays_by_what_the_document_says_elsewhere(document: str, broken: str, mended: str) -> None:
    assert Vocabulary([document, broken]).mend(broken) == mended


def test_broken_words_are_no_evidence() -> None:
    words = Vocabulary([f"manip{MARK}ulate", f"manip{MARK}ulate"])
    assert words.mend(f"manip{MARK}ulate") == "manipulate"
