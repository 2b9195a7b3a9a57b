"""Which sentences of some passages answer a question, and whether any does: judged without a language model.

A sentence is scored by six signals, summed with fixed weights. Two look at it alone, two at the words it shares with
the question, two at the passage around it:

- `cosine`        question and sentence, each as one vector
- `maxsim`        late interaction (Khattab & Zaharia 2020, ColBERT, section 3.2): for every token of the question the
                  cosine of the most similar token in the sentence or the one before it, averaged. The tokens were
                  read together with their passage, so "he" and "it" know whom they mean
- `overlap`       share of the question's content words (by inverse frequency among the sentences) that the sentence has
- `cue`           +1 when the sentence holds the kind of thing asked for (a date for "when", a number for "how many",
                  a name for "who"), -1 when it does not, 0 when the question does not say
- `passage`       late interaction between the question and the whole passage
- `rank`          1 / the passage's place in the ranking

The weights were fitted by softmax regression (the probability that the right sentence is drawn among all of its
question) on 800 SQuAD questions and, three times as heavy, the 60 questions of the sample documents;
tests/benchmarks/answers.py measures on other SQuAD questions, and five-fold cross-validation on the samples lost
none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragterm.engine.llm.relevance import AskedWord, stands_in, stem
from ragterm.engine.types.answers import Passage
from ragterm.engine.types.sentences import sentence_spans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragterm.engine.types.protocols import Embedder

    FloatArray = NDArray[np.float32]

WEIGHTS = {"cosine": 5.3, "maxsim": 8.6, "overlap": 5.75, "cue": 1.15, "passage": 18.0, "rank": 0.5}
_EVIDENCE_SENTENCES = 3
_MAX_WORDS = 16
_SHORTLIST = 24
"""Sentences that are embedded one by one: the best by the other signals. The rest cannot win any more."""

_STOP = """
a an the this that these those of in on at by for from with to into onto as about between during against through
over under is are was were be been being am do does did done has have had having can could will would shall should
may might must i you he she it we they me him her us them my your his its our their what which who whom whose when
where why how and or but if because than then so not no nor there here also very just only own same such too s t d
ll re ve much many long often please tell name kind type sort amount share percentage proportion able allowed
permitted supposed need needs needed
"""
"""Beside what every list of stop words has: what says which kind of answer is wanted ("what share"), and what stands for a modal verb
("is allowed to"). Neither is what the question is about."""
_STOP_WORDS = frozenset(_STOP.split())
_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\b\d{3,4}s?\b|\bcentur(?:y|ies)\b|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d{1,2}[:.]\d\d\b"
    r"|\b(?:day|week|month|year|hour|minute|morning|evening|noon|midnight|(?:mon|tues|wednes|thurs|fri|satur|sun)day)s?\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|billion|half|third|quarter|twice|once)\b",
    re.IGNORECASE,
)
_ROW = re.compile(r"\t| \| |\S {3,}\S")
_LIST_MARK = re.compile(r"[ \t]*[-*+•]")
_RUNNING_LINE = re.compile(r"\b(?:page|seite) \d+ (?:of|von) \d+\b", re.IGNORECASE)
_NUMBERING = re.compile(r"^(?:\d+(?:\.\d+)*|[A-Z])[.)]?\s+")
_HEADING_WORDS = 8
_NAME = re.compile(r"(?<=[a-z,;)] )[A-Z][\w'’-]+|^[A-Z]\w+ [A-Z]")
_ASKS_DATE = re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b", re.IGNORECASE)
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|old|far|large|big|tall|high|heavy|hot|cold|often|fast|late|soon|early)\b"
    r"|\b(?:percentage|percent|number of|price|cost|rate|amount)\b",
    re.IGNORECASE,
)
_ASKS_NAME = re.compile(r"\bwho(?:m|se)?\b|\bwhere\b|\b(?:city|country|state|place)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence `passage.chunk.text[start:end]` (offsets into the chunk) with its score: a log-odds among the
    question's sentences, comparable only within one question. `signals` are the six of the module, for tests and for
    the curious."""

    passage: Passage
    start: int
    end: int
    score: float
    signals: dict[str, float]

    @property
    def text(self) -> str:
        return self.passage.chunk.text[self.start : self.end]

    @property
    def document_span(self) -> tuple[int, int]:
        """Offsets into the document's canonical text."""
        return self.passage.chunk.start + self.start, self.passage.chunk.start + self.end


