"""A text as sentences without gaps: each with all that stands before the next one, list markers with the item that they mark."""

from __future__ import annotations

from ragterm.engine.types.sentences import sentence_spans


def sentence_starts(text: str, start: int, end: int) -> list[int]:
    """Where the sentences of `text[start:end]` begin, `start` first. Between one and the next lies exactly one sentence."""
    starts = [start]
    before = start  # the end of the sentence before
    for s, e in sentence_spans(text[start:end]):
        # The sentence's own span leaves out "- ", "3. " or "## " at the beginning of its line.
        begin = max(before, text.rfind("\n", before, start + s) + 1)
        if begin > starts[-1] and text[starts[-1] : begin].strip():
            starts.append(begin)
        before = start + e
    return starts
