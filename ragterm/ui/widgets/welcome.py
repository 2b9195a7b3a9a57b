"""What an empty conversation says: the next thing to do, as lines whose spots can be pressed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.resources import shipped
from ragterm.ui.safe_text import line
from ragterm.ui.widgets.citation import MUTED, VERDICTS
from ragterm.ui.widgets.line_view import Line, spot, styled

if TYPE_CHECKING:
    from ragterm.engine.types.documents import DocumentRow

ACCENT = "bold $text-accent"


def welcome_lines(
    documents: Sequence[DocumentRow] | None, examples: Sequence[str], reading: str, width: int
) -> list[Line]:
    """`documents` is None until they are known; `reading` says how far a running ingest is, "" when there is none."""
    text = min(width, 90)
    said: list[Content] = []

    def paragraph(content: Content) -> None:
        said.extend(content.wrap(text))
        said.append(Content(""))

    indexed = [d for d in documents or () if d.state == "indexed"]
    if documents is None:
        paragraph(styled("Opening the collection…", MUTED))
    elif not indexed:
        paragraph(styled("Nothing to ask yet: this collection has no documents.", "bold"))
        if reading:
            paragraph(Content.assemble(styled("● ", "$text-accent"), styled(reading, "")))
            paragraph(styled("Ask as soon as the first ones are in. Documents shows every file.", MUTED))
        else:
            paragraph(
                Content.assemble(
                    styled("Drop a folder ", ACCENT), "into this window, or type its path below and press Enter."
                )
            )
            paragraph(
                Content.assemble(
                    "Or ",
                    styled("load the sample documents", f"{ACCENT} underline", spot("samples")),
                    styled(" (25 papers of a small made-up company, a few seconds)", MUTED),
                )
            )
            paragraph(
                styled(
                    "Text, PDF, office files, web pages, mail, archives, code are read. Nothing leaves this machine.",
                    MUTED,
                )
            )
    else:
        count = f"{len(indexed)} document{'s' * (len(indexed) != 1)}"
        paragraph(styled(f"Ask anything about your {count}.", "bold"))
        if reading:
            paragraph(Content.assemble(styled("● ", "$text-accent"), styled(reading, MUTED)))
        for i, question in enumerate(examples[:3]):
            mark = styled(f" {i + 1} ", "bold $text-accent", spot(f"example:{i}"))
            said.append(
                Content.assemble(mark, " ", styled(line(question), "underline", spot(f"example:{i}"))).truncate(
                    text, ellipsis=True
                )
            )
        if examples:
            said.append(Content(""))
            paragraph(styled("Press Esc, then 1 to 3 to ask one of these, or click it.", MUTED))
        said.extend(legend(text))
    return [Line(one) for one in said]


def legend(width: int) -> list[Content]:
    """What the marks behind a sentence mean."""
    lines = [styled("Every sentence of an answer is checked against the passage that it cites:", MUTED)]
    for look in VERDICTS.values():
        lines.append(
            Content.assemble(
                "  ", styled(f"{look.symbol} {look.word}".ljust(14), look.style), styled(look.meaning, MUTED)
            ).truncate(width, ellipsis=True)
        )
    return lines


def example_questions(documents: Sequence[DocumentRow]) -> list[str]:
    """Three questions to begin with: about the sample documents those that are known to have an answer; else by title."""
    indexed = [d for d in documents if d.state == "indexed"]
    folder = shipped("sample_docs")
    if any(PurePath(d.path).is_relative_to(folder) for d in indexed):
        return sample_questions()
    titles = [line(d.title) for d in indexed if 3 < len(d.title) < 60]
    return [f"What are the main points of {title}?" for title in titles[:3]]


def sample_questions(count: int = 3) -> list[str]:
    import json  # not needed for the first frame

    try:
        rows = [json.loads(row) for row in (shipped("sample_docs") / "questions.jsonl").read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    asked = [str(row["question"]) for row in rows if row.get("answerable") and row.get("page")]
    step = max(1, len(asked) // count)
    return asked[::step][:count]
