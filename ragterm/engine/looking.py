"""The facade's questions about the graph of a collection: what the Layers pane asks. A part of `Engine`, which inherits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragterm.engine.collections import Shelf
    from ragterm.engine.types.control import Control
    from ragterm.engine.types.graphs import GraphSummary, LayerMap, Walk
    from ragterm.engine.types.lessons import Lesson


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

    def lessons(self) -> tuple[Lesson, ...]:
        """The teaching mode's exercises; they need no collection."""
        from ragterm.engine.vectors.lesson import lessons

        return lessons()
