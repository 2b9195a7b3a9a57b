"""Ollama, through its own Python client: https://github.com/ollama/ollama/blob/main/docs/api.md.

Three things that its defaults get wrong for retrieval are set here. `num_ctx` follows the real length of the prompt,
because Ollama silently cuts a longer one; it grows in steps and fits what is already loaded, because another value
reloads the model. Reading can be abandoned at any moment. And every failure says what to type next.
"""

from __future__ import annotations

import difflib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragterm.engine.llm.addresses import is_loopback, ollama_url, require_allowed
from ragterm.engine.llm.filter import EscapeFilter, ThinkingFilter, without_escapes
from ragterm.engine.llm.streams import Connection, read_while_wanted
from ragterm.engine.types.answers import Finished, LlmEvent, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import LlmError, RagtermError
from ragterm.engine.types.settings import AnswerSettings

if TYPE_CHECKING:
    import ollama

START_HINT = "type `ollama serve` in another terminal (or install it from https://ollama.com/download)"
_CONTEXT_STEP = 4096
_FALLBACK_WINDOW = 4096
_THINKING_TOKENS = 2048
"""Room for the thoughts of a model that thinks even though it was told not to."""
_EMBEDDING_FAMILIES = ("bert", "nomic-bert", "xlmroberta", "t5encoder")


@dataclass(frozen=True, slots=True)
class OllamaStatus:
    """What a server says of itself. `models` can chat, newest first; `loaded` are in memory now. When it is not
    `running` (or has no model), `message` and `hint` say what is wrong and what to type."""

    running: bool
    url: str
    version: str = ""
    models: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""


def ollama_status(host: str = "", timeout: float = 0.4, offline: bool = False) -> OllamaStatus:
    """Ask the server for its version and its models. Never raises; `timeout` seconds bounds each of three small
    requests, and a server that is absent is known after the first.

    Uses only the standard library, so that the app's start does not import the client.
    """
    try:
        url = ollama_url(host)
        require_allowed(url, offline)
    except RagtermError as error:
        return OllamaStatus(False, host, message=str(error), hint=error.hint)
    try:
        version = str(_get(url, "/api/version", timeout).get("version", ""))
        tags = _get(url, "/api/tags", timeout).get("models") or []
        running = _get(url, "/api/ps", timeout).get("models") or []
    except urllib.error.HTTPError as error:
        return OllamaStatus(
            False, url, message=f"{url} answers, but not as Ollama does (HTTP {error.code})", hint="check OLLAMA_HOST"
        )
    except TimeoutError:
        return OllamaStatus(False, url, message=f"Ollama at {url} does not answer in time", hint=START_HINT)
    except OSError as error:
        late = isinstance(getattr(error, "reason", None), TimeoutError)
        what = "does not answer in time" if late else "is not running"
        return OllamaStatus(False, url, message=f"Ollama {what} at {url}", hint=START_HINT)
    except (ValueError, AttributeError):
        return OllamaStatus(False, url, message=f"{url} answers, but not as Ollama does", hint="check OLLAMA_HOST")
    models = tuple(_name(m) for m in tags if _chats(m))
    if not models:
        return OllamaStatus(
            True,
            url,
            version,
            message=f"Ollama {version} runs but has no model that chats",
            hint="type `ollama pull llama3.2`",
        )
    loaded = tuple(name for m in running if (name := _name(m)) in models)
    return OllamaStatus(True, url, version, models, loaded)


def _get(url: str, path: str, timeout: float) -> dict[str, Any]:
    handlers = [urllib.request.ProxyHandler({})] if is_loopback(url) else []
    with urllib.request.build_opener(*handlers).open(url + path, timeout=timeout) as response:
        body: dict[str, Any] = json.load(response)
    return body


def _name(model: dict[str, Any]) -> str:
    return without_escapes(str(model.get("name") or model.get("model") or ""))


