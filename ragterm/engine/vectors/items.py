"""The items of a vector database: what is known of every row beside its vector. The interface of its two keepers.

Rows are numbers 0..n-1, given out once and never again. An id has one live row: replacing it appends a row and removes
(tombstones) the old one. Every commit that changes something has the next generation, so whoever knows the state at one
`Mark` can ask for what happened since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.item_rows import Changes, Mark, encode_id
from ragterm.engine.vectors.metadata import Json, Metadata, checked, encoded

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    RowArray = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """`rows` committed rows of block number `number` of `vectors.f32`, and the CRC-32 of their bytes."""

    number: int
    rows: int
    crc: int


class Items(Protocol):
    """What `ItemStore` (a file) and `MemoryItems` have in common. Any method from any thread."""

    @property
    def parameters(self) -> Mapping[str, Json]:
        """Dimensions, metric, ...: JSON values by name."""

    @property
    def mark(self) -> Mark: ...
    @property
    def generation(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...
    def __len__(self) -> int:
        """How many items there are: live rows."""

    def set_parameters(self, values: Mapping[str, Json]) -> None:
        """Add to or replace among `parameters`."""

    def writing(self) -> AbstractContextManager[Mark]:
        """Nobody else writes inside. Yields the state that the next row follows. What is inside becomes one commit."""

    def append(self, ids: Sequence[str], metadata: Sequence[Metadata | None] | None = None) -> int:
        """New rows, and the first one's number. A row that had one of the ids is removed; of several with one id in `ids` the
        last is alive. All or nothing. Raises UsageError for ids that are no strings, metadata that is no JSON or not as long."""

    def remove(self, ids: Iterable[str]) -> RowArray:
        """The rows that these had, ascending. All or nothing. Raises NotFoundError naming an id that is not there."""

    def set_metadata(self, doc_id: str, metadata: Metadata | None) -> int:
        """Other metadata for a live id; its row. Raises NotFoundError, UsageError."""

    def row_of(self, doc_id: str) -> int | None:
        """The live row of an id, None without."""

    def rows_of(self, ids: Sequence[str]) -> RowArray:
        """int64 (len(ids),), -1 where there is none."""

    def ids_of(self, rows: Iterable[int]) -> list[str]:
        """The ids of rows, removed ones too."""

    def all_ids(self) -> list[str]:
        """Of the live rows, in the order of the rows."""

    def metadata_of(self, row: int) -> dict[str, Json]:
        """A copy; {} without."""

    def metadata_between(self, first: int, stop: int) -> list[dict[str, Json]]:
        """Of rows first <= row < stop, removed ones too (what `MetadataColumns.append` takes)."""

    def alive(self) -> NDArray[np.bool_]:
        """bool (rows,), read-only, never changed afterwards."""

    def changed_elsewhere(self) -> bool:
        """Whether another process has committed something that `refresh` would bring. A few microseconds."""

    def refresh(self, since: Mark | None = None) -> Changes:
        """Take over what was committed, here or elsewhere; what changed since that mark (without one: since the beginning)."""

    def close(self) -> None: ...


def prepare(ids: Sequence[str], metadata: Sequence[Metadata | None] | None) -> tuple[list[bytes], list[str | None]]:
    """Ids and metadata as they are kept. Raises UsageError as `Items.append` does."""
    names = list(map(encode_id, ids))
    if metadata is None:
        return names, [None] * len(names)
    if len(metadata) != len(names):
        raise UsageError(f"{len(names)} ids and {len(metadata)} metadata", "", "pass one for each id, None for none")
    return names, [encoded(checked(item, doc_id)) for item, doc_id in zip(metadata, ids, strict=True)]
