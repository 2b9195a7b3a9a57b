"""The facade's questions about the graph of a collection: what the Layers pane asks. A part of `Engine`, which inherits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragterm.engine.collections import Shelf
    from ragterm.engine.types.control import Control
    from ragterm.engine.types.graphs import (
        Explanation,
        GraphHealth,
        GraphSummary,
        LayerMap,
        RecallReport,
        Standing,
        Walk,
    )
    from ragterm.engine.types.lessons import Lesson

RECENT_QUESTIONS = 20
LABEL = 120
"""Characters of a chunk's label."""
LABELLED = 60
"""Nodes of a saved map that are labelled all; of more than these, only those of the walk."""


class GraphQuestions:
    """Every call blocks, and raises NotFoundError for a collection that is not there."""

    _shelf: Shelf

    def graph_summary(self, collection: str = "default") -> GraphSummary:
        """A graph that was left behind is built in the background from here on."""
        dense = self._shelf.get(collection).fresh()[0]
        if not dense.graph_is_current():
            dense.save(build_graph=True)
        return dense.summary()

    def finish_graph(self, collection: str = "default", control: Control | None = None) -> None:
        """Wait until the graph holds every chunk. Raises Cancelled, StoreError."""
        dense = self._shelf.get(collection).fresh()[0]
        dense.wait_for_graph()
        if not dense.graph_is_current():
            dense.save(build_graph=True, wait=True, control=control)

    def layer_map(self, collection: str = "default", level: int = 0, max_nodes: int = 2000) -> LayerMap:
        return self._shelf.get(collection).dense().layer_map(level, max_nodes)

    def walk(self, question: str, collection: str = "default", k: int = 10, ef: int = 40) -> Walk:
        """The way that this question takes through the graph, whether or not the graph answers questions at this size."""
        opened = self._shelf.get(collection)
        return opened.fresh()[0].walk(question, opened.query_vector(question), k, ef)

    def neighbours(self, key: int, level: int, collection: str = "default") -> list[tuple[int, float]]:
        return self._shelf.get(collection).dense().neighbours(key, level)

    def explain(self, question: str, collection: str = "default", k: int = 10, ef: int = 40) -> Explanation:
        """What the walk missed of the true `k` nearest, where it turned away, and the smallest ef that finds it."""
        from ragterm.engine.vectors.explain import explain

        opened = self._shelf.get(collection)
        dense, vector = opened.fresh()[0], opened.query_vector(question)
        return explain(lambda k, ef: dense.walk(question, vector, k, ef), k, ef)

    def standing(self, question: str, key: int, collection: str = "default") -> Standing | None:
        """The true rank of a chunk for a question; None for a chunk that is not there."""
        from ragterm.engine.vectors.probing import standing

        opened = self._shelf.get(collection)
        return standing(opened.fresh()[0], opened.query_vector(question), key)

    def recall(
        self, collection: str = "default", k: int = 10, ef: int = 40, questions: int = RECENT_QUESTIONS
    ) -> RecallReport:
        """Recall@k of the graph over the last `questions` different questions asked of this collection, from its traces."""
        from ragterm.engine.vectors.explain import recall_report

        opened = self._shelf.get(collection)
        asked = dict.fromkeys(trace.query for trace in opened.store.traces.recent(3 * questions) if trace.query)
        dense = opened.fresh()[0]
        recent = list(asked)[:questions]
        return recall_report([dense.walk(query, opened.query_vector(query), k, ef) for query in recent], k)

    def graph_health(self, collection: str = "default", level: int = 0) -> GraphHealth:
        """What cannot be reached, what everything passes through, and what is there twice."""
        from ragterm.engine.vectors.explain import graph_health
        from ragterm.engine.vectors.probing import links

        return graph_health(level, links(self._shelf.get(collection).fresh()[0], level))

    def labels(self, keys: Sequence[int], collection: str = "default") -> dict[int, str]:
        """The beginning of each chunk that is there, on one line."""
        found = self._shelf.get(collection).store.chunks.by_keys(list(keys))
        return {key: " ".join(one.chunk.text[:LABEL].split()) for key, one in found.items()}

    def save_map(
        self,
        path: Path,
        layer: LayerMap,
        walk: Walk | None = None,
        box: tuple[float, float, float, float] | None = None,
        collection: str = "default",
    ) -> Path:
        """Write the part of `layer` inside `box` as SVG or, for a name that ends in .dot, as DOT. A few nodes are labelled with the
        beginning of their chunk: all when they are few, else those of the walk. Raises OSError."""
        from ragterm.engine.vectors.drawing import NODE, layer_dot, layer_svg, looks, within

        shown = within(layer, box) if box is not None else layer
        wanted = [key for key, look in looks(shown, walk).items() if look is not NODE or len(shown.keys) <= LABELLED]
        labels = self.labels(wanted[: 2 * LABELLED], collection)
        text = layer_dot(shown, labels, walk) if path.suffix == ".dot" else layer_svg(shown, labels, walk, box)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def lessons(self) -> tuple[Lesson, ...]:
        """The teaching mode's exercises; they need no collection."""
        from ragterm.engine.vectors.lesson import lessons

        return lessons()
