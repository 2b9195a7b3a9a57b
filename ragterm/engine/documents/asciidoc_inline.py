"""The words of an AsciiDoc paragraph without its marks: links to their text, footnotes to numbers, attributes to their values."""

from __future__ import annotations

import re

_ATTRIBUTE = re.compile(r"\\?\{([\w-]{1,80})\}")
_FOOTNOTE = re.compile(r"footnote(?:ref)?:[\w-]{0,60}\[([^\[\]]{0,3000})\]")
_MACRO = re.compile(r"\b(?:kbd|btn|pass|stem|latexmath|asciimath):[a-z,]{0,20}\[([^\[\]\n]{0,1000})\]")
_MENU = re.compile(r"\bmenu:([\w ]{1,80})\[([^\[\]\n]{0,300})\]")
_IMAGE = re.compile(r"\b(?:image|icon):[^\s:\[\]]{1,1000}\[([^\[\]\n]{0,1000})\]")
_LINK = re.compile(
    r"(?:link:|mailto:|xref:)([^\s\[\]<>]{1,1000})\[([^\[\]]{0,1000})\]|((?:https?|ftp|irc)://[^\s\[\]<>]{1,1000})\[([^\[\]]{0,1000})\]"
)
_CROSS = re.compile(r"<<([^<>,\n]{1,300})(?:,([^<>]{0,300}))?>>")
_ANCHOR = re.compile(
    r"\[\[[^\[\]\n]{1,200}\]\]|anchor:[\w-]{1,100}\[[^\[\]\n]{0,100}\]|\(\(\([^()\n]{1,300}\)\)\)|indexterm2?:\[[^\[\]\n]{0,300}\]"
)
_INDEXED = re.compile(r"\(\(([^()\n]{1,300})\)\)")
_ROLE = re.compile(r"\[[.#%][\w.#% -]{0,100}\](?=[#*_`])")
_PASSED = re.compile(r"\+\+\+?([^+\n]{0,1000})\+\+\+?")
_UNCONSTRAINED = re.compile(r"\*\*([^*\n]{1,1000})\*\*|__([^_\n]{1,1000})__|``([^`\n]{1,1000})``|##([^#\n]{1,1000})##")
# What stands between two marks holds no third one, so that each search ends at the next.
_CONSTRAINED = tuple(
    (
        mark,
        re.compile(rf"(?<![\w{mark}\\]){mark}([^\s{mark}](?:[^{mark}\n]{{0,1000}}[^\s{mark}])?){mark}(?![\w{mark}])"),
    )
    for mark in ("`", r"\*", "_", "#", r"\+")
)
_BREAK = re.compile(r" \+$", re.MULTILINE)
_GIVEN = {
    "nbsp": " ", "zwsp": "", "sp": " ", "empty": "", "blank": "", "lt": "<", "gt": ">", "amp": "&", "plus": "+", "asterisk": "*",
    "vbar": "|", "startsb": "[", "endsb": "]", "backtick": "`", "apos": "'", "quot": '"', "lsquo": "‘", "rsquo": "’",
    "ldquo": "“", "rdquo": "”", "caret": "^", "tilde": "~", "backslash": "\\", "two-colons": "::", "cpp": "C++", "deg": "°",
}  # fmt: skip
MOST_SUBSTITUTED = 5_000_000
"""Characters that attributes may add to a document: one that doubles another twenty times is a bomb."""
_LONGEST_VALUE = 10_000


class Inline:
    """Keeps a document's attributes and gathers its footnotes."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.footnotes: list[str] = []
        self._left = MOST_SUBSTITUTED

    def define(self, name: str, value: str) -> None:
        """`:name: value`, with what it refers to put in now, as Asciidoctor does."""
        self.attributes[name.lower()] = self.substituted(value)[:_LONGEST_VALUE]

    def undefine(self, name: str) -> None:
        self.attributes.pop(name.lower(), None)

    def substituted(self, text: str) -> str:
        return _ATTRIBUTE.sub(self._value, text) if "{" in text else text

    def _value(self, found: re.Match[str]) -> str:
        name = found.group(1).lower()
        value = self.attributes.get(name, _GIVEN.get(name))
        if value is None or found.group(0).startswith("\\"):
            return found.group(0).removeprefix("\\")
        self._left -= len(value)
        return value if self._left >= 0 else found.group(0)

    def plain(self, text: str) -> str:
        """Each expression is bounded in what it looks ahead, so the time is linear in the text."""
        text = self.substituted(text)
        if "footnote" in text:
            text = _FOOTNOTE.sub(self._footnote, text)
        if "[" in text or "<<" in text:
            text = _IMAGE.sub(lambda found: found.group(1).partition(",")[0], text)
            text = _MENU.sub(lambda found: f"{found.group(1)} > {found.group(2)}".rstrip(" >"), text)
            text = _MACRO.sub(lambda found: found.group(1), text)
            text = _LINK.sub(_link_text, text)
            text = _CROSS.sub(lambda found: (found.group(2) or found.group(1)).strip(), text)
            text = _ROLE.sub("", text)
        text = _ANCHOR.sub("", text)
        text = _INDEXED.sub(lambda found: found.group(1), text)
        text = _UNCONSTRAINED.sub(lambda found: next(filter(None, found.groups()), ""), text)
        for mark, pattern in _CONSTRAINED:
            if mark[-1] in text:
                text = pattern.sub(lambda found: found.group(1), text)
        text = _PASSED.sub(lambda found: found.group(1), text)
        return _BREAK.sub("", text).replace("(C)", "©").replace("(R)", "®").replace("(TM)", "™").strip()

    def _footnote(self, found: re.Match[str]) -> str:
        words = found.group(1).strip()
        if words:
            self.footnotes.append(words)
        return f"[{len(self.footnotes)}]" if words else ""


def _link_text(found: re.Match[str]) -> str:
    target, words = found.group(1) or found.group(3), found.group(2) or found.group(4) or ""
    words = words.strip('"').removesuffix("^")
    return words.partition(",window=")[0] or target
