"""The other libraries, each behind the same small interface, with indexes kept on disk between runs. What is not there is left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

M, EF_CONSTRUCTION = 16, 200
EFS = (20, 40, 80, 140, 250)
PROBES = (8, 16, 24, 32, 64, 128)
Engine = tuple[str, int, Callable[[], None], Callable[[np.ndarray], Any], Callable[[Any], list[int]]]


def engines(base: np.ndarray, folder: Path, k: int) -> Iterator[Engine]:
    folder.mkdir(parents=True, exist_ok=True)
    for module, make in (
        ("hnswlib", of_hnswlib),
        ("faiss", of_faiss),
        ("usearch", of_usearch),
        ("scann", of_scann),
        ("ngtpy", of_ngt),
        ("svs", of_svs),
    ):
        if find_spec(module) is None:
            print(f"  {module} is not installed")
            continue
        yield from make(base, folder, k)


def of_hnswlib(base: np.ndarray, folder: Path, k: int) -> Iterator[Engine]:
    import hnswlib

    path = folder / "hnswlib"
    index = hnswlib.Index("ip", base.shape[1])
    if path.exists():
        index.load_index(str(path), max_elements=len(base))
    else:
        fill_hnswlib(index, base, threads=2)
        index.save_index(str(path))
    index.set_num_threads(1)
    for ef in EFS:
        yield (
            "hnswlib",
            ef,
            lambda ef=ef: index.set_ef(ef),
            lambda q: index.knn_query(q, k=k, num_threads=1)[0][0],
            lambda found: found.tolist(),
        )


def fill_hnswlib(index: Any, base: np.ndarray, threads: int) -> None:
    index.init_index(len(base), M=M, ef_construction=EF_CONSTRUCTION, random_seed=1)
    index.set_num_threads(threads)
    index.add_items(base, num_threads=threads)


def hnswlib_build_seconds(base: np.ndarray) -> float:
    """Thread time of a build on one thread."""
    import hnswlib

    index = hnswlib.Index("ip", base.shape[1])
    started = time.process_time()
    fill_hnswlib(index, base, threads=1)
    return time.process_time() - started


def of_faiss(base: np.ndarray, folder: Path, k: int) -> Iterator[Engine]:
    import faiss

    for name, factory in (
        ("HNSWFlat", "HNSW16"),
        ("HNSWSQ8", "HNSW16_SQ8"),
        ("HNSWSQ8,RFlat", "HNSW16_SQ8,RFlat"),
        ("IVF512,PQ192x4fs,RFlat", "IVF512,PQ192x4fs,RFlat"),
    ):
        path = folder / f"faiss-{factory}"
        if path.exists():
            index = faiss.read_index(str(path))
        else:
            faiss.omp_set_num_threads(2)
            index = faiss.index_factory(base.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
            inner = faiss.downcast_index(index.base_index) if "RFlat" in factory else index
            if "HNSW" in factory:
                faiss.downcast_index(inner).hnsw.efConstruction = EF_CONSTRUCTION
            index.train(base)
            index.add(base)
            faiss.write_index(index, str(path))
            index = faiss.read_index(str(path))
        faiss.omp_set_num_threads(1)
        refined = "RFlat" in factory
        inner = faiss.downcast_index(index.base_index) if refined else faiss.downcast_index(index)
        for factor in (2, 4, 8) if refined else (1,):
            for value in PROBES if "IVF" in factory else EFS:

                def prepare(
                    value: int = value,
                    factor: int = factor,
                    index: Any = index,
                    inner: Any = inner,
                    refined: bool = refined,
                    ivf: bool = "IVF" in factory,
                ) -> None:
                    if ivf:
                        inner.nprobe = value
                    else:
                        inner.hnsw.efSearch = value
                    if refined:
                        index.k_factor = factor

                label = f"faiss {name}" + (f" k{factor}" if refined else "")
                yield (
                    label,
                    value,
                    prepare,
                    lambda q, index=index: index.search(q[None], k)[1][0],
                    lambda found: found.tolist(),
                )


def of_usearch(base: np.ndarray, folder: Path, k: int) -> Iterator[Engine]:
    from usearch.index import Index

    for kind in ("f32", "bf16", "i8"):
        path = folder / f"usearch-{kind}"
        index = Index(ndim=base.shape[1], metric="ip", dtype=kind, connectivity=M, expansion_add=EF_CONSTRUCTION)
        if path.exists():
            index.load(str(path))
        else:
            index.add(np.arange(len(base)), base, threads=2)
            index.save(str(path))
        for ef in EFS:
            yield (
                f"usearch {kind}",
                ef,
                lambda ef=ef, index=index: setattr(index, "expansion_search", ef),
                lambda q, index=index: index.search(q, k, threads=1).keys,
                lambda found: [int(key) for key in found],
            )


def of_scann(base: np.ndarray, folder: Path, k: int) -> Iterator[Engine]:
    import scann

    leaves = max(1, int(len(base) ** 0.5) * 2)
    index = (
        scann.scann_ops_pybind.builder(base, k, "dot_product")
        .tree(num_leaves=leaves, num_leaves_to_search=leaves // 10, training_sample_size=min(len(base), 100_000))
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(100)
        .build()
    )
    for searched in (8, 16, 32, 64, 128):
        yield (
            "scann",
            searched,
            lambda: None,
            lambda q, searched=searched: index.search(q, leaves_to_search=searched, pre_reorder_num_neighbors=60)[0],
            lambda found: found.tolist(),
        )


def of_ngt(base: np.ndarray, folder: Path, k: int) -> Iterator[Engine]:
    import ngtpy

    path = folder / "ngt-onng"
    if not path.exists():
        ngtpy.create(
            str(path), base.shape[1], distance_type="Cosine", edge_size_for_creation=40, edge_size_for_search=40
        )
        index = ngtpy.Index(str(path))
        index.batch_insert(base, num_threads=2)
        index.save()
        index.close()
    index = ngtpy.Index(str(path), read_only=True)
    for thousandth in (20, 40, 60, 80, 100, 140):
        yield (
            "ngt",
            thousandth,
            lambda: None,
            lambda q, e=thousandth / 1000: index.search(q, k, epsilon=e, with_distance=False),
            lambda found: [int(row) for row in found],
        )


def of_svs(base: np.ndarray, folder: Path, k: int) -> Iterator[Engine]:
    """A Vamana graph on codes of 4 bits whose remainder of 8 bits scores again (LVQ4x8); on float32 where the processor is not Intel's,
    on which LVQ ends the process."""
    import svs

    cpus = Path("/proc/cpuinfo")
    coded = cpus.exists() and "GenuineIntel" in cpus.read_text()
    kind = "LVQ4x8" if coded else "f32"
    words = str(folder / "svs-base.svs")
    if not Path(words).exists():
        rows = str(folder / "svs-base.fvecs")
        svs.write_vecs(base, rows)
        svs.convert_vecs_to_svs(rows, words)
    loader = svs.VectorDataLoader(words, svs.DataType.float32, base.shape[1])
    how = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=2 * M, window_size=EF_CONSTRUCTION)
    data = svs.LVQLoader(loader, primary=4, residual=8) if coded else loader
    index = svs.Vamana.build(how, data, svs.DistanceType.MIP, num_threads=2)
    index.num_threads = 1
    for width in (10, 20, 30, 40, 60, 100):
        yield (
            f"svs Vamana {kind}",
            width,
            lambda width=width: setattr(index, "search_window_size", width),
            lambda q: index.search(q, k)[0][0],
            lambda found: [int(row) for row in found],
        )


def hnswlib_curve(base: np.ndarray, queries: np.ndarray, truth: list[set[int]], k: int) -> None:
    """Build on two threads, then recall and thread time at several ef."""
    import hnswlib

    index = hnswlib.Index("ip", base.shape[1])
    started = time.perf_counter()
    fill_hnswlib(index, base, threads=2)
    built = time.perf_counter() - started
    index.set_num_threads(1)
    cells = []
    for ef in (40, 80, 160):
        index.set_ef(ef)
        taken = []
        for _ in range(2):
            started = time.thread_time()
            answers = [index.knn_query(query, k=k, num_threads=1)[0][0] for query in queries]
            taken.append((time.thread_time() - started) / len(queries) * 1e6)
        hits = sum(len(set(answer.tolist()) & t) for answer, t in zip(answers, truth, strict=True))
        cells.append(f"{hits / (k * len(queries)):.3f}/{min(taken):.1f}")
    print(f"  {'hnswlib':>10} built in {built:.0f} s on two threads   {'  '.join(cells)}")
