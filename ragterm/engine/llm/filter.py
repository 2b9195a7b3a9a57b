"""Model output made harmless while it streams.

A model can write escape sequences that steer the terminal (a document may have told it to). They are removed whole,
with the control characters, before the text goes anywhere. A sequence can straddle two tokens, so the filter carries
its state from one piece to the next. The grammar is that of ECMA-48 as terminals read it (Paul Williams' parser,
vt100.net/emu/dec_ansi_parser), with one difference: a string sequence (OSC, DCS, ...) that is never closed ends at
the end of its line, so that it cannot swallow the rest of an answer.
"""

from __future__ import annotations

import re

# What the ground state lets through unchanged. Most pieces hold nothing else, and go the quick way.
_NOTHING_TO_DO = re.compile("[^\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]*")

_ESC = "\x1b"
_CSI_8BIT = "\x9b"
_STRING_8BIT = frozenset("\x90\x98\x9d\x9e\x9f")  # DCS, SOS, OSC, PM, APC
_STRING_7BIT = frozenset("PX]^_")
_STRING_ENDS = frozenset("\x07\x9c\x18\x1a")  # BEL, ST, CAN, SUB


class EscapeFilter:
    """Removes escape sequences and every control character but newline and tab; a lone surrogate becomes U+FFFD.

    The pieces `feed` returns, joined, do not depend on where the text was cut into pieces.
    """

    def __init__(self) -> None:
        self._state = "ground"

    def feed(self, piece: str) -> str:
        """The harmless part of `piece`, given all pieces before it."""
        if self._state == "ground" and _NOTHING_TO_DO.fullmatch(piece):
            return piece
        kept: list[str] = []
        for char in piece:
            self._step(char, kept)
        return "".join(kept)

    def _step(self, char: str, kept: list[str]) -> None:
        state = self._state
        if state == "string":
            if char == _ESC:
                self._state = "string-escape"
            elif char in _STRING_ENDS:
                self._state = "ground"
            elif char == "\n":
                self._state = "ground"
                kept.append(char)
            return
        if state == "string-escape" and char == "\\":
            self._state = "ground"
            return
        if state in ("escape", "string-escape"):
            if char == "[":
                self._state = "csi"
                return
            if char in _STRING_7BIT:
                self._state = "string"
                return
            state = "escape-intermediate"
        if state == "escape-intermediate":
            if " " <= char <= "/":
                self._state = "escape-intermediate"
                return
            self._state = "ground"
            if "0" <= char <= "~":
                return
        elif state == "csi":
            if "0" <= char <= "?":
                return
            state = "csi-intermediate"
        if state == "csi-intermediate":
            if " " <= char <= "/":
                self._state = "csi-intermediate"
                return
            self._state = "ground"
            if "@" <= char <= "~":
                return
        # Ground, or a character that broke a sequence off and is read anew.
        if char == _ESC:
            self._state = "escape"
        elif char == _CSI_8BIT:
            self._state = "csi"
        elif char in _STRING_8BIT:
            self._state = "string"
        elif "\ud800" <= char <= "\udfff":
            kept.append("\ufffd")
        elif char in "\n\t" or not (char < " " or "\x7f" <= char <= "\x9f"):
            kept.append(char)


def without_escapes(text: str) -> str:
    """`text` filtered at once: for error messages and names that a server sent."""
    return EscapeFilter().feed(text)


class ThinkingFilter:
    """Leaves out a `<think>...</think>` block at the very beginning: models whose server does not separate it write
    it inline."""

    _OPEN = "<think>"
    _CLOSE = "</think>"

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""

    def feed(self, piece: str) -> str:
        """The part of `piece` that belongs to the answer. What may yet turn out to be a tag is held back."""
        if self._state == "answer":
            return piece
        self._held += piece
        if self._state == "start":
            bare = self._held.lstrip()
            if len(bare) < len(self._OPEN) and self._OPEN.startswith(bare):
                return ""
            if not bare.startswith(self._OPEN):
                return self.flush()
            self._state = "thinking"
        end = self._held.find(self._CLOSE)
        if end >= 0:
            self._state = "after"
            self._held = self._held[end + len(self._CLOSE) :]
        if self._state == "after":
            bare = self._held.lstrip()
            if bare:
                self._held = bare
                return self.flush()
        return ""

    def flush(self) -> str:
        """What was held back and is answer after all. Call at the end of the stream."""
        rest = "" if self._state in ("thinking", "after") and not self._held.strip() else self._held
        if self._state == "thinking":
            rest = ""
        self._state, self._held = "answer", ""
        return rest
