"""What the styles of an OpenDocument file mean for structure: kinds of paragraphs, and which lists are numbered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragterm.engine.types.documents import BlockKind

    Element = Any

_CODE = re.compile(r"preformatted|source|code|listing|teletype", re.IGNORECASE)
_CAPTIONS = frozenset(("caption", "illustration", "figure", "drawing", "table", "text"))


def local_name(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """An attribute by its local name."""
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


class Styles:
    """Paragraph and list styles of the content and of the document, by their internal names."""

    def __init__(self, *trees: Element | None) -> None:
        self._parents: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._levels: dict[str, int] = {}
        self._numbered: dict[tuple[str, int], bool] = {}
        for tree in trees:
            for style in tree.iter("{*}style", "{*}list-style") if tree is not None else ():
                self._add(style)

    def _add(self, style: Element) -> None:
        name = attribute(style, "name")
        if local_name(style) == "style":
            if attribute(style, "family") == "paragraph":
                self._parents.setdefault(name, attribute(style, "parent-style-name"))
                self._shown.setdefault(name, attribute(style, "display-name") or name.replace("_20_", " "))
                level = attribute(style, "default-outline-level")
                if level.isdigit():
                    self._levels.setdefault(name, int(level))
            return
        for one in style:
            level = attribute(one, "level")
            if level.isdigit():
                numbered = local_name(one) == "list-level-style-number" and attribute(one, "num-format") != ""
                self._numbered.setdefault((name, int(level)), numbered)

    def is_numbered(self, name: str, level: int) -> bool:
        return self._numbered.get((name, level), False)

    def _names(self, name: str) -> list[str]:
        names: list[str] = []
        while name and name not in names and len(names) < 50:
            names.append(name)
            name = self._parents.get(name, "")
        return [self._shown.get(one, one.replace("_20_", " ")).lower() for one in names]

    def kind(self, name: str) -> BlockKind:
        """What a paragraph of a style is, by the names that LibreOffice gives in every language."""
        for one in self._names(name):
            if one in _CAPTIONS:
                return "caption"
            if "quot" in one:
                return "quote"
            if _CODE.search(one):
                return "code"
            if one in ("standard", "text body"):
                break
        return "paragraph"

    def is_title(self, name: str) -> bool:
        return "title" in self._names(name)

    def level(self, name: str) -> int:
        """The outline level that a style gives its paragraphs; 0 for none."""
        at, seen = name, set[str]()
        while at and at not in seen:
            seen.add(at)
            if at in self._levels:
                return self._levels[at]
            at = self._parents.get(at, "")
        return 0
