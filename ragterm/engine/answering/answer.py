"""From selected passages to a verified answer: one generator that streams and ends with the finished trace.

A model that fails or is stopped in mid-answer costs nothing that was already written: the text so far is kept, cited
and judged, and the answer says what happened and what to type next.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ragterm.engine.answering.citations import resolve_markers, without_markers
from ragterm.engine.answering.prompt import NO_ANSWER, build_prompt
from ragterm.engine.answering.verify import cite, normalised, verify
from ragterm.engine.retrieval import marked
from ragterm.engine.types.answers import (
    Answer,
    AnswerReady,
    AnswerStarted,
    AskEvent,
    Citation,
    CitedSpan,
    Declined,
    Finished,
    Passage,
    Prompt,
    Sentence,
    TextDelta,
)
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, RagtermError
from ragterm.engine.types.protocols import Embedder, LanguageModel
from ragterm.engine.types.settings import AnswerSettings
from ragterm.engine.types.tracing import StageTiming, Trace

_CUT_SHORT = "The answer reached its longest permitted length"


@dataclass(slots=True)
class _Draft:
    """What has been written so far. `cited` are an extractive answerer's own spans, each with the place in `text`
    where its sentence begins and ends."""

    text: str = ""
    cited: list[tuple[int, int, CitedSpan]] = field(default_factory=list)
    declined: str = ""
    finished: Finished | None = None
    error: RagtermError | None = None
    first_text_ms: float | None = None


def answer_question(
    trace: Trace,
    passages: Sequence[Passage],
    llm: LanguageModel,
    embedder: Embedder,
    history: Sequence[tuple[str, str]] = (),
    control: Control | None = None,
    settings: AnswerSettings | None = None,
    *,
    notice: str = "",
) -> Iterator[AskEvent]:
    """Answer `trace.question` from `passages`. Yields `AnswerStarted`, `TextDelta` as the model writes, and
    `AnswerReady`.

    `trace` has the passages' markers on its candidates; the finished one carries prompt, answer and timings. An
    answer that broke off or was cancelled is not raised: it ends in `AnswerReady` with `complete=False`, `error` and
    `hint`. The deltas may hold markers that the final text lacks (they named no passage).
    """
    control = control or Control()
    settings = settings or AnswerSettings()
    draft = _Draft()
    started = time.perf_counter()
    prompt = Prompt(trace.question, (), tuple(passages), 0)
    try:
        window = llm.context_window() if passages else 0
        prompt = build_prompt(
            trace.question, passages, history, window=window, answer_tokens=settings.max_answer_tokens
        )
    except RagtermError as error:
        draft.error = error
    trace = replace(marked(trace, prompt.passages), prompt=prompt.text)
    yield AnswerStarted(llm.name, trace, notice)

    if draft.error is None:
        if passages:
            yield from _written(llm, prompt, control, draft, started)
        else:
            draft.declined = NO_ANSWER
    written = time.perf_counter()
    answer = _finished(draft, prompt, trace, llm.name, embedder, notice)
    timings = [StageTiming("answer", (written - started) * 1000, _how(draft, llm.name))]
    if draft.first_text_ms is not None:
        timings.insert(0, StageTiming("first token", draft.first_text_ms, llm.name))
    timings.append(StageTiming("verify", (time.perf_counter() - written) * 1000, f"{len(answer.sentences)} sentences"))
    yield AnswerReady(replace(trace, answer=answer, timings=(*trace.timings, *timings)))


def _written(llm: LanguageModel, prompt: Prompt, control: Control, draft: _Draft, started: float) -> Iterator[AskEvent]:
    sentence_start = 0
    try:
        for event in llm.stream(prompt, control):
            match event:
                case TextDelta():
                    if draft.first_text_ms is None:
                        draft.first_text_ms = (time.perf_counter() - started) * 1000
                    draft.text += event.text
                    yield event
                case CitedSpan():
                    start = (
                        sentence_start + len(draft.text[sentence_start:]) - len(draft.text[sentence_start:].lstrip())
                    )
                    draft.cited.append((start, len(draft.text), event))
                    sentence_start = len(draft.text)
                case Declined():
                    draft.declined = event.reason
                case Finished():
                    draft.finished = event
    except RagtermError as error:
        draft.error = error


def _finished(draft: _Draft, prompt: Prompt, trace: Trace, llm: str, embedder: Embedder, notice: str) -> Answer:
    usage = draft.finished or Finished("")
    hashes = {c.chunk.document_id: c.content_hash for c in trace.candidates}
    if draft.declined:
        return Answer(draft.declined, llm, True, (), (), notice=notice)
    removed: tuple[int, ...] = ()
    if draft.cited:
        text = draft.text
        sentences, citations = _as_quoted(draft, prompt.passages, hashes)
    else:
        resolved = resolve_markers(draft.text.strip(), {p.marker for p in prompt.passages})
        text, removed = resolved.text.strip(), resolved.removed
        if declines(text) and draft.error is None:
            return Answer(
                text,
                llm,
                True,
                (),
                (),
                removed,
                notice=notice,
                prompt_tokens=usage.prompt_tokens,
                output_tokens=usage.output_tokens,
            )
        sentences, citations = verify(text, prompt.passages, hashes, embedder)
    error, hint = _what_went_wrong(draft)
    return Answer(
        text=text,
        llm=llm,
        declined=False,
        citations=citations,
        sentences=sentences,
        removed_markers=removed,
        complete=not error,
        error=error,
        hint=hint,
        notice=notice,
        prompt_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
    )


def declines(text: str) -> bool:
    """Whether an answer says that the documents hold none: the sentence that the prompt asks for, and no citation."""
    return normalised(NO_ANSWER) in normalised(text) and without_markers(text) == text


def _as_quoted(
    draft: _Draft, passages: Sequence[Passage], hashes: dict[str, str]
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """An extractive answer knows its spans: nothing is searched, every sentence is verbatim."""
    by_marker = {p.marker: p for p in passages}
    sentences, citations = [], []
    for start, end, span in draft.cited:
        passage = by_marker[span.marker]
        offset = passage.chunk.start
        sentences.append(Sentence(draft.text[start:end], start, end, (span.marker,), "verbatim"))
        citations.append(cite(passage, span.start - offset, span.end - offset, hashes, "verbatim", 1.0))
    return tuple(sentences), tuple(citations)


def _what_went_wrong(draft: _Draft) -> tuple[str, str]:
    if draft.error is None:
        if draft.finished is not None and draft.finished.reason == "length":
            return _CUT_SHORT, "raise answer.max_answer_tokens for longer ones"
        return "", ""
    if isinstance(draft.error, Cancelled):
        return "Cancelled", "ask again to get the whole answer"
    return str(draft.error), draft.error.hint


def _how(draft: _Draft, llm: str) -> str:
    if draft.error is not None:
        return f"{llm}, broken off"
    if draft.declined:
        return f"{llm}, nothing relevant"
    tokens = draft.finished.output_tokens if draft.finished else 0
    return f"{llm}, {tokens} tokens" if tokens else llm
