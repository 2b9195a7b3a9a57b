"""RTF (Rich Text Format specification 1.9.1): one pass over its tokens, in time that grows with the file and no faster.

striprtf, the library for this, yields bare text: no headings, lists, footnotes or properties, tables run together; and the time of its
regular expressions grows with the cube of a made-up file (20 KB: seven seconds). Here a group's state (font, encoding, destination)
is a stack, text goes to the sink of its destination, and paragraphs become blocks where the control words say that they end.
Text that is hidden or deleted is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.rtf_blocks import RtfBlocks
from ragterm.engine.documents.rtf_tables import CHARACTERS, CODE_PAGES, IGNORED
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from ragterm.engine.types.documents import ParsedDocument

MAX_DEPTH = 2_000
"""Groups within groups; Word itself writes some thirty."""

_TOKEN = re.compile(
    r"\\(?P<word>[A-Za-z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>[^A-Za-z])|(?P<brace>[{}])"
    r"|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_INFORMATION = {"title": "title", "author": "author", "subject": "subject", "keywords": "keywords"}
_HEADING = re.compile(r"(?:heading|überschrift|titre|título|kop|rubrik)\s*(\d)", re.IGNORECASE)


def parse_rtf(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError: no RTF, without text, too deeply nested."""
    start = data[:1024].find(b"{\\rtf")
    if start < 0:
        raise ParseError(
            "Not an RTF file", "it does not begin as RTF does", "give the file the ending that it should have"
        )
    builder = DocumentBuilder()
    reader = _Reader(builder)
    reader.read(data[start:].decode("latin-1"))
    if not builder.blocks:
        raise ParseError("No text", "the document holds no text", "nothing to do, or restore the file")
    metadata = reader.metadata()
    first = next((block for block in builder.blocks if block.kind == "heading"), None)
    title = metadata.pop("title", "") or (builder.text[first.start : first.end] if first else "") or path.stem
    return builder.finish(title=title, kind="rtf", parser="rtf", metadata=metadata)


@dataclass(slots=True)
class _State:
    """What a group inherits and gives back at its end. `sink` is where text goes: "" is the document, None nowhere."""

    sink: str | None = ""
    font: int = -1
    fallback: int = 1
    hidden: bool = False
    star: bool = False
    outer: str | None = None
    """Where the text of a shape or of a Unicode form goes, which stands within what is no text."""
    opens: str = ""
    """The destination that this very group opened."""


