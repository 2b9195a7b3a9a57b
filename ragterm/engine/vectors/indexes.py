"""Which index a `VectorDB` has: what the two kinds share, what each is made with, and the one that parameters speak of.

A graph (`VectorIndex`, HNSW) is the quickest; inverted lists (`InvertedIndex`, IVF-Flat and IVF-PQ) take the least memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.index import Metric, VectorIndex
from ragterm.engine.vectors.inverted_index import InvertedIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from ragterm.engine.vectors.columns import Selection
    from ragterm.engine.vectors.hnsw import Graph
    from ragterm.engine.vectors.index_snapshot import Kept
    from ragterm.engine.vectors.metadata import Json

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Scores = NDArray[np.float64]

Kind = Literal["hnsw", "ivf-flat", "ivf-pq"]
Profile = Literal["fast", "compact"]
GRAPH_DEFAULTS: dict[str, Any] = {"profile": "fast", "m": 16, "ef_construction": 200}
LIST_DEFAULTS: dict[str, Any] = {"lists": None, "nprobe": None, "code_bytes": None}
_DIMENSIONS_A_BYTE = 8


class Index(Protocol):
    """Vectors by row number, in order of arrival; a removed row stays as a tombstone. Changes put another `state` in the place of the
    one before, so searches go on meanwhile. What is not in the graph or the lists yet is scanned."""

    kind: str
    kernels: str  # the family of `execution` that it waits for
    effort: str  # what a search calls the width of its look: "ef_search" or "nprobe"
    dimensions: int
    metric: str

    def __len__(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def linked(self) -> int: ...
    @property
    def alive(self) -> Mask: ...
    @property
    def vectors(self) -> Floats: ...
    @property
    def graph(self) -> Graph | None: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def answers(self) -> str: ...
    @property
    def described(self) -> Mapping[str, Any]: ...

    def checked(self, vectors: ArrayLike, what: str = "vector") -> Floats: ...
    def add(self, vectors: Floats, stored: Floats | None = None, removed: Rows = ...) -> int: ...
    def remove(self, rows: Rows) -> None: ...

    # Upkeep: `link` brings the graph or the lists to all rows, where there are more than `exact_limit`.
    @property
    def exact_limit(self) -> int: ...
    @property
    def needs_rebuild(self) -> bool: ...
    @property
    def unsigned(self) -> int: ...
    def sign(self) -> None: ...
    def link(self, threads: int = 1, progress: Callable[[int, int], None] | None = None) -> None: ...

    # Files: what was kept may be taken by an index with the same `parameters`; `made` is another once it is worth keeping again.
    @property
    def parameters(self) -> Mapping[str, Json]: ...
    @property
    def made(self) -> object: ...
    def keep(self) -> Kept | None: ...
    def take(self, kept: Kept, stored: Floats, alive: Mask, /) -> None: ...

    # Searches of a `state`.
    @property
    def state(self) -> Any: ...
    def hits(
        self, query: ArrayLike, k: int, effort: int | None, allowed: Selection | Mask | None, names: Any, state: Any, /
    ) -> list[tuple[str, float]]: ...
    def answered(
        self, state: Any, query: ArrayLike, k: int, effort: int | None, allowed: Selection | Mask | None
    ) -> tuple[Rows, Scores, str]: ...
    def exactly(
        self, state: Any, query: ArrayLike, k: int, allowed: Selection | Mask | None
    ) -> tuple[Rows, Scores]: ...


def checked_parameters(
    dimensions: int, index: str, metric: str, on_disk: bool, seed: int, given: Mapping[str, Any]
) -> dict[str, Json]:
    """What a new database keeps of how it was asked for; `given`: the values of `GRAPH_DEFAULTS` and `LIST_DEFAULTS`. Raises UsageError
    for what cannot be, and for a parameter that this index does not have."""
    for value, what, choices in ((metric, "metric", Metric), (index, "index", Kind)):
        if value not in get_args(choices):
            raise UsageError(f"Unknown {what} {value!r}", "", f"choose one of: {', '.join(get_args(choices))}")
    if dimensions < 1:
        raise UsageError(f"A vector cannot have {dimensions} dimensions", "", "pass 1 or more")
    own, other = (GRAPH_DEFAULTS, LIST_DEFAULTS) if index == "hnsw" else (LIST_DEFAULTS, GRAPH_DEFAULTS)
    for name, default in other.items():
        if given[name] != default:
            kinds = "hnsw" if name in GRAPH_DEFAULTS else "ivf-flat and ivf-pq"
            raise UsageError(f"The index {index} has no {name}", f"{name} is for {kinds}", f"leave {name} out")
    shape = {name: given[name] for name in own}
    if index == "hnsw":
        if shape["profile"] not in get_args(Profile):
            raise UsageError(
                f"Unknown profile {shape['profile']!r}", "", f"choose one of: {', '.join(get_args(Profile))}"
            )
        if shape["profile"] == "compact" and not on_disk:
            raise UsageError(
                "The profile compact needs a path", "it leaves the vectors on the disk", "pass path=FOLDER"
            )
    elif index == "ivf-flat" and shape["code_bytes"] is not None:
        raise UsageError("The index ivf-flat has no code_bytes", "it keeps whole vectors", "choose ivf-pq")
    elif index == "ivf-pq":
        shape["code_bytes"] = shape["code_bytes"] or default_code_bytes(dimensions)
    return {"index": index, "metric": metric, **shape, "seed": seed}


def index_of(dimensions: int, parameters: Mapping[str, Any]) -> Index:
    """An empty index. Raises UsageError. A database that says nothing of its index was made when there was only one kind."""
    of = parameters
    if of.get("index", "hnsw") == "hnsw":
        return VectorIndex(
            dimensions, of["metric"], of["m"], of["ef_construction"], of["seed"], of["profile"] == "compact"
        )
    return InvertedIndex(dimensions, of["metric"], of["lists"], of["nprobe"], of["code_bytes"], of["seed"])


def effort_of(index: Index, ef_search: int | None, nprobe: int | None) -> int | None:
    """The one that this index has. Raises UsageError where the other is given."""
    own, other, name = (nprobe, ef_search, "ef_search") if index.effort == "nprobe" else (ef_search, nprobe, "nprobe")
    if other is not None:
        raise UsageError(f"The index {index.kind} has no {name}", "", f"pass {index.effort}")
    return own


def default_code_bytes(dimensions: int) -> int:
    """A byte for about every 8 dimensions: of the numbers that divide `dimensions`, the nearest by ratio."""
    wanted = dimensions / _DIMENSIONS_A_BYTE
    divisors = [n for n in range(1, dimensions + 1) if dimensions % n == 0]
    return min(divisors, key=lambda n: (max(n / wanted, wanted / n), n))
