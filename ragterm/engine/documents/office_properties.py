"""What a document says of itself: the core properties of Office files (ECMA-376 part 2, section 11) and their application's habits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Element = Any

_NAMES = {
    "title": "title",
    "creator": "author",
    "subject": "subject",
    "keywords": "keywords",
    "modified": "date",
    "created": "date",
}
_NO_TITLES = frozenset(
    (
        "word document",
        "untitled",
        "document",
        "powerpoint presentation",
        "powerpoint-präsentation",
        "presentation",
        "slide 1",
    )
)
_NO_AUTHORS = frozenset(("python-docx", "openpyxl", "xlsxwriter", "steve canny", "apache poi", "phpword"))


def core_properties(tree: Element | None) -> dict[str, str]:
    """Title, author, subject, keywords and date (of the last change) from `docProps/core.xml`, without what programs fill in."""
    found: dict[str, str] = {}
    for element in tree if tree is not None else ():
        tag = element.tag if isinstance(element.tag, str) else ""
        local = tag.rpartition("}")[2]
        key = _NAMES.get(local)
        text = " ".join((element.text or "").split())
        if key and text and (local != "created" or key not in found):
            found[key] = text[:300]
    if found.get("title", "").lower() in _NO_TITLES:
        del found["title"]
    if found.get("author", "").lower() in _NO_AUTHORS:
        del found["author"]
    return found
