"""What a health check says: how bad, what, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Check:
    """`remedy` is the next thing to type, empty when nothing needs doing."""

    name: str
    severity: Severity
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class LlmStatus:
    """Which language model answers. `current` is the name as shown ("ollama:llama3.2", "extractive"); `models` are the installed
    ones; `message` and `hint` say what is wrong and what to type, empty when all is well."""

    running: bool
    current: str
    models: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
