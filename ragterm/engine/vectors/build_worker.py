"""The child process that builds a graph: `python -m ragterm.engine.vectors.build_worker FOLDER M EF SEED DIMENSIONS IDENTITY`.

Compiling kernels and linking nodes hold the interpreter for seconds: here they hold nobody up. Reads `vectors.snapshot` and, where
it can be extended, `graph.snapshot`; writes `graph.snapshot`; says how far it is on standard output, one JSON array
[linked, total] per line ([0, 0] until the kernels are there). Exit code 0: the graph is written.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ragterm.engine.types.errors import RagtermError
from ragterm.engine.vectors import construction
from ragterm.engine.vectors.execution import compile_kernels, is_compiled
from ragterm.engine.vectors.snapshot import SnapshotError
from ragterm.engine.vectors.stored import GraphParameters, StoredGraph, read_graph, read_vectors, write_graph

INTERPRETED_NODES = 300
"""Up to here plain Python is done (2 s) before the kernels would be compiled (10 s, the first time)."""
_SECONDS_BETWEEN_REPORTS = 0.1


def main(arguments: list[str]) -> int:
    folder, m, ef_construction, seed, dimensions, identity = arguments
    if hasattr(os, "nice"):
        os.nice(10)
    try:
        _say(0, 0)
        build_in_folder(
            Path(folder), GraphParameters(int(m), int(ef_construction), int(seed)), int(dimensions), identity
        )
    except RagtermError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build_in_folder(
    folder: Path, parameters: GraphParameters, dimensions: int, identity: str, compiled: bool = True
) -> None:
    """Bring `graph.snapshot` to the rows of `vectors.snapshot`. Raises SnapshotError when those cannot be read."""
    stored = read_vectors(folder, dimensions, identity)
    if compiled and len(stored.rows) > INTERPRETED_NODES:
        compile_kernels()
    _say(0, len(stored.rows))
    old = _old_graph(folder)
    # Interpreted threads would only wait for each other.
    threads = os.cpu_count() or 1 if is_compiled() else 1
    if old is not None and construction.can_extend(old, stored, parameters):
        graph = construction.extend(old, stored, threads, _Reporter())
    else:
        graph = construction.build(stored, parameters, threads, _Reporter())
    write_graph(folder, graph)


def _old_graph(folder: Path) -> StoredGraph | None:
    try:
        return read_graph(folder)
    except SnapshotError:
        return None


class _Reporter:
    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, linked: int, total: int) -> None:
        if time.monotonic() >= self._next or linked == total:
            self._next = time.monotonic() + _SECONDS_BETWEEN_REPORTS
            _say(linked, total)


def _say(linked: int, total: int) -> None:
    print(json.dumps([linked, total]), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
