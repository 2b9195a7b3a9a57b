"""A LaTeX source as the tokens that make its structure, with braces and environments paired: one pass each, whatever is left open."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterator
from typing import Literal, NamedTuple

_VERBATIM = r"verbatim|verbatim\*|Verbatim|lstlisting|minted|alltt|comment|filecontents\*?|algorithmic|pyverbatim"
# A backslash takes the character behind it along, so that `\%` begins no comment and `\\[` no equation.
_PIECE = re.compile(
    rf"\\begin[ \t]*\{{(?P<name>{_VERBATIM})\}}(?P<options>\[[^\[\]\n]{{0,300}}\])?(?P<language>\{{[\w+#-]{{1,30}}\}})?[ \t]*\n?"
    r"|\\(?:verb|lstinline)\*?(?P<sign>[^\sA-Za-z*\[{])(?P<words>[^\n]{0,300}?)(?P=sign)"
    r"|(?P<comment>%[^\n]*+(?:\n[ \t]*+(?=\S))?)|\\[\s\S]"
)
_LANGUAGE = re.compile(r"language=\{?([\w+#-]{1,30})", re.IGNORECASE)
_BRACE = re.compile(r"\\[\s\S]|([{}])")
_ENVIRONMENT = re.compile(r"\\(begin|end)[ \t]*\{([^{}\n]{1,60})\}|\\[\s\S]")
_TOKEN = re.compile(
    r"\\(?P<edge>begin|end)[ \t]*\{(?P<environment>[^{}\n]{1,60})\}|(?P<display>\$\$|\\\[)|(?P<break>\n[ \t]*+\n\s*+)"
    r"|\x01L(?P<listing>\d+)\x02|\\(?P<command>[a-zA-Z]+)\*?|\\[\s\S]"
)
_SPACE = re.compile(r"[ \t]*+(?:\n[ \t]*+)?")
_OPTION = re.compile(r"\[((?:[^\[\]{}]|\{[^{}\n]{0,300}\}){0,500})\]")
_NAME = re.compile(r"\\[a-zA-Z]+")
_DEFINITION = re.compile(
    r"\\(?:re)?newcommand\*?[ \t]*(?:\{\\([A-Za-z]{1,40})\}|\\([A-Za-z]{1,40}))[ \t]*(?=\{)|\\def\\([A-Za-z]{1,40})(?=\{)"
)
_MOST_MACROS = 500
_LONGEST_DISPLAY = 10_000
_UNCLOSED = 200
"""Characters that an argument without its closing brace has at most; it ends with its line."""


class Token(NamedTuple):
    """`name` is a command's or an environment's name, or a listing's number."""

    kind: Literal["begin", "end", "display", "break", "listing", "command"]
    name: str
    start: int
    end: int


