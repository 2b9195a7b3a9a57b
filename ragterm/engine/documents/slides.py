"""PPTX: python-pptx reads the deck, slide by slide; a slide is a page and its title a heading.

The library is handed a copy of the package that holds only parts unpacked within the limits, pictures and films emptied: it loads
everything that a deck refers to. Where the copy cannot be opened, damaged parts are mended as far as they can be read and what
points to nothing is left out, so that one broken slide does not cost the others.
"""

from __future__ import annotations

import io
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder, Sections, one_line
from ragterm.engine.documents.office_properties import core_properties
from ragterm.engine.documents.packages import Package, Wording, parse_xml
from ragterm.engine.documents.slide_shapes import SlideWriter
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

_WORDING = Wording("PPTX", "a PowerPoint presentation", "PowerPoint or LibreOffice")
_TYPE = b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
_OTHER_TYPES = (
    b"application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
    b"application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
    b"application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    b"application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
)
"""Shows and templates are decks under another name, which the library does not take."""


def parse_slides(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError: damaged, protected by a password, no presentation, without text, unpacks to too much."""
    from pptx.exc import PythonPptxError

    builder = DocumentBuilder()
    package = Package(data, _WORDING, builder.warnings)
    if not any(name.startswith("ppt/") for name in package.names):
        raise ParseError("Not a PowerPoint presentation", "the archive holds no slides", _WORDING.save_again)
    deck = _open(package, builder)
    slides = _entries(deck)
    writer = SlideWriter(builder)
    parts = _parts_of(deck)
    hidden: list[int] = []
    pictures: list[int] = []
    for number, entry in enumerate(slides, 1):
        slide = _slide(deck, entry)
        if slide is None:
            builder.warnings.append(f"slide {number} is damaged and was left out")
            continue
        builder.sections = Sections()
        part = parts.get(entry.get("id") or "")
        if part:
            builder.sections.enter(1, part)
        if slide._element.get("show") in ("0", "false"):
            hidden.append(number)
        try:
            writer.add(slide, number, level=2 if part else 1)
        except (PythonPptxError, KeyError, ValueError, AttributeError, TypeError):
            builder.warnings.append(f"slide {number} is damaged and was read in part")
        if writer.pictures and not writer.has_text:
            pictures.append(number)
    if hidden:
        builder.warnings.append(f"hidden in the presentation, and read: {_slides(hidden)}")
    if pictures:
        builder.warnings.append(f"pictures without text on {_slides(pictures)}")
    if not builder.blocks:
        raise ParseError(
            "No text",
            "the slides hold pictures and no text" if pictures else "the presentation is empty",
            "export it as PDF and run text recognition on it" if pictures else "nothing to do, or restore the file",
        )
    metadata = core_properties(package.tree("docProps/core.xml"))
    first = next((block for block in builder.blocks if block.kind == "heading"), None)
    title = metadata.pop("title", "") or (builder.text[first.start : first.end] if first else "") or path.stem
    return builder.finish(title=title, kind="pptx", parser="python-pptx", pages=len(slides), metadata=metadata)


def _slides(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:20])) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
    return f"{'slide' if len(numbers) == 1 else 'slides'} {shown}"


def _open(package: Package, builder: DocumentBuilder) -> Any:
    from lxml import etree
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    for mended in (False, True):
        try:
            deck = Presentation(io.BytesIO(_copy(package, mend=mended)))
            _entries(deck)
        except (etree.XMLSyntaxError, PythonPptxError, KeyError, ValueError, AttributeError, TypeError) as error:
            if mended:
                raise ParseError(
                    "Damaged PPTX",
                    f"the slides cannot be found in it ({type(error).__name__}: {error})"[:300],
                    _WORDING.save_again,
                ) from error
            continue
        if mended:
            builder.warnings.append("the file is damaged; what could be read of it was read")
        return deck
    raise AssertionError


def _copy(package: Package, *, mend: bool) -> bytes:
    names = {name.lower() for name in package.names}

    def change(name: str, content: bytes) -> bytes | None:
        if name == "[Content_Types].xml":
            for other in _OTHER_TYPES:
                content = content.replace(other, _TYPE)
        return _mended(name, content, names) if mend and content else content

    return package.rewritten(change, lambda name: name.endswith((".xml", ".rels")))


def _mended(name: str, content: bytes, names: set[str]) -> bytes | None:
    from lxml import etree

    tree, _ = parse_xml(content)
    if tree is None:
        return None
    if name.endswith(".rels"):
        folder = posixpath.dirname(posixpath.dirname(name))
        for relation in list(tree):
            target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target") or "")).lstrip("/").lower()
            if relation.get("TargetMode") != "External" and target not in names:
                tree.remove(relation)
    mended: bytes = etree.tostring(tree)
    return mended


def _entries(deck: Any) -> list[Any]:
    """The deck's list of slides; the library's own sequence of them ends at the first that is missing."""
    listed = deck.part._element.sldIdLst
    return list(listed) if listed is not None else []


def _slide(deck: Any, entry: Any) -> Any | None:
    from pptx.exc import PythonPptxError

    try:
        return deck.part.related_slide(entry.rId)
    except (PythonPptxError, KeyError, AttributeError, TypeError, ValueError):
        return None


def _parts_of(deck: Any) -> dict[str, str]:
    """Slide id -> the name of the part of the deck that it is in (PowerPoint's "sections"), where there are any."""
    found: dict[str, str] = {}
    sections = list(deck.part._element.iter("{http://schemas.microsoft.com/office/powerpoint/2010/main}section"))
    for section in sections if len(sections) > 1 else ():
        name = one_line(section.get("name") or "", 100)
        for entry in section.iter("{*}sldId"):
            found[entry.get("id") or ""] = name
    return found