def _chats(model: dict[str, Any]) -> bool:
    """Embedding models are listed among the others; their family, or their name, tells."""
    families = (model.get("details") or {}).get("families") or [(model.get("details") or {}).get("family") or ""]
    return not any(f in _EMBEDDING_FAMILIES for f in families) and "embed" not in _name(model)


def context_size(needed: int, limit: int, loaded: int = 0) -> int:
    """The `num_ctx` for a prompt and answer of `needed` tokens: what is `loaded` if that is enough (another value
    would reload the model), else rounded up in steps, never above the model's `limit`."""
    if needed <= loaded <= limit:
        return loaded
    return min(limit, -(-needed // _CONTEXT_STEP) * _CONTEXT_STEP)


class OllamaModel:
    """`name` is the model as Ollama knows it ("llama3.2", "qwen3:8b"); `host` as OLLAMA_HOST. Nothing is connected yet.

    Raises ConfigError (unusable address) and OfflineError (`offline` and an address beyond this machine).
    """

    def __init__(
        self, name: str, host: str = "", settings: AnswerSettings | None = None, *, offline: bool = False
    ) -> None:
        self.model = name
        self.name = f"ollama:{name}"
        self.url = ollama_url(host)
        self._settings = settings or AnswerSettings()
        require_allowed(self.url, offline)
        self._window: int | None = None
        self._thinks = False

    def context_window(self) -> int:
        """The model's own limit in tokens, asked once. Raises LlmError when server or model is absent."""
        return self._ask_window(Control())

    def _ask_window(self, control: Control) -> int:
        if self._window is None:
            connection = Connection()
            client = self._client(connection)
            try:
                (shown,) = read_while_wanted(lambda: [client.show(self.model)], control, connection)
            except _failures() as error:
                raise self._explained(error) from error
            info = shown.modelinfo or {}
            lengths = [int(v) for k, v in info.items() if k.endswith(".context_length") and isinstance(v, int | float)]
            self._thinks = "thinking" in (shown.capabilities or ())
            self._window = max(lengths, default=_FALLBACK_WINDOW)
        return self._window

    def stream(self, prompt: Prompt, control: Control) -> Iterator[LlmEvent]:
        """Write. Text comes as it is generated, filtered; `Finished` last. Raises LlmError (with the next thing to
        type) and Cancelled; what came before stays with the caller."""
        control.checkpoint()
        limit = self._ask_window(control)
        answer_tokens = self._settings.max_answer_tokens + (_THINKING_TOKENS if self._thinks else 0)
        connection = Connection()
        client = self._client(connection)
        escapes, thoughts = EscapeFilter(), ThinkingFilter()
        begun = False

        def parts() -> Iterator[Any]:
            size = context_size(prompt.tokens + answer_tokens, limit, self._loaded_context(client))
            yield from client.chat(
                self.model,
                messages=[{"role": m.role, "content": m.content} for m in prompt.messages],
                stream=True,
                think=False if self._thinks else None,
                options={"num_ctx": size, "num_predict": answer_tokens, "temperature": self._settings.temperature},
            )

        try:
            for part in read_while_wanted(parts, control, connection):
                begun = True
                if text := thoughts.feed(escapes.feed(part.message.content or "")):
                    yield TextDelta(text)
                if part.done:
                    if text := thoughts.flush():
                        yield TextDelta(text)
                    yield Finished(part.done_reason or "stop", part.prompt_eval_count or 0, part.eval_count or 0)
                    return
        except _failures() as error:
            raise self._explained(error, begun) from error
        raise self._broke_off()

    def _client(self, connection: Connection) -> ollama.Client:
        import httpx
        import ollama

        wait = self._settings.timeout_seconds
        return ollama.Client(
            self.url,
            timeout=httpx.Timeout(wait, connect=min(5.0, wait)),
            event_hooks={"request": [connection.watch]},
            trust_env=not is_loopback(self.url),  # a proxy from the environment would not find this machine
        )

    def _loaded_context(self, client: ollama.Client) -> int:
        """The context with which the model is in memory; 0 when it is not, or when the server is too old to say."""
        for model in client.ps().models:
            if _same(model.model or model.name or "", self.model):
                return model.context_length or 0
        return 0

    def _broke_off(self) -> LlmError:
        return LlmError(
            "The connection to Ollama broke off",
            f"{self.url} closed it in the middle of the answer",
            "see whether `ollama ps` answers, then ask again",
        )

    def _explained(self, error: Exception, begun: bool = False) -> LlmError:
        """One message for each way in which a server can fail."""
        import httpx
        import ollama

        seconds = f"{self._settings.timeout_seconds:g}"
        match error:
            case httpx.ConnectTimeout():
                return LlmError("Ollama does not answer", f"no connection to {self.url}", START_HINT)
            case httpx.TimeoutException():
                return LlmError(
                    "Ollama takes too long",
                    f"no token from {self.model} for {seconds} s",
                    "choose a smaller model, or raise answer.timeout_seconds",
                )
            case httpx.ConnectError() | ConnectionError():
                return LlmError("Ollama is not running", f"no connection to {self.url}", START_HINT)
            case ollama.ResponseError():
                return self._refused(without_escapes(str(error.error)).strip(), error.status_code)
            case httpx.TransportError():
                return self._broke_off()
            case ValueError() | httpx.HTTPError():  # not JSON, not the documented fields
                if begun:
                    return self._broke_off()
                return LlmError(
                    "The server is not Ollama", f"{self.url} does not answer as Ollama does", "check OLLAMA_HOST"
                )
            case _:
                return LlmError("Ollama cannot be used", f"{type(error).__name__}: {error}", "run `ragterm doctor`")

    def _refused(self, said: str, status: int) -> LlmError:
        low = said.lower()
        if status == 404 and "not found" in low:
            installed = ollama_status(self.url, timeout=2.0).models
            return model_absent(self.model, installed)
        if any(
            sign in low for sign in ("memory", "cuda error", "cudamalloc", "unable to allocate", "failed to allocate")
        ):
            return LlmError(
                f"{self.model} does not fit into memory",
                said,
                "choose a smaller model with `ollama pull llama3.2:1b`, or lower answer.context_tokens",
            )
        if "does not support chat" in low:
            return LlmError(f"{self.model} cannot chat", said, "choose another model: type `ollama list`")
        where = f"HTTP {status}: " if status > 0 else ""
        return LlmError(
            "Ollama reported an error", where + (said or "no reason given"), "look at the log of `ollama serve`"
        )


def model_absent(name: str, installed: Sequence[str]) -> LlmError:
    """The error for a model that is not installed, with the nearest that is."""
    near = nearest_model(name, installed)
    hint = f"type `ollama pull {name}`" + (f", or use the installed {near} (--llm ollama:{near})" if near else "")
    have = "; installed: " + ", ".join(installed) if installed else "; no model is installed"
    return LlmError(f"The model {name} is not installed", f"Ollama runs but does not have it{have}", hint)


def nearest_model(name: str, installed: Sequence[str]) -> str:
    """The installed model that is spelled most like `name`, the same family first; "" when nothing is like it."""
    family = name.partition(":")[0]
    same = [model for model in installed if model.partition(":")[0] == family]
    close = difflib.get_close_matches(name, same or installed, n=1, cutoff=0.0 if same else 0.5)
    return close[0] if close else ""


def _failures() -> tuple[type[Exception], ...]:
    """What the client raises when the server fails: its own error, the transport's, and those of a body that is not
    as documented (no JSON, or other fields)."""
    import httpx
    import ollama

    return (ollama.ResponseError, httpx.HTTPError, httpx.StreamError, OSError, ValueError, TypeError, AttributeError)


def _same(one: str, other: str) -> bool:
    """Ollama reads a name without a tag as `:latest`."""
    return (one if ":" in one else one + ":latest") == (other if ":" in other else other + ":latest")
