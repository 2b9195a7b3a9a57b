"""reStructuredText: docutils reads it, the text is rendered from its tree.

The source would do to read, but its tables are drawings and half its words may be substitutions, roles and targets; the tree
has them resolved, and docutils' line numbers are too vague for spans. Nothing that a file can ask for reaches outside: no file
insertion, no raw output, no settings files, no pictures opened, and nothing is written anywhere. What docutils cannot finish
(nesting beyond the interpreter's recursion, sizes for which its time grows faster than the text) is read line by line instead, as plain
text with its underlined headings.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.encodings import decoded_text
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

log = logging.getLogger(__name__)

MAX_SOURCE = 2_000_000
MAX_LINES = 30_000
"""Characters and lines that docutils is given: it takes up to a millisecond a line. Chapters of real manuals have a tenth of that."""
MAX_LINE = 10_000
"""Characters of a line, docutils' own limit, which also bounds what a substitution may grow to."""
MAX_INLINE = 20_000
"""Characters of a paragraph in which markup is looked for: its time grows with their square."""
MAX_TABLE = 2_000
"""Neighbouring lines of a drawn table: its time grows with their square."""
_SETTINGS = {
    "file_insertion_enabled": False, "raw_enabled": False, "_disable_config": True, "report_level": 5, "halt_level": 6,
    "warning_stream": False, "traceback": True, "line_length_limit": MAX_LINE, "syntax_highlight": "none", "smart_quotes": False,
    "sectnum_xform": False, "toc_backlinks": False, "embed_stylesheet": False, "docinfo_xform": True, "doctitle_xform": True,
    "sectsubtitle_xform": False, "input_encoding": "unicode", "language_code": "en", "datestamp": None, "generator": None,
    "source_link": None, "root_prefix": "", "dump_settings": None, "record_dependencies": None,
}  # fmt: skip
_ABOUT = re.compile(r"^(?:\.\. )?[ ]*([a-z]{3,12}):[ ]+(\S.*)$", re.MULTILINE)


def parse_rst(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError where there is no text."""
    text, warnings = decoded_text(data, path)
    reason = _too_much(text)
    if not reason:
        try:
            document = _by_docutils(text, path)
            return replace(document, warnings=(*warnings, *document.warnings))
        except (ParseError, MemoryError):
            raise
        except RecursionError:
            reason = "it is nested too deeply"
        except Exception as error:  # noqa: BLE001  (docutils has its own errors and lets others through)
            log.warning("docutils failed: %s", type(error).__name__)
            reason = f"docutils failed ({type(error).__name__})"
    from ragterm.engine.documents.text import parse_text

    document = parse_text(text, path)
    return replace(document, kind="rst", warnings=(*warnings, f"{reason}: read as plain text with headings"))


def _too_much(text: str) -> str:
    if len(text) > MAX_SOURCE:
        return f"larger than {MAX_SOURCE // 1_000_000} million characters"
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        return f"longer than {MAX_LINES:,} lines"
    run = 0
    for line in lines:
        if len(line) > MAX_LINE:
            return f"a line is longer than {MAX_LINE:,} characters"
        run = run + 1 if line.lstrip().startswith(("+", "|")) else 0
        if run > MAX_TABLE:
            return f"a table is longer than {MAX_TABLE:,} lines"
    return ""


def _by_docutils(text: str, path: Path) -> ParsedDocument:
    from docutils import nodes

    from ragterm.engine.documents.rst_blocks import Walk

    tree = _tree(text)
    builder = DocumentBuilder()
    Walk(builder).document(tree)
    left_out = sum("left-out" in node["classes"] for node in tree.findall(nodes.comment))
    if left_out:
        builder.warnings.append(f"other files and raw output that it asks for are not followed ({left_out})")
    if not builder.blocks:
        raise ParseError(
            "No text", "the file holds only comments and definitions", "nothing to do, or restore the file"
        )
    metadata = _metadata(tree, nodes)
    first = next((b for b in builder.blocks if b.kind == "heading"), None)
    heading = builder.text[first.start : first.end] if first and first.start < 400 else ""
    title = metadata.pop("title", "") or heading or path.stem
    return builder.finish(title=title, kind="rst", parser="docutils", metadata=metadata)


def _tree(text: str) -> Any:
    from docutils import nodes
    from docutils.core import publish_doctree
    from docutils.parsers.rst import Parser, states

    from ragterm.engine.documents.rst_extensions import names_of

    inliner = states.Inliner()
    parse = inliner.parse

    def bounded(text: str, *arguments: Any) -> Any:
        return ([nodes.Text(text)], []) if len(text) > MAX_INLINE else parse(text, *arguments)

    inliner.parse = bounded
    with names_of(text):
        return publish_doctree(text, parser=Parser(inliner=inliner), settings_overrides=dict(_SETTINGS))


def _metadata(tree: Any, nodes: Any) -> dict[str, str]:
    """The fields at the head, `meta` directives, and the `.. date: 2024-01-01` lines of static site generators."""
    from ragterm.engine.documents.rst_blocks import KEPT

    found: dict[str, str] = {}

    def keep(name: str, value: str) -> None:
        name = name.strip().lower()
        if name in KEPT and (value := " ".join(value.split())):
            found.setdefault({"authors": "author", "lang": "language"}.get(name, name), value[:500])

    for info in tree.findall(nodes.docinfo):
        for field in info.children:
            if isinstance(field, nodes.field):
                keep(field.children[0].astext(), field.children[-1].astext())
            elif isinstance(field, nodes.authors):
                keep("author", ", ".join(child.astext() for child in field.children))
            else:
                keep(field.tagname, field.astext())
    for meta in tree.findall(nodes.meta):
        keep(meta.get("name", ""), meta.get("content", ""))
    for node in tree.children[:40]:
        if isinstance(node, nodes.comment):
            for name, value in _ABOUT.findall(node.astext()[:2000]):
                keep(name, value)
    return found
