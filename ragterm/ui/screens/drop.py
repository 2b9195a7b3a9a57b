"""Asks once before an ingest: what was found in the dropped paths, and which collection takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Static

from ragterm.engine.types.ingesting import Survey
from ragterm.ui.actions import bindings
from ragterm.ui.safe_text import line, shorten
from ragterm.ui.screens.dialogs import dialog_css
from ragterm.ui.wording import counted, size


def headline(survey: Survey) -> str:
    """ "212 files, 14 kinds unsupported"."""
    said = counted(len(survey.files), "file")
    if survey.unsupported:
        said += f", {counted(len(survey.unsupported), 'kind')} unsupported"
    if survey.skipped:
        said += f", {len(survey.skipped):,} skipped"
    return said


def findings(survey: Survey) -> Content:
    """The survey in full."""
    parts: list[Any] = [(headline(survey), "bold")]
    if survey.bytes:
        parts.append((f"   {size(survey.bytes)}", "$text-muted"))
    for root in survey.roots[:4]:
        parts.append((f"\n{shorten(root, 74)}", "$text-muted"))
    if len(survey.roots) > 4:
        parts.append((f"\nand {counted(len(survey.roots) - 4, 'more path')}", "$text-muted"))
    parts.append("\n")
    for kind, count in sorted(survey.kinds.items(), key=lambda item: -item[1]):
        parts.append(f"\n{count:>7,}  {line(kind)}")
    if survey.unsupported:
        endings = sorted(survey.unsupported.items(), key=lambda item: -item[1])
        names = ", ".join(f"{line(ending) or 'no ending'} ({count:,})" for ending, count in endings[:8])
        more = f" and {len(endings) - 8} more" if len(endings) > 8 else ""
        parts.append((f"\n\nnot supported: {names}{more}", "$warning"))
    for path, reason in survey.skipped[:5]:
        parts.append((f"\nskipped: {shorten(path, 40)}: {line(reason)}", "$warning"))
    if len(survey.skipped) > 5:
        parts.append((f"\nskipped: {len(survey.skipped) - 5:,} more", "$warning"))
    return Content.assemble(*parts)


class DropScreen(ModalScreen[str | None]):
    """Returns the name of the collection to ingest into, None when the user thinks better of it."""

    DEFAULT_CSS = (
        dialog_css("DropScreen")
        + """
    DropScreen #into { height: auto; margin-top: 1; }
    DropScreen #into > Static { width: auto; padding: 1 1 0 0; }
    DropScreen #into > Input { width: 1fr; margin: 0; }
    """
    )
    BINDINGS: ClassVar[list[Any]] = bindings("dialog")

    def __init__(self, survey: Survey, collections: Sequence[str], current: str) -> None:
        super().__init__()
        self.survey, self.collections, self.current_name = survey, tuple(collections), current

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("Ingest these files?" if self.survey.files else "Nothing to ingest")
            dialog.border_subtitle = Content("Enter ingests · Esc cancels" if self.survey.files else "Esc closes")
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(findings(self.survey))
            if self.survey.files:
                with Horizontal(id="into"):
                    yield Static(Content("into collection"))
                    yield Input(
                        line(self.current_name), suggester=SuggestFromList(self.collections, case_sensitive=False)
                    )
            with Horizontal(classes="buttons"):
                yield Button(Content("Cancel"), id="no")
                if self.survey.files:
                    yield Button(Content("Ingest"), id="yes", variant="primary")

    def on_mount(self) -> None:
        self.query_one(Input if self.survey.files else Button).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._ingest()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._ingest()
        else:
            self.dismiss(None)

    def _ingest(self) -> None:
        self.dismiss(self.query_one(Input).value.strip() or self.current_name)

    def action_close(self) -> None:
        self.dismiss(None)
