"""A lesson about the graph search: a few points on a plane, the walk that is to be predicted, and what is said to each prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragterm.engine.types.graphs import Walk

ONWARD = -1
"""The prediction "nothing more is expanded on this layer": one layer down, or on the ground the end."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A moment at which the reader says what comes next. `after` is the index of the step of the walk that has just been
    taken; `answer` the node expanded next, or ONWARD; `verdicts` says of every possible prediction why it is right or wrong."""

    after: int
    answer: int
    verdicts: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Node i is called `V{i}`, stands at `points[i]` (x, y) and on the layers 0 to `levels[i]`; `edges[layer]` are its undirected
    links (a, b). `walk` has Euclidean distances; its results and truth are (node, negative distance). `moral` is told at the end."""

    title: str
    points: tuple[tuple[float, float], ...]
    levels: tuple[int, ...]
    edges: tuple[tuple[tuple[int, int], ...], ...]
    query: tuple[float, float]
    walk: Walk
    decisions: tuple[Decision, ...]
    narration: tuple[str, ...]
    """What is said when step i of the walk has been taken."""
    moral: str = ""
