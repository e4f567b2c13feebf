"""How long something lasts: exponential, lognormal or Weibull, by maximum likelihood.

What had not ended when the log did is right-censored: it lasts at least so long. Both families are
written by their median and a spread (sigma of the logarithm; the Weibull's shape), so that one
search and one interval, by the likelihood ratio on the median, do for all three. The exponential is
the Weibull of shape one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
HALF_CHI_SQUARE = float(special.chdtri(1, 1.0 - CONFIDENCE)) / 2.0
"""By how much the logarithm of the likelihood may fall within the interval."""
LN2 = math.log(2.0)
P95 = float(special.ndtri(0.95))
SPREADS = {"exponential": (1.0, 1.0), "lognormal": (0.02, 6.0), "weibull": (0.1, 30.0)}
PARAMETERS = {"exponential": 1, "lognormal": 2, "weibull": 2}
CHOOSE_FROM = 5
"""With fewer ends nothing but an exponential is tried."""
JUDGE_FROM = 20
DISTANCE_MAX = 1.36
"""Kolmogorov and Smirnov's 5 % limit, times the root of the number. It is for a distribution that
was not fitted to the sample, so only clear misfits exceed it."""
REACH = 1e3
"""The median is looked for within so many times the shortest and the longest."""


class Interval(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Interval":
        return Interval(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Lifetimes:
    """ended float64[n] > 0, and running float64[m] > 0 that have lasted so long; each of `running`
    counts `weight` times (None: once). Any unit of time."""

    ended: Floats
    running: Floats
    weight: Floats | None = None

    @property
    def total(self) -> float:
        weights = np.ones(self.running.size) if self.weight is None else self.weight
        return float(self.ended.sum() + self.running @ weights)


@dataclass(frozen=True)
class Fit:
    """family: 'exponential', 'lognormal', 'weibull'; 'fixed' where all are the same; 'unknown'
    where none has ended: its median is a guess (see `never_ended`).
    distance: of the distribution functions, 0 where something is still running or few have ended.
    """

    family: str
    median: Interval
    spread: float
    ended: int
    running: int
    distance: float = 0.0

    @property
    def mean(self) -> float:
        match self.family:
            case "fixed":
                return self.median.value
            case "lognormal":
                return self.median.value * math.exp(self.spread**2 / 2.0)
            case _:
                scale = self.median.value / LN2 ** (1.0 / self.spread)
                return float(scale * math.gamma(1.0 + 1.0 / self.spread))

    @property
    def p95(self) -> float:
        match self.family:
            case "fixed":
                return self.median.value
            case "lognormal":
                return self.median.value * math.exp(P95 * self.spread)
            case _:
                return float(self.median.value * (math.log(20.0) / LN2) ** (1.0 / self.spread))

    @property
    def misfit(self) -> bool:
        return self.distance * math.sqrt(max(self.ended, 1)) > DISTANCE_MAX


def best_fit(seen: Lifetimes) -> Fit:
    """The family with the least AIC (Akaike 1974)."""
    if not seen.ended.size:
        return never_ended(seen)
    if seen.ended.size > 1 and np.ptp(seen.ended) == 0 and not seen.running.size:
        value = float(seen.ended[0])
        return Fit("fixed", Interval(value, value, value), 0.0, seen.ended.size, 0)
    names = SPREADS if seen.ended.size >= CHOOSE_FROM else ["exponential"]
    fitted = {name: most_likely(name, seen) for name in names}
    best = min(fitted, key=lambda name: 2 * PARAMETERS[name] - 2 * fitted[name][2])
    median, spread, _ = fitted[best]
    distance = 0.0
    if not seen.running.size and seen.ended.size >= JUDGE_FROM:
        distance = distance_of(best, median, spread, seen.ended)
    return Fit(
        best, median_interval(best, seen, median, spread), spread, seen.ended.size,
        seen.running.size, distance,
    )  # fmt: skip


def never_ended(seen: Lifetimes) -> Fit:
    """Nothing has ended: the mean at which seeing that is as likely as not, and the one below which
    it is unlikely (one in twenty)."""
    total = seen.total
    median = Interval(total, total * LN2 / -math.log(1.0 - CONFIDENCE), math.inf)
    return Fit("unknown", median, 1.0, 0, seen.running.size)


def log_likelihood(family: str, seen: Lifetimes, median: float, spread: float) -> float:
    ended, running = np.log(seen.ended / median), np.log(seen.running / median)
    weights = np.ones(running.size) if seen.weight is None else seen.weight
    if family == "lognormal":
        z = ended / spread
        density = -(z**2) / 2.0 - math.log(spread * math.sqrt(2.0 * math.pi)) - np.log(seen.ended)
        survival = special.log_ndtr(-running / spread)
    else:
        density = math.log(LN2 * spread) + spread * ended - np.log(seen.ended)
        density = density - LN2 * np.exp(spread * ended)
        survival = -LN2 * np.exp(spread * running)
    return float(density.sum() + survival @ weights)


def most_likely(family: str, seen: Lifetimes) -> tuple[float, float, float]:
    """(median, spread, logarithm of the likelihood)."""
    if family == "exponential":
        median = LN2 * seen.total / seen.ended.size
        return median, 1.0, log_likelihood(family, seen, median, 1.0)
    low, high = np.log(reach(seen))
    profile = partial(over_spread, family, seen)
    found = maximum(lambda log_median: profile(math.exp(log_median))[1], low, high)
    median = math.exp(found)
    spread, likelihood = profile(median)
    return median, spread, likelihood


def over_spread(family: str, seen: Lifetimes, median: float) -> tuple[float, float]:
    """The likeliest spread at that median, and the logarithm of its likelihood."""
    low, high = SPREADS[family]
    if low == high:
        return low, log_likelihood(family, seen, median, low)
    found = maximum(
        lambda log_spread: log_likelihood(family, seen, median, math.exp(log_spread)),
        math.log(low), math.log(high),
    )  # fmt: skip
    return math.exp(found), log_likelihood(family, seen, median, math.exp(found))


def maximum(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one peak is largest."""
    with np.errstate(over="ignore"):
        found = optimize.minimize_scalar(
            lambda x: -function(x), bounds=(low, high), method="bounded", options={"xatol": 1e-7}
        )
    return float(found.x)


