"""Strategies as a person writes them: `recursive,sentences:max_tokens=128,overlap=0`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from ragterm.engine.chunking.registry import STRATEGIES
from ragterm.engine.types.comparing import ChosenStrategy
from ragterm.engine.types.errors import UsageError
from ragterm.engine.types.settings import ChunkingSettings, Settings, with_setting


def chosen_strategies(written: Sequence[str], settings: ChunkingSettings) -> tuple[ChosenStrategy, ...]:
    """Names separated by commas, each with settings of its own behind a colon; what is not said is as in `settings`. Nothing written:
    every strategy there is. One that is written twice is compared once.

    Raises UsageError for an unknown name, ConfigError for an unknown setting or a value that it cannot have.
    """
    parts: list[tuple[str, list[str]]] = []
    for part in (one.strip() for each in written for one in each.split(",")):
        if not part:
            continue
        name, _, values = part.partition(":")
        if "=" in name and parts:  # "fixed:max_tokens=64,overlap=0": the comma went on with the same strategy
            parts[-1][1].append(part)
        else:
            parts.append((name.strip(), [value for value in values.split(":") if value]))
    if not parts:
        parts = [(name, []) for name in STRATEGIES]
    chosen = (_chosen(name, values, settings) for name, values in parts)
    return tuple({one.label: one for one in chosen}.values())


def _chosen(name: str, values: Sequence[str], settings: ChunkingSettings) -> ChosenStrategy:
    if name not in STRATEGIES:
        known = ", ".join(sorted(STRATEGIES))
        raise UsageError(f"Unknown chunking strategy {name!r}", "", f"choose of: {known}")
    whole = Settings(chunking=settings)
    said = {}
    for value in values:
        key, equals, text = (piece.strip() for piece in value.partition("="))
        if not equals:
            raise UsageError(
                f"A setting of {name} has no value", value, f"for example --strategies {name}:max_tokens=128"
            )
        whole = with_setting(whole, f"chunking.{key}", text)
        said[key] = text
    order = [field.name for field in fields(ChunkingSettings)]
    label = ",".join(f"{key}={said[key]}" for key in sorted(said, key=order.index))
    return ChosenStrategy(name, whole.chunking, f"{name}:{label}" if label else name)
