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


TIE = 1e-6
"""Two cosines that differ by no more are the same: whichever of the two is returned, nothing was missed."""


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

    @property
    def missed(self) -> tuple[tuple[int, int, float], ...]:
        """(rank, key, cosine) of the exact hits that the graph did not return, ranks from 1. Where as many results are there, a hit
        as good as the last result is no miss: it ties with one that was returned in its place."""
        found = {key for key, _ in self.results}
        whole = len(self.results) >= len(self.exact)
        floor = self.results[-1][1] + TIE if self.results and whole else -float("inf")
        return tuple(
            (rank, key, cosine)
            for rank, (key, cosine) in enumerate(self.exact, 1)
            if key not in found and cosine > floor
        )

    @property
    def recall(self) -> float:
        """The share of the exact hits that the graph returned, in [0, 1]; 1 where there is nothing to find."""
        return 1.0 - len(self.missed) / len(self.exact) if self.exact else 1.0


@dataclass(frozen=True, slots=True)
class Miss:
    """One of the true nearest that the graph did not return. `rank` (from 1) and `cosine` are the true ones.

    The way to it, as a wider search takes it, leads through nodes that this walk expanded too, up to `through`. That one it met and
    pruned, at `distance` from the query, because step `turned_at` (an index into the walk's steps) kept nothing further than its
    `beam`. None when no search finds it: no way leads there. `through` is the missed node itself when it was met and dropped.

    `smallest_ef` is the least ef at which a search was made that found it, `fails_at` the greatest one below that did not (the
    two are neighbours unless the number of searches ran out). None: no ef up to the size of the collection finds it, or the
    searches ran out before.
    """

    key: int
    rank: int
    cosine: float
    turned_at: int | None
    through: int | None
    distance: float
    smallest_ef: int | None
    fails_at: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Did the graph miss anything, and why? `searches` is how many walks it took to know."""

    walk: Walk
    k: int
    misses: tuple[Miss, ...]
    searches: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a chunk truly stands for a question: its `rank` (from 1) among `nodes` by exact cosine."""

    key: int
    rank: int
    cosine: float
    nodes: int


@dataclass(frozen=True, slots=True)
class RecallReport:
    """The mean recall@k of the graph over `questions` of the collection's own, in [0, 1]; `worst` is the question with the lowest and
    its recall (empty and 1 without questions)."""

    k: int
    ef: int
    questions: int
    recall: float
    worst: str = ""
    worst_recall: float = 1.0


@dataclass(frozen=True, slots=True)
class GraphHealth:
    """What ails a layer. Lists hold keys, the worst first, and are cut; counts are of all.

    `unreachable`: live nodes that no way leads to from the entry point. `hubs`: (key, in-degree), in-degree of at least `hub_limit`.
    `duplicates`: pairs (key, key, distance) linked at a distance of almost zero, `copies` of them. `lonely`: live nodes that no
    live node is linked to.
    """

    level: int
    nodes: int
    links: int
    mean_in_degree: float
    unreachable: tuple[int, ...]
    unreachable_count: int
    hubs: tuple[tuple[int, int], ...]
    hub_count: int
    hub_limit: int
    duplicates: tuple[tuple[int, int, float], ...]
    copies: int
    lonely: int
