"""Is what the question asks about in the evidence at all? The judgement that lets an answerer without a language
model decline.

Sentences that resemble a question are found in any collection; a near miss ("the allowance in Japan", where Japan is
nowhere) resembles even more. What gives it away is one word of the question to which nothing in the evidence
corresponds. Three rules find such a word:

- a number of the question does not stand in the evidence;
- nor does a name (a capitalised word in mid-sentence), nor anything like it;
- a common word matters, has no counterpart, and pulls the question away from the evidence: without it the question
  is nearer to the sentences found.

"Like it" is the cosine of the word's token to the most similar token of the evidence, both read in their context.
That a word matters is seen from how far the question's vector moves when it is left out (leave-one-out attribution;
Li, Monroe & Jurafsky 2016, "Understanding Neural Networks through Representation Erasure"). The thresholds were set
on SQuAD questions with and without their paragraph and on the questions of the sample documents;
tests/benchmarks/answers.py measures them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

NAME_NEAREST = 0.45
"""Below this cosine nothing in the evidence is like a name."""
WORD_NEAREST = 0.30
"""Below this cosine nothing in the evidence is like a common word, in use or in sense."""
WORD_IMPORTANCE = 0.045
"""1 - cosine between the question with and without the word: from here on it carries meaning."""
WORD_PULL = 0.02
"""By so much the question's cosine to its best sentences rises without the word."""
_WORD = re.compile(r"[^\W_]+")
_PREFIX = 6
_LONGEST_INITIALS = 5
_SHORT_NAME = 4
_LONG_NAME = 8
UNRELATED_COSINE = 0.30
UNRELATED_PASSAGE = 0.40
"""When the best sentence stays below the one and the best passage below the other (late interaction), nothing is
related."""


@dataclass(frozen=True, slots=True)
class AskedWord:
    """A content word of the question against the evidence (the passages of the best sentences). `nearest`: cosine of
    the most similar token there, in [-1, 1]; `stands`: the word itself (its stem) is there; `importance` and `pull`
    as the thresholds of the module say."""

    word: str
    nearest: float
    stands: bool
    importance: float
    pull: float
    is_name: bool

    @property
    def is_number(self) -> bool:
        return self.word.isdigit()

    @property
    def missing(self) -> bool:
        """Nothing in the evidence corresponds to it."""
        if self.stands:
            return False
        if self.is_number:
            return True
        if self.is_name and self.nearest < NAME_NEAREST:
            return True
        return self.nearest < WORD_NEAREST and self.importance > WORD_IMPORTANCE and self.pull > WORD_PULL


def stands_in(word: str, is_name: bool, text: str, stems: frozenset[str]) -> bool:
    """Whether a question's `word`, or another form or spelling of it, is in the evidence `text` with these `stems`.

    Another form shares the first six letters ("Europe", "European"). A name may be spelled with a slip ("Hatmanis"
    for Hartmanis: one edit, two in a long name), or stand for the initials of words that follow each other ("UMC").
    """
    if stem(word.lower()) in stems:
        return True
    if any(len(each) >= _PREFIX and each[:_PREFIX] == word[:_PREFIX].lower() for each in stems):
        return True
    if not is_name:
        return False
    written = _WORD.findall(text)
    if word.isupper() and len(word) <= _LONGEST_INITIALS:
        return word in "".join(each[0] for each in written).upper()
    slips = 2 if len(word) >= _LONG_NAME else 1 if len(word) >= _SHORT_NAME else 0
    names = {each for each in written if each[0].isupper()}
    return any(edits(word, name, slips) <= slips for name in names)


def edits(one: str, other: str, most: int) -> int:
    """Letters to insert, delete or exchange to turn one word into the other (Levenshtein 1966), case aside; `most` +
    1 when it is more than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    row = list(range(len(other) + 1))
    for i, a in enumerate(one.lower(), 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other.lower(), 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return min(row[-1], most + 1)


def stem(word: str) -> str:
    """A word without its commonest English endings: enough to match "refunds" with "refunded"."""
    for ending in ("ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def missing_words(words: Sequence[AskedWord]) -> list[str]:
    """The words of the question to which nothing corresponds, in its order, each once."""
    return list(dict.fromkeys(w.word for w in words if w.missing))
