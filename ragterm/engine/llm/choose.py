"""Which language model answers: what was asked for, or the best that is here.

`auto` takes an Ollama model when a server runs (one that is in memory already, else the newest), else the extractive
answerer. A model asked for by name is never replaced by another behind the user's back.
"""

from __future__ import annotations

from ragterm.engine.llm.ollama import OllamaModel, OllamaStatus, ollama_status
from ragterm.engine.types.errors import UsageError
from ragterm.engine.types.health import LlmStatus
from ragterm.engine.types.protocols import Embedder, LanguageModel
from ragterm.engine.types.settings import Settings

KINDS = "auto, extractive, ollama:NAME, openai:NAME or transformers:NAME"


def choose_model(spec: str, settings: Settings, embedder: Embedder) -> tuple[LanguageModel, str]:
    """The model that `spec` names, and a notice for the reader ("" when all is as asked).

    Raises UsageError for a spec that means nothing, OfflineError for a server beyond this machine while
    `privacy.offline` holds, ConfigError for an address that cannot be used. A server is asked only by "auto".
    """
    kind, _, name = spec.strip().partition(":")
    answer, offline = settings.answer, settings.privacy.offline
    match kind.lower(), name:
        case "auto", "":
            status = ollama_status(answer.ollama_host, offline=offline)
            if chosen := _best(status):
                return OllamaModel(chosen, answer.ollama_host, answer, offline=offline), ""
            return _extractive(embedder), _without_model(status)
        case "extractive", "":
            return _extractive(embedder), "The sentences are quoted from the documents; no language model is used."
        case "ollama", name if name:
            return OllamaModel(name, answer.ollama_host, answer, offline=offline), ""
        case "openai", name if name:
            from ragterm.engine.llm.openai import OpenAIModel

            return OpenAIModel(name, answer, offline=offline), ""
        case "transformers", name if name:
            from ragterm.engine.llm.transformers import TransformersModel

            return TransformersModel(name, answer, offline=offline), ""
    if not name and kind.lower() not in ("ollama", "openai", "transformers", ""):
        raise UsageError("Unknown language model", f"{spec!r}; known: {KINDS}", f"did you mean --llm ollama:{spec}?")
    raise UsageError("Unknown language model", f"{spec!r}; known: {KINDS}", "write for example --llm ollama:llama3.2")


def language_model_status(settings: Settings) -> LlmStatus:
    """What would answer now, which models Ollama has, and what to type when there is none. Never raises; quick."""
    status = ollama_status(settings.answer.ollama_host, offline=settings.privacy.offline)
    spec = settings.answer.llm.strip()
    current = spec
    message, hint = status.message, status.hint
    if spec == "auto":
        best = _best(status)
        current = f"ollama:{best}" if best else "extractive"
    return LlmStatus(status.running, current, status.models, message, hint)


def _best(status: OllamaStatus) -> str:
    return (status.loaded or status.models or ("",))[0]


def _extractive(embedder: Embedder) -> LanguageModel:
    from ragterm.engine.llm.extractive import ExtractiveAnswerer

    return ExtractiveAnswerer(embedder)


def _without_model(status: OllamaStatus) -> str:
    return f"No language model is running, so sentences are quoted from the documents. {status.message}: {status.hint}."
