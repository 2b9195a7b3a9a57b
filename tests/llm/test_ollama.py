"""Ollama over real sockets: a server that speaks its API, and every way in which it can fail."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from support.ollama_server import Behaviour, Loaded, ModelCard, OllamaServer

from ragterm.engine.llm.ollama import OllamaModel, context_size, nearest_model, ollama_status
from ragterm.engine.types.answers import Finished, LlmEvent, Message, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, LlmError, OfflineError
from ragterm.engine.types.settings import AnswerSettings

PROMPT = Prompt("What?", (Message("system", "Rules."), Message("user", "What?")), (), 20)


def prompt_of(tokens: int) -> Prompt:
    return Prompt("What?", PROMPT.messages, (), tokens)


def text_of(events: list[LlmEvent]) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta))


def run(model: OllamaModel, prompt: Prompt = PROMPT) -> list[LlmEvent]:
    return list(model.stream(prompt, Control()))


def collect(stream: Iterator[LlmEvent]) -> tuple[str, Exception | None]:
    """The text until the end, and what ended it."""
    events: list[LlmEvent] = []
    try:
        events.extend(iter_into(stream, events))
    except (LlmError, Cancelled) as error:
        return text_of(events), error
    return text_of(events), None


def iter_into(stream: Iterator[LlmEvent], events: list[LlmEvent]) -> list[LlmEvent]:
    for event in stream:
        events.append(event)
    return []


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_answer_streams_and_ends_with_its_counts() -> None:
    with OllamaServer(behaviour=Behaviour(["It", " is", " so", " [1]."])) as server:
        events = run(OllamaModel("llama3.2:3b", server.host))
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["It", " is", " so", " [1]."]
    assert events[-1] == Finished("stop", prompt_tokens=2, output_tokens=4)


def test_the_context_follows_the_prompt_and_never_passes_the_models_limit() -> None:
    with OllamaServer([ModelCard("small", context_length=10_000)]) as server:
        for tokens in (100, 3500, 9500, 100):
            run(OllamaModel("small", server.host), prompt_of(tokens))
        asked = [c["options"]["num_ctx"] for c in server.chats()]
        loads = server.loads
    # The last, small question keeps the context that is loaded: another would reload the model.
    assert asked == [4096, 8192, 10_000, 10_000]
    assert loads == [Loaded("small:latest", n) for n in (4096, 8192, 10_000)] or [x.num_ctx for x in loads] == [
        4096,
        8192,
        10_000,
    ]


@pytest.mark.parametrize(
    ("needed", "limit", "loaded", "size"),
    [
        (1, 131_072, 0, 4096),
        (4096, 131_072, 0, 4096),
        (4097, 131_072, 0, 8192),
        (3000, 2048, 0, 2048),
        (3000, 131_072, 16_384, 16_384),
        (9000, 131_072, 8192, 12_288),
        (1000, 8192, 131_072, 4096),
    ],
)
def test_context_size(needed: int, limit: int, loaded: int, size: int) -> None:
    assert context_size(needed, limit, loaded) == size


def test_the_window_is_the_models_own() -> None:
    with OllamaServer([ModelCard("qwen3:8b", 40_960, architecture="qwen3")]) as server:
        model = OllamaModel("qwen3:8b", server.host)
        assert model.context_window() == 40_960
        assert model.context_window() == 40_960
        assert [r.path for r in server.requests] == ["/api/show"]


def test_thoughts_are_no_part_of_the_answer() -> None:
    thinker = ModelCard("qwen3:8b", 40_960, capabilities=("completion", "thinking"))
    with OllamaServer([thinker], Behaviour("Yes [1].", thinking="Let me see ...")) as server:
        assert text_of(run(OllamaModel("qwen3:8b", server.host))) == "Yes [1]."
        assert server.chats()[0]["think"] is False
    with OllamaServer(behaviour=Behaviour(["<thi", "nk>Let me", " see</think>", "\n\nYes."])) as server:
        assert text_of(run(OllamaModel("llama3.2:3b", server.host))) == "Yes."
        assert "think" not in server.chats()[0]


def test_escape_sequences_that_straddle_tokens_do_not_arrive() -> None:
    with OllamaServer(behaviour=Behaviour(["ok \x1b", "]0;own", "ed\x07 fi", "ne \x1b[3", "1m!"])) as server:
        assert text_of(run(OllamaModel("llama3.2:3b", server.host))) == "ok  fine !"


# Failures: one clear message, the next thing to type, what was written is kept.


def test_no_server(free_port: int) -> None:
    with pytest.raises(LlmError) as caught:
        run(OllamaModel("llama3.2", f"127.0.0.1:{free_port}"))
    assert caught.value.title == "Ollama is not running"
    assert str(free_port) in caught.value.message
    assert "`ollama serve`" in caught.value.hint


def test_the_model_is_absent() -> None:
    with OllamaServer(["llama3.2:3b", "mistral:7b", "nomic-embed-text"]) as server, pytest.raises(LlmError) as caught:
        run(OllamaModel("llama3.2", server.host))
    assert caught.value.title == "The model llama3.2 is not installed"
    assert (
        caught.value.hint == "type `ollama pull llama3.2`, or use the installed llama3.2:3b (--llm ollama:llama3.2:3b)"
    )
    assert "mistral:7b" in caught.value.message


@pytest.mark.parametrize("way", [{"drop_after": 2}, {"end_after": 2}])
def test_the_connection_drops_in_mid_answer(way: dict[str, int]) -> None:
    with OllamaServer(behaviour=Behaviour("one two three four", **way)) as server:  # type: ignore[arg-type]
        text, error = collect(OllamaModel("llama3.2:3b", server.host).stream(PROMPT, Control()))
    assert text == "one two"
    assert isinstance(error, LlmError)
    assert error.title == "The connection to Ollama broke off"
    assert error.hint


def test_an_error_line_in_mid_answer() -> None:
    gone = "an error was encountered while running the model: CUDA error: out of memory"
    with OllamaServer(behaviour=Behaviour("one two three", error_after=(1, gone))) as server:
        text, error = collect(OllamaModel("llama3.2:3b", server.host).stream(PROMPT, Control()))
    assert text == "one"
    assert isinstance(error, LlmError)
    assert error.title == "llama3.2:3b does not fit into memory"
    assert "smaller model" in error.hint


@pytest.mark.parametrize(
    ("refusal", "title"),
    [
        (
            (500, "model requires more system memory (9.2 GiB) than is available (3.1 GiB)"),
            "llama3.2:3b does not fit into memory",
        ),
        ((500, "llama runner process has \x1b[31mterminated"), "Ollama reported an error"),
        ((400, '"llama3.2:3b" does not support chat'), "llama3.2:3b cannot chat"),
    ],
)
def test_refusals(refusal: tuple[int, str], title: str) -> None:
    with OllamaServer(behaviour=Behaviour(chat_error=refusal)) as server, pytest.raises(LlmError) as caught:
        run(OllamaModel("llama3.2:3b", server.host))
    assert caught.value.title == title
    assert caught.value.hint
    assert "\x1b" not in str(caught.value)


def test_a_server_that_takes_too_long() -> None:
    settings = AnswerSettings(timeout_seconds=1.0)
    with (
        OllamaServer(behaviour=Behaviour("one two", first_token_delay=30)) as server,
        pytest.raises(LlmError) as caught,
    ):
        run(OllamaModel("llama3.2:3b", server.host, settings))
    assert caught.value.title == "Ollama takes too long"
    assert "answer.timeout_seconds" in caught.value.hint


def test_a_server_that_is_something_else() -> None:
    with OllamaServer(behaviour=Behaviour(garbage=True)) as server:
        with pytest.raises(LlmError) as caught:
            run(OllamaModel("llama3.2:3b", server.host))
        status = ollama_status(server.host)
    assert caught.value.title == "The server is not Ollama"
    assert not status.running
    assert "not as Ollama does" in status.message


@pytest.mark.parametrize(
    "behaviour", [Behaviour("one two", first_token_delay=60), Behaviour("one two three", token_delay=60)]
)
def test_cancelling_closes_the_connection_at_once_even_before_the_first_token(behaviour: Behaviour) -> None:
    control = Control()
    with OllamaServer(behaviour=behaviour) as server:
        outcome: list[tuple[str, Exception | None]] = []
        model = OllamaModel("llama3.2:3b", server.host)
        worker = threading.Thread(target=lambda: outcome.append(collect(model.stream(PROMPT, control))))
        worker.start()
        assert server.streaming.wait(20)
        control.cancel()
        # The delays are a minute: only a connection that is really closed ends these waits.
        worker.join(20)
        assert server.aborted.wait(20)
    assert [type(error) for _, error in outcome] == [Cancelled]


def test_a_caller_that_stops_listening_closes_the_connection() -> None:
    with OllamaServer(behaviour=Behaviour("one two three", token_delay=60)) as server:
        stream = OllamaModel("llama3.2:3b", server.host).stream(PROMPT, Control())
        assert next(stream) == TextDelta("one")
        stream.close()  # type: ignore[attr-defined]
        assert server.aborted.wait(20)


def test_offline_refuses_a_server_elsewhere() -> None:
    with pytest.raises(OfflineError):
        OllamaModel("llama3.2", "192.0.2.1", offline=True)
    status = ollama_status("192.0.2.1", offline=True)
    assert not status.running
    assert "privacy.offline" in status.hint


def test_status_of_a_server() -> None:
    with OllamaServer(["llama3.2:3b", "nomic-embed-text"]) as server:
        run(OllamaModel("llama3.2:3b", server.host))
        status = ollama_status(server.host, timeout=10)
    assert status.running
    assert status.models == ("llama3.2:3b",)
    assert status.loaded == ("llama3.2:3b",)


def test_status_without_server_or_without_models(free_port: int) -> None:
    absent = ollama_status(f"127.0.0.1:{free_port}")
    assert not absent.running
    assert "ollama serve" in absent.hint
    with OllamaServer(["nomic-embed-text"]) as server:
        empty = ollama_status(server.host, timeout=10)
    assert empty.running
    assert empty.models == ()
    assert "ollama pull" in empty.hint


def test_a_status_imports_neither_the_client_nor_httpx(free_port: int) -> None:
    code = (
        f"import sys; from ragterm.engine.llm.ollama import ollama_status; ollama_status('127.0.0.1:{free_port}');"
        "print([m for m in ('ollama', 'httpx', 'pydantic', 'numpy') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [("llama3.2", "llama3.2:3b"), ("lama3.2:3b", "llama3.2:3b"), ("mistral", "mistral:7b"), ("zephyr", "")],
)
def test_nearest_model(name: str, near: str) -> None:
    assert nearest_model(name, ["gemma3:4b", "llama3.2:3b", "mistral:7b"]) == near
