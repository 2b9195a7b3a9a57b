"""What is known about one document, as text: for the side of the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.content import Content

from ragterm.ui.safe_text import line, plain
from ragterm.ui.wording import counted, size

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Document, DocumentRow

FIRST_CHARACTERS = 1200


def card(row: DocumentRow | None, document: Document | None, titles: Mapping[str, str], error: str = "") -> Content:
    """`document` is None until its text has been read; `titles` names documents by id (for duplicates);
    `error` says why the text could not be fetched."""
    if row is None:
        return Content.styled("No document is chosen.", "$text-muted")
    parts: list[Any] = [(line(row.title or row.path), "bold"), "\n", (line(row.path), "$text-muted"), "\n"]
    facts = [row.kind]
    if row.parser and row.parser != row.kind:
        facts.append(f"read by {row.parser}")
    if row.pages:
        facts.append(counted(row.pages, "page"))
    if row.chunks:
        facts.append(counted(row.chunks, "chunk"))
    if row.size:
        facts.append(size(row.size))
    if row.seconds:
        facts.append(f"{row.seconds:.1f} s")
    parts.append(line(" · ".join(fact for fact in facts if fact)))
    if row.ingested_at:
        parts.append((f"\n{line(row.ingested_at.replace('T', ' ')[:16])}", "$text-muted"))
    if row.state == "duplicate":
        parts.append((f"\n\nthe same content as {line(titles.get(row.duplicate_of, row.duplicate_of))}", "$warning"))
    if row.error:
        where = f"{row.stage}: " if row.stage else ""
        parts.append((f"\n\n{line(where + row.error)}", "$error" if row.state == "failed" else "$warning"))
    if row.hint:
        parts.append((f"\n→ {line(row.hint)}", "$accent"))
    for number, warning in enumerate(row.warnings[:5]):
        parts.append(("" if number else "\n") + "\n")
        parts.append((f"! {line(warning)}", "$warning"))
    if len(row.warnings) > 5:
        parts.append((f"\n! {len(row.warnings) - 5} more", "$warning"))
    if error:
        parts.append((f"\n\n{line(error)}", "$text-muted"))
    if document is not None:
        parts.extend(["\n\n", (plain(document.text[:FIRST_CHARACTERS]).strip(), "$text-muted")])
        if len(document.text) > FIRST_CHARACTERS:
            parts.append((" …", "$text-muted"))
    return Content.assemble(*parts)
