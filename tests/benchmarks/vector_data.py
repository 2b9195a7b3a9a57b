"""Real embeddings to measure a vector database on: sentences and passages of public texts, questions held out.

    RAGTERM_TEST_DATA=DIR python tests/benchmarks/vector_data.py [--out FOLDER] [--base 100000] [--queries 1000]

Made once (some minutes), kept in the cache folder: base.npy (n, 384) and queries.npy (m, 384), float32 of unit length,
distinct texts in a seeded random order. A query is a question or claim that people wrote about these texts; none is among the base.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ragterm.engine.models.embedder import load_embedder
from ragterm.engine.models.weights import cache_dir
from ragterm.engine.types.sentences import sentence_spans
from ragterm.engine.types.settings import EmbeddingSettings

SETS = ("scifact", "squad", "cranfield", "covidqa", "chunking")
PASSAGE_WORDS = 60
SEED = 1


def texts_of(root: Path) -> Iterator[str]:
    """Every sentence of five words or more, and passages of about sixty words at whole sentences."""
    for name in SETS:
        for line in (root / name / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
            yield from sentences_and_passages(json.loads(line)["text"])
    for path in sorted((root / "files" / "markdown").rglob("*.md")):
        yield from sentences_and_passages(path.read_text(encoding="utf-8", errors="replace"))
    for path in sorted((root / "text").rglob("*.txt")):
        yield from sentences_and_passages(path.read_text(encoding="utf-8", errors="replace"))


def sentences_and_passages(text: str) -> Iterator[str]:
    passage: list[str] = []
    words = 0
    for start, end in sentence_spans(text):
        sentence = " ".join(text[start:end].split())
        count = sentence.count(" ") + 1
        if count >= 5:
            yield sentence
        passage.append(sentence)
        words += count
        if words >= PASSAGE_WORDS:
            if len(passage) > 1:
                yield " ".join(passage)
            passage, words = [], 0


def questions_of(root: Path) -> list[str]:
    return [
        json.loads(line)["text"]
        for name in SETS
        for line in (root / name / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def folder_of(base: int, queries: int) -> Path:
    return cache_dir() / "benchmarks" / f"sentences-{base}-{queries}"


def load(base: int = 100_000, queries: int = 1000, folder: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(base, queries), made first where they are not there."""
    folder = folder or folder_of(base, queries)
    if not (folder / "queries.npy").exists():
        make(folder, base, queries)
    return np.load(folder / "base.npy"), np.load(folder / "queries.npy")


def make(folder: Path, base: int, queries: int) -> None:
    root = Path(os.environ["RAGTERM_TEST_DATA"])
    rng = random.Random(SEED)
    questions = sorted(set(questions_of(root)))
    rng.shuffle(questions)
    held_out = set(questions)
    texts = sorted({text for text in texts_of(root) if text not in held_out})
    rng.shuffle(texts)
    if len(texts) < base or len(questions) < queries:
        raise SystemExit(f"only {len(texts)} texts and {len(questions)} questions")
    embedder = load_embedder(EmbeddingSettings(), cache_dir(), offline=True)
    folder.mkdir(parents=True, exist_ok=True)
    vectors = np.empty((base, 384), dtype=np.float32)
    started = time.monotonic()
    for start in range(0, base, 2000):
        vectors[start : start + 2000] = embedder.embed_documents(texts[start : min(start + 2000, base)])
        done = min(start + 2000, base)
        print(f"{done:,} of {base:,} embedded, {time.monotonic() - started:.0f} s", flush=True)
    np.save(folder / "base.npy", vectors)
    np.save(folder / "queries.npy", embedder.embed_documents(questions[:queries]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--base", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    chosen = parser.parse_args()
    base, queries = load(chosen.base, chosen.queries)
    print(f"base {base.shape}, queries {queries.shape}, in {folder_of(chosen.base, chosen.queries)}")
