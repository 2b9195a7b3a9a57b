"""The body of an e-mail as blocks: paragraphs, quoted replies, signature.

A line that begins with `>` quotes an earlier message; neighbouring ones are one quote block each depth kept as it is. Text that
declares itself flowed (RFC 3676) has its soft line breaks joined again. HTML goes through the walk of web pages, without looking
for an article: all of a message is the message.
"""

from __future__ import annotations

import re

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.markup import add_blocks

_QUOTED = re.compile(r"(?:>[ \t]?)+")
_ITEM = re.compile(r"\s*(?:[-*+•]|\(?\d{1,3}[.)])\s+\S")
_SIGNATURE = "-- "


def add_text(builder: DocumentBuilder, text: str, *, flowed: bool) -> None:
    """`text` is canonical."""
    lines = text.split("\n")
    if flowed:
        lines = _joined(lines)
    group: list[str] = []
    quoted = False
    for line in [*lines, ""]:
        is_quote = line.startswith(">")
        if (not line.strip() or is_quote != quoted) and group:
            _flush(builder, group, quoted)
        quoted = is_quote
        if line.strip():
            group.append(line.rstrip())
    _flush(builder, group, quoted)


def _flush(builder: DocumentBuilder, group: list[str], quoted: bool) -> None:
    if quoted:
        if any(line.strip("> \t") for line in group):
            builder.add("quote", "\n".join(group))
    elif group:
        marked = sum(1 for line in group if _ITEM.match(line))
        builder.add(
            "list" if marked and _ITEM.match(group[0]) and marked * 2 >= len(group) else "paragraph", "\n".join(group)
        )
    group.clear()


def _joined(lines: list[str]) -> list[str]:
    """RFC 3676, section 4: a line that ends in a space goes on in the next of the same quote depth; a leading space is stuffing;
    the signature's separator ends in a space and is none."""
    done: list[str] = []
    depth_before, soft = -1, False
    for line in lines:
        mark = re.match(r">*", line)
        depth = mark.end() if mark else 0
        content = line[depth:].removeprefix(" ")
        separator = line == _SIGNATURE
        if soft and depth == depth_before and not separator:
            done[-1] += content
        else:
            done.append((">" * depth + " " if depth else "") + content)
        soft = content.endswith(" ") and not separator
        depth_before = depth
    return done


def add_html(builder: DocumentBuilder, text: str) -> None:
    """Raises nothing: what is no HTML adds nothing."""
    from lxml import etree
    from lxml import html as lxml_html

    try:
        parser = lxml_html.HTMLParser(encoding=None, remove_comments=True, remove_pis=True)
        tree = lxml_html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        return
    body = tree.find("body")
    add_blocks(builder, tree if body is None else body)
