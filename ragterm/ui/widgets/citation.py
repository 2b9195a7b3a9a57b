"""How citations and verdicts look: one symbol, one word and one colour for each verdict, so that none is told by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.engine.types.members import document_name
from ragterm.ui.safe_text import line
from ragterm.ui.widgets.line_view import spot, styled

if TYPE_CHECKING:
    from ragterm.engine.types.answers import Citation, Sentence
    from ragterm.engine.types.tracing import Candidate

MUTED = "$text-muted"


@dataclass(frozen=True, slots=True)
class Look:
    symbol: str
    word: str
    style: str
    meaning: str


VERDICTS: dict[str, Look] = {
    "verbatim": Look("≡", "verbatim", "$text-success", "the source says it in these words"),
    "supported": Look("✓", "supported", "$text-success", "the source says so in other words"),
    "weak": Look("~", "weak", "$text-warning", "the source is near, but does not quite say it"),
    "unsupported": Look("✗", "unsupported", "$text-error", "no passage says this"),
}
UNKNOWN = Look("?", "unchecked", MUTED, "not checked")


def look_of(verdict: str) -> Look:
    return VERDICTS.get(verdict, UNKNOWN)


def place(title: str, page: int | None, section: Sequence[str], page_label: str = "") -> str:
    """ "refund-policy.pdf, page 3 › Refunds": where a passage stands, on one safe line."""
    where = line(title)
    shown = line(page_label) or (str(page) if page is not None else "")
    if shown:
        where += f", {shown}" if shown.startswith(("p", "P")) else f", page {shown}"
    if section:
        where += " › " + " › ".join(line(part) for part in section)
    return where


def file_name(path: str, title: str) -> str:
    """What a person calls the document: its file name ("report.pdf in mail.eml" for a member), or its title where the path has
    none."""
    return document_name(path) or title


def citation_place(citation: Citation) -> str:
    return place(file_name(citation.path, citation.document_title), citation.page, citation.section)


def candidate_place(candidate: Candidate) -> str:
    name = file_name(candidate.document_path, candidate.document_title)
    return place(name, candidate.chunk.page, candidate.chunk.section, candidate.page_label)


def marker(number: int, verdict: str | None, name: str) -> Content:
    """A citation mark as it stands in an answer: "[2]✓", a spot called `name`."""
    look = look_of(verdict or "")
    symbol = look.symbol if verdict else ""
    return styled(f"[{number}]{symbol}", f"bold {look.style}", spot(name) if name else "")


def counts(sentences: Sequence[Sentence]) -> Content:
    """ "≡ 1 verbatim · ✓ 3 supported · ✗ 1 unsupported": how much of an answer the sources carry."""
    parts = []
    for verdict, look in VERDICTS.items():
        if number := sum(s.verdict == verdict for s in sentences):
            parts.append(styled(f"{look.symbol} {number} {look.word}", look.style))
    return Content.styled(" · ", MUTED).join(parts)


def citation_lines(citations: Sequence[Citation], width: int, name: str) -> list[Content]:
    """The list below an answer: number, verdict, place and quote, one line each where there is room, else two. Citation i is the
    spot `name`:i."""
    lines: list[Content] = []
    broad = max((len(f"[{c.marker}]") for c in citations), default=3)
    head = broad + 1 + 14
    for i, one in enumerate(citations):
        look = look_of(one.verdict)
        here = spot(f"{name}:{i}")
        mark = styled(f"[{one.marker}]".rjust(broad), f"bold {look.style}", here)
        verdict = styled(f" {look.symbol} {look.word}".ljust(15), look.style, here)
        where = styled(citation_place(one), "bold", here)
        quote = styled(f"“{' '.join(line(one.quote).split())}”", "italic $text-muted", here)
        start = Content.assemble(mark, verdict)
        room = width - head
        if room >= 80:
            where = where.truncate(room * 45 // 100, ellipsis=True)
            gap = styled("  ", here)
            quote = quote.truncate(room - where.cell_length - 2, ellipsis=True)
            lines.append(Content.assemble(start, where, gap, quote))
        elif room >= 24:
            lines.append(Content.assemble(start, where.truncate(room, ellipsis=True)))
            lines.append(Content.assemble(" " * head, quote.truncate(room, ellipsis=True)))
        else:
            lines.append(Content.assemble(mark, " ", where).truncate(width, ellipsis=True))
            lines.append(Content.assemble("  ", quote).truncate(width, ellipsis=True))
    return lines
