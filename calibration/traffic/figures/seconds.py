"""Spans of time by how often they come, in bounded memory: gaps, pauses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PER_DECADE = 500
"""Bins: a quantile is right within a quarter of a percent."""
LOWEST, HIGHEST = -7, 8
"""Powers of ten: from a tenth of a microsecond to three years."""
CURVE_POINTS = 300


class Spans:
    """Seconds, at least 0. Mean and coefficient of variation are exact; quantiles are binned."""

    def __init__(self) -> None:
        bins = (HIGHEST - LOWEST) * PER_DECADE
        self.edges = 10.0 ** (LOWEST + np.arange(bins + 1) / PER_DECADE)
        self.counts = np.zeros(bins + 2, dtype=np.int64)
        self.total = self.squares = 0.0

    def add(self, seconds: Floats) -> None:
        places = np.searchsorted(self.edges, seconds, side="right")
        self.counts += np.bincount(places, minlength=self.counts.size)
        self.total += float(seconds.sum())
        self.squares += float(seconds @ seconds)

    @property
    def size(self) -> int:
        return int(self.counts.sum())

    @property
    def cv(self) -> float:
        """Standard deviation over mean; NaN for fewer than two spans or none above 0."""
        if self.size < 2 or not self.total:
            return np.nan
        variance = (self.squares - self.total**2 / self.size) / (self.size - 1)
        return float(np.sqrt(max(0.0, variance)) * self.size / self.total)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """NaN where there is none; 0 for what is below a tenth of a microsecond."""
        if not self.size:
            return [np.nan] * len(shares)
        ranks = np.maximum(np.ceil(np.array(shares) * self.size - 1e-9), 1)
        places = np.searchsorted(np.cumsum(self.counts), ranks)
        middles = np.sqrt(self.edges[:-1] * self.edges[1:])
        values = np.concatenate([[0.0], middles, self.edges[-1:]])
        return [float(value) for value in values[places]]

    def survival(self) -> tuple[Floats, Floats]:
        """Seconds and the share of spans beyond them, where that changes; thinned out to a line to
        draw."""
        beyond = self.size - np.cumsum(self.counts)[:-1]
        falls = np.append(np.diff(beyond) != 0, False) | (np.diff(beyond, prepend=self.size) != 0)
        kept = np.flatnonzero((beyond > 0) & falls)
        if kept.size > CURVE_POINTS:
            kept = kept[np.unique(np.linspace(0, kept.size - 1, CURVE_POINTS).astype(int))]
        return self.edges[kept], beyond[kept] / max(1, self.size)
