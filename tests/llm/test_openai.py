"""A server that speaks OpenAI's chat API, over real sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ragterm.engine.llm.openai import OpenAIModel
from ragterm.engine.types.answers import Finished, Message, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, LlmError

PROMPT = Prompt("Why?", (Message("user", "Why?"),), (), 5)


@contextmanager
def serving(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, *, status: int = 200, hang: bool = False
) -> Iterator[dict[str, Any]]:
    seen: dict[str, Any] = {"gone": threading.Event(), "begun": threading.Event()}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": [{"id": "tiny", "meta": {"n_ctx_train": 2048}}]}).encode())

        def do_POST(self) -> None:
            seen["body"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen["key"] = self.headers.get("Authorization")
            self.send_response(status)
            self.end_headers()
            for line in lines:
                self.wfile.write(line.encode() + b"\n\n")
            self.wfile.flush()
            seen["begun"].set()
            if hang and self.connection.recv(1) == b"":
                seen["gone"].set()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}/v1/")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()


def delta(text: str, finish: str | None = None) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})


def test_it_streams_filters_and_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [": comment", delta("It \x1b["), delta("31mis"), delta(" so.", "stop"), "data: [DONE]"]
    with serving(lines, monkeypatch) as seen:
        model = OpenAIModel("tiny")
        assert model.context_window() == 2048
        events = list(model.stream(PROMPT, Control()))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "It is so."
    assert events[-1] == Finished("stop")
    assert seen["body"]["messages"] == [{"role": "user", "content": "Why?"}]
    assert seen["key"] == "Bearer secret"


def test_it_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving([delta("It")], monkeypatch):
        stream = OpenAIModel("tiny").stream(PROMPT, Control())
        assert next(stream) == TextDelta("It")
        with pytest.raises(LlmError) as caught:
            next(stream)
    assert "broke off" in caught.value.title


@pytest.mark.parametrize(("status", "title"), [(401, "wants a key"), (404, "is not there"), (500, "reported an error")])
def test_refusals(status: int, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(['{"error": {"message": "no \\u001b[31mway"}}'], monkeypatch, status=status),
        pytest.raises(LlmError) as caught,
    ):
        list(OpenAIModel("tiny").stream(PROMPT, Control()))
    assert title in caught.value.title
    assert "no way" in caught.value.message
    assert caught.value.hint


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(LlmError) as caught:
        OpenAIModel("tiny").context_window()
    assert "OPENAI_BASE_URL" in caught.value.hint


def test_cancelled_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control()
    with serving([], monkeypatch, hang=True) as seen:
        threading.Thread(target=lambda: seen["begun"].wait(20) and control.cancel(), daemon=True).start()
        with pytest.raises(Cancelled):
            list(OpenAIModel("tiny").stream(PROMPT, control))
        assert seen["gone"].wait(20)
