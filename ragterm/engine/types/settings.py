"""Settings: frozen dataclasses, read from `config.toml` in the home folder. An unknown key is refused with the nearest valid one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ragterm.engine.types.errors import ConfigError
from ragterm.engine.types.modes import Fusion, SearchMode, StrategyName


@dataclass(frozen=True, slots=True)
class ChunkingSettings:
    """Sizes in the embedding model's own tokens. `max_tokens` bounds text plus context plus special tokens; 0 is what suits the
    strategy: 160 for running text, the model's window for what has a shape of its own (a function, a clause, a table's rows).

    `patterns` maps globs on a document's path, as in .gitignore, to strategies: {"*.py" = "code", "contracts/**" = "legal"}. The
    longest that matches wins over `strategy`.
    """

    max_tokens: int = 0
    overlap: float = 0.1
    context_tokens: int = 64
    strategy: StrategyName = "auto"
    patterns: Mapping[str, StrategyName] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """`precision` "int8" is faster and slightly less exact. `threads` 0 means one per core."""

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    precision: Literal["fp32", "int8"] = "fp32"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """`rerank`: "auto" takes the cross-encoder where it is on this machine, else late interaction; "none" turns reranking off."""

    mode: SearchMode = "hybrid"
    fusion: Fusion = "convex"
    weight: float = 0.6
    depth: int = 100
    k: int = 10
    rerank: str = "auto"
    cross_encoder: str = "cross-encoder/ms-marco-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """`llm`: "auto" takes the first Ollama model where one runs, else the extractive answerer. `context_tokens` bounds the retrieved
    text in a prompt, `max_passages` the number of chunks."""

    llm: str = "auto"
    context_tokens: int = 3000
    max_passages: int = 8
    max_answer_tokens: int = 1024
    temperature: float = 0.1
    ollama_host: str = ""
    timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """`workers` 0 means one per core but one. `memory_mb` bounds a worker, `timeout_seconds` a document, `max_file_mb` a file."""

    workers: int = 0
    memory_mb: int = 1536
    timeout_seconds: float = 60.0
    max_file_mb: int = 200


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """`offline` refuses every socket but loopback; `private_addresses` lets pages be fetched from this machine and its network. Traces
    and chats older than `retention_days` are deleted at the next start."""

    offline: bool = False
    private_addresses: bool = False
    save_traces: bool = True
    retention_days: int = 90


@dataclass(frozen=True, slots=True)
class InterfaceSettings:
    """`keys` maps the id of a binding to keys: {"chat.copy" = "ctrl+y"}."""

    theme: str = "ragterm"
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    chunking: ChunkingSettings = field(default_factory=ChunkingSettings)
    embedding: EmbeddingSettings = field(default_factory=EmbeddingSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    answer: AnswerSettings = field(default_factory=AnswerSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    interface: InterfaceSettings = field(default_factory=InterfaceSettings)


def load_settings(path: Path) -> Settings:
    """Read a TOML file; a missing file gives the defaults. Raises ConfigError naming the file, the key and the nearest valid one."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "The configuration cannot be read", f"{path}: {error}", "correct the file, or move it away"
        ) from error
    settings: Settings = _build(Settings(), data, (), str(path))
    return settings


def with_setting(settings: Settings, dotted: str, value: str) -> Settings:
    """A copy of `settings` with one key, written as `search.weight`, set from text. Raises ConfigError."""
    *sections, key = dotted.split(".")
    tree: dict[str, Any] = {}
    here = tree
    for section in sections:
        here = here.setdefault(section, {})
    try:
        here[key] = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        here[key] = value
    result: Settings = _build(settings, tree, (), "the command line")
    return result


def settings_as_dict(settings: Any) -> dict[str, Any]:
    """Nested plain values, as TOML writes them."""
    return {
        f.name: settings_as_dict(v)
        if is_dataclass(v := getattr(settings, f.name))
        else (dict(v) if isinstance(v, Mapping) else v)
        for f in fields(settings)
    }


def _build(current: Any, data: Mapping[str, Any], at: tuple[str, ...], where: str) -> Any:
    hints = get_type_hints(type(current))
    changes: dict[str, Any] = {}
    for key, value in data.items():
        name = ".".join((*at, key))
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1, cutoff=0.5)
            known = f"did you mean {'.'.join((*at, near[0]))}?" if near else "known here: " + ", ".join(sorted(hints))
            raise ConfigError(f"Unknown setting {name}", where, known)
        old = getattr(current, key)
        if is_dataclass(old):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name} is a section", where, f"write [{name}] and its keys below it")
            changes[key] = _build(old, value, (*at, key), where)
        else:
            changes[key] = _value(hints[key], value, name, where)
    return replace(current, **changes)


_RANGES: dict[str, tuple[float, float]] = {
    "chunking.max_tokens": (0, 8192),
    "chunking.overlap": (0.0, 0.5),
    "chunking.context_tokens": (0, 64),
    "embedding.threads": (0, 256),
    "search.weight": (0.0, 1.0),
    "search.depth": (1, 10_000),
    "search.k": (1, 1000),
    "answer.context_tokens": (128, 1_000_000),
    "answer.max_passages": (1, 100),
    "answer.max_answer_tokens": (16, 100_000),
    "answer.temperature": (0.0, 2.0),
    "answer.timeout_seconds": (1.0, 86_400.0),
    "ingest.workers": (0, 64),
    "ingest.memory_mb": (256, 1_000_000),
    "ingest.timeout_seconds": (1.0, 3600.0),
    "ingest.max_file_mb": (1, 100_000),
    "privacy.retention_days": (1, 36_500),
}


def _value(hint: Any, value: Any, name: str, where: str) -> Any:
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            near = difflib.get_close_matches(str(value), get_args(hint), n=1, cutoff=0.5)
            options = ("did you mean {}? " if near else "").format(
                *near
            ) + f"choose one of: {', '.join(get_args(hint))}"
            raise ConfigError(f"{name} cannot be {value!r}", where, options)
        return value
    if origin in (Union, UnionType):
        hint = next(a for a in get_args(hint) if a is not type(None))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            raise ConfigError(f"{name} maps names to text", where, f'write [{name}] and lines such as name = "value"')
        return {key: _value(get_args(hint)[1], one, f'{name}."{key}"', where) for key, one in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{name} cannot be {value!r}", where, f"it takes a value of type {hint.__name__}")
    if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
        low, high = _RANGES[name]
        raise ConfigError(f"{name} cannot be {value}", where, f"it lies between {low:g} and {high:g}")
    return value
