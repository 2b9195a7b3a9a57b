"""Where the sentences of a text stand: offsets only, so that a sentence can be cited.

Two passes. First the lines are gathered into units that no sentence crosses: paragraphs, list items, headings, table rows, lines
of a fenced code block; hard-wrapped lines are joined again. Then each unit is cut after closing punctuation, unless the dot
belongs to an abbreviation, an initial, a number or an ellipsis in mid-sentence. The rules are those of the rule-based splitters
(Golden Rules of pragmatic_segmenter; Kiss & Strunk 2006, section 2, for what a dot can be), without training or a dictionary
beyond the abbreviations below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Possessive quantifiers (++, *+) throughout: without them a megabyte of dots or spaces takes quadratic time.

# fmt: off
# Never the end of a sentence: something always follows. The titles are so only when capitalised (5 ms. is not Ms.).
_TITLES = frozenset({
    "Mr", "Mrs", "Ms", "Mx", "Dr", "Prof", "Rev", "Hon", "St", "Messrs", "Mme", "Mlle", "Gen", "Col", "Maj", "Capt", "Lt", "Sgt",
    "Cmdr", "Adm", "Gov", "Sen", "Rep", "Pres", "Supt",
})
_ALWAYS = frozenset({"vs", "viz", "cf", "eg", "ie", "resp", "ca", "approx", "esp", "incl", "excl", "e.g", "i.e", "c.f"})
# Followed by a number they go on ("Fig. 3"); else they end a sentence ("The answer is no. Then").
_BEFORE_NUMBER = frozenset({
    "no", "nos", "fig", "figs", "eq", "eqs", "sec", "sect", "ch", "chap", "vol", "vols", "p", "pp", "art", "par", "para", "ref",
    "refs", "tab", "app", "ver", "v", "op", "ed", "eds", "nr", "bd",
})
# They may stand at the end or in the middle: the next word decides.
_MAYBE = frozenset({
    "etc", "inc", "ltd", "co", "corp", "dept", "univ", "assn", "bros", "jr", "sr", "est", "min", "max", "avg", "hrs", "hr", "sq",
    "ft", "mt", "ave", "blvd", "rd", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "al", "abs",
    "mon", "tue", "tues", "wed", "thu", "thurs", "fri", "sat", "bzw", "usw", "ggf",
})
# A capitalised one of these after an abbreviation says that a new sentence has begun; a name would not.
_STARTERS = frozenset({
    "the", "a", "an", "this", "that", "these", "those", "it", "its", "he", "she", "they", "we", "you", "i", "in", "on", "at", "by",
    "for", "from", "with", "as", "if", "when", "while", "after", "before", "but", "and", "or", "so", "however", "there", "here",
    "what", "who", "why", "how", "where", "all", "each", "every", "some", "many", "most", "no", "not", "our", "your", "their", "his",
    "her", "my", "to", "since", "although", "because", "until", "unless", "once", "such", "both", "either", "neither",
})
# fmt: on

_CLOSERS = "\"'”’»›)\\]}*_`"
_END = re.compile(
    rf"(?<![.!?…‽])[.!?…‽]++[{_CLOSERS}]*+(?:\[\d{{1,3}}(?:[-–,]\s?\d{{1,3}})*\])*(?=\s)"  # western: white space must follow
    r"|[。！？｡।॥؟۔።]+[」』）】》〉”’\"')]*"  # CJK, Devanagari, Arabic, Ethiopic: none need follow
)
_INDENT = r"[ \t]*+(?:>[ \t]?+)*+[ \t]*+"
_NUMBER = r"(?:\d{1,3}|[A-Za-z]|[ivxIVX]{2,5})"
_BULLET = re.compile(
    _INDENT + rf"(?:[-*+•‣◦▪●○·][ \t]+(?:\[[ xX]\][ \t]+)?|{_NUMBER}[.)][ \t]+(?=\S)|\({_NUMBER}\)[ \t]+|[・※])"
)
_MARKER = re.compile(_INDENT + r"#{1,6}[ \t]+|" + _BULLET.pattern + "|" + _INDENT)
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+\S")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_ROW = re.compile(r"\t| \| |\S {3,}\S")  # cells stand apart by a tab, a bar or wide space, as in tables of PDF and DOCX
_RULE = re.compile(r"[ \t]*(?:=|-|\*|_|~)(?:[ \t]*+(?:=|-|\*|_|~)){2,}+[ \t]*+$")
_WORD = re.compile(r"[^\W_]")
_NEXT = re.compile(r"\s*[\"'“‘«‹(\[{*_`¿¡]*(\S+)")
_TAIL = ".,;:!?'’\")]}*_`"
_LAST = re.compile(r"[^\s(\[{“‘\"'«/—–-]+$")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The sentences of `text` as `(start, end)`, in order, not overlapping, without surrounding white space.

    A list item, a heading, a table row and a line of fenced code each end where they end, whatever their punctuation; the
    marker before an item or heading ("- ", "3. ", "## ", "> ") is left out. A span holds at least one letter or digit, so
    rules, table dashes and lone bullets belong to no sentence. Any text is accepted; the time is linear in its length.
    """
    spans: list[tuple[int, int]] = []
    for start, end, whole in _units(text):
        for s, e in [(start, end)] if whole else _cut(text, start, end):
            while s < e and (text[s].isspace() or text[s] == ">"):
                s += 1
            while e > s and text[e - 1].isspace():
                e -= 1
            if s < e and _WORD.search(text, s, e):
                spans.append((s, e))
    return spans


