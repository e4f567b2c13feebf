"""How many, and how long: whole numbers and durations of the kinds a scenario may name."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from scenarios.demand import Counts, Durations
from scenarios.demand.counts import (
    ConstantCount,
    ConstantDuration,
    ExponentialDuration,
    GeometricCount,
    LognormalCount,
    LognormalDuration,
    MixtureDuration,
    TableCount,
)
from simulator.traffic.lengths.choices import Ints, draw_choices, draw_values

Floats = NDArray[np.float64]


def draw_counts(counts: Counts, size: int, rng: np.random.Generator) -> Ints:
    """`size` independent counts."""
    match counts:
        case ConstantCount():
            return np.full(size, counts.count, dtype=np.int64)
        case GeometricCount():
            return counts.least - 1 + rng.geometric(1.0 / (1.0 + counts.mean - counts.least), size)
        case LognormalCount():
            drawn = np.rint(rng.lognormal(math.log(counts.median), counts.sigma, size))
            return np.clip(drawn, counts.least, counts.most).astype(np.int64)
        case TableCount():
            return draw_values(counts.counts, counts.weights, size, rng)
    raise AssertionError(f"counts of kind {counts.kind}")


def mean_count(counts: Counts) -> float:
    """The exact mean of what `draw_counts` draws.

    >>> from scenarios.demand.counts import TableCount
    >>> mean_count(TableCount(kind="table", counts=(1, 5), weights=(3, 1)))
    2.0
    """
    match counts:
        case ConstantCount():
            return float(counts.count)
        case GeometricCount():
            return counts.mean
        case LognormalCount():
            # The mean of a whole number is the sum over k of the chance that it is k at least.
            halves = np.arange(counts.least, counts.most) + 0.5
            with np.errstate(divide="ignore", invalid="ignore"):
                above = special.ndtr((math.log(counts.median) - np.log(halves)) / counts.sigma)
            return counts.least + float(np.nan_to_num(above).sum())
        case TableCount():
            return float(np.average(counts.counts, weights=counts.weights))
    raise AssertionError(f"counts of kind {counts.kind}")


def draw_durations(durations: Durations, size: int, rng: np.random.Generator) -> Floats:
    """`size` independent durations, seconds, at least 0."""
    match durations:
        case MixtureDuration(of=components):
            chosen = draw_choices([part.weight for part in components], size, rng)
            # Every component is drawn in full: adding one never shifts the draws of another.
            return np.asarray(np.choose(chosen, [draw_durations(p, size, rng) for p in components]))
        case ConstantDuration():
            return np.full(size, durations.time_s)
        case ExponentialDuration():
            return rng.exponential(durations.mean_s, size)
        case LognormalDuration():
            drawn = rng.lognormal(math.log(durations.median_s), durations.sigma, size)
            return drawn if durations.max_s is None else np.minimum(drawn, durations.max_s)
    raise AssertionError(f"durations of kind {durations.kind}")
