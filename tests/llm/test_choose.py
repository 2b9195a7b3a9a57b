"""Which model answers, and what the reader is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.cheap_embedder import CheapEmbedder
from support.ollama_server import OllamaServer

from ragterm.engine.llm.choose import choose_model, language_model_status
from ragterm.engine.types.errors import OfflineError, UsageError
from ragterm.engine.types.protocols import LanguageModel
from ragterm.engine.types.settings import AnswerSettings, PrivacySettings, Settings

ABSENT = Settings(answer=AnswerSettings(ollama_host="127.0.0.1:1"))


def chosen(spec: str, settings: Settings = ABSENT) -> tuple[str, str]:
    model, notice = choose_model(spec, settings, CheapEmbedder())
    assert isinstance(model, LanguageModel)
    return model.name, notice


def test_auto_without_a_server_quotes_and_says_how_to_start_one() -> None:
    name, notice = chosen("auto")
    assert name == "extractive"
    assert "No language model is running" in notice
    assert "ollama serve" in notice


def test_auto_takes_what_is_loaded_else_the_first() -> None:
    with OllamaServer(["nomic-embed-text", "mistral:7b", "llama3.2:3b"]) as server:
        settings = Settings(answer=AnswerSettings(ollama_host=server.host))
        assert chosen("auto", settings) == ("ollama:mistral:7b", "")
        status = language_model_status(settings)
        assert (status.running, status.current, status.models) == (
            True,
            "ollama:mistral:7b",
            ("mistral:7b", "llama3.2:3b"),
        )


def test_a_server_without_a_model_says_what_to_pull() -> None:
    with OllamaServer([]) as server:
        name, notice = chosen("auto", Settings(answer=AnswerSettings(ollama_host=server.host)))
    assert name == "extractive"
    assert "ollama pull" in notice


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("extractive", "extractive"),
        ("ollama:qwen3:8b", "ollama:qwen3:8b"),
        ("openai:some/model", "openai:some/model"),
        ("transformers:./folder", "transformers:./folder"),
        (" Extractive ", "extractive"),
    ],
)
def test_a_model_asked_for_is_the_model_taken(spec: str, name: str) -> None:
    assert chosen(spec)[0] == name


@pytest.mark.parametrize(
    ("spec", "hint"), [("llama3.2", "ollama:llama3.2"), ("ollama:", "--llm"), ("", "--llm"), ("gpt:4", "--llm")]
)
def test_a_spec_that_means_nothing(spec: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_model(spec, ABSENT, CheapEmbedder())
    assert hint in caught.value.hint


def test_offline_takes_no_server_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://example.com/v1")
    offline = replace(ABSENT, privacy=PrivacySettings(offline=True), answer=AnswerSettings(ollama_host="192.0.2.1"))
    for spec in ("ollama:x", "openai:x"):
        with pytest.raises(OfflineError):
            choose_model(spec, offline, CheapEmbedder())
    assert chosen("auto", offline)[0] == "extractive"


def test_status_without_a_server() -> None:
    status = language_model_status(ABSENT)
    assert (status.running, status.current) == (False, "extractive")
    assert status.message
    assert status.hint
