"""A figure with its interval. Intervals go across replications, never across the requests of one:
those share a queue, so an interval inside a run is far too narrow."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special


class Estimate(NamedTuple):
    """The median, the mean or a share over replications, with an interval for it."""

    value: float
    low: float
    high: float
    replications: int


def median_estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The median of `values` (one per replication; infinite ones are fine) and its interval.

    Order statistics: exact for any distribution, covers at least `confidence`; with fewer than six
    replications at 95 % it spans minus to plus infinity.  Source: David and Nagaraja 2003, 7.1.

    >>> median_estimate([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])
    Estimate(value=3.5, low=1.0, high=6.0, replications=6)
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = ordered.size
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    at_most = special.bdtr(np.arange(n + 1), n, 0.5)
    k = int(np.searchsorted(at_most, (1 - confidence) / 2))
    # P(Binomial(n, 1/2) < k) <= (1 - confidence) / 2, so the k-th from each end encloses it.
    low, high = (-np.inf, np.inf) if k == 0 else (ordered[k - 1], ordered[n - k])
    middle = ordered[(n - 1) // 2 : n // 2 + 1]
    value = middle[0] if middle[0] == middle[-1] else middle.mean()
    return Estimate(float(value), float(low), float(high), n)


def mean_estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of `values` (one per replication, finite) and Student's interval for it.

    For what a median says nothing of: rare losses, shares of time. Values that are all the same
    tell nothing of their spread: minus to plus infinity then.

    >>> [round(bound, 2) for bound in mean_estimate([1.0, 2.0, 3.0])]
    [2.0, -0.48, 4.48, 3]
    """
    observed = np.asarray(values, dtype=float)
    n = observed.size
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    if observed.min() == observed.max():
        return Estimate(float(observed[0]), -np.inf, np.inf, n)
    mean, error = float(observed.mean()), float(observed.std(ddof=1)) / n**0.5
    reach = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, n)


def share_estimate(hits: int, replications: int, confidence: float = 0.95) -> Estimate:
    """The share of `replications` that hit, and Clopper and Pearson's interval for it: exact.

    >>> [round(bound, 3) for bound in share_estimate(19, 20)]
    [0.95, 0.751, 0.999, 20]
    """
    if replications == 0:
        return Estimate(np.nan, 0.0, 1.0, 0)
    missed, miss = replications - hits, (1 - confidence) / 2
    low = float(special.betaincinv(hits, missed + 1, miss)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, missed, 1 - miss)) if missed else 1.0
    return Estimate(hits / replications, low, high, replications)
