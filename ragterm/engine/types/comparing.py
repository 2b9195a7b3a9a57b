"""What a comparison of chunking strategies is asked and what it finds: value types that the command line and the app show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ragterm.engine.types.settings import ChunkingSettings

Span = tuple[int, int]
"""Character offsets `[start, end)` into a document's canonical text."""

HISTOGRAM_BINS = 16


@dataclass(frozen=True, slots=True)
class ChosenStrategy:
    """A strategy by its name in the registry, with the settings that it was run with: a build with these settings cuts as was
    compared (`settings.strategy` is the name). `label` is how `--strategies` writes it ("recursive:max_tokens=128")."""

    name: str
    settings: ChunkingSettings
    label: str


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """`retrieve`: how many chunks per question are measured by token recall, precision and IoU. `budget`: tokens of retrieved text
    within which `recall_in_budget` looks. `mode` "hybrid" fuses cosine and BM25 with `weight` on the cosine."""

    retrieve: int = 5
    budget: int = 1200
    mode: Literal["dense", "hybrid"] = "dense"
    weight: float = 0.6


@dataclass(frozen=True, slots=True)
class Lengths:
    """Chunk lengths in tokens, context and special tokens included (`chunk.tokens`). `histogram` counts chunks in bins of
    `bin_width` tokens from 0 up; the bins are the same for all strategies of a comparison."""

    minimum: int = 0
    lower_quartile: int = 0
    median: int = 0
    upper_quartile: int = 0
    maximum: int = 0
    mean: float = 0.0
    bin_width: int = 1
    histogram: tuple[int, ...] = ()


def histogram_blocks(lengths: Lengths) -> str:
    """The histogram as one row of eighth blocks, a character a bin; the fullest bin is a whole block, and no bin with a chunk in it
    looks empty."""
    most = max(lengths.histogram, default=0)
    return "".join(" " if not n else _BLOCKS[max(0, -(-8 * n // most) - 1)] for n in lengths.histogram)


_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class SpanMeasures:
    """Means over the questions, each in [0, 1], higher is better; see `evaluation.spans` for what is counted.

    `evidence` is the number of gold spans, `evidence_split` how many of them no single chunk holds whole.
    """

    token_recall: float
    token_precision: float
    token_iou: float
    precision_omega: float
    recall_in_budget: float
    ndcg_at_10: float
    evidence: int
    evidence_split: int


@dataclass(frozen=True, slots=True)
class StrategyReport:
    """One strategy over all documents.

    `tokens` is what embedding its chunks costs; `strategy_tokens` what the strategy embedded itself to find its cuts.
    `repeated` is the share of the chunks' characters that another chunk before them holds too. `boundaries` are the chunks' spans
    by document id, in reading order.
    """

    strategy: ChosenStrategy
    chunks: int
    lengths: Lengths
    tokens: int
    strategy_tokens: int
    repeated: float
    seconds: float
    boundaries: Mapping[str, tuple[Span, ...]]
    measures: SpanMeasures | None = None


@dataclass(frozen=True, slots=True)
class ComparedDocument:
    id: str
    path: str
    title: str
    kind: str
    characters: int
    tokens: int


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file that could not be compared, and why."""

    path: str
    stage: str
    error: str
    hint: str


@dataclass(frozen=True, slots=True)
class ChunkingComparison:
    """`embedded` and `embedded_tokens` are what was embedded for the chunks of this comparison, `reused` the chunks whose text had
    been embedded before (by another strategy, or in the collection)."""

    documents: tuple[ComparedDocument, ...]
    strategies: tuple[StrategyReport, ...]
    questions: int
    options: ComparisonOptions
    model: str
    embedded: int
    embedded_tokens: int
    reused: int
    seconds: float
    failures: tuple[UnreadFile, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    """Canonical texts by document id, for views that show the boundaries."""


ComparisonStage = Literal["reading", "chunking", "embedding", "searching"]


@dataclass(frozen=True, slots=True)
class ComparisonProgress:
    """Where a comparison is: `done` of `total` files, documents, texts or questions, in strategy `number` of `strategies`."""

    stage: ComparisonStage
    strategy: str
    number: int
    strategies: int
    done: int
    total: int
