"""OpenDocument (ODF 1.3, OASIS): text documents, presentations and spreadsheets, from `content.xml` or one flat file.

An own walk, as for DOCX: what is deleted in tracked changes stands apart from the text and is left out, notes go under their numbers
behind the text, tables are rows. Spreadsheets are read here too, not by the library that reads Excel's: ODF keeps with every cell the
text that the person sees ("25 %", "1 May 2024"), and a cell may say that it repeats a million times, which is believed only so far.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.open_document_body import Body
from ragterm.engine.documents.open_document_styles import Styles
from ragterm.engine.documents.packages import Package, Wording, parse_xml
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import DocumentKind, ParsedDocument

    Element = Any

_WORDING = Wording("OpenDocument file", "an OpenDocument file", "LibreOffice")
_PROPERTIES = {"title": "title", "subject": "subject", "keyword": "keywords", "language": "language", "date": "date"}
_AUTHORS = ("initial-creator", "creator")


def parse_open_document(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError: damaged, protected by a password, no OpenDocument file, without text, unpacks to too much."""
    builder = DocumentBuilder()
    content, styles, properties = _parts(data, builder)
    office = next(content.iter("{*}body"), None) if content is not None else None
    inner = next((one for one in office if isinstance(one.tag, str)), None) if office is not None else None
    if inner is None:
        raise ParseError(
            "Not an OpenDocument file", "the part that holds the text is missing or empty", _WORDING.save_again
        )
    form = inner.tag.rpartition("}")[2]
    body = Body(builder, Styles(content, styles))
    pages: int | None = None
    kind: DocumentKind = "odt"
    if form == "spreadsheet":
        kind = "xlsx"
        body.add_sheets(inner)
    elif form in ("presentation", "drawing"):
        pages = body.add_pages(inner)
    else:
        body.add(inner)
    body.add_notes()
    if not builder.blocks:
        pictures = next(inner.iter("{*}image"), None) is not None
        raise ParseError(
            "No text",
            "the document holds pictures and no text" if pictures else "the document is empty",
            "export it as PDF and run text recognition on it" if pictures else "nothing to do, or restore the file",
        )
    metadata = _metadata(properties)
    title = metadata.pop("title", "") or body.title or path.stem
    return builder.finish(title=title, kind=kind, parser="opendocument", pages=pages, metadata=metadata)


def _parts(data: bytes, builder: DocumentBuilder) -> tuple[Element | None, Element | None, Element | None]:
    """(content, styles, properties); of a flat file all three are its one tree."""
    if not data.startswith(b"PK") and b"office:document" in data[:4096]:
        tree, whole = parse_xml(data)
        if not whole:
            builder.warnings.append("the file is damaged; what could be read of it was read")
        return tree, tree, tree
    package = Package(data, _WORDING, builder.warnings)
    manifest = package.tree("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter("{*}encryption-data"), None) is not None:
        raise ParseError(
            "Password protected", "the file is encrypted", "open it in LibreOffice and save a copy without a password"
        )
    return package.tree("content.xml"), package.tree("styles.xml"), package.tree("meta.xml")


def _metadata(tree: Element | None) -> dict[str, str]:
    found: dict[str, str] = {}
    meta = next(tree.iter("{*}meta"), None) if tree is not None else None
    authors: dict[str, str] = {}
    for element in meta if meta is not None else ():
        name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
        text = " ".join((element.text or "").split())[:300]
        if text and name in _AUTHORS:
            authors[name] = text
        elif text and (key := _PROPERTIES.get(name)):
            found[key] = f"{found[key]}, {text}" if key == "keywords" and key in found else text
    author = next((authors[name] for name in _AUTHORS if name in authors), "")
    return {**found, **({"author": author} if author else {})}
