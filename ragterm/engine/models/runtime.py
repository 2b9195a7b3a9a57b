"""Serving an exported graph with ONNX Runtime: sessions, batches by length, all cores busy.

The unit of parallelism is the batch, not the operator: every thread runs whole batches with one compute thread of its own.
That saves the hand-over between cores at each of the graph's operators, and no thread spins while it waits, which matters
because the interface's event loop shares these cores. Batches hold texts of like length (sorted), a few hundred tokens
each: small ones stay in the cores' caches.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.types.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

# Padded tokens in a batch. Swept on 2 cores with AVX-512 (tests/benchmarks/embedding.py --sweep).
BATCH_TOKENS = 1024


class Graph:
    """One exported graph in memory. Threads may call `run` at the same time."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.threads = threads or _cores()
        self._session = _open_session(path)
        self.inputs = {i.name for i in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name
        self._pool: ThreadPoolExecutor | None = None
        self._making = threading.Lock()

    def run(self, ids: IntArray, mask: IntArray, types: IntArray | None = None) -> FloatArray:
        """The graph's output for int64 (n, width) inputs."""
        feeds: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self.inputs:
            import numpy as np

            feeds["token_type_ids"] = np.zeros_like(ids) if types is None else types
        result: FloatArray = self._session.run([self._output], feeds)[0]
        return result

    def map(self, work: Callable[[list[int]], None], batches: Sequence[list[int]]) -> None:
        """Do `work` for every batch, on as many threads as the graph has. The first error ends it and is raised here."""
        if len(batches) == 1 or self.threads == 1:
            for batch in batches:
                work(batch)
            return
        with self._making:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="onnx")
        futures = [self._pool.submit(work, batch) for batch in batches]
        try:
            for future in futures:
                future.result()
        finally:
            for future in futures:
                future.cancel()


def batches_by_length(lengths: Sequence[int], threads: int, budget: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Positions in batches, longest first, each at most `budget` padded tokens (or one text), and small enough that a short list
    still occupies every thread."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    budget = min(budget, max(1, -(-sum(lengths) // threads)))
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _cores() -> int:
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def quiet_onnxruntime() -> Any:
    """The module, imported with its telemetry off: from 1.29 on it would report sessions and models to its maker over the network,
    and keep a device id in the user's cache folder. The variable is read once, when the library is loaded."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


def _open_session(path: Path) -> Any:
    onnxruntime = quiet_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Every batch has another shape: planning memory per shape costs more than it saves.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the bindings raise a dozen unrelated types
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            "The exported model cannot be loaded", f"{path}: {first}", f"delete {path.parent} and try again"
        ) from error
