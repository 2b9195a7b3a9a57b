"""Markdown: the canonical text stays the source, markdown-it-py (CommonMark 0.31 with tables) says which lines are what.

Its tokens carry line ranges, and a line's offset is known, so no place is ever searched for. Front matter (YAML between `---`
or TOML between `+++`) becomes metadata; link definitions, rules and HTML comments belong to no block, since nobody reads them.
"""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.documents.builder import Sections, one_line
from ragterm.engine.types.documents import Block, BlockKind, ParsedDocument

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"(?P<fence>---|\+\+\+)[ \t]*\n(?P<body>.*?)(?:^|\n)(?P=fence)[ \t]*(?:\n|\Z)", re.DOTALL)
_YAML_LINE = re.compile(r"(?P<key>[A-Za-z_][\w-]*)[ \t]*:(?:[ \t]+(?P<value>.*))?$")
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_KINDS: dict[str, BlockKind] = {
    "paragraph_open": "paragraph",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "fence": "code",
    "code_block": "code",
    "blockquote_open": "quote",
    "table_open": "table",
    "html_block": "paragraph",
    "heading_open": "heading",
}
_KEPT = (
    "title",
    "date",
    "tags",
    "description",
    "author",
    "authors",
    "categories",
    "keywords",
    "weight",
    "slug",
    "lang",
    "language",
)


def parse_markdown(text: str, path: Path) -> ParsedDocument:
    """`text` is canonical and becomes the document unchanged."""
    metadata, head = front_matter(text)
    blocks: list[Block] = []
    if head:
        blocks.append(Block("metadata", 0, len(text[:head].rstrip())))
    starts = _line_starts(text, head)
    sections = Sections()
    title = ""
    parser, words_of = _parsers()
    tokens = parser.parse(text[head:])
    for at, token in enumerate(tokens):
        kind = _KINDS.get(token.type)
        if kind is None or token.level != 0 or token.map is None:
            continue
        start, end = starts[token.map[0]], starts[min(token.map[1], len(starts) - 1)]
        end = start + len(text[start:end].rstrip())
        if kind != "code":
            start = end - len(text[start:end].lstrip())
        if end <= start or (token.type == "html_block" and not _HTML_COMMENT.sub("", text[start:end]).strip()):
            continue
        if kind == "heading":
            level = int(token.tag[1])
            words = one_line(_plain(words_of.parseInline(tokens[at + 1].content)[0]))
            blocks.append(Block("heading", start, end, section=sections.above(level), level=level))
            sections.enter(level, words)
            if level == 1 and not title:
                title = words
        else:
            blocks.append(Block(kind, start, end, section=sections.path))
    title = metadata.pop("title", "") or title or path.stem
    return ParsedDocument(text, tuple(blocks), one_line(title), "markdown", "markdown-it-py", metadata=metadata)


def heading_words(source: str) -> str:
    """The words of a heading block without its markup, in one line."""
    source = source.strip()
    if source.startswith("#"):
        source = source.strip("#").strip()
    elif "\n" in source:  # underlined
        source = source.rpartition("\n")[0]
    parsed = _parsers()[1].parseInline(source)
    return one_line(_plain(parsed[0])) if parsed else ""


@functools.cache
def _parsers() -> tuple[MarkdownIt, MarkdownIt]:
    """One for blocks and one for the words of headings. Only headings are read further than their lines: leaving the inline rules out
    takes a third off the time. Kept, since making them takes longer than reading a cell of a notebook."""
    from markdown_it import MarkdownIt

    blocks = MarkdownIt("commonmark").enable(["table"]).disable("inline")
    return blocks, MarkdownIt("commonmark").enable("strikethrough")


def front_matter(text: str) -> tuple[dict[str, str], int]:
    """What the head of a file says of itself, and where the head ends (0: there is none)."""
    found = _FRONT_MATTER.match(text)
    if not found:
        return {}, 0
    body = found.group("body")
    if found.group("fence") == "+++":
        try:
            data = tomllib.loads(body)
        except tomllib.TOMLDecodeError:
            return {}, found.end()
        flat = {
            k: ", ".join(map(str, v)) if isinstance(v, list) else str(v)
            for k, v in data.items()
            if not isinstance(v, dict)
        }
        return {key: value for key, value in flat.items() if key.lower() in _KEPT}, found.end()
    values = _yaml(body)
    if not values and body.strip():  # a rule, a paragraph, a rule: not front matter
        return {}, 0
    return {key: value for key, value in values.items() if key in _KEPT and value}, found.end()


def _yaml(body: str) -> dict[str, str]:
    """The flat part of YAML: `key: value`, lists in brackets or as `- item` lines, folded text. Nothing else is needed here."""
    values: dict[str, str] = {}
    key = ""
    for line in body.split("\n"):
        if found := _YAML_LINE.match(line):
            key = found.group("key").lower()
            value = (found.group("value") or "").strip()
            values[key] = "" if value in ("|", ">", "|-", ">-") else _unquote(value)
        elif key and line[:1] in (" ", "-", "\t"):
            item = _unquote(line.strip().removeprefix("- ").strip())
            separator = ", " if line.strip().startswith("- ") else " "
            values[key] = f"{values[key]}{separator}{item}" if values[key] else item
    return values


def _unquote(value: str) -> str:
    if value[:1] == "[" and value[-1:] == "]":
        return ", ".join(_unquote(item.strip()) for item in value[1:-1].split(",") if item.strip())
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def _line_starts(text: str, head: int) -> list[int]:
    """Offsets of the lines after the head, the end of the text last. Lines end where markdown-it ends them: at LF alone."""
    starts = [head]
    place = text.find("\n", head)
    while place != -1:
        starts.append(place + 1)
        place = text.find("\n", place + 1)
    starts.append(len(text))
    return starts


def _plain(inline: Token) -> str:
    """A heading's words without its markup."""
    return "".join(
        child.content
        if child.type in ("text", "code_inline")
        else " "
        if child.type in ("softbreak", "hardbreak")
        else ""
        for child in inline.children or ()
    )
