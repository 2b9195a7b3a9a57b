"""How fast a folder becomes searchable, and how much of the embedding model's own speed is left end to end.

    RAGTERM_TEST_DATA=... python tests/benchmarks/ingest.py [--files 150] [--rounds 3]

Each round ingests the Markdown files into a new collection, whole path (parser processes, chunking, embedding, store, both
indexes), while every call of ONNX Runtime is recorded; then the same token batches are run by bare ONNX Runtime, in the same
session and process, as many at once as there are cores. Interleaved, so that both see the same machine. Reported: the ratio of
the two times (the aim is 0.85), the same of processor time (it stands still when the machine is busy with other things), and kB
of text per second (the aim is 45).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def recorded(calls: list[tuple[Any, Any, dict[str, Any]]]) -> None:
    """Record the arguments of every `InferenceSession.run` from now on."""
    import onnxruntime

    original = onnxruntime.InferenceSession.run

    def run(session: Any, names: Any, feed: dict[str, Any], *rest: Any, **more: Any) -> Any:
        calls.append((session, names, feed))
        return original(session, names, feed, *rest, **more)

    onnxruntime.InferenceSession.run = run
    onnxruntime.InferenceSession.bare_run = original


def cpu_seconds() -> tuple[float, float]:
    """(this process, ended children)"""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=150)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    data = os.environ.get("RAGTERM_TEST_DATA")
    if not data:
        sys.exit("set RAGTERM_TEST_DATA to the folder of test data")
    files = sorted((Path(data) / "files" / "markdown").rglob("*.md"))[: options.files]
    text_bytes = sum(path.stat().st_size for path in files)

    from ragterm.engine.ingest import IngestRooms, audit, ingest
    from ragterm.engine.keyword import TantivyIndex
    from ragterm.engine.models.embedder import load_embedder
    from ragterm.engine.models.weights import cache_dir
    from ragterm.engine.store import CollectionStore
    from ragterm.engine.types.settings import Settings
    from ragterm.engine.vectors.dense import CollectionDenseIndex

    settings = Settings()
    calls: list[tuple[Any, Any, dict[str, Any]]] = []
    began = time.perf_counter()
    embedder = load_embedder(settings.embedding, cache_dir())
    print(f"model loaded in {time.perf_counter() - began:.2f} s", file=sys.stderr)
    recorded(calls)
    embedder.embed_documents(["to warm up"] * 8)

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    rounds = []
    for number in range(options.rounds):
        calls.clear()
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "bench"
            store = CollectionStore(home)
            dense = CollectionDenseIndex(home / "vectors", embedder.dimensions, identity=embedder.model_id)
            keyword = TantivyIndex(home / "keyword")
            rooms = IngestRooms(store, dense, keyword, lambda: embedder, partial(dense.save, build_graph=False))
            own, children = cpu_seconds()
            began = time.perf_counter()
            report = ingest(files, rooms, settings)
            seconds = time.perf_counter() - began
            own, children = (after - before for after, before in zip(cpu_seconds(), (own, children), strict=True))
            problems = audit(store, dense, keyword)
            dense.close()
            keyword.close()
            store.close()
        batches = list(calls)
        tokens = int(sum(feed["attention_mask"].sum() for _, _, feed in batches))
        bare_own, _ = cpu_seconds()
        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda call: call[0].bare_run(call[1], call[2]), batches))
        bare = time.perf_counter() - began
        bare_own = cpu_seconds()[0] - bare_own
        one = {
            "files": report.counts,
            "chunks": report.chunks,
            "seconds": round(seconds, 2),
            "bare_seconds": round(bare, 2),
            "ratio": round(bare / seconds, 3),
            "chunks_per_second": round(report.chunks / seconds, 1),
            "kb_per_second": round(text_bytes / 1000 / seconds, 1),
            "batches": len(batches),
            "tokens": tokens,
            "padding": round(1 - tokens / sum(feed["attention_mask"].size for _, _, feed in batches), 4),
            "bare_cpu_seconds": round(bare_own, 2),
            "cpu_ratio": round(bare_own / (own + children), 3),
            "cpu_seconds": round(own, 2),
            "cpu_seconds_parsers": round(children, 2),
            "problems": problems,
        }  # fmt: skip
        print(json.dumps({"round": number + 1, **one}), file=sys.stderr)
        rounds.append(one)
    print(
        json.dumps(
            {
                "files": len(files),
                "kb": round(text_bytes / 1000),
                "ratio": statistics.median(one["ratio"] for one in rounds),
                "cpu_ratio": statistics.median(one["cpu_ratio"] for one in rounds),
                "chunks_per_second": statistics.median(one["chunks_per_second"] for one in rounds),
                "kb_per_second": statistics.median(one["kb_per_second"] for one in rounds),
                "rounds": rounds,
            }
        )
    )


if __name__ == "__main__":
    main()
