"""Themes: one TOML file each, from the folder that ships with ragterm and from `<home>/themes`, where a file of the same
name wins. A file holds `name`, `dark`, optionally `ansi`, the colours of a Textual theme (`primary`, `secondary`, `accent`,
`success`, `warning`, `error`, `foreground`, `background`, `surface`, `panel`, `boost`) and a table `[variables]`. A bad
file costs one message and nothing else.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT = "ragterm"
COLOURS = (
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
    "foreground",
    "background",
    "surface",
    "panel",
    "boost",
)
_KEYS = {"name", "dark", "ansi", "variables", *COLOURS}
# Variables that a theme need not set: our own, and a scrollbar that lies quietly in the background.
_OWN_VARIABLES = {
    "citation-background": "accent",
    "citation-foreground": "background",
    "scrollbar": "panel",
    "scrollbar-hover": "primary",
    "scrollbar-active": "primary",
    "scrollbar-background": "background",
    "scrollbar-background-hover": "background",
    "scrollbar-background-active": "background",
    "scrollbar-corner-color": "background",
}


class ThemeError(ValueError):
    """A theme file that cannot be used; the text says which key and why."""


@dataclass(frozen=True, slots=True)
class ThemeFolder:
    """The themes found, by name, and a line for each file that was left out."""

    themes: dict[str, Theme]
    problems: tuple[str, ...]


def read_theme(path: Path) -> Theme:
    """Raises ThemeError."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ThemeError(f"{path.name}: {error}") from error
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise ThemeError(f"{path.name}: unknown key {unknown[0]}; known are {', '.join(sorted(_KEYS))}")
    if "primary" not in data:
        raise ThemeError(f"{path.name}: primary is missing")
    for key in ("dark", "ansi"):
        if not isinstance(data.get(key, True), bool):
            raise ThemeError(f"{path.name}: {key} is true or false")
    variables = data.get("variables", {})
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ThemeError(f"{path.name}: variables maps names to text")
    colours = {key: data[key] for key in COLOURS if key in data}
    for key, value in colours.items():
        _check_colour(path, key, value)
    for key, value in variables.items():
        if not key.endswith(("-style", "-percent")):
            _check_colour(path, key, value.rpartition(" ")[0] if value.endswith("%") else value)
    own = {name: colours[source] for name, source in _OWN_VARIABLES.items() if source in colours}
    name = data.get("name", path.stem)
    if not isinstance(name, str) or not name:
        raise ThemeError(f"{path.name}: name is a text")
    return Theme(
        name=name,
        dark=data.get("dark", True),
        ansi=data.get("ansi", False),
        variables=own | variables,
        **colours,
    )


def _check_colour(path: Path, key: str, value: object) -> None:
    try:
        Color.parse(value if isinstance(value, str) else "?")
    except ColorParseError as error:
        raise ThemeError(f"{path.name}: {key} is not a colour: {value!r}") from error


def read_themes(*folders: Path) -> ThemeFolder:
    """All themes of these folders; a later folder's theme replaces an earlier one of the same name. Never raises."""
    themes: dict[str, Theme] = {}
    problems: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                theme = read_theme(path)
            except ThemeError as error:
                problems.append(str(error))
            else:
                themes[theme.name] = theme
    return ThemeFolder(themes, tuple(problems))


def stamp(*folders: Path) -> tuple[tuple[str, int], ...]:
    """Changes whenever a theme file does: for reloading while the app runs."""
    found = []
    for folder in folders:
        for path in folder.glob("*.toml"):
            try:
                found.append((str(path), path.stat().st_mtime_ns))
            except OSError:
                continue
    return tuple(sorted(found))


def contrast(foreground: Color, background: Color) -> float:
    """The ratio of WCAG 2.1, 1 to 21: (lighter + 0.05) / (darker + 0.05) of the relative luminances."""

    def luminance(colour: Color) -> float:
        def linear(value: int) -> float:
            part = value / 255
            return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

        return 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b)

    light, dark = sorted((luminance(foreground), luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
