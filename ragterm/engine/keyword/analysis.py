"""From text to terms: the one analysis that documents, questions and highlighting share.

Words are runs of letters and digits, lower-cased, accents folded, stop words dropped, stemmed with the English Snowball
stemmer (Porter 2001, "Snowball: a language for stemming algorithms"), all by a tantivy analyser. Before that comes what
tantivy does not do: NFKC (a PDF's "ﬁ" ligature is "fi", a decomposed accent is composed), and overlapping bigrams for
scripts written without spaces (Lucene's CJKAnalyzer does the same), since a whole sentence of Japanese would otherwise be
one term that nothing matches.

The stop words are Snowball's English list, with the pieces that contractions fall into ("don", "t"): it also holds the
words that questions are made of ("what", "how", "does"), which Lucene's list of 33 does not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tantivy

ANALYSIS_VERSION = 1
"""Goes into every index's format mark: change it whenever the same text would give other terms."""

MAX_QUERY_TERMS = 256
"""A pasted page is searched by its first terms only: each one costs a pass over its postings."""

STOP_WORDS = frozenset(
    word
    for line in """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its
    itself they them their theirs themselves what which who whom this that these those am is are was were be been being
    have has had having do does did doing would should could ought a an the and but if or because as until while of at by
    for with about against between into through during before after above below to from up down in out on off over under
    again further then once here there when where why how all any both each few more most other some such no nor not only
    own same so than too very can will just now
    s t d m ll re ve don didn doesn isn aren wasn weren hasn haven hadn won wouldn shouldn couldn mustn ain
    """.splitlines()
    for word in line.split()
)

# Scripts written without spaces between words, and Hangul, whose words carry their particles with them.
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ede\u1000-\u109f\u1780-\u17d3\u3041-\u3096\u3099-\u309f\u30a1-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af"
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# A word as it stands in a text: letters and digits with the marks and invisible characters inside it.
_WORD = re.compile("[^\\W_]+(?:[\u0300-\u036f\u00ad\u200b-\u200d\u2060]+[^\\W_]*)*")


def indexed_form(text: str) -> str:
    """The text as the analyser is given it. Offsets are not kept."""
    text = _SURROGATE.sub("\ufffd", text)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    text = _INVISIBLE.sub("", text)
    return _UNSPACED_RUN.sub(lambda run: f" {' '.join(_bigrams(run[0]))} ", text)


@cache
def analyser() -> tantivy.TextAnalyzer:
    """The tantivy analyser under which the index field `body` is registered."""
    import tantivy

    filters = tantivy.Filter
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(filters.remove_long(64))
        .filter(filters.lowercase())
        .filter(filters.ascii_fold())
        .filter(filters.custom_stopword(sorted(STOP_WORDS)))
        .filter(filters.stemmer("english"))
        .build()
    )


def query_terms(query: str) -> list[str]:
    """The terms of a question as they are matched, in order, repetitions kept; at most MAX_QUERY_TERMS."""
    terms: list[str] = analyser().analyze(indexed_form(query))
    return terms[:MAX_QUERY_TERMS]


def matched_spans(text: str, terms: Collection[str]) -> list[tuple[int, int]]:
    """Where `text` holds one of `terms` (as `query_terms` gives them): character spans `[start, end)`, in order, disjoint."""
    wanted = frozenset(terms)
    spans: list[tuple[int, int]] = []
    if not wanted:
        return spans
    for word in _WORD.finditer(text):
        if not word[0].isascii() and _UNSPACED_RUN.search(word[0]):
            spans += _unspaced_spans(word[0], word.start(), wanted)
        elif not wanted.isdisjoint(_word_terms(word[0])):
            spans.append(word.span())
    return spans


def surface_forms(texts: Iterable[str], terms: Collection[str], limit: int = 64) -> tuple[str, ...]:
    """The words of `texts` that match one of `terms`, lower case, each once, in order of appearance, at most `limit`.

    With these a view highlights by comparing words, without a stemmer: "refunds" and "refunded" for the term "refund".
    """
    wanted = frozenset(terms)
    found: dict[str, None] = {}
    if not wanted:
        return ()
    # A text says most of its words many times: each is looked at once.
    for word in dict.fromkeys(word for text in texts for word in _WORD.findall(text)):
        if word.isascii() and wanted.isdisjoint(_word_terms(word)):
            continue
        for start, end in matched_spans(word, wanted):
            found[word[start:end].lower()] = None
            if len(found) >= limit:
                return tuple(found)
    return tuple(found)


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@lru_cache(maxsize=65536)
def _word_terms(word: str) -> tuple[str, ...]:
    return tuple(analyser().analyze(indexed_form(word)))


def _unspaced_spans(word: str, offset: int, wanted: frozenset[str]) -> list[tuple[int, int]]:
    """Spans inside a word that holds a run of an unspaced script: matching bigrams, joined where they overlap."""
    spans: list[tuple[int, int]] = []

    def add(start: int, end: int) -> None:
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))

    at = 0
    for run in _UNSPACED_RUN.finditer(word):
        if run.start() > at and not wanted.isdisjoint(_word_terms(word[at : run.start()])):
            add(offset + at, offset + run.start())
        size = min(2, len(run[0]))
        for i in range(len(run[0]) - size + 1):
            if not wanted.isdisjoint(_word_terms(run[0][i : i + size])):
                add(offset + run.start() + i, offset + run.start() + i + size)
        at = run.end()
    if at < len(word) and not wanted.isdisjoint(_word_terms(word[at:])):
        add(offset + at, offset + len(word))
    return spans
