"""One question and its answer as lines: what the conversation draws.

An answer's citation marks are found by its sentences' offsets, replaced by single private-use characters before the text is read as
Markdown (so that `[1](x)` cannot become a link, nor `[1]: y` vanish), and come back as coloured, clickable marks with the
sentence's verdict. A sentence that carries no mark gets its verdict at its end where the reader should beware.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.ui.safe_text import REPLACEMENT, line, plain
from ragterm.ui.widgets.citation import MUTED, candidate_place, citation_lines, counts, look_of, marker
from ragterm.ui.widgets.line_view import Line, blank_line, indented, spot, styled
from ragterm.ui.widgets.markdown_lines import MarkdownStream, markdown_lines

if TYPE_CHECKING:
    from ragterm.engine.types.answers import Answer, Citation, Sentence, StageDone
    from ragterm.engine.types.tracing import Trace

_PRIVATE = re.compile("[\ue000-\uf8ff]")
_WORD = re.compile(r"\w+")
_MARKER = re.compile(r"\[(\d{1,3})\]")
MAX_TEXT_WIDTH = 110
"""Longer lines are hard to read; lists and tables below an answer may use the whole width."""


@dataclass(eq=False)
class Exchange:
    """A question of this session and what became of it. `state`: "searching", "writing", "done", "failed" (`error`, `hint`) or
    "stopped". `version` grows with every change, so that lines can be kept."""

    number: int
    question: str
    state: str = "searching"
    stages: list[StageDone] = field(default_factory=list)
    llm: str = ""
    text: str = ""
    trace: Trace | None = None
    error: str = ""
    detail: str = ""
    hint: str = ""
    notice: str = ""
    limited_to: tuple[str, ...] = ()
    version: int = 0
    _kept: tuple[tuple[int, int], list[Line]] | None = None
    _stream: MarkdownStream | None = None

    @property
    def under_way(self) -> bool:
        return self.state in ("searching", "writing")

    @property
    def answer(self) -> Answer | None:
        return self.trace.answer if self.trace is not None else None

    def touch(self) -> None:
        self.version += 1

    def lines(self, width: int) -> list[Line]:
        key = (width, self.version)
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, exchange_lines(self, width))
        return self._kept[1]

    def made_for(self, width: int) -> bool:
        """Whether `lines(width)` costs nothing."""
        return self._kept is not None and self._kept[0] == (width, self.version)

    def stale_lines(self) -> list[Line]:
        """The lines as they were last made, for another width perhaps."""
        return self._kept[1] if self._kept is not None else []

    def stream(self, width: int) -> MarkdownStream:
        if self._stream is None or self._stream.width != width:
            self._stream = MarkdownStream(width)
        return self._stream


def exchange_lines(exchange: Exchange, width: int) -> list[Line]:
    """Question, answer, citations, footnotes. No line is wider than `width`."""
    lines = question_lines(exchange, width)
    lines.append(blank_line())
    inner = width - 2
    body: list[Content] = []
    if exchange.answer is not None and not exchange.under_way:
        body.extend(answer_lines(exchange, inner))
    elif exchange.text:
        body.extend(exchange.stream(min(inner, MAX_TEXT_WIDTH)).lines(exchange.text))
        if exchange.state == "writing" and body:
            body[-1] = Content.assemble(body[-1], Content.styled("▍", "$text-accent")).truncate(inner)
    elif exchange.under_way:
        body.append(working_line(exchange, inner))
    body.extend(ending_lines(exchange, inner))
    lines.extend(Line(one) for one in indented(body, "  ", "  "))
    lines.append(blank_line())
    return lines


def question_lines(exchange: Exchange, width: int) -> list[Line]:
    made = styled(exchange.question.strip(), "bold")
    bar = Content.styled("▌ ", "$accent")
    lines = [Line(one) for one in indented(made.wrap(min(width - 2, MAX_TEXT_WIDTH)), bar, bar)]
    if exchange.limited_to:
        only = ", ".join(line(t) for t in exchange.limited_to)
        count = len(exchange.limited_to)
        text = f"only in {count} document{'s' * (count != 1)}: {only}"
        lines.append(Line(Content.assemble(bar, styled(text, MUTED)).truncate(width, ellipsis=True)))
    return lines


def working_line(exchange: Exchange, width: int) -> Content:
    """ "dense 12 ms · keyword 3 ms · …": what has been done since the question was sent."""
    parts = [styled(f"{line(s.name)} {milliseconds(s.ms)}", MUTED) for s in exchange.stages]
    if not exchange.text:
        parts.append(styled("searching…" if not exchange.stages else "…", "$text-accent"))
    return Content.styled(" · ", MUTED).join(parts).truncate(width, ellipsis=True)


def answer_lines(exchange: Exchange, width: int) -> list[Content]:
    """The finished answer with its marks, its citations, and one line about how it came about."""
    answer, trace = exchange.answer, exchange.trace
    assert answer is not None and trace is not None
    body: list[Content] = []
    if answer.declined:
        body.extend(styled("○ Not found in your documents", "bold $text-warning").wrap(width))
    name = f"cite:{exchange.number}"
    text, atoms = with_atoms(answer, name)
    if text.strip():
        body.extend(markdown_lines(text, min(width, MAX_TEXT_WIDTH), atoms))
    if answer.citations:
        body.append(Content(""))
        body.extend(citation_lines(answer.citations, width, name))
    elif answer.declined:
        body.extend(nearest_lines(trace, width, exchange.number))
    about = about_line(answer, trace)
    if about:
        if body:
            body.append(Content(""))
        body.extend(about.wrap(width))
    return body


def about_line(answer: Answer, trace: Trace) -> Content:
    parts = []
    if answer.sentences and not answer.declined:
        parts.append(counts(answer.sentences))
    used = len({c.marker for c in trace.candidates} - {None})
    parts.append(styled(line(answer.llm), MUTED))
    if used:
        parts.append(styled(f"{used} passage{'s' * (used != 1)} read", MUTED))
    if total := total_ms(trace):
        parts.append(styled(milliseconds(total), MUTED))
    if answer.removed_markers:
        invented = " ".join(f"[{m}]" for m in answer.removed_markers)
        parts.append(styled(f"removed {invented}: no such passage", "$text-warning"))
    return Content.styled(" · ", MUTED).join([p for p in parts if p.plain])


def nearest_lines(trace: Trace, width: int, number: int, count: int = 3) -> list[Content]:
    """What came nearest when nothing answered."""
    found = trace.results[:count]
    if not found:
        return []
    lines = [Content(""), *styled("The nearest passages, in case one helps:", MUTED).wrap(width)]
    for i, candidate in enumerate(found):
        here = spot(f"near:{number}:{i}")
        where = styled(candidate_place(candidate), "bold", here)
        dense = candidate.stages.get("dense")
        score = f"  cosine {dense.score:.2f}" if dense else ""
        words = styled(" ".join(line(candidate.chunk.text).split()), "italic $text-muted", here)
        lines.append(Content.assemble("· ", where, styled(score, MUTED)).truncate(width, ellipsis=True))
        lines.append(Content.assemble("  ", words).truncate(width, ellipsis=True))
    return lines


def ending_lines(exchange: Exchange, width: int) -> list[Content]:
    """What is said below: why it stopped, what to do, which model is missing."""
    lines: list[Content] = []
    answer = exchange.answer
    error, hint = exchange.error, exchange.hint
    if answer is not None and not answer.complete:
        error, hint = answer.error or error or "The answer broke off", answer.hint or hint
    if exchange.state == "stopped":
        kept = " What was written is kept." if exchange.text or (answer and answer.text) else ""
        lines += [Content(""), *styled(f"■ You stopped this answer.{kept}", "bold $text-warning").wrap(width)]
        lines += styled("→ press r to ask again", MUTED).wrap(width)
    elif error and not exchange.under_way:
        said = f"✗ {line(error)}" + (f": {line(exchange.detail)}" if exchange.detail else "")
        lines += [Content(""), *styled(said, "bold $text-error").wrap(width)]
        lines += styled(f"→ {line(hint) or 'press r to ask again'}", "$text-error").wrap(width)
    if exchange.notice:
        lines += [Content(""), *indented(styled(line(exchange.notice), MUTED).wrap(width - 2), "i ", "  ")]
    return (
        lines if exchange.text or exchange.answer is not None else lines[1:] if lines and not lines[0].plain else lines
    )


def with_atoms(answer: Answer, name: str) -> tuple[str, dict[str, Content]]:
    """The answer's text with its marks as atoms. A mark leads to the citation of its number whose quote is nearest to its
    sentence; marks without a citation are shown but lead nowhere."""
    text = _PRIVATE.sub(REPLACEMENT, plain(answer.text))
    atoms: dict[str, Content] = {}
    known: dict[tuple[int, str, int], str] = {}
    pieces: list[str] = []
    done = 0

    def atom(content: Content) -> str:
        character = chr(0xE000 + len(atoms))
        atoms[character] = content
        return character

    def mark(number: int, verdict: str, sentence: str) -> str:
        leads_to = citation_for(answer.citations, number, sentence)
        key = (number, verdict, leads_to)
        if key not in known:
            known[key] = atom(marker(number, verdict, f"{name}:{leads_to}" if leads_to >= 0 else ""))
        return known[key]

    def marks(part: str, verdict: str) -> str:
        return _MARKER.sub(lambda m: mark(int(m[1]), verdict, part), part)

    warnings: dict[str, str] = {}
    for sentence in sorted(answer.sentences, key=lambda s: s.start):
        if sentence.start < done or sentence.end > len(text):
            continue
        pieces.append(marks(text[done : sentence.start], ""))
        part = text[sentence.start : sentence.end]
        written = marks(part, sentence.verdict)
        if written == part and needs_warning(sentence, part):
            if sentence.verdict not in warnings:
                look = look_of(sentence.verdict)
                warnings[sentence.verdict] = atom(styled(f" {look.symbol}", f"bold {look.style}"))
            kept = written.rstrip()
            written = kept + warnings[sentence.verdict] + written[len(kept) :]
        pieces.append(written)
        done = sentence.end
    pieces.append(marks(text[done:], ""))
    return "".join(pieces), atoms


def citation_for(citations: Sequence[Citation], number: int, sentence: str) -> int:
    """The index of the citation numbered `number` that shares most words with the sentence; the first of equals, -1 for none."""
    mine = [i for i, one in enumerate(citations) if one.marker == number]
    if len(mine) <= 1:
        return mine[0] if mine else -1
    said = set(_WORD.findall(sentence.lower()))

    def shared(index: int) -> float:
        quoted = set(_WORD.findall(citations[index].quote.lower()))
        return len(said & quoted) / max(1, len(said | quoted))

    return max(mine, key=shared)


def needs_warning(sentence: Sentence, part: str) -> bool:
    """A sentence without a mark that no passage carries; not where a sign would break the Markdown (tables, code fences)."""
    last = part.rstrip().rpartition("\n")[2].strip()
    return sentence.verdict in ("weak", "unsupported") and not last.endswith(("|", "```", "~~~", "---", "==="))


def answer_as_text(exchange: Exchange) -> str:
    """For the clipboard: question, answer with its marks, and the citations below it."""
    answer = exchange.answer
    parts = [exchange.question.strip(), "", plain(answer.text if answer else exchange.text).strip()]
    if answer and answer.citations:
        parts.append("")
        for one in answer.citations:
            page = f", page {one.page}" if one.page is not None else ""
            quote = " ".join(plain(one.quote).split())
            parts.append(f'[{one.marker}] {line(one.path or one.document_title)}{page}: "{quote}" ({one.verdict})')
    return "\n".join(parts)


def total_ms(trace: Trace) -> float:
    """How long all of it took: the time to the first token is a part of the writing, not a step beside it."""
    return sum(t.ms for t in trace.timings if t.name != "first token")


def milliseconds(ms: float) -> str:
    """ "0.4 ms", "12 ms", "2.3 s"."""
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"
