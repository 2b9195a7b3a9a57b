"""The map of the vectors: a projection onto their two principal axes (K. Pearson 1901), into the unit square.

Stable between visits: the axes are computed once for a graph, their signs follow a fixed rule (the largest component is
positive), and the square spans percentiles, so that one outlier does not push everything else into a corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

SAMPLE_ROWS = 20_000
PERCENTILES = (1.0, 99.0)
MARGIN = 0.04
"""The percentiles lie this far inside the square; what is beyond them is drawn on its edge at the most."""


@dataclass(frozen=True)
class Projection:
    """`centre` (d,), `axes` (2, d) of unit length, `low` and `high` (2,): where the percentiles fall on each axis; float32."""

    centre: FloatArray
    axes: FloatArray
    low: FloatArray
    high: FloatArray

    def place(self, vectors: FloatArray) -> FloatArray:
        """Positions float32 (n, 2) in [0, 1] of `vectors` (n, d)."""
        on_axes = (vectors - self.centre) @ self.axes.T if len(vectors) < 4096 else self._in_chunks(vectors)
        scaled = (on_axes - self.low) / (self.high - self.low)
        placed: FloatArray = np.clip(MARGIN + scaled * (1 - 2 * MARGIN), 0, 1).astype(np.float32)
        return placed

    def _in_chunks(self, vectors: FloatArray) -> FloatArray:
        return np.concatenate(
            [(vectors[i : i + 4096] - self.centre) @ self.axes.T for i in range(0, len(vectors), 4096)]
        )


def fit_projection(vectors: FloatArray) -> Projection:
    """The projection of `vectors` (n, d), from at most SAMPLE_ROWS evenly spaced ones. Any n and d, zero and one included."""
    step = max(1, -(-len(vectors) // SAMPLE_ROWS))
    sample = vectors[::step].astype(np.float64)
    dimensions = vectors.shape[1]
    axes = np.zeros((2, dimensions))
    centre = sample.mean(axis=0) if len(sample) else np.zeros(dimensions)
    centred = sample - centre
    _, components = np.linalg.eigh(centred.T @ centred)
    for i in range(min(2, dimensions)):
        axis = components[:, -1 - i]
        axes[i] = axis * (1.0 if axis[np.argmax(np.abs(axis))] > 0 else -1.0)
    on_axes = centred @ axes.T
    low, high = np.percentile(on_axes, PERCENTILES, axis=0) if len(sample) else (np.zeros(2), np.ones(2))
    flat = high - low < 1e-9  # no extent in this direction: put everything in the middle
    low, high = np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)
    as_float = [np.ascontiguousarray(a, dtype=np.float32) for a in (centre, axes, low, high)]
    return Projection(*as_float)
