"""A language model in this process, through `transformers`: for machines with a checkpoint and no server.

`name` is a local folder or a checkpoint that is in the Hugging Face cache already; nothing is downloaded. torch is
imported at the first question, which takes seconds: that is the price of having no server, and the reason why no
default chooses this.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from ragterm.engine.llm.filter import EscapeFilter, ThinkingFilter
from ragterm.engine.types.answers import Finished, LlmEvent, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, LlmError
from ragterm.engine.types.settings import AnswerSettings

_POLL_SECONDS = 0.05
_FALLBACK_WINDOW = 2048
_loading = threading.Lock()
_loaded: dict[str, tuple[Any, Any]] = {}


class TransformersModel:
    """A causal language model run with `generate`. Loaded once per process and name."""

    def __init__(self, name: str, settings: AnswerSettings | None = None, *, offline: bool = False) -> None:
        self.model = name
        self.name = f"transformers:{name}"
        self._settings = settings or AnswerSettings()

    def context_window(self) -> int:
        """The checkpoint's `max_position_embeddings`. Raises LlmError when the checkpoint cannot be loaded."""
        _, model = self._load()
        return int(getattr(model.config, "max_position_embeddings", None) or _FALLBACK_WINDOW)

    def stream(self, prompt: Prompt, control: Control) -> Iterator[LlmEvent]:
        """Write. Raises LlmError and Cancelled; what came before stays with the caller."""
        control.checkpoint()
        tokenizer, model = self._load()
        control.checkpoint()
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

        stop = threading.Event()

        class Stopped(StoppingCriteria):  # type: ignore[misc]
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                return torch.full((input_ids.shape[0],), stop.is_set(), dtype=torch.bool, device=input_ids.device)

        inputs = tokenizer(
            self._written(tokenizer, prompt), return_tensors="pt", add_special_tokens=not tokenizer.chat_template
        )
        inputs.pop("token_type_ids", None)
        length = int(inputs["input_ids"].shape[1])
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, timeout=_POLL_SECONDS, skip_special_tokens=True)
        outcome: dict[str, Any] = {}

        def generate() -> None:
            try:
                outcome["ids"] = model.generate(
                    **inputs,
                    streamer=streamer,
                    max_new_tokens=self._settings.max_answer_tokens,
                    do_sample=self._settings.temperature > 0,
                    temperature=self._settings.temperature or None,
                    stopping_criteria=StoppingCriteriaList([Stopped()]),
                )
            except Exception as error:  # noqa: BLE001 - handed over to the caller's thread, whatever it is
                outcome["error"] = error
                streamer.end()

        worker = threading.Thread(target=generate, name="llm-generate", daemon=True)
        worker.start()
        escapes, thoughts = EscapeFilter(), ThinkingFilter()
        try:
            for piece in _pieces(streamer, control):
                if text := thoughts.feed(escapes.feed(piece)):
                    yield TextDelta(text)
        finally:
            stop.set()
        worker.join()
        if error := outcome.get("error"):
            hint = "choose a smaller checkpoint, or lower answer.context_tokens"
            raise LlmError(f"{self.model} failed", f"{type(error).__name__}: {error}", hint) from error
        if text := thoughts.flush():
            yield TextDelta(text)
        written = int(outcome["ids"].shape[1]) - length
        yield Finished("length" if written >= self._settings.max_answer_tokens else "stop", length, written)

    def _load(self) -> tuple[Any, Any]:
        with _loading:
            if self.model not in _loaded:
                from transformers import AutoModelForCausalLM, AutoTokenizer

                try:
                    tokenizer = AutoTokenizer.from_pretrained(self.model, local_files_only=True)
                    model = AutoModelForCausalLM.from_pretrained(self.model, local_files_only=True).eval()
                except (OSError, ValueError, KeyError, RuntimeError) as error:
                    reason = str(error).strip().splitlines()[0]
                    hint = "give the folder of a checkpoint, as --llm transformers:./folder"
                    raise LlmError(f"{self.model} cannot be loaded", reason, hint) from error
                _loaded[self.model] = tokenizer, model
            return _loaded[self.model]

    @staticmethod
    def _written(tokenizer: Any, prompt: Prompt) -> str:
        """The conversation in the checkpoint's own template; plain paragraphs for a model that has none."""
        if tokenizer.chat_template:
            messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
            text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return text
        return "\n\n".join(m.content for m in prompt.messages) + "\n\nAnswer:"


def _pieces(streamer: Any, control: Control) -> Iterator[str]:
    """What the streamer yields, asking between its tokens whether the reader still wants them."""
    import queue

    while True:
        if control.cancelled:
            raise Cancelled
        control.checkpoint()
        try:
            yield next(streamer)
        except StopIteration:
            return
        except queue.Empty:
            continue
