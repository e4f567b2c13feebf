"""Whole numbers by how often they come: lengths, requests per session. Exact, in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ATOM_SHARE = 0.01
ATOM_ROWS = 10
ATOMS = 5
CURVE_POINTS = 400


@dataclass(frozen=True)
class LengthFigures:
    """Of token counts. Quantiles are values that occur: pNN is the smallest that at least NN % of
    the requests do not exceed. atoms: the most frequent values and their shares, where a value has
    more than a hundredth of all requests, and ten of them."""

    mean: float
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    atoms: tuple[tuple[int, float], ...]


class Tally:
    """How often each number came. As big as there are different numbers."""

    def __init__(self) -> None:
        self.values = np.empty(0, dtype=np.int64)
        self.counts = np.empty(0, dtype=np.int64)

    def add(self, values: Ints) -> None:
        found, counts = np.unique(values, return_counts=True)
        both = np.concatenate([self.values, found])
        self.values, place = np.unique(both, return_inverse=True)
        merged = np.zeros(self.values.size, dtype=np.int64)
        np.add.at(merged, place, np.concatenate([self.counts, counts]))
        self.counts = merged

    @property
    def size(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        return float(self.values @ self.counts / self.counts.sum())

    def quantiles(self, shares: Sequence[float]) -> list[int]:
        """The smallest values that at least these shares of all do not exceed.

        >>> tally = Tally()
        >>> tally.add(np.array([5, 7, 7, 9]))
        >>> tally.quantiles([0.25, 0.5, 1.0])
        [5, 7, 9]
        """
        reached = np.cumsum(self.counts)
        ranks = np.ceil(np.array(shares) * reached[-1] - 1e-9)
        found = self.values[np.searchsorted(reached, np.maximum(ranks, 1))]
        return [int(value) for value in found]

    def midranks(self) -> Floats:
        """The rank of each value among all, ties in the middle of theirs."""
        return np.cumsum(self.counts) - (self.counts - 1) / 2

    def atoms(self) -> tuple[tuple[int, float], ...]:
        shares = self.counts / self.counts.sum()
        often = np.argsort(-shares, kind="stable")[:ATOMS]
        kept = often[(shares[often] > ATOM_SHARE) & (self.counts[often] >= ATOM_ROWS)]
        return tuple((int(self.values[i]), float(shares[i])) for i in kept)

    def figures(self) -> LengthFigures:
        p50, p90, p95, p99, most = self.quantiles([0.5, 0.9, 0.95, 0.99, 1.0])
        return LengthFigures(self.mean, p50, p90, p95, p99, most, self.atoms())

    def curve(self) -> tuple[Floats, Floats]:
        """Values and the shares that do not exceed them, thinned out to a line to draw."""
        shares = np.cumsum(self.counts) / self.counts.sum()
        if shares.size > CURVE_POINTS:
            wanted = np.linspace(0, 1, CURVE_POINTS)
            kept = np.unique(np.minimum(np.searchsorted(shares, wanted), shares.size - 1))
        else:
            kept = np.arange(shares.size)
        return self.values[kept].astype(np.float64), shares[kept]


class RankCorrelation:
    """Spearman's, of two numbers per row whose tallies are known."""

    def __init__(self, first: Tally, second: Tally) -> None:
        self.tallies = first, second
        self.ranks = first.midranks(), second.midranks()
        self.product = 0.0

    def add(self, first: Ints, second: Ints) -> None:
        middle = (self.tallies[0].size + 1) / 2
        sides = []
        for tally, ranks, values in zip(self.tallies, self.ranks, (first, second), strict=True):
            sides.append(ranks[np.searchsorted(tally.values, values)] - middle)
        self.product += float(sides[0] @ sides[1])

    @property
    def value(self) -> float:
        """NaN where one of the numbers is always the same."""
        middle = (self.tallies[0].size + 1) / 2
        spread = [
            float(tally.counts @ (ranks - middle) ** 2)
            for tally, ranks in zip(self.tallies, self.ranks, strict=True)
        ]
        scale = float(np.sqrt(spread[0] * spread[1]))
        return self.product / scale if scale else np.nan
