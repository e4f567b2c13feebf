"""Distributions as published: each value with its probability, or some quantiles."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PAIR = re.compile(r"""\s*["']?([-+.\deE]+)["']?\s*:\s*([-+.\deE]+)\s*""")


@dataclass(frozen=True)
class LengthTable:
    """A distribution by its quantiles: chances float64[n], rising to 1; values float64[n], rising.

    steps: values[i] has the probability chances[i] - chances[i - 1]; otherwise these are some
    quantiles, with straight lines between them.
    """

    chances: Floats
    values: Floats
    steps: bool

    def quantile(self, chance: Floats) -> Floats:
        """The values below which these shares lie, float64 like `chance`; drawn with uniform
        chances they follow the distribution.

        >>> table = LengthTable(np.array([0.5, 1.0]), np.array([7.0, 9.0]), steps=True)
        >>> table.quantile(np.array([0.2, 0.6]))
        array([7., 9.])
        """
        if self.steps:
            place = np.searchsorted(self.chances, chance, side="left")
            return self.values[np.minimum(place, self.values.size - 1)]
        return np.interp(chance, self.chances, self.values)

    @property
    def mean(self) -> float:
        if self.steps:
            return float(np.diff(self.chances, prepend=0.0) @ self.values)
        return float(np.trapezoid(self.values, self.chances))


def probabilities(text: str) -> LengthTable | None:
    """The table in a text such as '{81: 0.25, 82: 0.75}'; None for an empty one.

    Read by pattern: a text from a file is never run. Raises ValueError for anything else.

    >>> probabilities("{81: 1e-1, 82: 0.3}").chances
    array([0.25, 1.  ])
    """
    inside = text.strip()
    if not (inside.startswith("{") and inside.endswith("}")):
        raise ValueError(f"no distribution: {inside[:40]!r}")
    pairs = [PAIR.fullmatch(part) for part in inside[1:-1].split(",") if part.strip()]
    if not all(pairs):
        raise ValueError(f"no pairs of value and probability: {inside[:40]!r}")
    table = np.array([[float(side) for side in pair.groups()] for pair in pairs if pair])
    if not table.size:
        return None
    values, weights = table[np.argsort(table[:, 0], kind="stable")].T
    if not (np.all(np.isfinite(table)) and weights.min() >= 0 and weights.sum() > 0):
        raise ValueError(f"probabilities below 0, or of nothing: {inside[:40]!r}")
    kept = weights > 0
    chances = np.cumsum(weights[kept])
    chances /= chances[-1]
    return LengthTable(chances, values[kept], steps=True)


def quantiles(chances: Floats, values: Floats) -> LengthTable:
    """The table of some quantiles; below the lowest lie values as low as that."""
    return LengthTable(
        np.concatenate([[0.0], chances]), np.concatenate([values[:1], values]), steps=False
    )
