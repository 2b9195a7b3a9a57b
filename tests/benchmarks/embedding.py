"""How fast embedding is, against bare ONNX Runtime and against sentence-transformers on torch. Not a test: run it by hand.

    RAGTERM_TEST_DATA=DIR python tests/benchmarks/embedding.py [--rounds 5] [--texts 48] [--cpu] [--sweep] [--graph-options]

All contenders take turns in one process, so that a busy machine slows them alike; medians of the rounds are compared. "bare" runs
the same token batches on the same session settings and does nothing else: no tokenising, sorting, pooling, normalising.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ragterm.engine.models.embedder import OnnxEmbedder, load_embedder
from ragterm.engine.models.export import ensure_onnx
from ragterm.engine.models.runtime import BATCH_TOKENS, batches_by_length
from ragterm.engine.models.tokenization import padded
from ragterm.engine.models.weights import cache_dir, find_weights
from ragterm.engine.types.settings import EmbeddingSettings


def machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
        if Path("/proc/cpuinfo").exists()
        else iter(()),
        platform.processor(),
    )
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores{load}"


def texts_of(tokens: int, count: int, embedder: OnnxEmbedder) -> list[str]:
    """`count` pieces of real prose of `tokens` tokens each (special tokens included)."""
    root = Path(os.environ["RAGTERM_TEST_DATA"])
    lines = (root / "covidqa" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    out: list[str] = []
    for line in lines:
        text = json.loads(line)["text"]
        spans = embedder.tokenizer.spans(text)
        for at in range(0, len(spans) - tokens, tokens - 2):
            out.append(text[spans[at][0] : spans[at + tokens - 3][1]])
            if len(out) == count:
                return out
    raise SystemExit("not enough text")


def bare(path: Path, embedder: OnnxEmbedder, texts: list[str], options: Callable[[Any], int]) -> Callable[[], None]:
    """The same batches, prepared beforehand. `options` sets the session's options and returns how many batches run at once."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    at_once = options(settings)
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    encodings = embedder.tokenizer.encode(texts)
    feeds = []
    for batch in batches_by_length([len(e) for e in encodings], max(2, at_once)):
        chosen = [encodings[i] for i in batch]
        width = max(len(e) for e in chosen)
        ids = padded([e.ids for e in chosen], width, 0)
        mask = padded([e.attention_mask for e in chosen], width, 0)
        feeds.append({"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0})

    def run() -> None:
        if at_once == 1:
            for feed in feeds:
                session.run(None, feed)
        else:
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(lambda feed: session.run(None, feed), feeds))

    return run


def split_by_batch(settings: Any) -> int:
    settings.intra_op_num_threads = 1
    settings.enable_mem_pattern = False
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split_by_operator(settings: Any) -> int:
    """ONNX Runtime's defaults: each operator over all cores, threads that spin while they wait."""
    return 1


def split_without_spinning(settings: Any) -> int:
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return 1


def rates(
    contenders: dict[str, Callable[[], object]], count: int, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Texts a second, median over `rounds`, contenders in turn and in changing order."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values():
        work()
    names = list(contenders)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = clock()
            contenders[name]()
            seconds[name].append(clock() - start)
    return {name: count / statistics.median(values) for name, values in seconds.items()}


def compare(arguments: argparse.Namespace) -> None:
    from sentence_transformers import SentenceTransformer

    cache = cache_dir()
    weights = find_weights(EmbeddingSettings().model, cache, offline=True)
    fp32, int8 = (load_embedder(EmbeddingSettings(precision=p), cache, offline=True) for p in ("fp32", "int8"))
    torch_model = SentenceTransformer(str(weights.path), device="cpu")
    graph = ensure_onnx(weights, cache, "fp32")
    for tokens, needed, needed_int8 in ((240, 2.0, 3.5), (50, 2.8, 3.5)):
        texts = texts_of(tokens, arguments.texts * (1 if tokens > 100 else 4), fp32)
        contenders: dict[str, Callable[[], object]] = {
            "ragterm fp32": lambda texts=texts: fp32.embed_documents(texts),  # type: ignore[misc]
            "ragterm int8": lambda texts=texts: int8.embed_documents(texts),  # type: ignore[misc]
            "bare ONNX Runtime": bare(graph, fp32, texts, split_by_batch),
            "bare, its defaults": bare(graph, fp32, texts, split_by_operator),
            "sentence-transformers": lambda texts=texts: torch_model.encode(texts),  # type: ignore[misc]
        }
        found = rates(
            contenders, len(texts), arguments.rounds, time.process_time if arguments.cpu else time.perf_counter
        )
        cosines = (fp32.embed_documents(texts) * int8.embed_documents(texts)).sum(axis=1)
        print(f"\n{tokens}-token texts, {len(texts)} of them, medians of {arguments.rounds}, {machine()}")
        for name, rate in found.items():
            print(f"  {name:24}{rate:8.1f} texts/s")
        ours, theirs = found["ragterm fp32"], found["sentence-transformers"]
        print(f"  to bare on the same batches  {ours / found['bare ONNX Runtime']:.2f}  (at least 0.85)")
        print(f"  to bare with its defaults    {ours / found['bare, its defaults']:.2f}")
        print(f"  to sentence-transformers     {ours / theirs:.2f}  (at least {needed})")
        print(f"  int8 to the same             {found['ragterm int8'] / theirs:.2f}  (at least {needed_int8})")
        print(f"  int8 cosine to fp32          {cosines.min():.4f} to {cosines.max():.4f}")


def sweep(arguments: argparse.Namespace) -> None:
    """Which budget of padded tokens a batch should have."""
    from ragterm.engine.models import embedder as room

    fp32 = load_embedder(EmbeddingSettings(), cache_dir(), offline=True)
    plain = room.batches_by_length
    for tokens in (240, 50):
        texts = texts_of(tokens, arguments.texts * (1 if tokens > 100 else 4), fp32)

        def embed(budget: int, texts: list[str] = texts) -> None:
            room.batches_by_length = lambda lengths, threads, _=BATCH_TOKENS: plain(lengths, threads, budget)  # type: ignore[assignment]
            fp32.embed_documents(texts)

        budgets = (256, 512, 1024, 2048, 4096, 8192)
        found = rates({str(b): lambda b=b: embed(b) for b in budgets}, len(texts), arguments.rounds)  # type: ignore[misc]
        print(f"\n{tokens}-token texts by padded tokens in a batch, {machine()}")
        for name, rate in found.items():
            print(f"  {name:>6}{rate:8.1f} texts/s")
    room.batches_by_length = plain


def graph_options(arguments: argparse.Namespace) -> None:
    """How the cores should share the work."""
    cache = cache_dir()
    fp32 = load_embedder(EmbeddingSettings(), cache, offline=True)
    graph = ensure_onnx(find_weights(EmbeddingSettings().model, cache, offline=True), cache, "fp32")
    for tokens in (240, 50):
        texts = texts_of(tokens, arguments.texts * (1 if tokens > 100 else 4), fp32)
        ways = (split_by_batch, split_by_operator, split_without_spinning)
        found = rates({w.__name__: bare(graph, fp32, texts, w) for w in ways}, len(texts), arguments.rounds)
        print(f"\n{tokens}-token texts, {machine()}")
        for name, rate in found.items():
            print(f"  {name:24}{rate:8.1f} texts/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=48)
    parser.add_argument("--cpu", action="store_true", help="texts per second of processor time (for a busy machine)")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--graph-options", action="store_true")
    chosen = parser.parse_args()
    if "RAGTERM_TEST_DATA" not in os.environ:
        raise SystemExit("RAGTERM_TEST_DATA is not set: it names the folder with the texts")
    (sweep if chosen.sweep else graph_options if chosen.graph_options else compare)(chosen)
