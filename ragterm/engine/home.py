"""The home folder, where all state lives, and its `config.toml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ragterm.engine.types.settings import Settings, load_settings


def home_folder(home: Path | str | None = None) -> Path:
    """Where all state lives: the folder given, else RAGTERM_HOME, else the platform's folder for application data."""
    if home is not None:
        return Path(home).expanduser().absolute()
    if named := os.environ.get("RAGTERM_HOME"):
        return Path(named).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("ragterm", appauthor=False)


def save_setting(home: Path | None, key: str, value: str) -> Any:
    """Set one value in `config.toml` and return it as it was understood. Raises ConfigError; nothing is written then."""
    import tomli_w

    from ragterm.engine.types.settings import settings_as_dict, with_setting

    path = home_folder(home) / "config.toml"
    settings = with_setting(load_settings(path), key, value)
    changed = _differences(settings_as_dict(settings), settings_as_dict(Settings()))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".toml.new")
    aside.write_text(tomli_w.dumps(changed), encoding="utf-8")
    aside.replace(path)
    found: Any = settings_as_dict(settings)
    for part in key.split("."):
        found = found[part]
    return found


def _differences(new: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """What is not at its default: a configuration file that says only what a person chose outlives a change of defaults."""
    kept = {}
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(default.get(key), dict) and default[key]:
            value = _differences(value, default[key])
            if not value:
                continue
        if value != default.get(key):
            kept[key] = value
    return kept
