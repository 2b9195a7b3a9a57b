"""Pictures of the HNSW graph: what the Layers pane draws. Plain tuples, so that no view needs numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer of the graph. `edges` counts directed links; degrees are out-degrees on this layer; `degree_histogram` maps an
    out-degree to the number of nodes that have it."""

    level: int
    nodes: int
    edges: int
    mean_degree: float
    max_degree: int
    degree_histogram: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphSummary:
    """The whole graph. `entry` is the key of the entry point (None when empty). `answers_queries` is False while the collection is
    small enough for an exact scan; `exact_limit` is the size up to which that is so. `ready` is False while it is being built."""

    nodes: int
    deleted: int
    layers: tuple[LayerSummary, ...]
    m: int
    ef_construction: int
    entry: int | None
    answers_queries: bool
    exact_limit: int
    ready: bool
    generation: int
    bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class LayerMap:
    """A layer laid out on a plane. `keys[i]` is a chunk's key at `positions[i]` (x, y in [0, 1], stable between visits, from the two
    principal axes of all vectors); `edges` are index pairs into `keys`, each undirected link once; `sampled_from` is the
    number of nodes before thinning out."""

    level: int
    keys: tuple[int, ...]
    positions: tuple[tuple[float, float], ...]
    edges: tuple[tuple[int, int], ...]
    sampled_from: int


WalkAction = Literal["enter", "descend", "expand", "stop"]


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One step of a search through the graph (Malkov & Yashunin 2018, Algorithms 2 and 5). `node` is the key being entered, moved to
    or expanded on `level`; `distance` = 1 - cosine to the query; `visited` are the (key, distance) pairs first computed in this
    step; `beam` is the worst distance still kept after it."""

    level: int
    action: WalkAction
    node: int
    distance: float
    visited: tuple[tuple[int, float], ...] = ()
    beam: float = 0.0


@dataclass(frozen=True, slots=True)
class Walk:
    """The way of one query. `results` and `exact` are (key, cosine), best first: what the graph found, and the truth by full scan."""

    question: str
    ef: int
    steps: tuple[WalkStep, ...]
    results: tuple[tuple[int, float], ...]
    exact: tuple[tuple[int, float], ...]
    distances_computed: int
    nodes: int
    query_position: tuple[float, float] = (0.5, 0.5)
