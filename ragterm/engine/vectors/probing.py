"""What health and standing ask of a collection's index: the links of a layer as arrays, and a chunk's true rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.graphs import Standing
from ragterm.engine.vectors.check import layer_links
from ragterm.engine.vectors.explain import LayerLinks
from ragterm.engine.vectors.flat import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragterm.engine.vectors.dense import CollectionDenseIndex

_AT_ONCE = 65536
"""Links whose lengths are computed in one go: 2 x 100 MB of vectors at 384 dimensions."""


def links(index: CollectionDenseIndex, level: int) -> LayerLinks:
    """The links of a layer; no nodes where there is no graph."""
    picture = index.picture()
    if picture is None or not 0 <= level <= int(picture.stored.graph.top[1]):
        none = np.empty(0, dtype=np.int64)
        nobody = np.empty(0, dtype=np.bool_)
        return LayerLinks(none, nobody, nobody, none, none, np.empty(0, dtype=np.float32), -1)
    graph, rows = picture.stored.graph, picture.rows
    count = len(graph.codes)
    sources, targets = layer_links(graph, level)
    lengths = np.empty(len(sources), dtype=np.float32)
    for first in range(0, len(sources), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        lengths[part] = 1.0 - np.vecdot(rows.vectors[sources[part]], rows.vectors[targets[part]])
    return LayerLinks(
        keys=rows.keys[:count],
        members=graph.levels >= level,
        alive=rows.alive[:count],
        sources=sources,
        targets=targets,
        lengths=lengths,
        entry=int(graph.top[0]),
    )


def standing(index: CollectionDenseIndex, vector: NDArray[np.float32], key: int) -> Standing | None:
    """The true rank of `key` for a query (d,), by exact cosine, ties by key; None for a key that is not there."""
    rows = index.rows
    at = int(rows.find(np.array([key], dtype=np.int64))[0])
    if at < 0:
        return None
    scores = np.vecdot(rows.vectors, unit(vector))
    better = (scores > scores[at]) | ((scores == scores[at]) & (rows.keys < key))
    rank = 1 + int(np.count_nonzero(better & rows.alive))
    return Standing(key, rank, float(scores[at]), rows.live)
