"""EPUB: the chapters of a book in the order of its spine (EPUB 3.3, W3C; EPUB 2.0.1 with its NCX).

Each chapter is XHTML and goes through the walk that HTML goes through. The table of contents says under which titles a chapter
stands, and its headings follow below them: a heading that repeats the title takes its place, a paragraph that a contents entry points
to and that says what the entry says becomes a heading. Notes stand at the end of their chapter. The contents page itself is left out.
"""

from __future__ import annotations

import contextlib
import html.entities
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ragterm.engine.documents.builder import DocumentBuilder, one_line
from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.html import decode_html
from ragterm.engine.documents.markup import add_blocks, collapse, text_of
from ragterm.engine.documents.packages import Package, Wording, parse_xml
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

    Element = Any

_WORDING = Wording("EPUB", "an e-book in EPUB form", "an e-book program (Calibre)")
_OPS = "{http://www.idpf.org/2007/ops}type"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_MAX_CONTENTS = 20_000
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_KEPT_ENTITIES = ("amp", "lt", "gt", "quot", "apos")
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*(?:\[[^\]]*\])?\s*>", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_CLOSED = re.compile(
    r"<(title|script|style|a|p|div|span|i|b|em|strong|h[1-6]|td|th|li|section)\b([^<>]*)/>", re.IGNORECASE
)
_NOTES = frozenset(("footnote", "endnote", "rearnote", "note"))


@dataclass
class _Entry:
    """A line of the contents: its title below those above it, and the place in a chapter that it points to."""

    path: tuple[str, ...]
    fragment: str


@dataclass
class _Book:
    package: Package
    folder: str = ""
    files: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Id -> (part, media type, properties)."""
    spine: list[str] = field(default_factory=list)
    contents: dict[str, list[_Entry]] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    lines: int = 0
    depth: int = 0
    """How many titles of the contents are above the place that is being read."""


def parse_epub(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError: damaged, protected by DRM, no book, without text, unpacks to too much."""
    builder = DocumentBuilder()
    package = Package(data, _WORDING, builder.warnings)
    book = _open(package)
    _refuse_protected(book)
    missing = 0
    for part in book.spine:
        content = package.read(part)
        if content.strip():
            _chapter(builder, book, part, content)
        else:
            missing += 1
    if missing:
        builder.warnings.append(f"{missing} of {len(book.spine)} chapters are missing in the file or damaged")
    if not builder.blocks:
        raise ParseError(
            "No text",
            "the book holds pictures and no text" if book.spine else "the book lists no chapters",
            "convert it to PDF and run text recognition on it" if book.spine else _WORDING.save_again,
        )
    metadata = book.metadata
    title = metadata.pop("title", "") or path.stem
    return builder.finish(title=title, kind="epub", parser="lxml", metadata=metadata)


def _open(package: Package) -> _Book:
    container = package.tree("META-INF/container.xml")
    roots = [] if container is None else [one.get("full-path") or "" for one in container.iter("{*}rootfile")]
    main = next((name for name in roots if name in package), "") or next(
        (name for name in package.names if name.lower().endswith(".opf")), ""
    )
    tree = package.tree(main) if main else None
    if tree is None:
        raise ParseError("Not an EPUB", "the archive has no list of chapters (OPF)", _WORDING.save_again)
    book = _Book(package, posixpath.dirname(main))
    for item in tree.iter("{*}item"):
        media_type, properties = item.get("media-type") or "", item.get("properties") or ""
        book.files[item.get("id") or ""] = (_join(book.folder, item.get("href") or ""), media_type, properties)
    aside: list[str] = []
    for reference in tree.iter("{*}itemref"):
        part, media_type, properties = book.files.get(reference.get("idref") or "", ("", "", ""))
        if (
            part
            and "nav" not in properties.split()
            and (media_type in _PAGES or part.endswith((".xhtml", ".html", ".htm")))
        ):
            chosen = aside if reference.get("linear") == "no" else book.spine
            if part not in book.spine and part not in aside:
                chosen.append(part)
    book.spine += aside
    book.metadata = _metadata(tree)
    _read_contents(book, next((one.get("toc") or "" for one in tree.iter("{*}spine")), ""))
    return book


def _join(folder: str, href: str) -> str:
    """The part that a reference in `folder` names; never outside of the archive."""
    return posixpath.normpath(posixpath.join("/", folder, unquote(href.partition("#")[0]))).lstrip("/")