def reach(seen: Lifetimes) -> tuple[float, float]:
    every = np.concatenate([seen.ended, seen.running])
    return float(every.min()) / REACH, float(every.max()) * REACH


def median_interval(family: str, seen: Lifetimes, median: float, spread: float) -> Interval:
    """All medians that the likelihood ratio test does not reject (Wilks 1938), at the likeliest
    spread of each."""
    best = log_likelihood(family, seen, median, spread)
    low, high = reach(seen)

    def above(log_median: float) -> float:
        return over_spread(family, seen, math.exp(log_median))[1] - best + HALF_CHI_SQUARE

    ends = crossings(above, math.log(low), math.log(median), math.log(high))
    return Interval(median, math.exp(ends[0]), math.exp(ends[1]))


def crossings(
    above: Callable[[float], float], low: float, best: float, high: float
) -> tuple[float, float]:
    """Where a function that is positive at `best` falls through zero on both sides; the bounds
    where it does not."""
    with np.errstate(over="ignore"):
        left = optimize.brentq(above, low, best, xtol=1e-6) if above(low) < 0 else low
        right = optimize.brentq(above, best, high, xtol=1e-6) if above(high) < 0 else high
    return float(left), float(right)


def distance_of(family: str, median: float, spread: float, ended: Floats) -> float:
    """Kolmogorov and Smirnov's, between the sample and the fit."""
    logs = np.log(np.sort(ended) / median)
    if family == "lognormal":
        below = special.ndtr(logs / spread)
    else:
        below = -np.expm1(-LN2 * np.exp(spread * logs))
    steps = np.arange(ended.size + 1) / ended.size
    return float(max((steps[1:] - below).max(), (below - steps[:-1]).max()))
