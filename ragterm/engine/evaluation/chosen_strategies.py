"""Strategies as a person writes them: `recursive,sentences:max_tokens=128,overlap=0`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import cast

from ragterm.engine.chunking.registry import STRATEGIES
from ragterm.engine.types.comparing import ChosenStrategy
from ragterm.engine.types.errors import UsageError
from ragterm.engine.types.modes import StrategyName
from ragterm.engine.types.settings import ChunkingSettings, Settings, with_setting

AUTO = "auto"


def chosen_strategies(written: Sequence[str], settings: ChunkingSettings) -> tuple[ChosenStrategy, ...]:
    """Names separated by commas, each with settings of its own behind a colon; what is not said is as in `settings`. Nothing written:
    what an ingest does ("auto" chooses by kind and content, the patterns of `settings` first) and every strategy there is. One that is
    written twice is compared once. The settings of what is chosen name it, so that a build made with them cuts as it was compared.

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
        parts = [(name, []) for name in (AUTO, *STRATEGIES)]
    chosen = (_chosen(name, values, settings) for name, values in parts)
    return tuple({one.label: one for one in chosen}.values())


def _chosen(name: str, values: Sequence[str], settings: ChunkingSettings) -> ChosenStrategy:
    names = sorted((AUTO, *STRATEGIES))
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        known = f"choose of: {', '.join(names)}"
        raise UsageError(
            f"Unknown chunking strategy {name!r}", "", f"did you mean {near[0]}? {known}" if near else known
        )
    whole = Settings(chunking=settings)
    said = {}
    for value in values:
        key, equals, text = (piece.strip() for piece in value.partition("="))
        if not equals or key in ("strategy", "patterns"):
            raise UsageError(
                f"{value} cannot be said of a strategy", "", f"for example --strategies {name}:max_tokens=128,overlap=0"
            )
        whole = with_setting(whole, f"chunking.{key}", text)
        said[key] = text
    order = [field.name for field in fields(ChunkingSettings)]
    label = ",".join(f"{key}={said[key]}" for key in sorted(said, key=order.index))
    patterns = settings.patterns if name == AUTO else {}
    chosen = replace(whole.chunking, strategy=cast(StrategyName, name), patterns=patterns)
    return ChosenStrategy(name, chosen, f"{name}:{label}" if label else name)
