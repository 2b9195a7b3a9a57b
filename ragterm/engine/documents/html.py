"""HTML: what a reader came for, without the page around it.

A saved web page is mostly navigation; trafilatura finds the article (Barbaresi 2021,
https://aclanthology.org/2021.acl-demo.15/). A page
that is a document (an export, a manual: nothing on it says navigation) is taken whole, because trafilatura flattens short
ones and drops lists of links. Both trees go through one walk, so headings, lists, tables and code stay blocks.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.encodings import decode
from ragterm.engine.documents.markup import add_blocks, collapse, text_of
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

    Element = Any

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.-]{2,40})""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MANY_ELEMENTS = 30_000
"""Beyond this trafilatura's time grows with the square of the page (100,000 paragraphs: minutes)."""
_AROUND_TAGS = ("nav", "footer", "aside")
_AROUND_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|sidebar|footer|breadcrumbs?|cookies?|comments?|share|sharing|social|related|advert|ads?|banner|widget)(?:$|[\s_-])",
    re.IGNORECASE,
)
_FEW_PARTS = 5
_BARS = re.compile(r"\s[|·•]\s")
_PAGE_WORDS = re.compile(
    r"\b(?:comments?|categor(?:y|ies)|tags?|share|kommentare?|kategorien?|commentaires?|catégories?|comentarios|categorías)\b",
    re.IGNORECASE,
)
_DATES = ("article:published_time", "date", "dc.date", "dcterms.date", "datepublished", "last-modified")


def parse_html(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError when the page has no text."""
    from lxml import etree
    from lxml import html as lxml_html

    text, warnings = decode_html(data)
    text = _DECLARATION.sub("", text, count=1)
    parser = lxml_html.HTMLParser(encoding=None, remove_comments=True, remove_pis=True)
    try:
        tree = lxml_html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError) as error:
        raise ParseError("No text", "the page is empty", "save the page again, complete") from error
    metadata = _metadata(tree)
    builder = DocumentBuilder()
    builder.warnings += warnings
    used = "lxml"
    body = tree.find("body")
    if body is None:
        body = tree
    if sum(1 for _ in body.iter()) > _MANY_ELEMENTS:
        _drop_surroundings(body)
    elif not _is_document(body):
        article = _article(text)
        if article is not None:
            _add_main_heading(builder, body, article)
            add_blocks(builder, article)
            used = "trafilatura"
    if not builder.blocks:
        used = "lxml"
        add_blocks(builder, body)
    if not builder.blocks:
        raise ParseError(
            "No text",
            "the page shows no text without running its scripts",
            "open it in a browser and save it as a complete page, or as PDF",
        )
    first = next((b for b in builder.blocks if b.kind == "heading" and b.level == 1), None)
    title = metadata.pop("title", "") or (builder.text[first.start : first.end] if first else "") or path.stem
    return builder.finish(title=title, kind="html", parser=used, metadata=metadata)


def decode_html(data: bytes) -> tuple[str, list[str]]:
    """A byte order mark, then strict UTF-8, then what the page declares (if it can be decoded that way), then detection."""
    declared = _CHARSET.search(data[:4096]) or _XML_CHARSET.search(data[:200])
    if declared and not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        name = declared.group(1).decode("ascii").lower()
        name = {
            "iso-8859-1": "cp1252",
            "latin-1": "cp1252",
            "shift_jis": "cp932",
            "gb2312": "gb18030",
            "gbk": "gb18030",
        }.get(name, name)
        for candidate in ("utf-8", name):
            try:
                return data.decode(candidate), []
            except (UnicodeDecodeError, LookupError, ValueError):
                continue
    text, _, warnings = decode(data)
    return text, warnings


def _is_document(body: Element) -> bool:
    """Whether nothing on the page says navigation, and links are a small part of its text."""
    linked = 0
    for element in body.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag in _AROUND_TAGS or element.get("role") == "navigation":
            return False
        names = f"{element.get('class') or ''} {element.get('id') or ''}"
        if names != " " and _AROUND_NAMES.search(names):
            return False
        if element.tag == "a" and element.get("href"):
            linked += len("".join(element.itertext()).strip())
    return linked * 4 < len("".join(body.itertext()).strip())


def _drop_surroundings(body: Element) -> None:
    for element in list(body.iter(*_AROUND_TAGS)):
        if element.getparent() is not None:
            element.drop_tree()


def _add_main_heading(builder: DocumentBuilder, body: Element, article: Element) -> None:
    """The page's one `h1`, which trafilatura often leaves behind."""
    headings = [collapse(text_of(heading)).replace("\n", " ") for heading in body.iter("h1")]
    headings = [heading for heading in headings if heading]
    if len(headings) == 1 and headings[0] not in " ".join("".join(article.itertext()).split()):
        builder.add("heading", headings[0], level=1)


def _article(text: str) -> Element | None:
    from trafilatura import bare_extraction

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found = bare_extraction(text, fast=True, include_comments=False, include_tables=True, include_formatting=True)
    article = getattr(found, "body", None)
    if article is not None:
        _drop_remains(article)
    return article


def _drop_remains(article: Element) -> None:
    """What is left at the two ends of an article of what stood around it: the line under the title with date, categories and
    "comments", bars between them; and a single word after the last sentence, the label of a list that is gone."""
    parts = [part for part in article if isinstance(part.tag, str)]
    if len(parts) < _FEW_PARTS:
        return
    for part in parts[:3]:
        if _is_byline(part.tail or ""):
            part.tail = None
        if part.tag == "p" and _is_byline(" ".join(part.itertext())):
            article.remove(part)
            break
    last = parts[-1]
    if last.tag == "p" and re.fullmatch(r"\s*[^\W\d_]+\s*", "".join(last.itertext())) and not (last.tail or "").strip():
        article.remove(last)


def _is_byline(line: str) -> bool:
    return len(line) < 160 and len(_BARS.split(line)) > 1 and _PAGE_WORDS.search(line) is not None


def _metadata(tree: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = (element.get("property") or element.get("name") or element.get("itemprop") or "").lower()
        content = canonical(element.get("content") or "").strip()
        if not content:
            continue
        if name in ("og:title", "dc.title"):
            found.setdefault("title", content)
        elif name in ("author", "description", "keywords"):
            found.setdefault(name, content[:500])
        elif name in _DATES:
            found.setdefault("date", content[:40])
    title = tree.find(".//title")
    if title is not None and "title" not in found:
        text = collapse(text_of(title)).replace("\n", " ")
        if text:
            found["title"] = text
    language = (tree.get("lang") or "").strip()
    if language:
        found["language"] = language[:20]
    return found
