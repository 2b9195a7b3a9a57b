"""Run by the tests in a process of its own: what a `VectorIndex` finds with compiled kernels, or with their source in plain Python.

    python index_runs.py compiled|loops OUT.json [small]

"small": only what plain Python is quick enough for, with what was found, to be compared. Else also larger indexes against brute force.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

if sys.argv[1:2] == ["loops"]:
    os.environ["NUMBA_DISABLE_JIT"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from support.vector_truth import DATA, METRICS, made, recall, wrong

from ragterm.engine.vectors import estimate, execution, kernels, scan, search, searching, signs, warm
from ragterm.engine.vectors.check import check_graph
from ragterm.engine.vectors.columns import Selection
from ragterm.engine.vectors.database import VectorDB
from ragterm.engine.vectors.index import VectorIndex

LOOPS = {
    name: execution.loop_of(getattr(kernels, name))
    for name in ("dot_bytes", "dot_rows", "dot_nibbles", "sum_where_set", "bound_rows")
}
LOOPS["insert_sorted"] = kernels.insert_sorted
ROWS = 1600
SHARES = (0.001, 0.01, 0.1, 0.5)


def sample(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Clusters with noise, as embeddings have them."""
    rng = np.random.default_rng([seed, n, d])
    centres = np.random.default_rng(d).standard_normal((20, d))
    return (centres[rng.integers(0, 20, n)] + rng.standard_normal((n, d))).astype(np.float32)


def filled(vectors: np.ndarray, metric: str, m: int = 12, ef: int = 80, seed: int = 1) -> VectorIndex:
    index = VectorIndex(vectors.shape[1], metric, m, ef, seed)
    index.add(index.checked(vectors))
    return index


def small() -> dict[str, list]:
    """Rows and scores, by metric, dimensions and way of searching."""
    found: dict[str, list] = {}
    for metric in METRICS:
        for dimensions, rows in ((5, 40), (70, 24)):
            index = filled(sample(rows, dimensions), metric, 4, 10)
            index.link()
            index.remove(np.arange(0, rows, 9))
            index.add(index.checked(sample(12, dimensions, 1)))
            index.sign()
            allowed = np.arange(rows + 12) % 2 == 0
            for i, query in enumerate(sample(2, dimensions, 2)):
                for way, result in {
                    "walk": index.walk(query, 10, 20),
                    "search": index.search(query, 10, 20),
                    "filtered": index.search(query, 10, 20, allowed),
                    "exact": index.search_exact(query, 10),
                    "estimate": index.estimate(query, 10, np.flatnonzero(allowed)),
                }.items():
                    found[f"{metric} {dimensions} {way} {i}"] = [part.tolist() for part in result]
            found[f"{metric} {dimensions} links"] = [index.graph.links.tolist(), index.graph.top.tolist()]
    return found


def exact() -> dict[str, str]:
    """By metric and data: the first thing that is wrong with an exact search, "" for nothing."""
    results = {}
    for metric in METRICS:
        for name in DATA:
            vectors, queries = made(name, 700, 40, 9)
            index = filled(vectors[:500], metric)
            index.add(index.checked(vectors[500:]))
            index.remove(np.arange(0, 700, 11))
            among = np.random.default_rng(1).random(700) < 0.3
            wrongs = [
                text
                for query in queries
                for k in (1, 10, 60)
                for text in (
                    wrong(metric, index.vectors, index.alive, query, k, index.search_exact(query, k), vectors),
                    wrong(metric, index.vectors, index.alive & among, query, k, index.search_exact(query, k, among)),
                )
                if text
            ]
            results[f"{metric} {name}"] = wrongs[0][:500] if wrongs else ""
    return results


def estimates() -> dict[str, float]:
    """By metric and data: the share of the best ten that a scan by estimates finds, of 700 rows and with tombstones among them, and
    1000 where a score is not that of float64."""
    shares = {}
    for metric in METRICS:
        for name in DATA:
            vectors, queries = made(name, 700, 40, 20)
            index = filled(vectors[:400], metric)
            index.sign()
            index.add(index.checked(vectors[400:]))
            assert len(index.state.signs) == 700
            index.remove(np.arange(0, 700, 3))
            among = np.flatnonzero(np.random.default_rng(1).random(700) < 0.9)
            live = index.alive.copy()
            live[np.setdiff1d(np.arange(700), among)] = False
            found = []
            for query in queries:
                rows, scores = index.estimate(query, 10, among)
                best, exactly = index.search_exact(query, 700, live)
                known = dict(zip(best.tolist(), exactly.tolist(), strict=True))
                reached = np.isin(rows, best[exactly >= exactly[9]])
                right = np.allclose(scores, [known[row] for row in rows.tolist()], rtol=1e-5, atol=1e-6)
                found.append(reached.sum() / 10 if right and len(set(rows.tolist())) == 10 else 1000)
            if index.state.in_range:  # the planner takes this way, and its short cut at the second call finds the same
                chosen = Selection(live, int(live.sum()))
                assert index.answered(index.state, queries[0], 10, None, chosen)[2] == "estimates"
                assert ready_at(index) is index.state
                hits = index.hits(np.ascontiguousarray(queries[0]), 10, None, chosen, np.arange(700), index.state)
                assert [row for row, _ in hits] == index.estimate(queries[0], 10, np.flatnonzero(live))[0].tolist()
            shares[f"{metric} {name}"] = float(np.mean(found))
    return shares


