"""Questions with their answers: a pair is one chunk, and no part of an answer is without its question.

Four forms are known: marked lines ("Q: ... A: ...", "Frage: ... Antwort: ..."), headings that are questions, questions that stand as
paragraphs of their own (as the terms of an HTML or DOCX FAQ come out), and interviews, where a speaker's question is followed by
another's answer. An answer longer than the window is cut as the recursive strategy cuts a section, and the question goes before each
part as the last of its section path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ragterm.engine.chunking.context import plain
from ragterm.engine.chunking.recursive import packed, section_spans
from ragterm.engine.chunking.sections import Section, grouped
from ragterm.engine.chunking.spans import MeasuredDocument, Span
from ragterm.engine.chunking.strategy import ChunkingTools
from ragterm.engine.types.documents import Block, Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings

_MARK = r"^[ \t>]*(?:[-*+] |#{1,6} )?[*_]{0,3}"
_ASKED = re.compile(
    _MARK + r"(?:Q(?:uestion)?|F(?:rage)?|P(?:regunta)?|问|問)[ \t]*\d{0,3}[.:)：][*_]{0,3}(?=\s|\S)", re.MULTILINE
)
_ANSWERED = re.compile(
    _MARK + r"(?:A(?:nswer)?|Antwort|R(?:éponse|espuesta)?|答)[ \t]*\d{0,3}[.:)：][*_]{0,3}", re.MULTILINE
)
_TURN = re.compile(
    r"^[*_]{0,3}(?P<who>[A-Z][\w.'’-]*(?: [\w.'’-]+){0,3})[*_]{0,3}[ \t]*:[*_]{0,3}[ \t]+(?=\S)", re.MULTILINE
)
_CLOSING = "*_\"'”’»)#: \t\n"
_LONGEST = 300
"""Characters of a question that stands alone; a longer paragraph that ends with a question mark is rhetoric."""


@dataclass(frozen=True, slots=True)
class Pair:
    """`text[start:end]`, question first; the question ends at `asked`."""

    start: int
    asked: int
    end: int


def chunk_qa(document: Document, build_id: str, tools: ChunkingTools, settings: ChunkingSettings) -> list[Chunk]:
    """One chunk for each pair; what stands before, between or after pairs is cut recursively."""
    measured = MeasuredDocument(document, build_id, tools, settings)
    return measured.chunks(_spans(measured))


def pairs_of(text: str, blocks: Sequence[Block]) -> list[Pair]:
    """The pairs of a document in reading order, disjoint, in the form that it has most of; none when it has none. `blocks` are
    complete and in order."""
    forms = (_marked(text), _headed(text, blocks), _standing(text, blocks), _spoken(text))
    return max(forms, key=len)


def _spans(measured: MeasuredDocument) -> Iterator[Span]:
    at = 0
    for pair in [*pairs_of(measured.text, measured.blocks), None]:
        if start := pair.start if pair else len(measured.text):
            for section in grouped(measured.clipped(at, start)):
                yield from section_spans(section, measured)
        if pair:
            yield from _of_pair(pair, measured)
            at = pair.end


def _of_pair(pair: Pair, measured: MeasuredDocument) -> Iterator[Span]:
    question = measured.clipped(pair.start, pair.asked)
    answer = measured.clipped(pair.asked, pair.end)
    above = question[0].section if question else ()
    path = (*above, plain(_ASKED.sub("", measured.text[pair.start : pair.asked]).strip("*_ \n")))
    if measured.ruler.count(pair.start, pair.end) <= measured.left(path):
        yield Span(pair.start, pair.end, (*question, *answer), path=path)
        return
    # The question as the heading that the answer stands under: it is not cut off, and its tokens count in each part's context.
    asked = Block("heading", pair.start, pair.asked, question[0].page if question else None, above)
    for span in packed(
        Section((asked, *(replace(block, section=path) for block in answer))), measured, measured.overlap
    ):
        yield replace(span, path=path)


def is_question(text: str) -> bool:
    """Whether a heading or a line is one question."""
    return 4 < len(text) <= _LONGEST and text.rstrip(_CLOSING).endswith(("?", "？", "؟")) and "\n\n" not in text.strip()


def _marked(text: str) -> list[Pair]:
    """A question mark line, its answer line, up to the next question."""
    asked = [m.start() for m in _ASKED.finditer(text)]
    answered = [m.start() for m in _ANSWERED.finditer(text)]
    pairs: list[Pair] = []
    at = 0
    for start, end in pairwise([*asked, len(text)]):
        while at < len(answered) and answered[at] <= start:
            at += 1
        if at < len(answered) and answered[at] < end:
            pairs.append(Pair(start, answered[at], end))
    return pairs


def _headed(text: str, blocks: Sequence[Block]) -> list[Pair]:
    """A heading that is a question, up to the next heading of its level or above, or the next question."""
    pairs: list[Pair] = []
    open_: Block | None = None
    for block in [*blocks, None]:
        heading = block is not None and block.kind == "heading"
        asks = block is not None and heading and is_question(text[block.start : block.end])
        if open_ is not None and (block is None or asks or (heading and block.level <= open_.level)):
            pairs.append(Pair(open_.start, open_.end, block.start if block else len(text)))
            open_ = None
        if asks:
            open_ = block
    return [pair for pair in pairs if text[pair.asked : pair.end].strip()]


def _standing(text: str, blocks: Sequence[Block]) -> list[Pair]:
    """A paragraph that is one question, up to the next one or the next heading."""
    pairs: list[Pair] = []
    open_: Block | None = None
    for block in [*blocks, None]:
        asks = block is not None and block.kind == "paragraph" and is_question(text[block.start : block.end])
        if open_ is not None and (block is None or asks or block.kind == "heading"):
            pairs.append(Pair(open_.start, open_.end, block.start if block else len(text)))
            open_ = None
        if asks:
            open_ = block
    return [pair for pair in pairs if text[pair.asked : pair.end].strip()]


def _spoken(text: str) -> list[Pair]:
    """A turn that ends with a question, with all that others say up to the asker's next question."""
    turns = [*((m.start(), m.group("who").split()[-1]) for m in _TURN.finditer(text)), (len(text), "")]
    pairs: list[Pair] = []
    open_: tuple[int, int, str] | None = None
    for (start, who), (end, _) in pairwise(turns):
        if not text[start:end].rstrip(_CLOSING).endswith(("?", "？", "؟")) or (open_ is not None and who != open_[2]):
            continue
        if open_ is not None:
            pairs.append(Pair(open_[0], open_[1], start))
        open_ = (start, end, who)
    if open_ is not None:
        pairs.append(Pair(open_[0], open_[1], len(text)))
    return [pair for pair in pairs if text[pair.asked : pair.end].strip()]
