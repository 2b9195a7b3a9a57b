"""The doctor's report: each check with its severity, what was found and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ragterm.ui.actions import bindings
from ragterm.ui.safe_text import line, plain
from ragterm.ui.screens.dialogs import dialog_css

SEVERITIES = {
    "ok": ("✓", "$success"),
    "info": ("·", "$text-muted"),
    "warning": ("!", "$warning"),
    "error": ("✗", "$error"),
}


class ReportScreen(ModalScreen[None]):
    """`checks` have name, severity, message and remedy."""

    DEFAULT_CSS = dialog_css("ReportScreen")
    BINDINGS: ClassVar[list[Any]] = bindings("dialog")

    def __init__(self, title: str, checks: Sequence[Any]) -> None:
        super().__init__()
        self.heading, self.checks = title, checks

    def compose(self) -> ComposeResult:
        parts: list[Any] = []
        for number, check in enumerate(self.checks):
            glyph, tone = SEVERITIES.get(str(check.severity).lower(), ("!", "$warning"))
            parts.append("\n" if number else "")
            parts.append((f"{glyph} ", tone))
            parts.append((line(check.name), "bold"))
            parts.append(f"  {plain(check.message)}")
            if check.remedy:
                parts.append((f"\n  → {plain(check.remedy)}", "$accent"))
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self.heading)
            dialog.border_subtitle = Content("Esc closes")
            with VerticalScroll(classes="dialog-text"):
                yield Static(Content.assemble(*parts) if parts else Content("Nothing to report."))

    def action_close(self) -> None:
        self.dismiss(None)
