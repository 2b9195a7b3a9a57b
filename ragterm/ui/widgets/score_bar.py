"""Ranks, scores and movements: how the stages of a trace are told in cells.

A score keeps its name and its scale; a bar is drawn on the stage's own scale and never compared across stages. No percentages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content, Span

from ragterm.engine.types.tracing import STAGES
from ragterm.ui.safe_text import line, plain
from ragterm.ui.widgets.braille import bar
from ragterm.ui.widgets.line_view import styled

if TYPE_CHECKING:
    from ragterm.engine.types.tracing import Candidate, StageName, StageScore, Trace

MUTED = "$text-muted"
ROSE, FELL, NEW = "$text-success", "$text-error", "$text-accent"
TERM = "bold underline $text-warning"
WORDS: dict[str, str] = {"dense": "dense", "keyword": "keyword", "fused": "fused", "rerank": "rerank"}


@dataclass(frozen=True, slots=True)
class Scale:
    """A stage's scale: its name for the reader, the scores that draw an empty and a full bar, and how the score comes about where the
    engine says more than the name."""

    name: str
    low: float
    high: float
    formula: str = ""

    def share(self, score: float) -> float:
        return 0.0 if self.high <= self.low else (score - self.low) / (self.high - self.low)

    def number(self, score: float) -> str:
        """ "0.812" where scores lie within one, "12.4" where they do not, "0.0164" for RRF's small ones."""
        if self.high <= 0.2:
            return f"{score:.4f}"
        return f"{score:.3f}" if abs(self.high) <= 2 else f"{score:.1f}"


def scale_of(trace: Trace, stage: StageName) -> Scale:
    """Bounded scales (cosine, convex, MaxSim's mean cosine) run from 0 to 1; others from 0, or the lowest score if that is
    below zero (logits), to the highest."""
    scores = [c.stages[stage].score for c in trace.candidates if stage in c.stages]
    said = line(trace.scales.get(stage, "")) or {"dense": "cosine", "keyword": "BM25"}.get(stage, "score")
    name = re.split(r"[:;(]", said, maxsplit=1)[0].strip() or said
    formula = said if said != name else ""
    if not scores:
        return Scale(name, 0.0, 1.0, formula)
    low, high = min(0.0, *scores), max(scores)
    bounded = stage == "dense" or name.startswith(("convex", "MaxSim", "cosine"))
    if bounded and 0 < high <= 1 and low >= 0:
        high = 1.0
    return Scale(name, low, high if high > low else low + 1.0, formula)


def stages_of(trace: Trace) -> list[StageName]:
    """The stages that this trace went through, in order."""
    return [s for s in STAGES if any(s in c.stages for c in trace.candidates)]


@dataclass(frozen=True, slots=True)
class Move:
    """A candidate's way from one order to a later one. `by` is positive when it rose; None when it was not listed before."""

    by: int | None

    @property
    def text(self) -> str:
        if self.by is None:
            return "new"
        return f"↑{self.by}" if self.by > 0 else f"↓{-self.by}" if self.by < 0 else "="

    @property
    def style(self) -> str:
        if self.by is None:
            return NEW
        return ROSE if self.by > 0 else FELL if self.by < 0 else MUTED


def compared(trace: Trace) -> tuple[StageName, StageName] | None:
    """The two orders whose difference is a row's movement: fused and reranked where a reranker ran, else the first retriever and
    the fused order."""
    stages = stages_of(trace)
    if "rerank" in stages and "fused" in stages:
        return "fused", "rerank"
    if "fused" in stages and stages[0] != "fused":
        return stages[0], "fused"
    return None


def move_of(candidate: Candidate, pair: tuple[StageName, StageName] | None) -> Move | None:
    """None where the candidate is not in the later order, so that there is no movement to tell."""
    if pair is None:
        return None
    before, after = candidate.stages.get(pair[0]), candidate.stages.get(pair[1])
    if after is None or after.rank is None:
        return None
    if before is None or before.rank is None:
        return Move(None)
    return Move(before.rank - after.rank)


def stage_cell(score: StageScore | None, scale: Scale, bar_width: int, number_width: int = 5) -> Content:
    """Rank, score, bar: "  3 0.812 ████▌". Without a rank the score was computed only to be fused: muted, "·"."""
    width = 3 + 1 + number_width + (1 + bar_width if bar_width else 0)
    if score is None:
        return styled("  –".ljust(width), MUTED)
    listed = score.rank is not None
    rank = styled(str(score.rank if listed else "·").rjust(3), "bold" if listed else MUTED)
    number = styled(scale.number(score.score).rjust(number_width), "" if listed else MUTED)
    if not bar_width:
        return Content.assemble(rank, " ", number)
    drawn = styled(bar(scale.share(score.score), bar_width), "$accent" if listed else MUTED)
    return Content.assemble(rank, " ", number, " ", drawn)


def term_pattern(terms: Sequence[str]) -> re.Pattern[str] | None:
    """Words that begin with one of the matched (stemmed) terms."""
    known = sorted({plain(t) for t in terms if t.strip()}, key=len, reverse=True)
    if not known:
        return None
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, known)) + r")\w*", re.IGNORECASE)


def with_terms(text: str, terms: Sequence[str]) -> Content:
    """Safe text, its matched terms highlighted."""
    made = plain(text)
    pattern = term_pattern(terms)
    if pattern is None:
        return Content(made)
    return Content(made, [Span(m.start(), m.end(), TERM) for m in pattern.finditer(made)])
