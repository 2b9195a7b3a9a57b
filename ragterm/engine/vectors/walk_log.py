"""What a search leaves behind when it is asked to keep a log, one row (event, layer, node, distance) per event: the Layers pane
replays it.

A search that is asked for none carries None in its place: numba compiles it apart, without a trace of the log. Looking at every
distance whether it is to be noted took a twentieth of a search's time. (Collections search with an empty log: the Layers pane then
waits for no other compiled form.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.vectors.execution import inlined_kernel
from ragterm.engine.vectors.kernels import entry_distance, entry_node

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Log = NDArray[np.int64]

ENTERED, EXPANDED = 0, 1  # a layer is entered at this node; this node, the nearest candidate, is expanded
MET = 2  # a distance was computed; above the ground layer also of nodes met before
KEPT = 3  # after an expansion: the furthest of the best is this node


def new_log(rows: int = 0) -> Log:
    """Room for `rows` events; row 0 counts them."""
    return np.zeros((rows + 1, 4), dtype=np.int64)


@inlined_kernel
def record(log: Log | None, event: int, layer: int, entry: int) -> None:
    if log is None:
        return
    count = log[0, 0] + 1
    if count < log.shape[0]:
        log[0, 0] = count
        log[count, 0] = event
        log[count, 1] = layer
        log[count, 2] = entry_node(entry)
        log[count, 3] = entry_distance(entry)
