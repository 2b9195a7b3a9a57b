"""Source code: the text as it is, in blocks by function and class where tree-sitter has a grammar, else by what begins at the margin.

A cheap rule that holds for most other languages: a new block starts at an unindented line after a blank line, unless that line only
closes what is open (`}`, `)`, `end`). The name that the block defines becomes its section, so that a passage from the middle
of a class still says which one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.documents.code_structure import structure_of
from ragterm.engine.documents.languages import CODE_ENDINGS, CODE_NAMES
from ragterm.engine.types.documents import Block, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFINES = re.compile(
    r"^(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([a-z]+\))?|inline|open|sealed|data|"
    r"override|virtual|extern|unsafe|const|type)\s+)*"
    r"(def|class|function\*?|func|fn|fun|sub|struct|enum|interface|trait|impl|module|namespace|record|object|protocol|type|CREATE\s+(?:TABLE|VIEW|FUNCTION)|"
    r"create\s+(?:table|view|function))\s+(?:\([^)]{0,80}\)\s*)?([A-Za-z_$][\w$.:]*)",
)
_CLOSES = re.compile(r"^(?:[\])}]|end\b|fi\b|done\b|esac\b|else\b|elif\b|except\b|finally\b|catch\b)")


def parse_code(text: str, path: Path) -> ParsedDocument:
    """`text` is canonical and becomes the document unchanged."""
    language = CODE_NAMES.get(path.name) or CODE_ENDINGS.get(path.suffix.lower(), "")
    structure = structure_of(text, language)
    blocks = tuple(_blocks(text)) if structure is None else tuple(structure)
    parser = "lines" if structure is None else "tree-sitter"
    return ParsedDocument(text, blocks, path.name, "code", parser, metadata={"language": language} if language else {})


def _blocks(text: str) -> Iterator[Block]:
    start = end = place = 0
    blank, name = True, ""
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped:
            if blank and end > start and not line[0].isspace() and not _CLOSES.match(line):
                yield _block(start, end, name)
                start, name = place, ""
            elif end == start:
                start = place
            if not name and not line[0].isspace() and (found := _DEFINES.match(line)):
                name = f"{found.group(1)} {found.group(2).rstrip(':.')}"
            end = place + len(line.rstrip())
        blank = not stripped
        place += len(line) + 1
    if end > start:
        yield _block(start, end, name)


def _block(start: int, end: int, name: str) -> Block:
    return Block("code", start, end, section=(name,) if name else ())
