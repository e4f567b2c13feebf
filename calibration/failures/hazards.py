"""How often something happens, and whether as often at any time."""

import math
from functools import partial

import numpy as np
from scipy import special

from calibration.failures.lifetimes import (
    CONFIDENCE,
    HALF_CHI_SQUARE,
    Interval,
    Lifetimes,
    crossings,
    maximum,
)

SHAPES = (0.05, 20.0)
SHAPE_FROM = 6
"""Fewer events tell nothing of a shape."""


def poisson_rate(events: float, exposure: float) -> Interval:
    """Events per exposure, with the exact interval of a Poisson mean (Garwood 1936).

    >>> [round(each, 3) for each in poisson_rate(4, 2.0)]
    [2.0, 0.545, 5.121]
    """
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(special.gammaincinv(events, tail)) if events else 0.0
    high = float(special.gammainccinv(events + 1, tail))
    return Interval(events / exposure, low / exposure, high / exposure)


def weibull_shape(seen: Lifetimes) -> Interval | None:
    """The shape of a Weibull, scale left free, by the likelihood ratio: 1 is a constant hazard,
    less are failures that follow one another, more is wear. None for too few."""
    if seen.ended.size < SHAPE_FROM or np.ptp(seen.ended) == 0:
        return None
    longest = max(seen.ended.max(), seen.running.max(initial=0.0))
    scaled = Lifetimes(seen.ended / longest, seen.running / longest, seen.weight)
    low, high = map(math.log, SHAPES)
    profile = partial(shape_likelihood, scaled)
    best = maximum(profile, low, high)
    most = profile(best)
    ends = crossings(lambda log_shape: profile(log_shape) - most + HALF_CHI_SQUARE, low, best, high)
    return Interval(math.exp(best), math.exp(ends[0]), math.exp(ends[1]))


def shape_likelihood(seen: Lifetimes, log_shape: float) -> float:
    """At the likeliest scale; without what does not depend on the shape."""
    shape = math.exp(log_shape)
    weights = np.ones(seen.running.size) if seen.weight is None else seen.weight
    total = float((seen.ended**shape).sum() + (seen.running**shape) @ weights)
    number = seen.ended.size
    return float(
        number * log_shape + (shape - 1.0) * np.log(seen.ended).sum() - number * math.log(total)
    )