class _Reader:
    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._blocks = RtfBlocks(builder)
        self._state = _State()
        self._stack: list[_State] = []
        self._bytes = bytearray()
        self._skip = 0
        self._code_page = "cp1252"
        self._fonts: dict[int, str] = {}
        self._default_font = -1
        self._table_font = -1
        self._style: tuple[int, int] = (0, 0)
        self._collected: dict[str, list[str]] = {}
        self._date: dict[str, int] = {}
        self._notes: list[str] = []
        self._note_numbers: list[int] = []

    def read(self, text: str) -> None:
        place, size = 0, len(text)
        while place < size:
            found = _TOKEN.match(text, place)
            if found is None:
                break
            place = found.end()
            kind = found.lastgroup
            if kind == "text":
                self._text(found.group())
            elif kind == "hex":
                self._byte(int(found.group("hex"), 16))
            elif kind == "brace":
                if found.group() == "{":
                    self._open()
                elif not self._close():
                    break
            elif kind == "sign":
                self._sign(found.group("sign"))
            elif found.group("word"):
                number = found.group("number")
                word = found.group("word")
                if word == "bin":  # that many bytes follow, which are no RTF
                    place += max(0, int(number or 0))
                else:
                    self._word(word, None if number is None else int(number))
        while self._stack:
            self._close()
        self._flush()
        self._blocks.end()
        for number, note in enumerate(self._notes, 1):
            self._builder.add("footnote", f"[{number}] {note}" if note else "")

    def metadata(self) -> dict[str, str]:
        found = {
            key: " ".join("".join(self._collected.get(word, [])).split())[:300] for word, key in _INFORMATION.items()
        }
        if {"yr", "mo", "dy"} <= self._date.keys():
            found["date"] = f"{self._date['yr']:04}-{self._date['mo']:02}-{self._date['dy']:02}"
        return {key: value for key, value in found.items() if value}

    def _open(self) -> None:
        self._flush()
        self._skip = 0
        if len(self._stack) >= MAX_DEPTH:
            raise ParseError(
                "Too deeply nested",
                f"more than {MAX_DEPTH:,} groups stand within one another",
                "open the file in a word processor and save it again",
            )
        self._stack.append(self._state)
        self._state = replace(self._state, star=False, opens="")

    def _close(self) -> bool:
        """End a group; False after the document's own."""
        self._flush()
        self._skip = 0
        if not self._stack:
            return False
        ended, self._state = self._state, self._stack.pop()
        if ended.opens == "footnote":
            self._notes[self._note_numbers.pop()] = " ".join("".join(self._collected.pop("footnote", [])).split())
        elif ended.opens == "stylesheet entry":
            name = "".join(self._collected.pop("stylesheet entry", [])).strip().rstrip(";")
            number, level = self._style
            found = _HEADING.match(name)
            if number >= 0:  # a paragraph style, not one of characters
                self._blocks.add_style(number, name, level or (int(found.group(1)) if found else 0))
        elif ended.opens == "marker":
            self._blocks.marker = "".join(self._collected.pop("marker", [])).strip() or "•"
        return bool(self._stack)

    def _text(self, text: str) -> None:
        if self._skip:
            left = text[self._skip :]
            self._skip -= len(text) - len(left)
            text = left
        if text and self._state.sink is not None and not self._state.hidden:
            self._bytes += text.encode("latin-1")

    def _byte(self, byte: int) -> None:
        if self._skip:
            self._skip -= 1
        elif self._state.sink is not None and not self._state.hidden:
            self._bytes.append(byte)

    def _sign(self, sign: str) -> None:
        if sign == "*":
            self._state.star = True
        elif self._skip:
            self._skip -= 1
        elif sign in "\r\n":
            self._paragraph()
        elif sign in CHARACTERS:
            self._put(CHARACTERS[sign])

    def _flush(self) -> None:
        """Decode the bytes of one run: a letter may have two, in whichever way they are spelled."""
        if self._bytes:
            raw, self._bytes = bytes(self._bytes), bytearray()
            font = self._state.font if self._state.font >= 0 else self._default_font
            name = self._fonts.get(font) or self._code_page
            try:
                text = raw.decode(name, "replace")
            except LookupError:
                text = raw.decode("cp1252", "replace")
            self._emit(text)

    def _put(self, text: str) -> None:
        self._flush()
        if self._state.sink is not None and not self._state.hidden:
            self._emit(text)

    def _emit(self, text: str) -> None:
        if self._state.sink == "":
            self._blocks.write(text)
        elif self._state.sink is not None:
            self._collected.setdefault(self._state.sink, []).append(text)

    def _paragraph(self) -> None:
        self._flush()
        if self._state.sink == "":
            self._blocks.paragraph()
        else:
            self._put(" ")

    def _word(self, word: str, number: int | None) -> None:
        state = self._state
        if word == "u" and number is not None:
            self._flush()
            self._put(_character(number))
            self._skip = state.fallback
            return
        if self._skip:
            self._skip -= 1
            return
        if word in CHARACTERS:
            self._put(CHARACTERS[word])
            return
        self._flush()
        if self._destination(word, number):
            return
        match word:
            case "par" | "sect" | "page":
                self._paragraph()
            case "line" | "lbr":
                self._put("\n")
            case "uc":
                state.fallback = min(max(number or 0, 0), 10)
            case "f":
                state.font = number or 0
                self._table_font = state.font
            case "fcharset":
                self._fonts.setdefault(self._table_font, CODE_PAGES.get(number or 0, ""))
            case "deff":
                self._default_font = number or 0
            case "ansicpg":
                self._code_page = f"cp{number}" if number not in (None, 0, 65001) else ("utf-8" if number else "cp1252")
            case "mac" | "pc" | "pca":
                self._code_page = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]
            case "v" | "deleted":
                state.hidden = number != 0
            case "plain":
                state.hidden = False
                state.font = -1
            case "s" | "outlinelevel" if state.sink == "stylesheet entry":
                self._style = (number or 0, self._style[1]) if word == "s" else (self._style[0], (number or 0) % 9 + 1)
            case "yr" | "mo" | "dy" if state.opens in ("creatim", "revtim") and number is not None:
                self._date[word] = number
            case _ if state.sink == "":
                self._blocks.control(word, number)

    def _destination(self, word: str, number: int | None) -> bool:
        """Whether the word opened a destination, which this group's text belongs to."""
        state = self._state
        if state.sink == "stylesheet" and not state.opens:
            state.opens = state.sink = "stylesheet entry"
            self._style = (-1, 0)
            return False
        if word == "footnote" and state.sink == "":
            self._note_numbers.append(len(self._notes))
            self._notes.append("")
            self._put(f"[{len(self._notes)}]")
            state.sink = state.opens = word
        elif word in ("listtext", "pntext") and state.sink == "":
            state.sink = state.opens = "marker"
        elif word == "stylesheet" or (word in _INFORMATION and state.sink == "info"):
            state.sink = state.opens = word
        elif word == "info":
            state.sink = state.opens = "info"
        elif word in ("creatim", "revtim"):
            state.opens = word
        elif word in ("shptxt", "ud"):
            state.sink, state.opens = state.outer, word
        elif word in IGNORED or (state.star and not state.opens):
            state.outer = state.sink
            state.sink, state.opens = None, word
        else:
            return False
        return True


def _character(number: int) -> str:
    """`\\u` counts in signed 16 bits; halves of a pair are joined where the text is put together."""
    code = number & 0xFFFF if number < 0 else number
    if code in (0xF0B7, 0xF0A7, 0xF0D8):  # bullets of the fonts Symbol and Wingdings
        return "•"
    return chr(code) if 0 < code < 0x110000 else ""
