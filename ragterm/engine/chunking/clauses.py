"""The clauses of a legal text: which lines begin one, and what lies in what.

Numbering carries the structure: parts, chapters, schedules; articles, sections, "§ 5", "1."; "1.1" and "1.1.1"; "(1)", "(a)", "(i)".
A number opens a clause only at the beginning of a line. Lettered and roman levels are told apart by what came before: "(i)" after
"(h)" is a letter, elsewhere the first roman numeral (drafting conventions as in the UK Office of the Parliamentary Counsel's Drafting
Guidance, part 2, and the US House Manual on Drafting Style, title II).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_MARKS = r"^[ \t>]*(?:#{1,6}[ \t]+)?[*_]{0,3}"
_DIVISION = (
    r"part|chapter|title|schedule|annex|appendix|exhibit|book|teil|kapitel|abschnitt|anlage|anhang|annexe|chapitre"
)
_ARTICLE = r"article|section|clause|artikel|klausel|art\.|sec\.|regulation|rule"
_HEAD = re.compile(
    _MARKS
    + rf"(?:(?P<division>(?i:{_DIVISION})[ \t]+(?:\d{{1,3}}[a-z]?|[IVXLC]{{1,7}}|[A-Z]))(?=[\s.:–—*_-]|$)"
    + rf"|(?P<article>(?:(?i:{_ARTICLE})[ \t]+(?:\d{{1,4}}(?:\.\d{{1,3}})*[a-z]?|[IVXLC]{{1,7}})"
    rf"|§[ \t]?\d{{1,4}}[a-z]?))(?=[\s.:–—*_)-]|$)"
    + r"|(?P<decimal>\d{1,3}(?:\.\d{1,3}){1,4})\.?[*_]{0,3}[ \t]+(?=\S)"
    + r"|(?P<number>\d{1,3})\.[*_]{0,3}[ \t]+(?=\S)"
    + r"|(?P<bracket>\((?:\d{1,3}|[a-z]{1,2}|[ivxlc]{1,6}|[A-Z])\))[ \t]+(?=\S))",
    re.MULTILINE,
)
_TITLE = re.compile(r"[ \t]*[.:–—-]?[ \t]*(?P<title>[^\n.;:]{0,80})(?=[\n.]|$)")
_ROMAN = re.compile(r"[ivxlc]+")
_FIRST_ROMAN = "i"

DIVISION, ARTICLE, DECIMAL, BRACKET = 0, 10, 20, 40
"""Depths of the levels; decimals and brackets add theirs."""


@dataclass(slots=True)
class Clause:
    """`text[start:end]`, its sub-clauses included. `label` is the number with its title where there is one."""

    start: int
    end: int
    depth: int
    label: str
    within: list[Clause] = field(default_factory=list)


def clauses_of(text: str) -> list[Clause]:
    """The outermost clauses in order, each with its own; none in a text without numbered clauses."""
    top: list[Clause] = []
    open_: list[Clause] = []
    for clause in _heads(text):
        while open_ and open_[-1].depth >= clause.depth:
            open_.pop().end = clause.start
        (open_[-1].within if open_ else top).append(clause)
        open_.append(clause)
    return top


def _heads(text: str) -> Iterator[Clause]:
    brackets: list[tuple[str, str]] = []  # the bracket levels that are open, outermost first: form and last number
    lettered = False  # whether articles are named ("Article 5"): a bare "1." then stands below them
    for match in _HEAD.finditer(text):
        kind = match.lastgroup or ""
        number = match.group(kind)
        depth = {"division": DIVISION, "article": ARTICLE, "number": ARTICLE + 1 if lettered else ARTICLE}.get(
            kind, DECIMAL
        )
        if kind == "article":
            lettered = True
        if kind == "decimal":
            depth = DECIMAL + number.count(".")
        if kind == "bracket":
            depth = BRACKET + _bracket_level(brackets, number[1:-1])
        else:
            brackets.clear()
        yield Clause(match.start(), len(text), depth, _label(text, match, kind, number))


def _label(text: str, match: re.Match[str], kind: str, number: str) -> str:
    number = " ".join(number.split())
    if kind == "bracket":
        return number
    title = _TITLE.match(text, match.end())
    name = title.group("title").strip(" \t*_–—-") if title else ""
    # "5. Term" and "Article 5 - Term" have a title; "5. The Supplier shall deliver the goods within ..." has a sentence.
    return f"{number} {name}" if name and len(name.split()) <= 8 and not _is_sentence(name) else number


def _is_sentence(name: str) -> bool:
    return (
        re.search(r"\b(?:shall|must|may|will|is|are|has|have|agrees?|means?)\b", name) is not None or name[:1].islower()
    )


def _bracket_level(open_: list[tuple[str, str]], number: str) -> int:
    """The level of "(number)" among the open bracket levels, which it opens or continues."""
    forms = _forms(number)
    for level in range(len(open_) - 1, -1, -1):
        form, last = open_[level]
        if form in forms and _follows(form, last, number):
            open_[level:] = [(form, number)]
            return level
    form = next((f for f in forms if _opens(f, number)), forms[-1])
    for level, (other, _) in enumerate(open_):
        if other == form:  # out of order, but of a known level
            open_[level:] = [(form, number)]
            return level
    open_.append((form, number))
    return len(open_) - 1


def _forms(number: str) -> list[str]:
    if number.isdigit():
        return ["digit"]
    if number.isupper():
        return ["capital"]
    return (["roman"] if _ROMAN.fullmatch(number) else []) + (["letter"] if len(set(number)) == 1 else []) or ["letter"]


def _opens(form: str, number: str) -> bool:
    return number == {"digit": "1", "letter": "a", "roman": _FIRST_ROMAN, "capital": "A"}[form]


def _follows(form: str, last: str, number: str) -> bool:
    if form == "digit":
        return int(number) == int(last) + 1
    if form == "roman":
        return _value(number) == _value(last) + 1
    return len(number) == len(last) and ord(number[0]) == ord(last[0]) + 1


def _value(roman: str) -> int:
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[c] for c in roman]
    return sum(-v if any(later > v for later in values[at + 1 :][:1]) else v for at, v in enumerate(values))
