"""A search one can follow by hand: ten points on a plane, and the paper's Algorithms 2 and 5 on plain floats over links that are
given (Malkov and Yashunin, arXiv 1603.09320). It is what the teaching mode plays, and the float path that the compiled search can
be compared with: no codes, no heaps packed into integers, no arrays.

The graph of the example: V4 alone on layer 2; V1, V4 and V9 on layer 1; all ten on the ground.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import pairwise

from ragterm.engine.types.graphs import Walk, WalkAction, WalkStep
from ragterm.engine.types.lessons import ONWARD, Decision, Lesson

Point = tuple[float, float]
Edges = Sequence[tuple[int, int]]

POINTS: tuple[Point, ...] = ((1, 1), (2, 2), (3, 1), (1, 3), (4, 4), (7, 2), (8, 1), (2, 8), (3, 7), (8, 8))
LEVELS = (0, 1, 0, 0, 2, 0, 0, 0, 0, 1)
GROUND = ((0, 1), (0, 3), (1, 2), (2, 5), (3, 7), (4, 1), (4, 8), (5, 6), (6, 9), (7, 8), (8, 9))
EDGES: tuple[tuple[tuple[int, int], ...], ...] = (GROUND, ((1, 4), (4, 9)), ())
ENTRY = 4
QUERY: Point = (7, 7)
SHADOWED: Point = (7, 1.5)
"""A query next to V5 and V6, to which no link leads from the entry's side but through points that lie farther away."""


def distance(a: Point, b: Point) -> float:
    """Euclidean."""
    return math.dist(a, b)


def neighbours(edges: Edges, node: int) -> list[int]:
    """The nodes that `node` is linked to, by number."""
    return sorted({b if a == node else a for a, b in edges if node in (a, b)})


def search_layer(
    points: Sequence[Point], edges: Edges, query: Point, entry: int, ef: int, level: int, steps: list[WalkStep]
) -> list[tuple[float, int]]:
    """Algorithm 2, SEARCH-LAYER(q, ep, ef, l_c): (distance, node) of at most `ef` nodes met on the way, nearest first. Appends its
    steps to `steps`."""
    gap = distance(query, points[entry])
    action: WalkAction = "descend" if steps else "enter"
    steps.append(WalkStep(level, action, entry, gap, (), gap))
    seen = {entry}
    candidates = [(gap, entry)]  # C: the nearest on top
    nearest = [(-gap, -entry)]  # W: the furthest on top
    while candidates:
        gap, node = heapq.heappop(candidates)
        if len(nearest) == ef and gap > -nearest[0][0]:
            break  # every candidate is further than the furthest that would be returned
        met = []
        for neighbour in neighbours(edges, node):
            if neighbour in seen:
                continue
            seen.add(neighbour)
            there = distance(query, points[neighbour])
            met.append((neighbour, there))
            if len(nearest) < ef or there < -nearest[0][0]:
                heapq.heappush(candidates, (there, neighbour))
                heapq.heappush(nearest, (-there, -neighbour))
                if len(nearest) > ef:
                    heapq.heappop(nearest)
        steps.append(WalkStep(level, "expand", node, gap, tuple(met), -nearest[0][0]))
    return sorted((-minus, -node) for minus, node in nearest)


def knn_search(
    points: Sequence[Point], edges: Sequence[Edges], entry: int, query: Point, k: int = 1, ef: int = 1
) -> Walk:
    """Algorithm 5, K-NN-SEARCH(hnsw, q, K, ef): down the layers with a beam of one, on the ground with `ef` (at least `k`).
    Distances are Euclidean; results and truth are (node, negative distance), best first."""
    ef = max(ef, k)
    steps: list[WalkStep] = []
    for level in range(len(edges) - 1, 0, -1):
        entry = search_layer(points, edges[level], query, entry, 1, level, steps)[0][1]
    found = search_layer(points, edges[0], query, entry, ef, 0, steps)
    last = steps[-1]
    steps.append(WalkStep(0, "stop", last.node, last.distance, (), last.beam))
    exact = sorted((distance(query, point), node) for node, point in enumerate(points))
    return Walk(
        question=f"({query[0]:g}, {query[1]:g})",
        ef=ef,
        steps=tuple(steps),
        results=tuple((node, -gap) for gap, node in found[:k]),
        exact=tuple((node, -gap) for gap, node in exact[:k]),
        distances_computed=1 + sum(len(step.visited) for step in steps),
        nodes=len(points),
    )


def lesson_walk(query: Point = QUERY, k: int = 1, ef: int = 1) -> Walk:
    """The search for `query` among the ten points."""
    return knn_search(POINTS, EDGES, ENTRY, query, k, ef)


