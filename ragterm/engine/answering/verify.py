"""Does the source say what the answer says? A span and a verdict for each sentence of an answer.

The claim (the sentence without its markers) is compared with every sentence of the passages it cites; the most
similar is the span. The verdict starts from similarity and is then lowered by what embeddings do not see: a number, a
name or a "not" that one side has and the other lacks. The order is a scale: verbatim > supported > weak >
unsupported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragterm.engine.answering.citations import MarkedSentence, marked_sentences, without_markers
from ragterm.engine.types.answers import Citation, Passage, Sentence, Verdict
from ragterm.engine.types.sentences import sentence_spans

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import Embedder

SUPPORTED = 0.62
WEAK = 0.40
"""Similarities (cosine, plus up to 0.15 for shared words) from which a claim counts as supported, or as weakly so."""
_OVERLAP_BONUS = 0.15
_SCALE: tuple[Verdict, ...] = ("unsupported", "weak", "supported", "verbatim")
_VERBATIM_WORDS = 3
"""A shorter claim ("Yes.") stands verbatim in almost any text."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<![.!?:\n] )(?<!^)(?<![\w*_\"“(\n])[A-Z][\w'’&-]*[A-Za-z0-9]")
_WORD = re.compile(r"[^\W_]+")
_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|without|cannot)\b|n['’]t\b", re.IGNORECASE)
_COUNT_WORDS = {
    word: str(n)
    for n, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 2
    )
}
_DECORATION = re.compile(r"[*_`~#>|]+|^\s*(?:[-+•]|\d{1,2}[.)])\s+", re.MULTILINE)
_STOP = """
a an the this that these those of in on at by for from with to and or but is are was were
be been it its as they their has have had
"""
_STOP_WORDS = frozenset(_STOP.split())


@dataclass(frozen=True, slots=True)
class _Span:
    """A sentence of a passage: offsets into the chunk's text."""

    passage: Passage
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.passage.chunk.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class _Match:
    span: _Span
    similarity: float


