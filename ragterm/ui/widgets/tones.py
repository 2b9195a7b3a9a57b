"""The colours of meaning (good, warn, bad, ...) as Rich styles of the current theme, for widgets that draw line by line.

Component classes would do the same, but each costs a pass of the style sheet for each widget at the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from textual.color import Color, ColorParseError

if TYPE_CHECKING:
    from textual.app import App

_VARIABLES = {
    "good": "success",
    "warn": "warning",
    "bad": "error",
    "accent": "accent",
    "primary": "primary",
    "muted": "text-muted",
    "faint": "text-disabled",
}
_made: dict[tuple[str, str, str], Style] = {}


def tone(app: App[object], name: str) -> Style:
    """The style of a tone; empty for "" and for one that the theme leaves automatic."""
    if not name:
        return Style.null()
    if name == "strong":
        return Style(bold=True)
    variables = app.theme_variables
    value = variables.get(_VARIABLES[name], "")
    key = (app.theme, name, value)
    if key not in _made:
        try:
            colour = Color.parse(value)
        except ColorParseError:  # "auto 60%": a share of the foreground over the background
            colour = Color.parse(variables.get("foreground", "#808080"))
            if colour.ansi is None:
                colour = Color.parse(variables.get("background", "#000000")).blend(colour, 0.65)
        _made[key] = Style(color=colour.rich_color)
    return _made[key]
