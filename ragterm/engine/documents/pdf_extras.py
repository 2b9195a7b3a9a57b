"""What a PDF says about itself beside its text: properties, page labels, bookmarks, where its links lead."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import Any

from ragterm.engine.documents.pdf_layout import OutlineEntry

MAX_OUTLINE = 5_000
MAX_LINKS = 1_000
_WORDS, _ADDRESS = 200, 2_000
"""Characters that are kept of a link's words, and of its address."""
_LONGEST = 1 << 20
"""Bytes of an address that is looked at."""
_LABELS = 4_000
"""Characters that the page labels may take."""
_FIELDS = {
    "Author": "author",
    "Subject": "subject",
    "Keywords": "keywords",
    "CreationDate": "date",
    "ModDate": "modified",
    "Creator": "made with",
}
_NO_TITLE = re.compile(
    r"(?:microsoft (?:word|powerpoint|excel)\b.*|untitled.*|\(?(?:anonymous|unspecified)\)?|document\d*|"
    r".*\.(?:docx?|pdf|tex|dvi|indd|qxd|rtf|odt|xlsx?|pptx?)|"
    r"[\W\d_]*|unbekannt|title|powerpoint presentation|slide \d+)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(.*?)(\d{1,9})")


def usable_title(title: str) -> str:
    """The title that a file carries, empty where a program wrote a placeholder there."""
    title = " ".join(title.split())
    return "" if len(title) < 3 or _NO_TITLE.fullmatch(title) else title


def properties(document: Any) -> dict[str, str]:
    found = {}
    for key, name in _FIELDS.items():
        value = " ".join(property_of(document, key).split())
        if key.endswith("Date"):
            found[name] = _date(value)
        elif key == "Creator" or usable_title(value):
            found[name] = value
    return {name: value[:2000] for name, value in found.items() if value}


def property_of(document: Any, key: str) -> str:
    """One entry of the document's information dictionary, empty where it has none."""
    from pypdfium2 import raw

    return _text(raw.FPDF_GetMetaText, document, key.encode())


def _text(ask: Callable[..., int], *about: Any) -> str:
    """What a function of pdfium writes in UTF-16. It is called a second time only where its answer is long."""
    size = 256
    while True:
        room = ctypes.create_string_buffer(size)
        needed = ask(*about, room, size)
        if needed <= size:
            return room.raw[: max(0, needed - 2)].decode("utf-16-le", "replace")
        size = needed


def _date(value: str) -> str:
    """ISO 32000-1, section 7.9.4: `D:20240131...`."""
    found = re.match(r"D:(\d{4})(\d{2})?(\d{2})?", value)
    return "-".join(part for part in found.groups() if part) if found else value


def page_labels(document: Any, count: int) -> str:
    """The pages' own numbers where they are not 1, 2, 3: `1: i, 2: ii, 3-40: 1-38`. Empty otherwise."""
    from pypdfium2 import raw

    labels = [_text(raw.FPDF_GetPageLabel, document, index).strip() for index in range(count)]
    if all(label in ("", str(number)) for number, label in enumerate(labels, 1)):
        return ""
    runs: list[list[int]] = []
    for index, label in enumerate(labels):
        if runs and _follows(labels[runs[-1][1]], label):
            runs[-1][1] = index
        else:
            runs.append([index, index])
    shown = [
        f"{first + 1}: {labels[first]}" if first == last else f"{first + 1}-{last + 1}: {labels[first]}-{labels[last]}"
        for first, last in runs
        if labels[first]
    ]
    text = ", ".join(shown)
    return text if len(text) <= _LABELS else text[:_LABELS].rpartition(", ")[0] + ", …"


def _follows(before: str, after: str) -> bool:
    first, second = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(after)
    return bool(first and second and first[1] == second[1] and int(second[2]) == int(first[2]) + 1)


class Links:
    """The web and mail addresses that a document's links lead to, with their words and the first page of each: at most MAX_LINKS."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._found: dict[tuple[str, str], int] = {}  # in order; a link over two lines is two of them
        self._looked_at = 0

    def look(self, number: int, page: Any, text_page: Any) -> None:
        from pypdfium2 import raw

        position, link = ctypes.c_int(0), raw.FPDF_LINK()
        while self._looks_on() and raw.FPDFLink_Enumerate(page, position, link):
            action = raw.FPDFLink_GetAction(link)
            if not action or raw.FPDFAction_GetType(action) != raw.PDFACTION_URI:
                continue
            self._looked_at += 1
            if address := self._address(action):
                self._found.setdefault((_words_of(link, text_page), address), number)

    def _looks_on(self) -> bool:
        # Finding the words of a link takes as long as its page is full, and a page may have any number of them.
        return len(self._found) < MAX_LINKS and self._looked_at < 3 * MAX_LINKS

    def _address(self, action: Any) -> str:
        from pypdfium2 import raw

        size = _ADDRESS
        while True:
            room = ctypes.create_string_buffer(size)
            needed = raw.FPDFAction_GetURIPath(self._document, action, room, size)
            if needed <= size or needed > _LONGEST:
                break
            size = needed
        address = "".join(room.value.decode("utf-8", "replace").split()) if needed <= size else ""
        return address if len(address) <= _ADDRESS else address[:_ADDRESS] + "…"

    def __str__(self) -> str:
        lines = [f"page {number}: {words} <{address}>" for (words, address), number in self._found.items()]
        lines = [line.replace(":  <", ": <") for line in lines]
        return "\n".join(lines if self._looks_on() else [*lines, "…"])


def _words_of(link: Any, text_page: Any) -> str:
    """What stands in the link's rectangle, on one line."""
    from pypdfium2 import raw

    area = raw.FS_RECTF()
    if not raw.FPDFLink_GetAnnotRect(link, area):
        return ""
    room = (ctypes.c_ushort * _WORDS)()
    count = raw.FPDFText_GetBoundedText(text_page, area.left, area.top, area.right, area.bottom, room, _WORDS)
    text = bytes(room)[: 2 * min(count, _WORDS)].decode("utf-16-le", "replace")
    return " ".join(text.replace("\0", " ").split())


def outline(document: Any, count: int) -> list[OutlineEntry]:
    """The bookmarks that point into the document, in its order. A document with one bookmark has no structure to offer."""
    import pypdfium2

    entries: list[OutlineEntry] = []
    try:
        for bookmark in document.get_toc(max_depth=6):
            if len(entries) >= MAX_OUTLINE:
                break
            target = bookmark.get_dest()
            index = target.get_index() if target is not None else None
            title = " ".join(_text(pypdfium2.raw.FPDFBookmark_GetTitle, bookmark).split())
            if index is None or not 0 <= index < count or not title:
                continue
            mode, view = target.get_view()
            top = view[1] if mode == pypdfium2.raw.PDFDEST_VIEW_XYZ and len(view) > 1 else None
            entries.append(OutlineEntry(bookmark.level + 1, title, index + 1, top))
    except (pypdfium2.PdfiumError, ValueError):
        return []
    if len(entries) < 2 or (all(entry.page == entries[0].page for entry in entries) and count > 3):
        return []
    return sorted(entries, key=lambda entry: entry.page)