def ready_at(index: VectorIndex) -> object:
    """The state for which scans by estimates are ready."""
    return index._local.estimating.state


def bounds_differ(bound_rows, loop) -> list[str]:
    """Where the instructions give other bounds than the loop, to the last bit."""
    rng = np.random.default_rng(0)
    differ = []
    for turn in range(60):
        dimensions = int(rng.integers(1, 1200)) if turn % 3 else 384
        codes = signs.signs_of(sample(40, dimensions, turn), signs.rotation(dimensions, turn), turn % 2 == 0)
        query = rng.integers(-signs.LEVELS, signs.LEVELS + 1, signs.grouped(dimensions)).astype(np.int8)
        if turn % 5 == 0:
            query[:] = signs.LEVELS * (1 if turn % 2 else -1)
            codes[:, kernels.SIGNS_FROM :] = 255
        among = rng.integers(0, 40, 48)
        numbers = rng.standard_normal(3).astype(np.float32)
        both = []
        for form in (bound_rows, loop):
            bounds = np.zeros(48, dtype=np.float32)
            highest = form(codes, codes.view(np.float32), among, 16, 32, query, *numbers, bounds, 8)
            both.append((np.float32(highest).tobytes(), bounds.tobytes()))
        if both[0] != both[1]:
            differ.append(f"bounds, turn {turn}")
    return differ


