"""How good retrieval is on judged data: each retriever alone, both fusions, the weight, and the reranker's blend and depth.

    RAGTERM_TEST_DATA=... python tests/benchmarks/retrieval_quality.py [scifact squad cranfield] [--queries N] [--max-tokens N] ...

Each set is chunked and embedded once; every setting then asks the same questions through `retrieve`. Prints nDCG@10,
recall@100 and milliseconds a question, and checks one run file in ir-measures. `--queries` takes a fixed random
part of the questions. By these figures the weight (0.6), the blend and the depth of reranking were chosen.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import ir_measures
from ir_measures import nDCG

from ragterm.engine.chunking import ChunkingTools, chunk_document
from ragterm.engine.evaluation import BeirData, evaluate, index_corpus, load_beir, write_run
from ragterm.engine.keyword import TantivyIndex
from ragterm.engine.models import cache_dir
from ragterm.engine.models.embedder import load_embedder
from ragterm.engine.models.rerankers import LateInteraction
from ragterm.engine.retrieval import RetrievalRooms, pipeline, rerank, retrieve
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.protocols import Embedder, IndexChanges, IndexEntry
from ragterm.engine.types.settings import ChunkingSettings, EmbeddingSettings
from ragterm.engine.types.tracing import RetrievalSettings
from ragterm.engine.vectors.dense import CollectionDenseIndex

FLOORS = {
    ("scifact", "hybrid"): 0.725,
    ("squad", "hybrid"): 0.905,
    ("cranfield", "hybrid"): 0.405,
    ("scifact", "dense"): 0.640,
}
PLAIN = RetrievalSettings(rerank="none", k=100)


@dataclass(frozen=True)
class Found:
    chunk: Chunk
    title: str
    path: str
    content_hash: str


def build(
    data: BeirData, embedder: Embedder, folder: Path, chunking: ChunkingSettings
) -> tuple[RetrievalRooms, dict[str, str]]:
    """The set's chunks in both indexes, as an ingest puts them there."""
    dense, keyword = CollectionDenseIndex(folder / "vectors", embedder.dimensions), TantivyIndex(folder / "keyword")
    found: dict[int, Found] = {}

    def add(documents: list[Document]) -> int:
        fresh: list[Found] = []
        for document in documents:
            for chunk in chunk_document(document, "b", ChunkingTools.of(embedder), chunking):
                one = Found(replace(chunk, key=len(found) + 1), document.title, document.path, document.content_hash)
                found[one.chunk.key] = one
                fresh.append(one)
        vectors = embedder.embed_documents([one.chunk.embedding_text for one in fresh])
        entries = [
            IndexEntry(one.chunk.key, one.chunk.document_id, one.title, one.chunk.context, one.chunk.text, vector)
            for one, vector in zip(fresh, vectors, strict=True)
        ]
        for index in (dense, keyword):
            index.apply(IndexChanges(entries, [], len(found)))
        return len(fresh)

    _, entries = index_corpus(
        data, add, on_progress=lambda n, of: print(f"\r  embedding {n}/{of}", end="", file=sys.stderr)
    )
    print(file=sys.stderr)
    rooms = RetrievalRooms(
        collection="benchmark",
        build_id="b",
        generation=1,
        embedder=embedder,
        dense=dense,
        keyword=keyword,
        chunks=lambda keys: {key: found[key] for key in keys},
        keys_of=lambda ids: (_ for _ in ()).throw(NotImplementedError),
    )
    return rooms, entries


def part_of(data: BeirData, count: int) -> BeirData:
    if not count or count >= len(data.queries):
        return data
    chosen = set(random.Random(0).sample(sorted(data.queries), count))
    return replace(data, queries={query: text for query, text in data.queries.items() if query in chosen})


def measure(
    label: str, data: BeirData, rooms: RetrievalRooms, entries: dict[str, str], settings: RetrievalSettings
) -> float:
    start = time.perf_counter()
    result = evaluate(data, lambda q: retrieve(q, settings, rooms), lambda c: entries[c.chunk.document_id])
    each = (time.perf_counter() - start) / result.queries * 1e3
    ours = result.metrics["ndcg@10"]
    with tempfile.TemporaryDirectory() as folder:
        write_run(result.run, Path(folder) / "run")
        judged = {query: data.judgements[query] for query in data.queries}
        theirs = ir_measures.calc_aggregate([nDCG @ 10], judged, ir_measures.read_trec_run(str(Path(folder) / "run")))[
            nDCG @ 10
        ]
    assert abs(ours - theirs) < 1e-9, (ours, theirs)
    floor = FLOORS.get((data.folder.name, label))
    verdict = "" if floor is None else f"   floor {floor:.3f}: {'met' if ours >= floor else 'MISSED'}"
    print(
        f"  {label:<28} nDCG@10 {ours:.4f}   recall@100 {result.metrics['recall@100']:.4f}   {each:6.1f} ms{verdict}",
        flush=True,
    )
    return ours


def sweep(name: str, data: BeirData, rooms: RetrievalRooms, entries: dict[str, str], reranking: bool) -> None:
    print(name)
    measure("dense", data, rooms, entries, replace(PLAIN, mode="dense"))
    measure("keyword", data, rooms, entries, replace(PLAIN, mode="keyword"))
    measure("hybrid", data, rooms, entries, PLAIN)
    measure("hybrid, rrf", data, rooms, entries, replace(PLAIN, fusion="rrf"))
    for weight in (0.4, 0.5, 0.7):
        measure(f"hybrid, weight {weight}", data, rooms, entries, replace(PLAIN, weight=weight))
    if not reranking:
        return
    late = replace(rooms, reranker=LateInteraction(rooms.embedder))
    chosen = (pipeline.RERANKED, rerank.BLENDS["late-interaction"])
    for depth, share in [chosen, *_others(chosen)]:
        pipeline.RERANKED, rerank.BLENDS["late-interaction"] = depth, share
        measure(f"late interaction {depth}, {share}", data, late, entries, replace(PLAIN, rerank="late-interaction"))
    pipeline.RERANKED, rerank.BLENDS["late-interaction"] = chosen


def _others(chosen: tuple[int, float]) -> Iterable[tuple[int, float]]:
    depth, share = chosen
    return [(depth, other) for other in (0.3, 0.7, 1.0) if other != share] + [
        (other, share) for other in (10, 30) if other != depth
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["scifact", "squad", "cranfield"])
    parser.add_argument("--queries", type=int, default=0)
    parser.add_argument("--rerank", action="store_true")
    parser.add_argument("--precision", choices=["fp32", "int8"], default="fp32")
    parser.add_argument("--max-tokens", type=int, default=ChunkingSettings().max_tokens, help="chunking.max_tokens")
    parser.add_argument("--strategy", default=ChunkingSettings().strategy, help="chunking.strategy")
    chosen = parser.parse_args()
    root = os.environ.get("RAGTERM_TEST_DATA")
    if not root:
        sys.exit("RAGTERM_TEST_DATA is not set: it names the folder with the judged sets")
    embedder = load_embedder(EmbeddingSettings(precision=chosen.precision), cache_dir())
    for name in chosen.sets:
        data = part_of(load_beir(Path(root) / name), chosen.queries)
        with tempfile.TemporaryDirectory() as folder:
            rooms, entries = build(
                data, embedder, Path(folder), ChunkingSettings(max_tokens=chosen.max_tokens, strategy=chosen.strategy)
            )
            sweep(name, data, rooms, entries, chosen.rerank)


if __name__ == "__main__":
    main()
