"""The two files of an index on disk: `vectors.snapshot`, written by the process that indexes, and `graph.snapshot`, written by
the child process that builds the graph from it.

They are two because the vectors are worth saving at once and the graph comes later. What ties them: a graph names the lineage
of the rows it was built on (rows are only ever appended within one lineage) and the checksum of their keys.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragterm.engine.vectors.flat import Rows
from ragterm.engine.vectors.hnsw import Graph
from ragterm.engine.vectors.projection import Projection
from ragterm.engine.vectors.snapshot import SnapshotError, read_snapshot, write_snapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray

VECTORS_FILE = "vectors.snapshot"
GRAPH_FILE = "graph.snapshot"


@dataclass(frozen=True)
class GraphParameters:
    """M, efConstruction and the seed of the level draw, as in the paper."""

    m: int = 16
    ef_construction: int = 200
    seed: int = 1


@dataclass(frozen=True)
class StoredVectors:
    """The rows as they were at `generation`. `identity` says whose vectors they are (the model's id); `lineage` changes when rows are
    renumbered."""

    rows: Rows
    generation: int
    identity: str
    lineage: str


@dataclass(frozen=True)
class StoredGraph:
    """A graph on the first rows of `lineage`, `generation` of the vectors it was built from, with what draws it.

    `code_limit` is the scale of its codes; `built_nodes` the number of nodes when it was last built from nothing; `positions`
    float32 (n, 2), the map.
    """

    graph: Graph
    parameters: GraphParameters
    lineage: str
    keys_crc: int
    generation: int
    code_limit: float
    built_nodes: int
    projection: Projection
    positions: NDArray[np.float32]

    def fits(self, rows: Rows, lineage: str) -> bool:
        """Whether node i of this graph is row i of `rows`."""
        nodes = len(self.graph.codes)
        return lineage == self.lineage and nodes <= len(rows) and keys_crc(rows.keys[:nodes]) == self.keys_crc


def keys_crc(keys: NDArray[np.int64]) -> int:
    return zlib.crc32(np.ascontiguousarray(keys).view(np.uint8).data)


def new_lineage() -> str:
    return os.urandom(8).hex()


def write_vectors(folder: Path, stored: StoredVectors) -> None:
    rows = stored.rows
    values = {
        "generation": stored.generation,
        "identity": stored.identity,
        "lineage": stored.lineage,
        "dimensions": rows.vectors.shape[1],
    }
    sections = {"keys": rows.keys, "alive": rows.alive, "vectors": rows.vectors}
    write_snapshot(folder / VECTORS_FILE, "vectors", values, sections)


def read_vectors(folder: Path, dimensions: int, identity: str) -> StoredVectors:
    """Raises SnapshotError when there is no whole file of these dimensions and this identity."""
    values, arrays = read_snapshot(folder / VECTORS_FILE, "vectors")
    if values["dimensions"] != dimensions or values["identity"] != identity:
        found = f"{values['dimensions']} dimensions, {values['identity'] or 'no name'}"
        raise SnapshotError("The vectors are another model's", found, "they will be taken from the store")
    rows = Rows.of(arrays["keys"], arrays["vectors"], arrays["alive"])
    return StoredVectors(rows, values["generation"], identity, values["lineage"])


def write_graph(folder: Path, stored: StoredGraph) -> None:
    graph, projection = stored.graph, stored.projection
    values: dict[str, Any] = {
        "parameters": asdict(stored.parameters),
        "bits": graph.bits,
        "top": [int(x) for x in graph.top],
        "lineage": stored.lineage,
        "keys_crc": stored.keys_crc,
        "generation": stored.generation,
        "code_limit": stored.code_limit,
        "built_nodes": stored.built_nodes,
    }
    sections: dict[str, NDArray[Any]] = {
        "codes": graph.codes,
        "levels": graph.levels,
        "sums": graph.sums,
        "links": graph.links,
        "upper_row": graph.upper_row,
        "centre": projection.centre,
        "axes": projection.axes,
        "low": projection.low,
        "high": projection.high,
        "positions": stored.positions,
    }
    write_snapshot(folder / GRAPH_FILE, "graph", values, sections)


def read_graph(folder: Path) -> StoredGraph:
    """Raises SnapshotError."""
    values, arrays = read_snapshot(folder / GRAPH_FILE, "graph")
    graph = Graph(
        codes=arrays["codes"],
        bits=values["bits"],
        sums=arrays["sums"],
        bias=np.empty(0, dtype=np.int32),
        levels=arrays["levels"],
        links=arrays["links"],
        upper_row=arrays["upper_row"],
        top=np.array(values["top"], dtype=np.int64),
    )
    return StoredGraph(
        graph=graph,
        parameters=GraphParameters(**values["parameters"]),
        lineage=values["lineage"],
        keys_crc=values["keys_crc"],
        generation=values["generation"],
        code_limit=values["code_limit"],
        built_nodes=values["built_nodes"],
        projection=Projection(*(arrays[name] for name in ("centre", "axes", "low", "high"))),
        positions=arrays["positions"],
    )