def _refuse_protected(book: _Book) -> None:
    package = book.package
    encryption = package.tree("META-INF/encryption.xml")
    chapters = set(book.spine)
    for one in encryption.iter("{*}EncryptedData") if encryption is not None else ():
        target = next((e.get("URI") or "" for e in one.iter("{*}CipherReference")), "")
        if unquote(target) in chapters or _join("", target) in chapters:  # fonts often are, and cost no text
            raise ParseError(
                "Protected by DRM",
                "the publisher encrypted the chapters of this book",
                "use a copy without copy protection, or ask the seller for one",
            )


def _metadata(tree: Element) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    names = {
        "title": "title", "creator": "author", "date": "date", "subject": "subject", "description": "description",
        "publisher": "publisher", "language": "language", "identifier": "identifier",
    }  # fmt: skip
    for element in tree.iter("{http://purl.org/dc/elements/1.1/}*"):
        key = names.get(element.tag.rpartition("}")[2])
        text = " ".join("".join(element.itertext()).split())
        if key and text and (key in ("author", "subject") or key not in found):
            found.setdefault(key, []).append(text)
    return {key: ", ".join(dict.fromkeys(texts))[:500] for key, texts in found.items()}


def _read_contents(book: _Book, toc: str) -> None:
    """The contents, from the navigation document, else from the NCX."""
    for part, _, properties in book.files.values():
        if "nav" in properties.split():
            tree = _page(book.package.read(part))
            navs = [] if tree is None else list(tree.iter("nav"))
            chosen = next((nav for nav in navs if "toc" in _types(nav)), navs[0] if navs else None)
            if chosen is not None:
                for items in chosen.iterchildren("ol"):
                    _nav_entries(book, posixpath.dirname(part), items, ())
            if book.contents:
                return
    part = book.files.get(toc, ("", "", ""))[0] or next((p for p, kind, _ in book.files.values() if "ncx" in kind), "")
    tree = book.package.tree(part) if part else None
    for points in tree.iter("{*}navMap") if tree is not None else ():
        _ncx_entries(book, posixpath.dirname(part), points, ())


def _nav_entries(book: _Book, folder: str, items: Element, above: tuple[str, ...]) -> None:
    for item in items.iterchildren("li"):
        label = next((one for one in item if one.tag in ("a", "span")), None)
        title = one_line(text_of(label).replace("\v", " ")) if label is not None else ""
        path = (*above, title) if title else above
        _enter(book, folder, (label.get("href") or "") if label is not None else "", path)
        for below in item.iterchildren("ol"):
            if len(path) < 12:
                _nav_entries(book, folder, below, path)


def _ncx_entries(book: _Book, folder: str, points: Element, above: tuple[str, ...]) -> None:
    for point in points.iterchildren("{*}navPoint"):
        label = next(point.iterchildren("{*}navLabel"), None)
        title = one_line(" ".join(label.itertext())) if label is not None else ""
        content = next(point.iterchildren("{*}content"), None)
        path = (*above, title) if title else above
        _enter(book, folder, (content.get("src") or "") if content is not None else "", path)
        if len(path) < 12:
            _ncx_entries(book, folder, point, path)


def _enter(book: _Book, folder: str, href: str, path: tuple[str, ...]) -> None:
    book.lines += 1
    if href and path and book.lines <= _MAX_CONTENTS:
        book.contents.setdefault(_join(folder, href), []).append(_Entry(path, unquote(href.partition("#")[2])))


def _chapter(builder: DocumentBuilder, book: _Book, part: str, content: bytes) -> None:
    tree = _page(content)
    body = None if tree is None else next(tree.iter("body"), tree)
    if body is None:
        builder.warnings.append(f"a chapter could not be read: {part}")
        return
    entries = book.contents.get(part, [])
    if entries:  # a chapter without an entry goes on where the one before it ended
        book.depth = min(len(entries[0].path), 5)
        for level, title in enumerate(entries[0].path[:5], 1):
            builder.sections.enter(level, title)
    notes = _take_notes(body)
    _set_headings(body, entries, book.depth)
    add_blocks(builder, body)
    for note in notes:
        builder.add("footnote", note)


