"""Jupyter notebooks (nbformat 3 and 4): the text is rendered as one Markdown document, without what was computed beyond reading.

The file is JSON around Markdown and code, so its bytes are nothing to read or to cite. Markdown cells stay as written, code stands
in fences that name its language, text that a cell printed follows it, bounded. Pictures, HTML and widgets are left out. Each
Markdown cell is parsed for itself, so that an open fence ends with its cell, and sections go on over cells.

Read by plain JSON after https://nbformat.readthedocs.io/en/latest/format_description.html: nbformat itself validates and
upgrades, which refuses the damaged ones.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.encodings import decoded_text
from ragterm.engine.documents.listings import fenced
from ragterm.engine.documents.markdown import front_matter, heading_words, parse_markdown
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

OUTPUT_LINES = 40
OUTPUT_CHARACTERS = 3_000
"""Of what one cell printed; the rest is counted."""
_EMBEDDED = re.compile(r"data:[a-z]{1,20}/[\w.+-]{1,60};base64,[A-Za-z0-9+/=]*")
_REPRESENTATION = re.compile(r"<[\w.]{1,100}(?: [^\n]{0,300})?>|(?:Axes|Figure|Text)\([^\n]{0,200}\)")
"""`<Figure size 640x480 with 1 Axes>`: says that there was a picture."""
_CELL_MAGIC = re.compile(r"%%(bash|sh|html|javascript|js|latex|markdown|perl|python3?|ruby|R|sql|cython|writefile)\b")
_MAGIC_NAMES = {"sh": "bash", "js": "javascript", "python3": "python", "R": "r", "writefile": ""}
_SAVE_AGAIN = "open it in Jupyter and save it again, or restore the file"


def parse_notebook(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError: broken JSON, no notebook, nothing in it."""
    text, warnings = decoded_text(data, path)
    builder = DocumentBuilder()
    builder.warnings += warnings
    notebook = _load(text)
    cells = _cells(notebook)
    about = _object(notebook.get("metadata"))
    language = _language(about)
    metadata = _metadata(about, language)
    title = ""
    for number, cell in enumerate(cells):
        kind = cell.get("cell_type")
        source = _joined(cell.get("source", cell.get("input")))
        if kind == "code":
            own = cell.get("language")
            _code(builder, source, own if isinstance(own, str) else language)
            _outputs(builder, cell.get("outputs"))
            continue
        source = _EMBEDDED.sub("data:", source)
        if kind == "heading":  # nbformat 3
            level = str(cell.get("level", "1"))
            source = (
                f"{'#' * (int(level) if level in ('1', '2', '3', '4', '5', '6') else 1)} {' '.join(source.split())}"
            )
        if number == 0:
            head, end = front_matter(source)
            for key, value in head.items():
                metadata.setdefault(key, value)
            source = source[end:]
        if kind == "raw":
            builder.add("paragraph", source)
        elif kind in ("markdown", "heading"):
            heading = _markdown(builder, source)
            title = title or heading
    if not builder.blocks:
        raise ParseError(
            "No text", "the notebook has no cell with anything in it", "nothing to do, or restore the file"
        )
    title = metadata.pop("title", "") or title or path.stem
    return builder.finish(title=title, kind="notebook", parser="json, markdown-it-py", metadata=metadata)


def _load(text: str) -> dict[str, Any]:
    try:
        # Numbers stay text: nothing is computed with them, and Python refuses to make an integer of 5,000 digits.
        notebook = json.loads(text, strict=False, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise ParseError(
            "Damaged notebook",
            f"line {error.lineno}, column {error.colno} is no valid JSON: {error.msg}",
            _SAVE_AGAIN,
        ) from error
    except RecursionError as error:
        raise ParseError("Damaged notebook", "it is nested deeper than any notebook", _SAVE_AGAIN) from error
    if not isinstance(notebook, dict):
        raise ParseError("Not a notebook", "the file holds no JSON object", _SAVE_AGAIN)
    return notebook


def _cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells of format 4, or those of all worksheets of format 3."""
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        sheets = notebook.get("worksheets")
        if not isinstance(sheets, list):
            raise ParseError("Not a notebook", "the file has no list of cells", _SAVE_AGAIN)
        cells = [cell for sheet in sheets for cell in _list(_object(sheet).get("cells"))]
    return [cell for cell in cells if isinstance(cell, dict)]


def _markdown(builder: DocumentBuilder, source: str) -> str:
    """Append the blocks of a cell; what belongs to no block (link definitions, comments, rules) is nothing to read. Returns the
    first heading of level 1."""
    source = canonical(source)
    title = ""
    for block in parse_markdown(source, Path("cell")).blocks:
        text = source[block.start : block.end]
        if block.kind != "heading":
            builder.add(block.kind, text)
            continue
        name = heading_words(text)
        builder.add("heading", text, level=block.level, name=name)
        if block.level == 1:
            title = title or name
    return title


def _code(builder: DocumentBuilder, source: str, language: str) -> None:
    magic = _CELL_MAGIC.match(source)
    if magic:
        language = _MAGIC_NAMES.get(magic.group(1), magic.group(1))
    builder.add("code", fenced(source, language))


def _outputs(builder: DocumentBuilder, outputs: Any) -> None:
    parts: list[str] = []
    length = 0
    for output in _list(outputs):
        part = _output(_object(output)).strip("\n")
        # Beyond the bound only lengths matter; the few characters more let a long line be seen to go on.
        if part.strip():
            parts.append(part[: OUTPUT_CHARACTERS + 1] if length < OUTPUT_CHARACTERS else "")
            length += len(part)
    text = "\n".join(parts).strip("\n")
    if text.strip():
        builder.add("code", fenced(_bounded(text, length), "output"))


def _output(output: dict[str, Any]) -> str:
    """The plain text of one output; "" for a picture, a page, a widget."""
    kind = output.get("output_type")
    if kind in ("error", "pyerr"):
        return f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
    if kind == "stream":
        return _joined(output.get("text"))
    data = _object(output.get("data"))
    text = ""
    for name in ("text/markdown", "text/latex", "text/plain"):
        text = text or _joined(data.get(name))
    text = _EMBEDDED.sub("data:", text or _joined(output.get("text")))
    return "" if _REPRESENTATION.fullmatch(text.strip()) else text


def _bounded(text: str, length: int) -> str:
    lines = text[:OUTPUT_CHARACTERS].split("\n")
    shown = "\n".join(lines[:OUTPUT_LINES])
    left = max(length, len(text)) - len(shown)
    return f"{shown}\n… ({left:,} more characters of output)" if left > 0 and shown != text else shown


def _language(about: dict[str, Any]) -> str:
    found = _object(about.get("kernelspec")).get("language") or _object(about.get("language_info")).get("name")
    if not isinstance(found, str):
        found = ""
    return found.lower() or "python"


def _metadata(about: dict[str, Any], language: str) -> dict[str, str]:
    authors = [_object(one).get("name") if isinstance(one, dict) else one for one in _list(about.get("authors"))]
    tags = [tag for tag in _list(about.get("tags")) if isinstance(tag, str)]
    found = {
        "title": about.get("title") or about.get("name"),
        "author": ", ".join(one for one in authors if isinstance(one, str)),
        "date": about.get("date"),
        "tags": ", ".join(tags),
        "language": language,
    }
    return {key: value[:500] for key, value in found.items() if isinstance(value, str) and value.strip()}


def _joined(source: Any) -> str:
    """Text may be one string or a list of lines."""
    if isinstance(source, str):
        return source
    return "".join(line for line in _list(source) if isinstance(line, str))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
