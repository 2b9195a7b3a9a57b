"""The whole way from passages to a finished trace, with a real server at the other end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from support.minilm import minilm
from support.ollama_server import Behaviour, OllamaServer
from support.passages import passage, trace_of

from ragterm.engine.answering.answer import answer_question
from ragterm.engine.answering.prompt import NO_ANSWER
from ragterm.engine.llm.extractive import ExtractiveAnswerer
from ragterm.engine.llm.ollama import OllamaModel
from ragterm.engine.types.answers import Answer, AnswerReady, AnswerStarted, AskEvent, Passage, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.protocols import LanguageModel
from ragterm.engine.types.settings import AnswerSettings
from ragterm.engine.types.tracing import Trace

PASSAGES = [
    passage(
        1,
        "Refunds are paid within 14 days of the return. Customers must keep the receipt.",
        "Refund policy",
        page=3,
        start=500,
    ),
    passage(2, "The warehouse in Hamar opens at 7:00. Deliveries are taken until 15:00.", "Warehouse"),
]
QUESTION = "How long do refunds take?"


def asked(
    model: LanguageModel,
    passages: list[Passage] | None = None,
    question: str = QUESTION,
    control: Control | None = None,
) -> tuple[list[AskEvent], Trace, Answer]:
    passages = PASSAGES if passages is None else passages
    events = list(
        answer_question(trace_of(question, passages), passages, model, minilm(), control=control, notice="note")
    )
    assert isinstance(events[0], AnswerStarted)
    last = events[-1]
    assert isinstance(last, AnswerReady)
    assert last.trace.answer is not None
    return events, last.trace, last.trace.answer


def ollama(server: OllamaServer, **settings: float) -> OllamaModel:
    return OllamaModel("llama3.2:3b", server.host, AnswerSettings(**settings))  # type: ignore[arg-type]


def test_a_streamed_answer_becomes_text_citations_and_verdicts() -> None:
    said = "Refunds are paid within 14 days of the return [1]. Deliveries end at 15:00 [2, 7]. Keep it [9]."
    with OllamaServer(behaviour=Behaviour(said)) as server:
        events, trace, answer = asked(ollama(server))
        sent = server.chats()[0]
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == said
    assert answer.text == "Refunds are paid within 14 days of the return [1]. Deliveries end at 15:00 [2]. Keep it."
    assert answer.removed_markers == (7, 9)
    assert [(c.marker, c.page, c.start, c.end, c.content_hash) for c in answer.citations] == [
        (1, 3, 500, 546, "hash-1"),
        (2, None, 38, 71, "hash-2"),
    ]
    assert [(s.markers, s.verdict) for s in answer.sentences][:1] == [((1,), "verbatim")]
    assert all(answer.text[s.start : s.end] == s.text for s in answer.sentences)
    assert (answer.complete, answer.declined, answer.error, answer.notice, answer.llm) == (
        True,
        False,
        "",
        "note",
        "ollama:llama3.2:3b",
    )
    assert answer.prompt_tokens > 0
    assert [t.name for t in trace.timings] == ["first token", "answer", "verify"]
    # The trace shows exactly what the model received.
    assert trace.prompt == "\n\n".join(f"[{m['role']}]\n{m['content']}" for m in sent["messages"])


def test_the_connection_drops_and_the_partial_answer_is_kept_cited() -> None:
    said = "Refunds are paid within 14 days of the return [1]. Customers must"
    with OllamaServer(behaviour=Behaviour(said + " keep", drop_after=12)) as server:
        _, _, answer = asked(ollama(server))
    assert answer.text == said
    assert not answer.complete
    assert answer.error.startswith("The connection to Ollama broke off")
    assert answer.hint
    assert [c.marker for c in answer.citations] == [1]


def test_cancelled_in_mid_answer() -> None:
    control = Control()
    with OllamaServer(behaviour=Behaviour("Refunds take 14 days [1]. And more.", token_delay=60)) as server:
        stream = answer_question(trace_of(QUESTION, PASSAGES), PASSAGES, ollama(server), minilm(), control=control)
        threading.Timer(0, lambda: server.streaming.wait(20) and control.cancel()).start()
        last = list(stream)[-1]
    assert isinstance(last, AnswerReady)
    answer = last.trace.answer
    assert answer is not None
    assert (answer.complete, answer.error) == (False, "Cancelled")
    assert answer.hint


@pytest.mark.parametrize("case", ["absent server", "absent model"])
def test_no_answer_at_all_is_one_message_and_a_next_step(case: str) -> None:
    with OllamaServer(["mistral:7b"]) as server:
        model = OllamaModel("llama3.2", "127.0.0.1:1" if case == "absent server" else server.host)
        events, _, answer = asked(model)
    assert [type(e) for e in events] == [AnswerStarted, AnswerReady]
    assert answer.text == ""
    assert not answer.complete
    expected = (
        ("Ollama is not running", "`ollama serve`")
        if case == "absent server"
        else ("llama3.2 is not", "`ollama pull llama3.2`")
    )
    assert expected[0] in answer.error
    assert expected[1] in answer.hint
    assert "\n" not in answer.error


def test_a_model_that_says_the_documents_do_not_answer_has_declined() -> None:
    with OllamaServer(behaviour=Behaviour(f"**{NO_ANSWER}**")) as server:
        _, _, answer = asked(ollama(server))
    assert answer.declined
    assert answer.citations == ()
    assert answer.sentences == ()
    with OllamaServer(behaviour=Behaviour(f"{NO_ANSWER} But deliveries end at 15:00 [2].")) as server:
        _, _, answer = asked(ollama(server))
    assert not answer.declined


def test_an_answer_cut_off_at_its_longest_is_incomplete() -> None:
    with OllamaServer(behaviour=Behaviour("Refunds take", done_reason="length")) as server:
        _, _, answer = asked(ollama(server))
    assert not answer.complete
    assert "answer.max_answer_tokens" in answer.hint


def test_a_passage_that_does_not_fit_the_window_loses_its_number() -> None:
    many = [passage(n, f"Passage {n} says this. " + "word " * 300) for n in range(1, 9)]

    class Small:
        name = "small"

        def context_window(self) -> int:
            return 2048

        def stream(self, prompt: object, control: Control) -> Iterator[TextDelta]:
            yield TextDelta("Passage 8 says this [8].")

    _, trace, answer = asked(Small(), many)  # type: ignore[arg-type]
    shown = [c.marker for c in trace.candidates if c.marker]
    assert shown == list(range(1, len(shown) + 1))
    assert len(shown) < 8
    assert answer.removed_markers == (8,)
    assert "[8]" not in trace.prompt


def test_without_passages_nothing_is_asked_and_the_answer_says_so() -> None:
    with OllamaServer() as server:
        _, _, answer = asked(ollama(server), [])
        assert server.requests == []
    assert answer.declined
    assert answer.text


def test_the_extractive_answerer_cites_its_exact_spans() -> None:
    events, _, answer = asked(ExtractiveAnswerer(minilm()))
    assert answer.text.startswith("Refunds are paid within 14 days of the return. [1]")
    assert 1 <= len(answer.citations) <= 3
    first = answer.citations[0]
    assert (first.start, first.end, first.quote, first.verdict) == (
        500,
        546,
        "Refunds are paid within 14 days of the return.",
        "verbatim",
    )
    assert [s.markers for s in answer.sentences] == [(c.marker,) for c in answer.citations]
    assert all(answer.text[s.start : s.end] == s.text for s in answer.sentences)
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == answer.text


def test_reference_numbers_of_the_source_do_not_become_markers() -> None:
    source = [passage(1, "The bridge was opened in 1932.[2] It is long.", "Bridge")]
    _, _, answer = asked(ExtractiveAnswerer(minilm()), source, "When was the bridge opened?")
    assert "The bridge was opened in 1932. [1]" in answer.text
    assert {c.marker for c in answer.citations} == {1}
    assert "[2]" not in answer.text