def lessons() -> tuple[Lesson, ...]:
    """The exercises, in the order in which they are met."""
    return (
        _lesson(
            "1 · Down the layers",
            QUERY,
            1,
            "V4, then V9: one long link on layer 1 saved the way over V8. Five distances were computed for ten points; for a million "
            "points it would be some hundreds.",
        ),
        _lesson(
            "2 · A wider beam",
            QUERY,
            3,
            "With ef 3 the search ends only when the nearest candidate is further than the third best. It costs more distances, and "
            "returns three nodes that are the true three nearest.",
        ),
        _lesson(
            "3 · A miss",
            SHADOWED,
            1,
            "The nearest point is V5, at 0.50, and the search returns V4, at 3.91: every link of V4 leads away from the query, and "
            "with ef 1 the search never takes a step that makes things worse. This is what a miss of the graph is.",
        ),
        _lesson(
            "4 · The same query with ef 2",
            SHADOWED,
            2,
            "A second place in the beam lets the search take a step away (to V1) and then find the way round, over V2, to V5. "
            "A larger ef finds what a smaller one missed: that is all there is to tuning.",
        ),
    )


def _lesson(title: str, query: Point, ef: int, moral: str) -> Lesson:
    walk = lesson_walk(query, k=ef, ef=ef)
    return Lesson(
        title=title,
        points=POINTS,
        levels=LEVELS,
        edges=EDGES,
        query=query,
        walk=walk,
        decisions=_decisions(walk),
        narration=tuple(_told(walk, index) for index in range(len(walk.steps))),
        moral=moral,
    )


def _told(walk: Walk, index: int) -> str:
    step = walk.steps[index]
    node, gap = f"V{step.node}", f"{step.distance:.2f}"
    if step.action == "enter":
        return f"The search enters layer {step.level} at {node}, the entry point: {gap} from the query."
    if step.action == "descend":
        return f"Down to layer {step.level}, at the nearest node so far: {node}, {gap} away."
    if step.action == "stop":
        found = ", ".join(f"V{key} at {-score:.2f}" for key, score in walk.results)
        return f"The search ends. It returns {found}."
    met = ", ".join(f"V{key} at {there:.2f}" for key, there in step.visited) or "nothing new"
    return f"{node} is expanded: its links lead to {met}."


def _decisions(walk: Walk) -> tuple[Decision, ...]:
    """After every expansion: what comes next? On a layer that was just entered only one node is known: nothing is asked."""
    made = []
    for index, (step, following) in enumerate(pairwise(walk.steps)):
        if step.action != "expand":
            continue
        answer = following.node if following.action == "expand" else ONWARD
        made.append(Decision(index, answer, _verdicts(walk, index, answer)))
    return tuple(made)


def _verdicts(walk: Walk, index: int, answer: int) -> dict[int, str]:
    """Why each prediction is right or wrong after step `index`."""
    level, beam = walk.steps[index].level, walk.steps[index].beam
    ef = walk.ef if level == 0 else 1
    so_far = [step for step in walk.steps[: index + 1] if step.level == level]
    expanded = {step.node for step in so_far if step.action == "expand"}
    met = {key: gap for step in so_far for key, gap in step.visited}
    kept = sorted([so_far[0].distance, *met.values()])[:ef]
    full = len(kept) == ef
    worst = f"the furthest of the {ef} kept is at {beam:.2f}" if ef > 1 else f"the best is at {beam:.2f}"
    waiting = sorted((gap, key) for key, gap in met.items() if key not in expanded)
    onward = "the search ends" if level == 0 else f"the search goes down to layer {level - 1}"
    told = {}
    for node in range(len(POINTS)):
        name = f"V{node}"
        if LEVELS[node] < level:
            told[node] = f"No: {name} does not stand on layer {level}."
        elif node in expanded:
            told[node] = f"No: {name} has been expanded already; a node is expanded once."
        elif node not in met:
            told[node] = f"No: {name} has not been met yet. Only what expanded nodes are linked to is known."
        elif node == answer and ef == 1:
            told[node] = f"Right: {name}, at {met[node]:.2f}, is nearer than anything before: the search moves there."
        elif node == answer:
            why = worst if full else f"there is room for {ef}"
            told[node] = (
                f"Right: of what waits {name} is nearest, at {met[node]:.2f}, and it is within the beam: {why}."
            )
        elif answer == ONWARD:
            told[node] = f"No: {name} is at {met[node]:.2f}, but {worst}. What is further is not expanded: {onward}."
        else:
            told[node] = (
                f"No: {name} is at {met[node]:.2f}; V{answer}, at {met[answer]:.2f}, is nearer and comes first."
            )
    if answer != ONWARD:
        why = (
            "nearer than anything before" if ef == 1 else f"and {worst}" if full else f"and the beam has room for {ef}"
        )
        told[ONWARD] = f"No: V{answer} waits at {met[answer]:.2f}, {why}: the search goes on."
    elif waiting:
        gap, key = waiting[0]
        told[ONWARD] = f"Right: the nearest that waits is V{key} at {gap:.2f}, and {worst}: {onward}."
    else:
        told[ONWARD] = f"Right: nothing that was met waits to be expanded: {onward}."
    return told
