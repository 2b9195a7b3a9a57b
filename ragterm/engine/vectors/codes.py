"""Scalar quantisation: float32 vectors to int8 codes, one scale for all of them.

    code = round(127 x / limit), cut off at -127 and 127

`limit` is a high quantile of the components' magnitudes, so that a few outliers do not cost everyone resolution. The graph is
walked on codes (a quarter of the memory, integer distances); what it finds is scored again with the float32 vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTILE = 0.9999
SAMPLE_ROWS = 20_000
"""A quantile of more than this many rows is taken from evenly spaced ones."""
_CHUNK_ROWS = 8192


def code_limit(vectors: NDArray[np.float32]) -> float:
    """The magnitude that becomes 127, for float32 vectors (n, d). 1.0 for no vectors, or only zeros."""
    step = max(1, -(-len(vectors) // SAMPLE_ROWS))
    sample = np.abs(vectors[::step])
    limit = float(np.quantile(sample, QUANTILE)) if sample.size else 0.0
    return limit if limit > 0 else (float(sample.max()) if sample.size else 0.0) or 1.0


def quantise(vectors: NDArray[np.float32], limit: float) -> NDArray[np.int8]:
    """int8 codes of the shape of `vectors`, contiguous."""
    codes = np.empty(vectors.shape, dtype=np.int8)
    factor = np.float32(127.0 / limit)
    if vectors.ndim == 1:
        np.clip(np.rint(vectors * factor), -127, 127, out=codes, casting="unsafe")
        return codes
    for start in range(0, len(vectors), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        np.clip(np.rint(vectors[part] * factor), -127, 127, out=codes[part], casting="unsafe")
    return codes