def verify(
    text: str, passages: Sequence[Passage], content_hashes: dict[str, str], embedder: Embedder
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Judge every sentence of an answer whose markers are resolved.

    `passages` are those of the prompt, `content_hashes` maps a document id to its version. A sentence with markers
    gets a citation per marker (in that order), each the best sentence of its passage; one without gets none, and its
    verdict says whether any passage supports it.
    """
    marked = [m for m in marked_sentences(text) if m.markers or not text[m.start : m.end].endswith(":")]
    if not marked or not passages:
        return tuple(_sentence(text, m, "unsupported") for m in marked), ()
    by_marker = {p.marker: p for p in passages}
    cited = {n for m in marked for n in m.markers if n in by_marker}
    searched = [p for p in passages if p.marker in cited] if all(m.markers for m in marked) else list(passages)
    spans = [_Span(p, s, e) for p in searched for s, e in _spans(p)]
    claims = [claim_of(text[m.start : m.end]) for m in marked]
    similarity = _similarities(claims, spans, embedder)

    sentences: list[Sentence] = []
    citations: list[Citation] = []
    for row, (claim, sentence) in enumerate(zip(claims, marked, strict=True)):
        markers: list[int | None] = [n for n in sentence.markers if n in by_marker]
        matches = [m for n in markers or [None] if (m := _best(claim, spans, similarity[row], n))]
        verdicts = [_verdict(claim, match, [m.span for m in matches]) for match in matches]
        if markers:
            for match, verdict in zip(matches, verdicts, strict=True):
                score = 1.0 if verdict == "verbatim" else match.similarity
                citations.append(
                    cite(match.span.passage, match.span.start, match.span.end, content_hashes, verdict, score)
                )
        best: Verdict = max(verdicts, key=_SCALE.index, default="unsupported")
        sentences.append(_sentence(text, sentence, best))
    return tuple(sentences), tuple(citations)


def cite(
    passage: Passage, start: int, end: int, content_hashes: dict[str, str], verdict: Verdict, score: float
) -> Citation:
    """The citation of `passage.chunk.text[start:end]`."""
    chunk = passage.chunk
    return Citation(
        marker=passage.marker,
        document_id=chunk.document_id,
        document_title=passage.title,
        path=passage.path,
        content_hash=content_hashes.get(chunk.document_id, ""),
        page=chunk.page,
        section=chunk.section,
        chunk_id=chunk.id,
        start=chunk.start + start,
        end=chunk.start + end,
        quote=chunk.text[start:end],
        verdict=verdict,
        score=round(score, 4),
    )


def claim_of(sentence: str) -> str:
    """What a sentence of the answer says: without markers and Markdown."""
    return " ".join(_DECORATION.sub(" ", without_markers(sentence)).split())


def judge_claim(claim: str, source: str, similarity: float, *, around: str = "") -> Verdict:
    """The verdict on `claim` against the sentence `source`, given their cosine. `around` is what else may hold the
    claim's names and numbers: the rest of the passage, its title, other sentences that the same claim cites.

    Similarity (with a bonus for shared words) gives the start: supported, weak or unsupported. Then, each lowering
    it: a number that stands nowhere (two steps, since a wrong number is a wrong claim), a number that stands only
    around, a name that stands nowhere, a negation that only one side has (one step each).
    """
    said, held = normalised(claim), normalised(source)
    if len(said.split()) >= _VERBATIM_WORDS and f" {said} " in f" {held} ":
        return "verbatim"
    words = {w for w in said.split() if w not in _STOP_WORDS}
    shared = len(words & set(held.split())) / len(words) if words else 0.0
    level = similarity + _OVERLAP_BONUS * shared
    step = 2 if level >= SUPPORTED else 1 if level >= WEAK else 0
    everything = normalised(f"{source}\n{around}")
    missing = numbers(claim) - numbers(source)
    if missing - numbers(f"{source}\n{around}"):
        step -= 2
    elif missing:
        step -= 1
    everywhere = set(everything.split())
    if any(not set(normalised(name).split()) <= everywhere for name in names(claim)):
        step -= 1
    if bool(_NEGATION.search(claim)) != bool(_NEGATION.search(source)):
        step -= 1
    return _SCALE[max(step, 0)]


def normalised(text: str) -> str:
    """Words and numbers in lower case, one space between them: equal for texts that differ in typography only."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("\u00ad", "")
    folded = re.sub(r"(?<=\d),(?=\d{3}\b)", "", folded)
    return " ".join(re.findall(r"[^\W_]+(?:['.][^\W_]+)*|[%€$£°]", folded))


def numbers(text: str) -> frozenset[str]:
    """The numbers of `text` in one form: "1,000" is "1000", "2.50" is "2.5", "twelve" is "12"."""
    found = set()
    for match in _NUMBER.finditer(text):
        plain = re.sub(r",(?=\d{3}\b)", "", match.group()).replace(",", ".")
        found.add(plain.rstrip("0").rstrip(".") if plain.count(".") == 1 else plain.lstrip("0") or "0")
    found |= {_COUNT_WORDS[w] for w in (m.group().lower() for m in _WORD.finditer(text)) if w in _COUNT_WORDS}
    return frozenset(found)


def names(text: str) -> frozenset[str]:
    """Capitalised words that do not merely begin a sentence."""
    return frozenset(m.group() for m in _NAME.finditer(text))


def _sentence(text: str, marked: MarkedSentence, verdict: Verdict) -> Sentence:
    return Sentence(text[marked.start : marked.end], marked.start, marked.end, marked.markers, verdict)


def _spans(passage: Passage) -> list[tuple[int, int]]:
    return sentence_spans(passage.chunk.text) or [(0, len(passage.chunk.text))]


def _similarities(claims: Sequence[str], spans: Sequence[_Span], embedder: Embedder) -> list[list[float]]:
    vectors = embedder.embed_documents([*claims, *(s.text for s in spans)])
    rows: list[list[float]] = (vectors[: len(claims)] @ vectors[len(claims) :].T).tolist()
    return rows


def _best(claim: str, spans: Sequence[_Span], similarity: Sequence[float], marker: int | None) -> _Match | None:
    """The span that matches best, of one passage or (None) of all. Shared numbers and words decide between near
    equals."""
    said = normalised(claim)
    words, wanted = set(said.split()) - _STOP_WORDS, numbers(claim)

    def value(i: int) -> float:
        held = normalised(spans[i].text)
        if said and f" {said} " in f" {held} ":
            return 2.0 + similarity[i]
        lexical = len(words & set(held.split())) / len(words) if words else 0.0
        numeric = len(wanted & numbers(spans[i].text)) / len(wanted) if wanted else 0.0
        return similarity[i] + 0.3 * lexical + 0.2 * numeric

    eligible = [i for i, s in enumerate(spans) if marker is None or s.passage.marker == marker]
    if not eligible:
        return None
    best = max(eligible, key=value)
    return _Match(spans[best], similarity[best])


def _verdict(claim: str, match: _Match, cited: Iterable[_Span]) -> Verdict:
    chunk = match.span.passage.chunk
    around = "\n".join([match.span.passage.title, chunk.context, *chunk.section, chunk.text, *(s.text for s in cited)])
    return judge_claim(claim, match.span.text, match.similarity, around=around)
