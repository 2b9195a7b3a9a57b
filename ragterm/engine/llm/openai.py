"""Any server that speaks OpenAI's chat API (llama.cpp, vLLM, LM Studio, LocalAI, OpenAI itself), streamed as
server-sent events.

https://platform.openai.com/docs/api-reference/chat/streaming. The address comes from OPENAI_BASE_URL (by default
llama.cpp's on this machine), the key, if any, from OPENAI_API_KEY. Written on httpx, which the Ollama client brings
along: one request needs no further client.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragterm.engine.llm.addresses import is_loopback, require_allowed
from ragterm.engine.llm.filter import EscapeFilter, ThinkingFilter, without_escapes
from ragterm.engine.llm.streams import Connection, read_while_wanted
from ragterm.engine.types.answers import Finished, LlmEvent, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import LlmError
from ragterm.engine.types.settings import AnswerSettings

if TYPE_CHECKING:
    import httpx

DEFAULT_URL = "http://127.0.0.1:8080/v1"
_ASSUMED_WINDOW = 8192
"""The API does not say how long a prompt may be; llama.cpp's and vLLM's lists of models do, under these names."""
_WINDOW_FIELDS = ("max_model_len", "n_ctx", "n_ctx_train", "context_length", "context_window")


class OpenAIModel:
    """`name` as the server lists it. Raises OfflineError when `offline` and the server is beyond this machine."""

    def __init__(self, name: str, settings: AnswerSettings | None = None, *, offline: bool = False) -> None:
        self.model = name
        self.name = f"openai:{name}"
        self.url = (os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).rstrip("/")
        self._settings = settings or AnswerSettings()
        self._window: int | None = None
        require_allowed(self.url, offline)

    def context_window(self) -> int:
        """In tokens, as far as the server's list of models says; else 8192. Raises LlmError."""
        if self._window is None:
            import httpx

            try:
                with self._client(Connection()) as client:
                    reply = client.get("/models")
                    listed = reply.json().get("data", []) if reply.is_success else []
            except (httpx.HTTPError, ValueError, AttributeError) as error:
                raise self._explained(error, False) from error
            mine: dict[str, Any] = next((m for m in listed if m.get("id") == self.model), {})
            told = {**(mine.get("meta") or {}), **mine}
            self._window = next((int(told[f]) for f in _WINDOW_FIELDS if told.get(f)), _ASSUMED_WINDOW)
        return self._window

    def stream(self, prompt: Prompt, control: Control) -> Iterator[LlmEvent]:
        """Write. Raises LlmError and Cancelled; what came before stays with the caller."""
        import httpx

        control.checkpoint()
        connection = Connection()
        escapes, thoughts = EscapeFilter(), ThinkingFilter()
        begun, finished = False, None

        def events() -> Iterator[dict[str, Any]]:
            with self._client(connection) as client, client.stream("POST", "/chat/completions", json=body) as reply:
                if not reply.is_success:
                    reply.read()
                    reply.raise_for_status()
                for line in reply.iter_lines():
                    if line.startswith("data:"):
                        data = line[5:].strip()
                        if data == "[DONE]":
                            return
                        yield json.loads(data)

        body = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.content} for m in prompt.messages],
            "stream": True,
            "max_tokens": self._settings.max_answer_tokens,
            "temperature": self._settings.temperature,
        }
        try:
            for event in read_while_wanted(events, control, connection):
                begun = True
                if "error" in event:
                    raise LlmError(
                        "The model's server reported an error", _said(event), f"look at the log of {self.url}"
                    )
                usage = event.get("usage") or {}
                for choice in event.get("choices") or []:
                    if text := thoughts.feed(escapes.feed((choice.get("delta") or {}).get("content") or "")):
                        yield TextDelta(text)
                    if reason := choice.get("finish_reason"):
                        counts = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
                        finished = Finished("length" if reason == "length" else "stop", *counts)
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError, AttributeError) as error:
            raise self._explained(error, begun) from error
        if finished is None:
            raise self._broke_off()
        if text := thoughts.flush():
            yield TextDelta(text)
        yield finished

    def _client(self, connection: Connection) -> httpx.Client:
        import httpx

        key = os.environ.get("OPENAI_API_KEY", "")
        wait = self._settings.timeout_seconds
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(wait, connect=min(5.0, wait)),
            event_hooks={"request": [connection.watch]},
            trust_env=not is_loopback(self.url),
        )

    def _broke_off(self) -> LlmError:
        return LlmError(
            "The connection to the model's server broke off",
            f"{self.url} closed it in the middle of the answer",
            "see whether the server still runs, then ask again",
        )

    def _explained(self, error: Exception, begun: bool) -> LlmError:
        import httpx

        where = "start the server, or set OPENAI_BASE_URL to its address (it ends in /v1)"
        match error:
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return LlmError("No language model server answers", f"no connection to {self.url}", where)
            case httpx.TimeoutException():
                seconds = f"{self._settings.timeout_seconds:g}"
                message = f"no token from {self.model} for {seconds} s"
                return LlmError(
                    "The model takes too long", message, "choose a smaller model, or raise answer.timeout_seconds"
                )
            case httpx.HTTPStatusError():
                status, said = error.response.status_code, _said(_json(error.response))
                if status in (401, 403):
                    return LlmError("The server wants a key", said or self.url, "set OPENAI_API_KEY")
                if status == 404:
                    return LlmError(f"The model {self.model} is not there", said or self.url, where)
                hint = f"look at the log of {self.url}"
                return LlmError("The model's server reported an error", f"HTTP {status}: {said}", hint)
            case _ if begun or isinstance(error, httpx.TransportError):
                return self._broke_off()
        return LlmError("The server does not speak OpenAI's API", self.url, where)


def _json(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return {"error": reply.text[:200]}


def _said(body: Any) -> str:
    """The message of an error body: {"error": {"message": ...}} or {"error": "..."}."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    return without_escapes(str(message)).strip()
