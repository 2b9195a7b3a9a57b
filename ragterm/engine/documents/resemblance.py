"""How much two texts resemble each other, from a few hundred bytes each: MinHash over word shingles.

A text becomes the set of its sequences of five words. The resemblance of two texts is the Jaccard coefficient of their sets; the
share of hash functions whose smallest value over the set is the same in both estimates it without bias, with a standard deviation
of sqrt(r (1 - r) / 120). Source: A. Broder, "On the resemblance and containment of documents", Compression and Complexity of
Sequences 1997, sections 2 and 3. The hash functions are multiply-shift (Dietzfelbinger et al., J. Algorithms 25, 1997, section 2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHINGLE_WORDS = 5
HASHES = 120
FEWEST_SHINGLES = 16
"""A text with fewer sequences has no signature: one changed word would be a third of it."""

_PIECE = 1 << 16
_BLOCK = 8192
# A word, or one sign of a script that is written without blanks.
_WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+?(?=[\u3040-\u30ff\u3400-\u9fff])|\w+"
)
_ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Signature:
    """`shingles` counts the distinct sequences; `minima` are HASHES little-endian uint32, the smallest hash values."""

    shingles: int
    minima: bytes


def signature(text: str) -> Signature | None:
    """None for a text too short to be compared."""
    import numpy as np

    words = _word_hashes(text)
    count = len(words) - SHINGLE_WORDS + 1
    if count < FEWEST_SHINGLES:
        return None
    with np.errstate(over="ignore"):
        sums = np.zeros(count, dtype=np.uint64)
        for place in range(SHINGLE_WORDS):
            sums = sums * np.uint64(_ODD) + words[place : place + count]
        shingles = np.unique(_mixed(sums))
        if len(shingles) < FEWEST_SHINGLES:
            return None
        factors, offsets = _functions()
        minima = np.full(HASHES, 0xFFFFFFFF, dtype=np.uint32)
        for at in range(0, len(shingles), _BLOCK):
            values = shingles[at : at + _BLOCK, None] * factors + offsets  # (block, HASHES)
            minima = np.minimum(minima, (values >> np.uint64(32)).min(axis=0).astype(np.uint32))
    return Signature(len(shingles), minima.astype("<u4").tobytes())


def _word_hashes(text: str) -> NDArray[np.uint64]:
    """uint64 (words,), in order. Piece by piece: one search through a whole book would hold up every other thread."""
    import numpy as np

    known: dict[str, int] = {}
    found: list[int] = []
    for at in range(0, len(text), _PIECE):
        for word in _WORD.findall(text[at : at + _PIECE].lower()):
            number = known.get(word)
            if number is None:
                digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                number = known[word] = int.from_bytes(digest, "little")
            found.append(number)
    return np.array(found, dtype=np.uint64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64: every bit of the input moves every bit of the output."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _functions() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The factors (odd) and offsets of the hash functions: the same in every process and every version."""
    import numpy as np

    numbers = _mixed(np.arange(1, 2 * HASHES + 1, dtype=np.uint64) * np.uint64(_ODD))
    return numbers[:HASHES] | np.uint64(1), numbers[HASHES:]
