"""How the rate changes slowly: a table of recorded windows, shrunk by the noise that is in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NICE_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)
WINDOWS_MAX = 100


@dataclass(frozen=True)
class RateTable:
    """Factors of consecutive windows as recorded, of mean one."""

    every_s: float
    recorded: Floats

    def shrunk(self, own_variance: float) -> Floats:
        """The factors without the share of their variance that the process itself explains.

        Recorded counts vary for two reasons: the rate changed, and arrivals are random.
        `own_variance` (of a factor, were the rate constant) is drawn again with the process: so
        that rate and process together vary as recorded, deviations from the mean are multiplied by
        sqrt(1 - own / recorded variance). Source: constrained empirical Bayes, Ghosh 1992,
        'Constrained Bayes estimation with applications'.
        """
        return 1.0 + shrinkage(float(self.recorded.var()), own_variance) * (self.recorded - 1.0)


def shrinkage(recorded_variance: float, own_variance: float) -> float:
    """What deviations are multiplied by: 1 where all variance is the rate's, 0 where none is.

    >>> shrinkage(4.0, 3.0), shrinkage(1.0, 2.0)
    (0.5, 0.0)
    """
    if recorded_variance <= own_variance:
        return 0.0
    return float(np.sqrt(1.0 - own_variance / recorded_variance))


def rate_table(arrival_s: Floats, span_s: float, every_s: float | None = None) -> RateTable:
    """Windows of a minute, longer where that would be more than `WINDOWS_MAX`.

    An incomplete last window is left out: its rate would be noise.
    """
    if every_s is None:
        every_s = next((t for t in NICE_S if span_s / t <= WINDOWS_MAX), NICE_S[-1])
    counts = window_counts(arrival_s, span_s, every_s)
    return RateTable(every_s, counts / counts.mean())


def window_counts(arrival_s: Floats, span_s: float, every_s: float) -> Floats:
    """Arrivals in each whole window of [0, span_s)."""
    windows = max(1, int(span_s / every_s + 1e-9))
    inside = arrival_s[arrival_s < windows * every_s]
    return np.bincount((inside / every_s).astype(int), minlength=windows)[:windows].astype(float)


def variance_over(factors: Floats, every_s: float, bin_s: float) -> float:
    """Variance of the mean factor over bins of `bin_s`: short bins lie within one window, long
    ones average several."""
    if bin_s <= every_s:
        return float(factors.var())
    bins = int(factors.size * every_s / bin_s + 1e-9)
    if bins < 2:
        return 0.0
    edges = np.arange(bins + 1) * bin_s / every_s
    areas = np.interp(edges, np.arange(factors.size + 1), np.append(0.0, np.cumsum(factors)))
    return float((np.diff(areas) * every_s / bin_s).var())
