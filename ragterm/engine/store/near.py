"""Documents that are nearly the same: their MinHash signatures, found again by locality-sensitive hashing.

A signature of 120 values is cut into 24 bands of 5; two documents of resemblance r share at least one band with probability
1 - (1 - r^5)^24: 0.9999 at 0.8, 0.53 at 0.5. Only those are compared, so the work grows with the number of documents and not with
its square. Source: A. Gionis, P. Indyk, R. Motwani, "Similarity Search in High Dimensions via Hashing", VLDB 1999, section 3.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePath

from ragterm.engine.store.values import path_out

BANDS = 24
_BYTES_A_BAND = 20
_PER_BAND = 8
"""So many documents of one band are looked at: of a thousand copies with small changes any one will do as the example."""

NEARLY_THE_SAME = 0.8
"""From this resemblance on: four fifths of all their word sequences are in both."""


@dataclass(frozen=True, slots=True)
class Near:
    """`share` of this document's word sequences, 0 to 1 (estimated), are in `other` too."""

    other: str
    share: float


def record_signature(connection: sqlite3.Connection, document_id: str, shingles: int, minima: bytes) -> Near | None:
    """Inside `atomic()`: remember a document's signature, and which earlier document it is nearly the same as."""
    forget_signature(connection, document_id)
    bands = _bands(minima)
    candidates: set[str] = set()
    for band in bands:
        rows = connection.execute("SELECT document_id FROM bands WHERE band = ? LIMIT ?", (band, _PER_BAND))
        candidates.update(one for (one,) in rows)
    near = _nearest(connection, sorted(candidates), shingles, minima)
    connection.execute("INSERT INTO signatures VALUES (?, ?, ?)", (document_id, shingles, minima))
    connection.executemany("INSERT INTO bands VALUES (?, ?)", [(band, document_id) for band in bands])
    if near is not None:
        connection.execute("INSERT INTO near VALUES (?, ?, ?)", (document_id, near.other, near.share))
    return near


def forget_signature(connection: sqlite3.Connection, document_id: str) -> None:
    """Inside `atomic()`: the document has another text now, or goes."""
    row = connection.execute("SELECT minima FROM signatures WHERE document_id = ?", (document_id,)).fetchone()
    if row is None:
        return
    connection.executemany(
        "DELETE FROM bands WHERE band = ? AND document_id = ?", [(band, document_id) for band in _bands(row[0])]
    )
    connection.execute("DELETE FROM signatures WHERE document_id = ?", (document_id,))
    connection.execute("DELETE FROM near WHERE document_id = ? OR other = ?", (document_id, document_id))


def _nearest(connection: sqlite3.Connection, candidates: Sequence[str], shingles: int, minima: bytes) -> Near | None:
    """The most alike of the candidates, when it is alike enough; the first by id among equals."""
    if not candidates:
        return None
    import numpy as np

    mine = np.frombuffer(minima, dtype="<u4")
    best: tuple[float, Near] | None = None
    for other in candidates:
        row = connection.execute("SELECT shingles, minima FROM signatures WHERE document_id = ?", (other,)).fetchone()
        if row is None or len(row[1]) != len(minima):
            continue
        resemblance = float(np.mean(mine == np.frombuffer(row[1], dtype="<u4")))
        if resemblance >= NEARLY_THE_SAME and (best is None or resemblance > best[0]):
            # |A n B| = r (|A| + |B|) / (1 + r); containment in B is that over |A| (Broder 1997, section 2).
            common = resemblance * (shingles + row[0]) / (1 + resemblance)
            best = resemblance, Near(other, min(1.0, common / shingles))
    return best[1] if best is not None else None


def _bands(minima: bytes) -> list[int]:
    """A signed 64-bit number for each band, its place included."""
    return [
        int.from_bytes(
            blake2b(minima[at : at + _BYTES_A_BAND], digest_size=8, salt=at.to_bytes(2, "little")).digest(),
            "big",
            signed=True,
        )
        for at in range(0, BANDS * _BYTES_A_BAND, _BYTES_A_BAND)
    ]


def near_warning(own_path: str, other_path: str | bytes, share: float) -> str:
    """As the ledger says it. Files of one name are told apart by their folder."""
    other = PurePath(path_out(other_path))
    name = other.name if other.name != PurePath(own_path).name else str(PurePath(other.parent.name, other.name))
    return f"nearly the same as {name} (about {share:.0%} of its word sequences)".replace("%", " %")
