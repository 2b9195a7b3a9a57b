"""Which strategy a document gets when nobody chose one.

By kind where the kind decides: code by function, spreadsheets by rows. By content where it is beyond doubt: a text is legal, or a list
of questions and answers, only when its form and its words both say so. A wrong guess costs more than a missed one, since what serves
running text serves every text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath

from ragterm.engine.chunking.clauses import ARTICLE, DECIMAL, Clause, clauses_of
from ragterm.engine.chunking.qa import pairs_of
from ragterm.engine.types.documents import Block, Document
from ragterm.engine.types.modes import StrategyName

_TABLE_KINDS = ("csv", "xlsx")
_TABLE_ENDINGS = (".csv", ".tsv")
_PROSE_KINDS = frozenset(
    {"markdown", "text", "pdf", "html", "docx", "odt", "rtf", "rst", "asciidoc", "org", "latex", "epub"}
)

FOR_RUNNING_TEXT: StrategyName = "hierarchical"
"""What running text gets. On 472 questions over five long texts and 1,380 over 98 articles it held most of the evidence within 1,200
retrieved tokens, .836 and .647 of it (chunks of 160 tokens, cut recursively: .827 and .601), and ranked it best."""

LOOKED_AT = 60_000
"""Characters: what a document is shows long before its end."""

_LEGAL = re.compile(
    r"\b(?:shall|hereby|herein|hereof|hereto|hereunder|thereof|therein|thereto|whereas|pursuant|notwithstanding|indemnif\w+|"
    r"warrant(?:y|ies|s)|liabilit(?:y|ies)|the part(?:y|ies)|either party|third part(?:y|ies)|agreement|governing law|jurisdiction|"
    r"terminat(?:e|ion)|statut\w+|provisions?|paragraph|subsection|gemäß|absatz|satz|vertrag\w*|haftung|kündigung|bundes\w+)\b",
    re.IGNORECASE,
)
_LEAST_ARTICLES = 4
_LEAST_TERMS = 6
_TERMS_PER_1000_WORDS = 8.0
_LEAST_PAIRS = 3
_LEAST_SHARE = 0.6


def detected(document: Document, blocks: Sequence[Block]) -> StrategyName:
    """The strategy for a document by kind and content. `blocks` are complete and in order (`sections.complete`)."""
    if document.kind == "code":
        return "code"
    if document.kind in _TABLE_KINDS or PurePath(document.path).suffix.lower() in _TABLE_ENDINGS:
        return "table"
    if document.kind in _PROSE_KINDS:
        if is_qa(document.text, blocks):
            return "qa"
        if is_legal(document.text):
            return "legal"
    return FOR_RUNNING_TEXT


def is_legal(text: str) -> bool:
    """Whether the text is a contract, a statute or the like: several articles numbered in order that hold most of it, and many
    different legal words, often."""
    text = text[:LOOKED_AT]
    clauses = clauses_of(text)  # the cheaper question first: hardly a text is numbered throughout
    articles = [clause for clause in _flat(clauses) if ARTICLE <= clause.depth <= DECIMAL]
    numbers = [int(found.group()) for clause in articles if (found := re.search(r"\d+", clause.label))]
    in_order = sum(after - before in (1, 0) or after == 1 for before, after in pairwise(numbers))
    if (
        len(set(numbers)) < _LEAST_ARTICLES
        or in_order < 0.7 * (len(numbers) - 1)
        or sum(clause.end - clause.start for clause in clauses) < _LEAST_SHARE * len(text)
    ):
        return False
    terms = [term.casefold() for term in _LEGAL.findall(text)]
    return len(set(terms)) >= _LEAST_TERMS and len(terms) * 1000 >= _TERMS_PER_1000_WORDS * len(text.split())


def _flat(clauses: Sequence[Clause]) -> list[Clause]:
    """Down to the level of articles."""
    return [one for clause in clauses for one in ([clause] if clause.depth >= ARTICLE else _flat(clause.within))]


def is_qa(text: str, blocks: Sequence[Block]) -> bool:
    """Whether the text is questions with their answers: at least three pairs that hold most of it, and, where they are not marked
    as such, hardly a heading that is no question.

    Not where the questions are headings: every strategy keeps a heading with its text, and recursion what belongs together beside it.
    On the sample questions it found the right document once more than pairs did."""
    if text[:LOOKED_AT].count("?") + text[:LOOKED_AT].count("？") < _LEAST_PAIRS:
        return False
    pairs = pairs_of(text[:LOOKED_AT], [block for block in blocks if block.end <= LOOKED_AT])
    if len(pairs) < _LEAST_PAIRS:
        return False
    held = sum(pair.end - pair.start for pair in pairs)
    asked = sum(pair.asked - pair.start for pair in pairs)
    starts = {pair.start for pair in pairs}
    if 2 * sum(block.kind == "heading" and block.start in starts for block in blocks) > len(pairs):
        return False
    plain = sum(block.kind == "heading" and block.level != 1 and block.start not in starts for block in blocks)
    # Long stretches between questions are an essay that asks now and then.
    return (
        held >= _LEAST_SHARE * min(len(text), LOOKED_AT)
        and asked >= 0.03 * held
        and len(pairs) >= _LEAST_SHARE * (len(pairs) + plain)
        and held / len(pairs) <= 3000
    )
