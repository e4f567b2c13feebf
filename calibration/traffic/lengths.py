"""Token lengths as a scenario says them: two lognormals where they pass, else a table of quantiles.

Two lognormals are what many output lengths look like (ServeGen 2025); templates, context limits and
other atoms need the table, which holds whatever value many requests share.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.traffic.lognormals import (
    Lognormals,
    Sample,
    distance,
    one_lognormal,
    sample,
    two_lognormals,
)
from calibration.traffic.rounding import significant
from scenarios.demand import P95

Floats = NDArray[np.float64]
Lengths = dict[str, Any]
"""The mapping behind `input_tokens:` or `output_tokens:`."""

CHECKED = (0.5, 0.9, 0.99)
CLOSE = 0.05
"""Relative, of the checked quantiles and the mean of two lognormals ..."""
DISTANCE_MAX = 0.05
"""... and between the distribution functions (Kolmogorov and Smirnov's distance)."""
KNOTS = ((0.0, 0.95, 76), (0.95, 0.995, 9), (0.995, 1.0, 10))
"""From, to and steps of the table: the tail is where the long requests are."""
LISTED_MAX = 12
"""So few distinct lengths are simply listed."""
FEW = 100
"""So few requests tell a median and a spread, and no more."""


def fit_lengths(tokens: ArrayLike, weights: ArrayLike | None = None) -> Lengths:
    """Lengths of a scenario whose draws look like `tokens` (each counted with its weight)."""
    seen = sample(np.maximum(1.0, np.rint(np.asarray(tokens, dtype=float))), weights)
    if seen.values.size == 1:
        return {"kind": "constant", "tokens": int(seen.values[0])}
    if seen.values.size <= LISTED_MAX:
        listed = [int(x) for x in seen.values]
        return {"kind": "table", "tokens": listed, "weights": significant(seen.shares)}
    if np.size(tokens) < FEW:
        return as_yaml(one_lognormal(seen), seen)
    mixture = two_lognormals(seen)
    return as_yaml(mixture, seen) if passes(mixture, seen) else table(seen)


def table(seen: Sample) -> Lengths:
    """Three pieces of evenly spaced quantiles, finer towards the tail."""
    pieces = [
        {
            "weight": significant(high - low),
            "kind": "quantiles",
            "tokens": [round(x) for x in seen.quantiles(np.linspace(low, high, steps + 1))],
        }
        for low, high, steps in KNOTS
    ]
    return {"kind": "mixture", "of": pieces}


def passes(mixture: Lognormals, seen: Sample) -> bool:
    """Whether quantiles, mean and the whole distribution are close."""
    grid: Floats = np.unique(np.round(np.geomspace(1.0, seen.values[-1], 2000)))
    below = mixture.below(grid + 0.5)
    drawn = grid[np.minimum(np.searchsorted(below, CHECKED), grid.size - 1)]
    mean = float(grid @ np.diff(np.append(below[:-1], 1.0), prepend=0.0))
    ours = np.append(drawn, mean)
    theirs = np.append(seen.quantiles(CHECKED), seen.mean)
    if np.any(np.abs(ours - theirs) > np.maximum(CLOSE * theirs, 0.5)):
        return False
    halves = mixture.below(seen.values - 0.5), mixture.below(seen.values + 0.5)
    return distance(seen, *halves) <= DISTANCE_MAX


def as_yaml(mixture: Lognormals, seen: Sample) -> Lengths:
    parts = [
        {
            "weight": significant(float(weight)),
            "kind": "lognormal",
            "median": significant(float(np.exp(mu))),
            "p95": significant(float(np.exp(mu + P95 * sigma))),
            "max": int(seen.values[-1]),
        }
        for weight, mu, sigma in zip(mixture.weights, mixture.mu, mixture.sigma, strict=True)
    ]
    if len(parts) == 1:
        return {key: value for key, value in parts[0].items() if key != "weight"}
    return {"kind": "mixture", "of": parts}
