"""Themes in the running app: the chosen one for the first frame, the others after it, reloading when a file changes.

A mixin of the app, so that `app.py` stays wiring.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.resources import shipped
from ragterm.ui import messages
from ragterm.ui.theming import DEFAULT, ThemeError, read_theme, read_themes, stamp

if TYPE_CHECKING:
    from textual.app import App

    from ragterm.ui.bridge import Bridge

    _Base = App[None]
else:
    _Base = object

RELOAD_SECONDS = 2.0


class ThemeChoice(_Base):
    bridge: Bridge

    def toast(self, text: str, *, title: str = "", severity: str = "information", timeout: float | None = None) -> None:
        raise NotImplementedError

    @property
    def theme_folders(self) -> tuple[Path, ...]:
        own = (Path(self.bridge.home) / "themes",) if self.bridge.home else ()
        return (shipped("themes"), *own)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables, for themes that do not set them (Textual's)."""
        return {"citation-background": "#f0b35e", "citation-foreground": "#12161f"}

    def start_theme(self) -> None:
        """Register the configured theme alone: six files are not read before the first frame."""
        wanted = self.bridge.settings.interface.theme if self.bridge.settings else DEFAULT
        self._theme_problems: list[str] = []
        for name in dict.fromkeys((wanted, DEFAULT)):
            for folder in reversed(self.theme_folders):
                path = folder / f"{name}.toml"
                if not path.is_file():
                    continue
                try:
                    theme = read_theme(path)
                except ThemeError:
                    continue  # said by `load_themes`, which reads it again
                self.register_theme(theme)
                self.theme = theme.name
                return

    async def load_themes(self) -> None:
        """Register all of them; say which files cannot be used; choose the configured one if it was named otherwise than its file."""
        folders = self.theme_folders
        found = await asyncio.to_thread(read_themes, *folders)
        for theme in found.themes.values():
            self.register_theme(theme)
        wanted = self.bridge.settings.interface.theme if self.bridge.settings else DEFAULT
        if wanted in self.available_themes:
            if self.theme != wanted:
                self.theme = wanted
        elif wanted:
            self.toast(f"There is no theme named {wanted}; this is {self.theme}", title="Theme", severity="warning")
        if found.problems:
            self.toast("\n".join(found.problems[:3]), title="A theme was left out", severity="warning", timeout=10)
        self._stamp = stamp(*folders)
        self.set_interval(RELOAD_SECONDS, self._reload_changed)

    def _reload_changed(self) -> None:
        now = stamp(*self.theme_folders)
        if now == self._stamp:
            return
        self._stamp = now
        found = read_themes(*self.theme_folders)
        for theme in found.themes.values():
            self.register_theme(theme)
        if found.problems:
            self.toast("\n".join(found.problems[:3]), title="A theme was left out", severity="warning")
        if self.theme in found.themes:
            self._watch_theme(self.theme)  # the same name, other colours

    def action_choose_theme(self) -> None:
        from ragterm.ui.screens.dialogs import Choice, PickScreen

        shipped_names = read_themes(*self.theme_folders).themes
        choices = [Choice(name, name, "light" if not theme.dark else "") for name, theme in shipped_names.items()]

        def preview(name: str) -> None:
            self.theme = name

        def chosen(name: str | None) -> None:
            if name:
                self.theme = name
                self.run_worker(self._save_theme(name), group="theme", exit_on_error=False)

        self.push_screen(PickScreen("Theme", choices, current=self.theme, preview=preview), chosen)

    async def _save_theme(self, name: str) -> None:
        try:
            await self.bridge.save_setting("interface.theme", name)
        except Exception as error:  # noqa: BLE001 - the border of background work
            self.post_message(messages.ErrorArose(error, "saving the theme"))