@dataclass(frozen=True, slots=True)
class Judged:
    """The sentences, best first, and the content words of the question against the best of them."""

    evidence: tuple[Evidence, ...]
    words: tuple[AskedWord, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A sentence before it is scored. `lead` is the start of the text that its words are read from: a question just
    before it, as in a list of questions and answers, belongs to it. `before` is the unit that precedes it: a sentence,
    a heading, the head of its table."""

    passage: int
    start: int
    end: int
    lead: int
    before: tuple[int, int]


def judge(question: str, passages: Sequence[Passage], embedder: Embedder) -> Judged:
    """Score the sentences of `passages` (best passage first) as answers to `question`. Two runs of the embedding
    model: one over the passages' tokens, one over a shortlist of sentences."""
    import numpy as np

    places = _places(passages)
    if not places:
        return Judged((), ())
    asked = embedder.token_vectors([question])[0]  # (question tokens, d)
    texts = [p.chunk.embedding_text for p in passages]
    token_vectors = embedder.token_vectors(texts)
    similarity = [asked @ vectors.T for vectors in token_vectors]  # each (question tokens, passage tokens)
    token_starts, token_ends = _token_places(passages, texts, token_vectors, embedder)

    words = [_stems(passages[p.passage].chunk.text[p.lead : p.end]) for p in places]
    wanted = list(dict.fromkeys(stem(w) for w in _content_words(question)))
    rarity = {w: math.log(1 + (len(words) + 0.5) / (sum(w in s for s in words) + 0.5)) for w in wanted}
    whole = sum(rarity.values()) or 1.0
    passage_maxsim = [float(s.max(axis=1).mean()) if s.size else 0.0 for s in similarity]

    signals: list[dict[str, float]] = []
    for place, has in zip(places, words, strict=True):
        n = place.passage
        inside = (token_starts[n] >= place.lead) & (token_ends[n] <= place.end)
        preceding = (token_starts[n] >= place.before[0]) & (token_ends[n] <= place.before[1])
        near = similarity[n][:, inside | preceding]
        signals.append(
            {
                "cosine": 0.0,
                "maxsim": float(near.max(axis=1).mean()) if near.size else 0.0,
                "overlap": sum(rarity[w] for w in wanted if w in has) / whole,
                "cue": cue(question, passages[n].chunk.text[place.start : place.end]),
                "passage": passage_maxsim[n],
                "rank": 1 / (n + 1),
            }
        )
    first = np.array([_score(s) + WEIGHTS["cosine"] * s["maxsim"] for s in signals])
    shortlist = np.argsort(-first, kind="stable")[:_SHORTLIST]
    vectors = embedder.embed_documents(
        [passages[places[i].passage].chunk.text[places[i].lead : places[i].end] for i in shortlist]
    )
    asked_vector = embedder.embed_query(question)
    found = []
    for i, vector in zip(shortlist, vectors, strict=True):
        place, own = places[i], {**signals[i], "cosine": float(vector @ asked_vector)}
        found.append(
            (Evidence(passages[place.passage], place.start, place.end, _score(own), own), vector, place.passage)
        )
    found.sort(key=lambda each: -each[0].score)
    best = found[:_EVIDENCE_SENTENCES]
    held = sorted({number for _, _, number in best})
    words_asked = _asked_words(
        question,
        np.max([similarity[n].max(axis=1) for n in held], axis=0),
        "\n".join(f"{passages[n].title}\n{texts[n]}" for n in held),
        asked_vector,
        np.stack([vector for _, vector, _ in best]),
        embedder,
    )
    return Judged(tuple(each for each, _, _ in found), words_asked)


def _score(signals: dict[str, float]) -> float:
    return sum(WEIGHTS[name] * value for name, value in signals.items())


def _places(passages: Sequence[Passage]) -> list[_Place]:
    """The sentences that could be an answer: no headings, no questions, none twice."""
    places: list[_Place] = []
    seen_words: set[str] = set()
    seen_spans: dict[str, list[tuple[int, int]]] = {}
    for number, passage in enumerate(passages):
        chunk = passage.chunk
        titles = {_plain(h) for h in (*chunk.section, passage.title)}
        lead: int | None = None
        before = (0, 0)
        for start, end in sentence_spans(chunk.text):
            text = chunk.text[start:end]
            asks = text.rstrip("*_ ").endswith("?")
            if not asks and _plain(text) not in titles and not is_heading(chunk.text, start, end):
                spans = seen_spans.setdefault(chunk.document_id, [])
                here = (chunk.start + start, chunk.start + end)
                # A chunk repeats the end of the one before it.
                repeated = any(min(here[1], e) - max(here[0], s) > 0.5 * (end - start) for s, e in spans)
                if not repeated and _plain(text) not in seen_words:
                    places.append(_Place(number, start, end, start if lead is None else lead, before))
                    spans.append(here)
                    seen_words.add(_plain(text))
            lead = start if asks else None
            before = (start, end)
    return places


def is_heading(text: str, start: int, end: int) -> bool:
    """Whether the sentence `text[start:end]` is a heading or a page's running line: marked with "#", or short, without
    closing punctuation or figures, between blank lines."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    if text[line_start:start].lstrip().startswith("#"):
        return True
    above = line_start == 0 or text[:line_start].endswith("\n\n")
    row = _ROW.search(text, line_start, line_end) is not None
    below = row or text[line_end : line_end + 2] in ("\n\n", "\n", "")
    if not (above and below) or _LIST_MARK.match(text, line_start, start):
        return False
    sentence = text[start:end]
    if _RUNNING_LINE.search(sentence):
        return True
    bare = _NUMBERING.sub("", sentence)
    return (row or len(bare.split()) <= _HEADING_WORDS) and not re.search(r"\d", bare) and bare[-1:] not in ".!?;,…"


def _token_places(
    passages: Sequence[Passage], texts: Sequence[str], vectors: Sequence[FloatArray], embedder: Embedder
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Where each token of each passage begins and ends, as offsets into the chunk's own text (negative in its
    context)."""
    import numpy as np

    starts, ends = [], []
    for passage, text, each in zip(passages, texts, vectors, strict=True):
        spans = np.asarray(list(embedder.tokenizer.spans(text))[: len(each)], dtype=np.int64).reshape(-1, 2)
        spans -= len(text) - len(passage.chunk.text)
        starts.append(spans[:, 0])
        ends.append(spans[:, 1])
    return starts, ends


def _asked_words(
    question: str,
    nearest: FloatArray,
    held: str,
    asked_vector: FloatArray,
    sentence_vectors: FloatArray,
    embedder: Embedder,
) -> tuple[AskedWord, ...]:
    """The content words of the question. `nearest` (question tokens,): cosine of the most similar token of the
    evidence; `held`: the text there; `sentence_vectors` (best sentences, d)."""
    spans = list(embedder.tokenizer.spans(question))[: len(nearest)]
    found = [m for m in _WORD.finditer(question) if m.group().lower() not in _STOP_WORDS][:_MAX_WORDS]
    # A word of several tokens is as like as its least like token: "freelancers" is not "free".
    likeness = [[nearest[i] for i, (s, e) in enumerate(spans) if s >= m.start() and e <= m.end()] for m in found]
    without = embedder.embed_documents([question[: m.start()] + question[m.end() :] for m in found])  # (words, d)
    reached = float((sentence_vectors @ asked_vector).max())
    stems = _stems(held)
    words = []
    for match, like, vector in zip(found, likeness, without, strict=True):
        word, before = match.group(), question[: match.start()].rstrip()
        is_name = bool(before) and word[0].isupper() and before[-1] not in ".!?"
        words.append(
            AskedWord(
                word=word,
                nearest=float(min(like, default=1.0)),
                stands=stands_in(word, is_name, held, stems),
                importance=float(1.0 - vector @ asked_vector),
                pull=float((sentence_vectors @ vector).max()) - reached,
                is_name=is_name,
            )
        )
    return tuple(words)


def cue(question: str, sentence: str) -> float:
    """+1 when `sentence` holds what the question's wording asks for, -1 when not, 0 when the wording does not tell."""
    for asks, holds in ((_ASKS_DATE, _DATE), (_ASKS_NUMBER, _NUMBER), (_ASKS_NAME, _NAME)):
        if asks.search(question):
            return 1.0 if holds.search(sentence) else -1.0
    return 0.0


def _content_words(text: str) -> list[str]:
    return [w for w in (m.group().lower() for m in _WORD.finditer(text)) if w not in _STOP_WORDS]


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(m.group().lower()) for m in _WORD.finditer(text))


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