class Source:
    """`text` without comments; listings are marks in it (`listings[n]`: code, language), and so is what was set aside. The body is
    `text[start:end]`."""

    def __init__(self, text: str) -> None:
        self.listings: list[tuple[str, str]] = []
        self.aside: list[str] = []
        self.text = self._without_comments(text)
        self._closing = self._braces()
        self.pairs = self._environments()
        self._dollars = [found.start() for found in re.finditer(r"\$\$", self.text)]
        self._brackets = [found.start() for found in re.finditer(r"\\\]", self.text)]
        body = re.search(r"\\begin[ \t]*\{document\}", self.text)
        self.has_body = body is not None
        self.start = body.end() if body else 0
        end = self.text.find("\\end{document}", self.start)
        self.end = end if end != -1 else len(self.text)
        self.macros = self._macros()

    def tokens(self, commands: Container[str]) -> Iterator[Token]:
        """What makes structure in the body, in order; other commands than these are only words."""
        for found in _TOKEN.finditer(self.text, self.start, self.end):
            start, end = found.span()
            if found.lastgroup == "environment":
                yield Token("begin" if found["edge"] == "begin" else "end", found["environment"].strip(), start, end)
            elif found.lastgroup == "command":
                if found["command"] in commands:
                    yield Token("command", found["command"], start, end)
            elif found["display"]:
                yield Token("display", found["display"], start, end)
            elif found["break"]:
                yield Token("break", "", start, end)
            elif found["listing"]:
                yield Token("listing", found["listing"], start, end)

    def argument(self, at: int, *, command: bool = False) -> tuple[str, int]:
        """The argument in braces at `at` and the place behind it; ("", at) where there is none. `command`: a bare `\\name` will do."""
        place = self._past_space(at)
        if self.text.startswith("{", place):
            close = self._closing.get(place)
            if close is not None:
                return self.text[place + 1 : close], close + 1
            end = self.text.find("\n", place, place + _UNCLOSED)
            end = end if end != -1 else min(place + _UNCLOSED, len(self.text))
            return self.text[place + 1 : end], end
        if command and (found := _NAME.match(self.text, place)):
            return found.group(), found.end()
        return "", at

    def option(self, at: int) -> tuple[str, int]:
        """The argument in brackets at `at` and the place behind it; ("", at) where there is none."""
        found = _OPTION.match(self.text, self._past_space(at))
        return (found.group(1), found.end()) if found else ("", at)

    def first_argument(self, command: str) -> str | None:
        found = re.search(rf"\\{command}(?![a-zA-Z])\*?", self.text)
        return self.argument(self.option(found.end())[1])[0] if found else None

    def display_end(self, token: Token) -> int | None:
        """Where a displayed equation ends, if it does so soon."""
        closers = self._dollars if token.name == "$$" else self._brackets
        place = bisect_right(closers, token.end - 1)
        if place < len(closers) and closers[place] - token.start < _LONGEST_DISPLAY:
            return closers[place] + 2
        return None

    def set_aside(self, text: str) -> str:
        """A mark for text that is finished. Canonical text holds no such characters, so no document can forge one."""
        self.aside.append(text)
        return f"\x01{len(self.aside) - 1}\x02"

    def _past_space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def _without_comments(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        while found := _PIECE.search(text, at):
            parts.append(text[at : found.start()])
            at = found.end()
            if name := found["name"]:
                # One that is never closed takes the rest of the file, as it does in TeX: nothing is looked for twice.
                end = text.find(f"\\end{{{name}}}", at)
                end = end if end != -1 else len(text)
                language = _LANGUAGE.search(found["options"] or "")
                spoken = language.group(1) if language else (found["language"] or "").strip("{}")
                if name not in ("comment", "filecontents", "filecontents*"):
                    parts.append(f"\x01L{len(self.listings)}\x02")
                    self.listings.append((text[at:end], spoken.lower()))
                at = min(end + len(name) + 6, len(text))
            elif found["sign"]:
                parts.append(self.set_aside(found["words"]))
            elif not found["comment"]:
                parts.append(found.group())
        parts.append(text[at:])
        return "".join(parts)

    def _braces(self) -> dict[int, int]:
        closing: dict[int, int] = {}
        open_: list[int] = []
        for found in _BRACE.finditer(self.text):
            if found.group(1) == "{":
                open_.append(found.start())
            elif found.group(1) and open_:
                closing[open_.pop()] = found.start()
        return closing

    def _environments(self) -> dict[int, tuple[int, int]]:
        """Start of `\\begin{x}` -> span of its `\\end{x}`."""
        pairs: dict[int, tuple[int, int]] = {}
        open_: dict[str, list[int]] = {}
        for found in _ENVIRONMENT.finditer(self.text):
            if found.group(1) == "begin":
                open_.setdefault(found.group(2), []).append(found.start())
            elif found.group(1) and open_.get(found.group(2)):
                pairs[open_[found.group(2)].pop()] = found.span()
        return pairs

    def _macros(self) -> dict[str, str]:
        """Commands without arguments that stand for a few words."""
        macros: dict[str, str] = {}
        for found in _DEFINITION.finditer(self.text):
            body, _ = self.argument(found.end())
            name = found.group(1) or found.group(2) or found.group(3)
            if body and len(body) <= 300 and "#" not in body and "\\begin" not in body and len(macros) < _MOST_MACROS:
                macros.setdefault(name, body)
        return macros
