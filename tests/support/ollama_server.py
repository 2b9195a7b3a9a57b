"""A stand-in for Ollama: a real HTTP server that speaks its API as documented
(github.com/ollama/ollama/blob/main/docs/api.md).

Strict where the real one is: unknown paths are 404, a missing or mistyped field is 400, an absent model is 404, each
with a body {"error": ...}; chat streams NDJSON with chunked encoding. Like the real one it cuts a prompt that does
not fit `num_ctx` and does not say so. It can be told to misbehave, and it remembers what it was asked.

By hand, to try the app without a model: python tests/support/ollama_server.py --port 11434 --model llama3.2:3b
It then answers from the passages of the prompt, with their markers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "0.12.3"
DEFAULT_NUM_CTX = 4096
_PASSAGE = re.compile(r"^-+ \w+ begin \[(\d+)\][^\n]*\n(.*?)^-+ \w+ end \[", re.MULTILINE | re.DOTALL)


@dataclass
class ModelCard:
    """An installed model. `context_length` is its limit; `capabilities` as /api/show lists them."""

    name: str
    context_length: int = 131_072
    architecture: str = "llama"
    capabilities: tuple[str, ...] = ("completion", "tools")
    dimensions: int = 768
    size: int = 2_019_393_189

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    def details(self) -> dict[str, Any]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.architecture,
            "families": [self.architecture],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        }


@dataclass
class Behaviour:
    """What the server is told to do. `answer` is text, a list of tokens, or a function of the request's messages.

    `first_token_delay` and `token_delay` are seconds; `drop_after` cuts the connection after so many tokens,
    `end_after` ends the stream in good order but without the last part, as a proxy may; `error_after` sends an error
    line after so many; `chat_error` refuses a chat with (status, message); `thinking` is sent before the answer in
    `message.thinking`; `done_reason` is how it ends; `garbage` answers every request with a web page.
    """

    answer: str | list[str] | Callable[[list[dict[str, Any]]], str] = "It is so [1]."
    first_token_delay: float = 0.0
    token_delay: float = 0.0
    drop_after: int | None = None
    end_after: int | None = None
    error_after: tuple[int, str] | None = None
    chat_error: tuple[int, str] | None = None
    thinking: str = ""
    done_reason: str = "stop"
    garbage: bool = False


@dataclass
class Request:
    path: str
    body: dict[str, Any]


@dataclass
class Loaded:
    name: str
    num_ctx: int


@dataclass
class State:
    models: dict[str, ModelCard]
    behaviour: Behaviour
    requests: list[Request] = field(default_factory=list)
    loads: list[Loaded] = field(default_factory=list)
    aborted: threading.Event = field(default_factory=threading.Event)
    streaming: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    def find(self, name: str) -> ModelCard | None:
        return self.models.get(name if ":" in name else f"{name}:latest")


class OllamaServer:
    """`with OllamaServer(models=["llama3.2:3b"]) as server:`; then `server.host` goes into OLLAMA_HOST.

    `requests` lists what was asked; `chats()` only the chats; `aborted` is set when a client went away in mid-answer;
    `streaming` when a chat has been accepted; `loads` says with which context a model was (re)loaded.
    """

    def __init__(
        self, models: list[str | ModelCard] | None = None, behaviour: Behaviour | None = None, port: int = 0
    ) -> None:
        cards = [
            m if isinstance(m, ModelCard) else ModelCard(m) for m in (["llama3.2:3b"] if models is None else models)
        ]
        self.state = State(
            {c.name if ":" in c.name else c.name + ":latest": c for c in cards}, behaviour or Behaviour()
        )
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.state = self.state
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> OllamaServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.state.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def behaviour(self) -> Behaviour:
        return self.state.behaviour

    @property
    def requests(self) -> list[Request]:
        return self.state.requests

    @property
    def loads(self) -> list[Loaded]:
        return self.state.loads

    @property
    def aborted(self) -> threading.Event:
        return self.state.aborted

    @property
    def streaming(self) -> threading.Event:
        return self.state.streaming

    def chats(self) -> list[dict[str, Any]]:
        return [r.body for r in self.state.requests if r.path == "/api/chat"]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    state: State


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def log_message(self, *_: Any) -> None:
        """Quiet: a test's output is not the place."""

    @property
    def state(self) -> State:
        return self.server.state

    def do_HEAD(self) -> None:
        self._answer(200, b"", "text/plain")

    def do_GET(self) -> None:
        self.state.requests.append(Request(self.path, {}))
        if self.state.behaviour.garbage:
            self._answer(200, b"<html><body>It works!</body></html>", "text/html")
            return
        match self.path:
            case "/":
                self._answer(200, b"Ollama is running", "text/plain; charset=utf-8")
            case "/api/version":
                self._json(200, {"version": VERSION})
            case "/api/tags":
                self._json(200, {"models": [_listed(c) for c in self.state.models.values()]})
            case "/api/ps":
                self._json(200, {"models": [_running(self.state, load) for load in self.state.loads[-1:]]})
            case _:
                self._answer(404, b"404 page not found", "text/plain")

    def do_POST(self) -> None:
        routes = {"/api/chat": self._chat, "/api/show": self._show, "/api/pull": self._pull, "/api/embed": self._embed}
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.state.behaviour.garbage:
            self._answer(200, b"<html><body>It works!</body></html>", "text/html")
            return
        if self.path not in routes:
            self._answer(404, b"404 page not found", "text/plain")
            return
        try:
            try:
                body = json.loads(raw)
            except ValueError as error:
                raise _Refused(400, f"invalid character in request body: {error}") from error
            if not isinstance(body, dict):
                raise _Refused(400, "json: cannot unmarshal into Go value of type api.Request")
            self.state.requests.append(Request(self.path, body))
            routes[self.path](body)
        except _Refused as refused:
            self._json(refused.status, {"error": str(refused)})
        except (BrokenPipeError, ConnectionResetError):
            self.state.aborted.set()
            self.close_connection = True

    # The routes

    def _show(self, body: dict[str, Any]) -> None:
        card = self._model(body)
        self._json(
            200,
            {
                "license": "a licence",
                "modelfile": f"FROM {card.name}",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": card.details(),
                "model_info": {
                    "general.architecture": card.architecture,
                    f"{card.architecture}.context_length": card.context_length,
                    f"{card.architecture}.embedding_length": card.dimensions,
                },
                "capabilities": list(card.capabilities),
                "modified_at": "2026-01-05T10:00:00Z",
            },
        )

    def _chat(self, body: dict[str, Any]) -> None:
        told = self.state.behaviour
        card = self._model(body)
        messages = _field(body, "messages", list, [])
        for message in messages:
            if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant", "tool"):
                raise _Refused(400, "invalid role")
            _field(message, "content", str, "")
        options = _field(body, "options", dict, {})
        num_ctx = _field(options, "num_ctx", int, DEFAULT_NUM_CTX)
        _field(options, "num_predict", int, -1)
        _field(options, "temperature", (int, float), 0.8)
        if _field(body, "think", (bool, str), False) and "thinking" not in card.capabilities:
            raise _Refused(400, f'"{card.name}" does not support thinking')
        if "completion" not in card.capabilities:
            raise _Refused(400, f'"{card.name}" does not support chat')
        if told.chat_error:
            raise _Refused(*told.chat_error)
        if not self.state.loads or self.state.loads[-1] != Loaded(card.name, num_ctx):
            self.state.loads.append(Loaded(card.name, num_ctx))
        self.state.streaming.set()
        if not messages:
            self._json(200, {**_stamp(card), "message": _said(""), "done_reason": "load", "done": True})
            return
        words = sum(len(str(m.get("content", ""))) for m in messages) // 4
        prompt_tokens = min(words, num_ctx)
        if _field(body, "stream", bool, True):
            self._stream(self._reply(card, messages, prompt_tokens))
        else:
            parts = list(self._reply(card, messages, prompt_tokens))
            text = "".join(p.get("message", {}).get("content", "") for p in parts)
            self._json(200, {**parts[-1], "message": _said(text)})

    def _reply(self, card: ModelCard, messages: list[dict[str, Any]], prompt_tokens: int) -> Iterator[dict[str, Any]]:
        told = self.state.behaviour
        self._wait(told.first_token_delay)
        if told.thinking:
            yield {**_stamp(card), "message": {**_said(""), "thinking": told.thinking}, "done": False}
        answer = told.answer(messages) if callable(told.answer) else told.answer
        tokens = answer if isinstance(answer, list) else re.findall(r"\s*\S+|\s+$", answer)
        for number, token in enumerate(tokens):
            if told.error_after and number == told.error_after[0]:
                yield {"error": told.error_after[1]}
                return
            if number == told.end_after:
                return
            if number == told.drop_after:
                raise ConnectionAbortedError
            yield {**_stamp(card), "message": _said(token), "done": False}
            self._wait(told.token_delay)
        yield {
            **_stamp(card),
            "message": _said(""),
            "done_reason": told.done_reason,
            "done": True,
            "total_duration": 5_191_566_416,
            "load_duration": 2_154_458,
            "prompt_eval_count": prompt_tokens,
            "prompt_eval_duration": 383_809_000,
            "eval_count": len(tokens),
            "eval_duration": 4_799_921_000,
        }

    def _pull(self, body: dict[str, Any]) -> None:
        name = _field(body, "model", str, "") or _field(body, "name", str, "")
        if not name:
            raise _Refused(400, "invalid model name")
        if name.startswith("no-such"):
            self._stream(iter([{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]))
            return
        card = ModelCard(name if ":" in name else f"{name}:latest")
        layer = {"status": f"pulling {card.digest[:12]}", "digest": f"sha256:{card.digest}", "total": card.size}
        self._stream(
            iter(
                [
                    {"status": "pulling manifest"},
                    {**layer, "completed": card.size // 2},
                    {**layer, "completed": card.size},
                    {"status": "verifying sha256 digest"},
                    {"status": "writing manifest"},
                    {"status": "success"},
                ]
            )
        )
        self.state.models[card.name] = card

    def _embed(self, body: dict[str, Any]) -> None:
        card = self._model(body)
        given = _field(body, "input", (str, list), [])
        texts = [given] if isinstance(given, str) else given
        self._json(
            200,
            {
                "model": body["model"],
                "embeddings": [_vector(t, card.dimensions) for t in texts],
                "total_duration": 14_143_917,
            },
        )

    # How an answer travels

    def _model(self, body: dict[str, Any]) -> ModelCard:
        name = _field(body, "model", str, "")
        if not name:
            raise _Refused(400, "model is required")
        card = self.state.find(name)
        if card is None:
            raise _Refused(404, f"model '{name}' not found")
        return card

    def _wait(self, seconds: float) -> None:
        """Sleep, but notice that the client has gone: the real server stops generating then."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.connection.settimeout(min(left, 0.02))
            try:
                if not self.connection.recv(1):
                    raise BrokenPipeError
            except TimeoutError:
                pass
            finally:
                self.connection.settimeout(None)
            if self.state.stopping.is_set():
                raise ConnectionAbortedError

    def _stream(self, parts: Iterator[dict[str, Any]]) -> None:
        """NDJSON, chunked. The headers leave with the first part, as the real server's do."""
        begun = False
        try:
            for part in parts:
                if not begun:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/x-ndjson")
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    begun = True
                line = json.dumps(part).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionAbortedError:
            self.close_connection = True

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json; charset=utf-8")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _field(body: dict[str, Any], name: str, kind: Any, default: Any) -> Any:
    """A field of a request, or its default; of another type it is refused, as Go's decoder does."""
    value = body.get(name)
    if value is None:
        return default
    numeric = kind is int or kind == (int, float)
    if not isinstance(value, kind) or (numeric and isinstance(value, bool)):
        raise _Refused(400, f"json: cannot unmarshal {type(value).__name__} into Go struct field {name}")
    return value


def _stamp(card: ModelCard) -> dict[str, Any]:
    return {"model": card.name, "created_at": "2026-01-05T10:00:00.123456Z"}


def _said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _listed(card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "model": card.name,
        "modified_at": "2026-01-05T10:00:00Z",
        "size": card.size,
        "digest": card.digest,
        "details": card.details(),
    }


def _running(state: State, load: Loaded) -> dict[str, Any]:
    card = state.find(load.name)
    assert card is not None
    return {
        **{k: v for k, v in _listed(card).items() if k != "modified_at"},
        "expires_at": "2036-01-05T10:05:00Z",
        "size_vram": card.size,
        "context_length": load.num_ctx,
    }


def _vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that depends on the words only: enough for a test of the plumbing."""
    values = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        values[int.from_bytes(digest[:4], "big") % dimensions] += 1.0 if digest[4] & 1 else -1.0
    norm = math.sqrt(sum(v * v for v in values)) or 1.0
    return [v / norm for v in values]


def grounded_answer(messages: list[dict[str, Any]]) -> str:
    """A plausible answer: the sentences of the prompt's passages that share most words with the question, with their
    markers."""
    prompt = str(messages[-1].get("content", ""))
    question = prompt.rpartition("Question:")[2].strip().splitlines()[0] if "Question:" in prompt else prompt
    wanted = {w[:6] for w in re.findall(r"\w{4,}", question.lower())} - {
        "what",
        "which",
        "does",
        "when",
        "where",
        "long",
        "many",
    }
    found: list[tuple[int, int, str]] = []
    for number, body in _PASSAGE.findall(prompt):
        for sentence in re.split(r"(?<=[.!?])\s+|\n{2,}", body):
            words = {w[:6] for w in re.findall(r"\w{4,}", sentence.lower())}
            found.append((len(wanted & words), -int(number), " ".join(sentence.split())))
    most = max(found, default=(0, 0, ""))[0]
    if most == 0:
        return "The documents do not answer this question."
    best = sorted((f for f in found if f[0] == most), reverse=True)[:3]
    return "According to the documents:\n\n" + "\n".join(f"- {text} [{-number}]" for _, number, text in best)


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for Ollama, to try the app by hand.")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--model", action="append", help="an installed model (may be given more than once)")
    parser.add_argument("--context-length", type=int, default=131_072)
    parser.add_argument("--slow", type=float, default=0.03, metavar="SECONDS", help="between tokens")
    parser.add_argument("--load", type=float, default=1.0, metavar="SECONDS", help="before the first token")
    parser.add_argument("--drop-after", type=int, metavar="TOKENS", help="cut the connection in mid-answer")
    parser.add_argument("--answer", help="say this instead of answering from the passages")
    given = parser.parse_args()
    cards: list[str | ModelCard] = [ModelCard(name, given.context_length) for name in given.model or ["llama3.2:3b"]]
    told = Behaviour(given.answer or grounded_answer, given.load, given.slow, given.drop_after)
    with OllamaServer(cards, told, given.port) as server:
        print(f"speaking Ollama's API on {server.url}; stop with Ctrl+C", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
