"""Why a search through the graph found what it found, and missed what it missed.

Nothing here knows a graph: a search is a callable `walk(k, ef)` that gives the replay of one query's search with a beam of `ef`,
beside the truth; the links of a layer are plain arrays. So it explains any graph, and is tested on graphs drawn by hand.

The idea of `explain`: a chunk was missed because the beam was too narrow, so widen it (double it, then bisect) until the chunk is
found. The wider walk then shows the way to it, node by node from the entry; the first node of that way that the narrow walk met and
did not expand is where the narrow one turned away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragterm.engine.types.graphs import Explanation, GraphHealth, Miss, RecallReport, Walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Search = Callable[[int, int], Walk]

SEARCHES = 20
LISTED = 50
"""Keys that a health report lists at most of a kind."""
HUB = 5.0
"""A hub has an in-degree of this many standard deviations, and at least three times the mean: every search passes through it."""
SAME = 1e-3
"""Neighbours at a distance below this are the same passage twice."""


def explain(walk: Search, k: int, ef: int, searches: int = SEARCHES) -> Explanation:
    """The walk for `k` results with a beam of `ef`, and for each exact hit that it missed the place where it turned away and the
    smallest ef that finds it. `walk(k, ef)` is called at most `searches` times."""
    first = walk(k, ef)
    walks = {first.ef: first}
    open_keys = {key for _, key, _ in first.missed}
    widest = first.ef
    while open_keys and widest < first.nodes and len(walks) < searches:
        widest = min(2 * widest, first.nodes)
        walks[widest] = walk(k, widest)
        open_keys -= {key for key, _ in walks[widest].results}
    misses = []
    for rank, key, cosine in first.missed:
        found = _narrowed(walk, k, key, walks, searches)
        fails = max(at for at, one in walks.items() if not _has(one, key) and (found is None or at < found))
        miss = Miss(key, rank, cosine, None, None, 0.0, found, fails)
        misses.append(miss if found is None else _turned(first, walks[found], miss))
    return Explanation(first, k, tuple(misses), len(walks))


def _has(walk: Walk, key: int) -> bool:
    return any(found == key for found, _ in walk.results)


def _narrowed(walk: Search, k: int, key: int, walks: dict[int, Walk], searches: int) -> int | None:
    """The smallest ef known to find `key`, bisected between the walks that were made; new ones are added to `walks`."""
    while True:
        finds = [ef for ef, one in walks.items() if _has(one, key)]
        if not finds:
            return None
        high = min(finds)
        low = max((ef for ef, one in walks.items() if ef < high and not _has(one, key)), default=0)
        if high - low <= 1 or len(walks) >= searches:
            return high
        middle = (low + high) // 2
        walks[middle] = walk(k, middle)


def _turned(narrow: Walk, wide: Walk, miss: Miss) -> Miss:
    """`miss` with the place where `narrow` left the way that `wide` takes to it."""
    parents: dict[int, int] = {}
    for step in wide.steps:
        if step.level == 0:
            for key, _ in step.visited:
                parents.setdefault(key, step.node)
    way = [miss.key]
    while way[-1] in parents and parents[way[-1]] not in way:
        way.append(parents[way[-1]])
    expanded = {step.node for step in narrow.steps if step.level == 0 and step.action == "expand"}
    through = next((key for key in reversed(way) if key not in expanded), miss.key)
    for index, step in enumerate(narrow.steps):
        met = dict(step.visited).get(through) if step.level == 0 else None
        if met is not None:
            dropped = (i for i, one in enumerate(narrow.steps) if i >= index and one.level == 0 and one.beam < met)
            return replace(miss, through=through, distance=met, turned_at=next(dropped, len(narrow.steps) - 1))
    return miss


def recall_report(walks: Sequence[Walk], k: int) -> RecallReport:
    """The mean recall@k of these walks, and the worst of them. Without walks: recall 1 over 0 questions."""
    if not walks:
        return RecallReport(k, 0, 0, 1.0)
    worst = min(walks, key=lambda walk: walk.recall)
    mean = sum(walk.recall for walk in walks) / len(walks)
    return RecallReport(k, walks[0].ef, len(walks), mean, worst.question, worst.recall)


class LayerLinks(NamedTuple):
    """The links of one layer of n nodes: node `i` is the chunk `keys[i]`, link `j` leads from node `sources[j]` to `targets[j]`."""

    keys: NDArray[
        np.int64
    ]  # (n,) chunk keys; nodes of other layers may be there: they have no links, and are not in `members`
    members: NDArray[np.bool_]  # (n,) stands on this layer
    alive: NDArray[np.bool_]  # (n,) not deleted; a deleted node is walked through
    sources: NDArray[np.int64]  # (links,)
    targets: NDArray[np.int64]  # (links,)
    lengths: NDArray[np.float32]  # (links,) distances: 1 - cosine
    entry: int  # where a search enters this graph, a member of every layer; -1 in an empty graph


def graph_health(level: int, links: LayerLinks) -> GraphHealth:
    """What ails this layer: see `GraphHealth`. One pass over the links for each step away from the entry point."""
    count = len(links.keys)
    live = links.members & links.alive
    both = links.alive[links.sources] & links.alive[links.targets]
    degrees = np.bincount(links.targets[both], minlength=count)
    inward = degrees[live]
    mean, spread = (float(inward.mean()), float(inward.std())) if len(inward) else (0.0, 0.0)
    limit = max(1, int(np.ceil(max(3 * mean, mean + HUB * spread))))
    hubs = np.flatnonzero(live & (degrees >= limit))
    hubs = hubs[np.argsort(-degrees[hubs], kind="stable")]
    lost = np.flatnonzero(live & ~_reached(links))
    near = both & (links.lengths < SAME)
    a, b = np.minimum(links.sources, links.targets)[near], np.maximum(links.sources, links.targets)[near]
    pairs, first = np.unique(a * max(1, count) + b, return_index=True)
    gaps = links.lengths[near][first]
    order = np.argsort(gaps, kind="stable")[:LISTED]
    twins = [
        (int(links.keys[pair // count]), int(links.keys[pair % count]), float(gap))
        for pair, gap in zip(pairs[order].tolist(), gaps[order].tolist(), strict=True)
    ]
    return GraphHealth(
        level=level,
        nodes=int(live.sum()),
        links=int(both.sum()),
        mean_in_degree=mean,
        unreachable=tuple(links.keys[lost[:LISTED]].tolist()),
        unreachable_count=len(lost),
        hubs=tuple(zip(links.keys[hubs[:LISTED]].tolist(), degrees[hubs[:LISTED]].tolist(), strict=True)),
        hub_count=len(hubs),
        hub_limit=limit,
        duplicates=tuple(twins),
        copies=len(pairs),
        lonely=int((inward == 0).sum()),
    )


def _reached(links: LayerLinks) -> NDArray[np.bool_]:
    """Which nodes a walk along the links can meet from the entry; bool (n,)."""
    met = np.zeros(len(links.keys), dtype=np.bool_)
    if links.entry < 0:
        return met
    met[links.entry] = True
    while True:
        ahead = links.targets[met[links.sources]]
        fresh = ahead[~met[ahead]]
        if not len(fresh):
            return met
        met[fresh] = True