def _units(text: str) -> Iterator[tuple[int, int, bool]]:
    """Spans that no sentence crosses; the flag says that the unit is one sentence (table rows, code)."""
    open_start: int | None = None  # the unit that is being gathered
    open_end = 0
    longest = 0  # of its lines: a much shorter one before a capital was broken on purpose
    last_length = 0
    fenced = quoted = False
    at = 0
    for line in text.splitlines(keepends=True) if _only_lf(text) else re.split(r"(?<=\n)", text):
        start, at = at, at + len(line)
        end = start + len(line.rstrip())
        bare = line.strip()
        if _FENCE.match(line):
            fenced = not fenced
            special = True
        else:
            special = bool(fenced or not bare or bare[0] == "|" or _ROW.search(bare) or _RULE.match(line))
        if special or _HEADING.match(line):
            if open_start is not None:
                yield open_start, open_end, False
                open_start = None
            if not bare or _FENCE.match(line) or (_RULE.match(line) and not fenced):
                continue
            if special:
                yield start, end, True
            else:
                yield _past_marker(text, start, end), end, False
            continue
        bullet = _BULLET.match(line) is not None
        quote = bare.startswith(">")
        if open_start is not None and not bullet and quote == quoted and not _broken(bare, longest, last_length):
            open_end = end
        else:
            if open_start is not None:
                yield open_start, open_end, False
            open_start, open_end, longest = _past_marker(text, start, end) if bullet or quote else start, end, 0
        quoted = quote
        last_length = end - start
        longest = max(longest, last_length)
    if open_start is not None:
        yield open_start, open_end, False


def _only_lf(text: str) -> bool:
    """Whether `splitlines` sees the same lines as a split at LF (it also breaks at U+2028, form feed and others)."""
    return not re.search(r"[\r\v\f\x1c-\x1e\x85\u2028\u2029]", text)


def _past_marker(text: str, start: int, end: int) -> int:
    match = _MARKER.match(text, start, end)
    return match.end() if match else start


def _broken(bare: str, longest: int, last: int) -> bool:
    """Whether the line break before `bare` was meant: the line before it was much shorter than its paragraph is wide and
    a capital or a digit follows (addresses, verses, a heading above its text)."""
    return (
        bool(bare) and (bare[0].isupper() or bare[0].isdigit()) and last < max(0.6 * longest, min(0.6 * len(bare), 40))
    )


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    here = start
    for match in _END.finditer(text, start, end):
        if _ends(text, here, match, end):
            yield here, match.end()
            here = match.end()
    if here < end:
        yield here, end


def _ends(text: str, start: int, match: re.Match[str], end: int) -> bool:
    mark = match.group()
    if mark[0] not in ".!?…‽":
        return True
    following = _NEXT.match(text, match.end(), end)
    if following is None:
        return True
    word = following.group(1)
    first = word[0]
    # A lower-case word goes on with the sentence, unless it is a name of its own kind (k6, iPhone, my_function).
    if first.islower() and "_" not in word and (len(word) == 1 or (word.rstrip(_TAIL).isalpha() and word.islower())):
        return False
    if first in ",;:)":
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    before = _LAST.search(text, max(start, match.start() - 40), match.start())
    if before is None:
        return True
    last = before.group()
    last = last.lstrip("*_`§#")
    key = last.lower()
    if last in _TITLES or key in _ALWAYS:
        return False
    if key in _BEFORE_NUMBER:
        return not (first.isdigit() or first in "IVX§")
    if key in _MAYBE or re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", last):
        return _starts(word)
    if len(last) == 1 and last.isalpha() and last.isupper():
        # An initial ("J. Smith"), but "vitamin C. The ..." and "plan B. It ..." end.
        return _starts(word) and last != "I"
    # A number at the very start with a dot is the number of an item.
    return not (last.isdigit() and match.start() - len(last) == start)


def _starts(word: str) -> bool:
    return word.rstrip(_TAIL).lower() in _STARTERS and not word.islower()
