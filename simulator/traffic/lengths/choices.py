"""One of several, each as likely as its weight says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
FEW = 8
"""So many weights are faster compared one by one than searched (measured)."""


def draw_choices(
    weights: Sequence[float] | NDArray[Any], size: int, rng: np.random.Generator
) -> Ints:
    """`size` independent indices into `weights`, each as likely as its weight says.

    One uniform number each: the same draws as `Generator.choice` makes of normalised weights.
    """
    return place_in(shares_below(weights), rng.random(size))


def draw_values(
    values: Sequence[int], weights: Sequence[float] | None, size: int, rng: np.random.Generator
) -> Ints:
    """`size` independent ones of `values`, all equally likely where there are no weights."""
    known = np.array(values, dtype=np.int64)
    if weights is None:
        return np.asarray(rng.choice(known, size))
    return known[draw_choices(weights, size, rng)]


def shares_below(weights: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
    """For each weight, the share of it and all before it; the last is exactly 1.

    >>> shares_below([1, 2, 1]).tolist()
    [0.25, 0.75, 1.0]
    """
    shares = np.asarray(weights, dtype=np.float64)
    below = np.cumsum(shares / sum(weights))
    return np.asarray(below / below[-1])


def place_in(below: NDArray[np.float64], chances: NDArray[np.float64]) -> Ints:
    """Per chance in [0, 1), the first index whose share lies above it."""
    if below.size > FEW:
        return np.searchsorted(below, chances, side="right")
    found = np.zeros(chances.size, dtype=np.int64)
    for share in below[:-1]:
        found += chances >= share
    return found