def graphs() -> tuple[dict[str, float], dict[str, list[str]]]:
    """Recall@10 at default ef, and what is wrong with the graphs, by metric and case."""
    recalls: dict[str, float] = {}
    problems: dict[str, list[str]] = {}
    for metric in METRICS:
        vectors, queries = sample(ROWS, 40), sample(25, 40, 1)

        def note(case: str, index: VectorIndex, allowed=None, metric=metric, queries=queries) -> None:
            live = index.alive if allowed is None else index.alive & allowed
            each = [recall(metric, index.vectors, live, q, index.search(q, 10, None, allowed)[0], 10) for q in queries]
            recalls[f"{metric} {case}"] = sum(each) / len(each)
            problems[f"{metric} {case}"] = check_graph(index.graph)

        whole = filled(vectors, metric)
        whole.link(2)
        note("whole", whole)
        for correlated in (False, True):
            order = np.argsort(vectors @ queries[0]) if correlated else np.random.default_rng(1).permutation(ROWS)
            for share in SHARES:
                allowed = np.zeros(ROWS, dtype=bool)
                allowed[order[: int(ROWS * share)]] = True
                note(f"filter {share} {'correlated' if correlated else 'random'}", whole, allowed)
        for threads in (1, 3):
            other = filled(vectors, metric)
            other.link(threads)
            if any(not np.array_equal(one, two) for one, two in zip(whole.graph, other.graph, strict=True)):
                problems[f"{metric} whole"].append(f"another graph by {threads} threads")
        rng = np.random.default_rng(3)
        for share in (0.1, 0.3, 0.5):
            gone = rng.permutation(np.flatnonzero(whole.alive))[: int(ROWS * share) - whole.deleted]
            whole.remove(gone)
            note(f"{share} deleted", whole)
            whole.link(2)
            note(f"{share} deleted, linked", whole)
        steps = filled(vectors[: ROWS * 2 // 3], metric)
        steps.link(2)
        steps.add(steps.checked(vectors[ROWS * 2 // 3 :]))
        note("two steps, before the second", steps)
        steps.link(2)
        note("two steps", steps)
        steps.add(steps.checked(sample(ROWS, 40, 5)), removed=np.arange(ROWS))
        note("replaced", steps)
        steps.link(2)
        note("replaced, linked", steps)
    return recalls, problems


def integers() -> list[str]:
    """Where the forms of a leaf differ, of those that this processor can run."""
    from numba import njit

    from ragterm.engine.vectors import avx2_intrinsics, instructions, intrinsics, sign_intrinsics

    plain = {name: njit(loop) for name, loop in LOOPS.items()}
    differ = []
    for module in (intrinsics, avx2_intrinsics):
        if module.supported():
            forms = vars(instructions) | vars(module)
            differ += [f"{module.__name__}: {text}" for text in products_differ(forms, plain)]
    if intrinsics.supported():
        fast_bounds = sign_intrinsics.bound_rows

        @njit
        def by_instructions(codes, values, among, start, after, query, scale, constant, width, bounds, place):
            return fast_bounds(codes, values, among, start, after, query, scale, constant, width, bounds, place)

        differ += bounds_differ(by_instructions, plain["bound_rows"])
    if avx2_intrinsics.supported():
        differ += sums_where_set_differ(avx2_intrinsics.sum_where_set, plain["sum_where_set"])
    return differ


def sums_where_set_differ(form, loop) -> list[str]:
    from numba import njit

    @njit
    def by_instructions(signs, row, query):
        return form(signs, row, query)

    rng = np.random.default_rng(1)
    differ = []
    for groups in (1, 2, 3):
        width = -(-(kernels.SIGNS_FROM + groups * kernels.GROUP // 8) // 64) * 64
        for turn in range(50):
            signs = kernels.aligned((3, width), np.uint8)
            signs[:] = rng.choice([0, 255], signs.shape) if turn % 5 == 0 else rng.integers(0, 256, signs.shape)
            query = rng.integers(-127, 128, groups * kernels.GROUP).astype(np.int8)
            bits = [signs[2, kernels.SIGNS_FROM + i // 8] >> (i % 8) & 1 for i in range(len(query))]
            total = sum(int(q) for q, bit in zip(query, bits, strict=True) if bit)
            if not by_instructions(signs, 2, query) == loop(signs, 2, query) == total:
                differ.append(f"sum of {groups} groups, turn {turn}")
    return differ


def products_differ(forms, plain) -> list[str]:
    from numba import njit

    fast_bytes, fast_rows, fast_nibbles, fast_insert = (
        forms[name] for name in ("dot_bytes", "dot_rows", "dot_nibbles", "insert_sorted")
    )

    @njit
    def by_instructions(codes, a, b, query, entries, length, entry):
        return (
            fast_bytes(codes, a, query),
            fast_rows(codes, a, b),
            fast_nibbles(codes, a, query),
            fast_insert(entries, length, entry),
        )

    differ = []
    rng = np.random.default_rng(0)
    for turn in range(200):
        width = 64 * int(rng.integers(1, 9))
        codes = kernels.aligned((3, width), np.uint8)
        codes[:] = rng.integers(0, 256, codes.shape)
        query = rng.integers(-128, 128, 2 * width).astype(np.int8)
        if turn % 5 == 0:
            codes[:], query[:] = rng.choice([0, 255], codes.shape), rng.choice([-128, 127], query.shape)
        length = 8 * int(rng.integers(1, 12))
        high = int(rng.choice([1000, 1 << 62]))
        before = np.sort(rng.choice(np.arange(-high, high, max(1, high // 500)), length, replace=False))
        if turn % 3 == 0:
            before[length // 2 :] = kernels.FURTHEST
        entries, other = (np.append(before, [5, 6, 7]) for _ in range(2))
        entry = int(rng.integers(-high, high))
        while entry in before:
            entry += 1
        fast = by_instructions(codes, 0, 2, query, entries, length, entry)
        slow = (
            plain["dot_bytes"](codes, 0, query),
            plain["dot_rows"](codes, 0, 2),
            plain["dot_nibbles"](codes, 0, query),
            plain["insert_sorted"](other, length, entry),
        )
        after = [*sorted([*before.tolist(), entry])[:length], 5, 6, 7]
        if fast != slow or entries.tolist() != after or other.tolist() != after:
            differ.append(f"turn {turn}: {fast} {slow}")
    return differ


def specialisations() -> list[int]:
    """For how many kinds of arguments each entry is compiled."""
    return [len(kernel.signatures) for kernel in (search.search_graph, scan.scan, estimate.scan_estimates)]


def kinds_of_callers() -> None:
    """Searches as users come by them, after which nothing more must be compiled."""
    fixed = sample(40, 40)[0]
    fixed.flags.writeable = False
    for metric in METRICS:
        for home in (None, Path(tempfile.mkdtemp()) / "db"):
            db = VectorDB(40, metric, m=4, ef_construction=10, path=home)
            for turn in range(2):
                db.insert_batch([f"{turn} {i}" for i in range(50)], sample(50, 40, turn), [{"n": i} for i in range(50)])
                if turn:
                    db.link()
                for query in (fixed, fixed.copy(), fixed.tolist(), np.repeat(fixed, 2)[::2], fixed * 1e-30):
                    for k in (3, np.int32(3), np.int64(90)):
                        db.search(query, k)
                        db.search(query, k, {"n": {"$lt": 40}}, ef_search=np.int64(20))
                        db.search_exact(query, k)
                db.delete(f"{turn} 7")
                db.search(fixed)
            db.close()
            if home is not None:
                with VectorDB.open(home) as again:
                    again.search(fixed)
                    again.insert("x", fixed)
                    again.search(fixed)


def main() -> None:
    compiled = sys.argv[1] == "compiled"
    warm.exercise()
    assert execution.is_compiled() == compiled == execution.is_warm()
    execution.is_warm = lambda *_: True  # type: ignore[assignment]
    searching.EXACT_LIMIT, searching.SCAN_LIMIT = 20, 10
    results: dict[str, object] = {"small": small()}
    if "small" not in sys.argv[3:]:
        before = specialisations()
        kinds_of_callers()
        results["specialisations"] = [before, specialisations()]
        results["integers"] = integers()
        searching.FEWEST_ESTIMATED, searching.SCAN_LIMIT = 1, 1000
        kinds_of_callers()
        results["specialisations"].append(specialisations())
        results["estimates"] = estimates()
        searching.SCAN_LIMIT = 1
        results["exact"] = exact()
        results["recall"], results["problems"] = graphs()
    Path(sys.argv[2]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