def _page(content: bytes) -> Element | None:
    """The page's tree with plain tags. XHTML is read as XML, where `<title/>` is empty; what is not well-formed is read as HTML."""
    from lxml import etree
    from lxml import html as lxml_html

    text = _DECLARATION.sub("", canonical(decode_html(content)[0]), count=1)
    text = _DOCTYPE.sub("", text, count=1)
    tree, whole = parse_xml(_ENTITY.sub(_character, text).encode("utf-8", "replace"))
    if tree is None or not whole:
        parser = lxml_html.HTMLParser(encoding=None, remove_comments=True, remove_pis=True)
        try:
            tree = lxml_html.document_fromstring(_CLOSED.sub(r"<\1\2></\1>", text), parser=parser)
        except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
            return None
    for element in tree.iter():
        if isinstance(element.tag, str) and (name := element.tag.rpartition("}")[2].lower()) != element.tag:
            with contextlib.suppress(ValueError):  # what is left of damaged markup is no name
                element.tag = name
    return tree


def _character(found: re.Match[str]) -> str:
    name = found.group(1)
    if name in _KEPT_ENTITIES:
        return found.group(0)
    return html.entities.html5.get(f"{name};", f"&amp;{name};")


def _types(element: Element) -> list[str]:
    return (element.get(_OPS) or element.get("epub:type") or "").split()


def _take_notes(body: Element) -> list[str]:
    """Notes out of the running text; their numbers stay, in brackets, where the text refers to them."""
    numbers: dict[str, str] = {}
    for reference in body.iter("a"):
        label = "".join(reference.itertext()).strip(" []()*")
        if "noteref" in _types(reference) and label.isdigit():
            numbers[(reference.get("href") or "").partition("#")[2]] = label
            for below in list(reference):
                reference.remove(below)
            reference.text = f"[{label}]"
    notes: list[str] = []
    for element in list(body.iter("aside", "li", "div", "section", "p")):
        if _NOTES & set(_types(element)):
            number = numbers.get(element.get("id") or "", "")
            text = " ".join(collapse(text_of(element)).split())
            if text:
                notes.append(f"[{number}] {text.removeprefix(number).lstrip(' .)')}" if number else text)
    for element in list(body.iter("aside", "li", "div", "section", "p")):
        parent = element.getparent()
        if _NOTES & set(_types(element)) and parent is not None:
            before, tail = element.getprevious(), element.tail or ""
            if before is not None:
                before.tail = (before.tail or "") + tail
            else:
                parent.text = (parent.text or "") + tail
            parent.remove(element)
    return notes


_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def _set_headings(body: Element, entries: list[_Entry], depth: int) -> None:
    """Give the chapter's headings the levels that the contents ask for; make headings of what only the contents call one."""
    fixed: dict[Element, int] = {}
    by_id = {one.get("id"): one for one in body.iter() if one.get("id")} if any(e.fragment for e in entries) else {}
    headings = list(body.iter(*_HEADINGS))
    for entry in entries:
        place = by_id.get(entry.fragment) if entry.fragment else (headings[0] if headings else _first_text(body))
        found = _saying(place, entry.path[-1]) if place is not None else None
        if found is not None and found not in fixed:
            fixed[found] = min(len(entry.path), 6)
    levels = [int(one.tag[1]) for one in headings if one not in fixed]
    base, shift = depth, (depth + 1 - min(levels)) if levels else 0
    own = next(((fixed[one], int(one.tag[1])) for one in headings if one in fixed), None)
    if own is not None:  # the title's own level says how far the others are below it
        base, shift = own[0], own[0] - own[1]
    for one in headings:
        if one not in fixed:
            level = int(one.tag[1]) + shift
            one.tag = f"h{max(1, min(6, max(level, base + 1 if own else level)))}"
    for one, level in fixed.items():
        one.tag = f"h{level}"


def _first_text(body: Element) -> Element | None:
    return next(
        (one for one in body.iter("p", "div") if not len(one.findall(".//p")) and "".join(one.itertext()).strip()), None
    )


def _saying(place: Element, title: str) -> Element | None:
    """The heading or short paragraph at a place that says the title."""
    wanted = _key(title)
    candidates = [place, *place.iterancestors(*_HEADINGS, "p", "div"), *place.iter(*_HEADINGS, "p")]
    following = place.getnext()
    if following is not None:
        candidates.append(following)
    for one in candidates:
        if one.tag in (*_HEADINGS, "p", "div") and not list(one.iter("table", "ul", "ol")):
            text = _key(text_of(one)) if sum(len(t) for t in one.itertext()) < 500 else ""
            if text and (text == wanted or (one.tag in _HEADINGS and (text in wanted or wanted in text))):
                return one
    return None


def _key(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
