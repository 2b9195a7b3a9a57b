"""Prompts, answers, citations, and the events of a language model that is writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ragterm.engine.types.documents import Chunk

if TYPE_CHECKING:
    from ragterm.engine.types.tracing import Trace

Verdict = Literal["verbatim", "supported", "weak", "unsupported"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as it stands in a prompt, under its citation number `marker` (1-based). Where the chunk that was found has a parent,
    text and span are the parent's."""

    marker: int
    chunk: Chunk
    title: str
    path: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a language model is given. `messages` is the whole conversation, system message first; `tokens` is a (safe, upper)
    estimate of its length in the model's tokens. `passages` are the fenced chunks, for models that work on them directly."""

    question: str
    messages: tuple[Message, ...]
    passages: tuple[Passage, ...]
    tokens: int

    @property
    def text(self) -> str:
        """The exact context the model receives, for the reader."""
        return "\n\n".join(f"[{m.role}]\n{m.content}" for m in self.messages)


@dataclass(frozen=True, slots=True)
class Citation:
    """marker -> chunk -> character span -> page, with a verdict. `start` and `end` are offsets into the document's canonical
    text; `quote` is the text there when the answer was written (it outlives re-ingestion). `score` is the similarity (cosine)
    between the answer's sentence and the span, 1.0 for a verbatim one."""

    marker: int
    document_id: str
    document_title: str
    path: str
    content_hash: str
    page: int | None
    section: tuple[str, ...]
    chunk_id: str
    start: int
    end: int
    quote: str
    verdict: Verdict
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence `answer.text[start:end]` with the markers it carries and the verdict on what it says."""

    text: str
    start: int
    end: int
    markers: tuple[int, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished (or broken-off) answer. `text` carries the [n] markers. `declined`: nothing relevant was found and the text says
    so. `complete` is False when it was cancelled or the connection broke; `error` then holds the one-line message.
    `notice` is what the interface shows beside the answer (for example: no language model is running and how to start one)."""

    text: str
    llm: str
    declined: bool
    citations: tuple[Citation, ...]
    sentences: tuple[Sentence, ...]
    removed_markers: tuple[int, ...] = ()
    complete: bool = True
    error: str = ""
    hint: str = ""
    notice: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0


# What a language model yields while it writes.


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text. Already filtered: no escape sequence or control character but newline and tab."""

    text: str


@dataclass(frozen=True, slots=True)
class CitedSpan:
    """The extractive answerer says exactly where its last sentence stands: `start`:`end` in the document's canonical text."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The answerer found nothing relevant."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped by itself. `reason` is "stop" or "length"; token counts are 0 when unknown."""

    reason: str
    prompt_tokens: int = 0
    output_tokens: int = 0


LlmEvent = TextDelta | CitedSpan | Declined | Finished


# What `Engine.ask` yields.


@dataclass(frozen=True, slots=True)
class StageDone:
    """A retrieval step ended: for the status line while a question is under way."""

    name: str
    ms: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AnswerStarted:
    """Retrieval is done and `llm` begins to write; `trace` holds the retrieval so far, its passages marked."""

    llm: str
    trace: Trace
    notice: str = ""


@dataclass(frozen=True, slots=True)
class AnswerReady:
    """The end: the finished trace, saved. `trace.answer` is never None."""

    trace: Trace


AskEvent = StageDone | AnswerStarted | TextDelta | AnswerReady
