"""What a recording shows of its arrivals, and what a process would show: nothing need be drawn."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.processes import Process
from calibration.traffic.windows import RateTable, variance_over, window_counts

Floats = NDArray[np.float64]

LEAST = 1e-3
"""Of a dispersion: that of a clockwork has no logarithm."""
BINS_S = (1.0, 10.0, 60.0, 300.0)
BINS_LEAST = 20
"""The variance of fewer is known to no better than a third: nothing is fitted to it."""
CLOSE = 0.1
"""Relative, of the index of dispersion where it is known that well."""
CLOSE_EMPTY = 0.05
"""Absolute, of the share of empty seconds."""
CLOSE_CV = 0.25
"""Relative, of the coefficient of variation of the gaps."""


@dataclass(frozen=True)
class Recorded:
    """What an arrival process is fitted to."""

    rate_per_s: float
    dispersion: dict[float, float]
    """By length of the bins, seconds."""
    spread: dict[float, float]
    """Standard error of the logarithm of each."""
    empty_share: float
    """Of seconds."""
    gap_cv: float


def recorded(arrival_s: Floats, span_s: float) -> Recorded:
    """The figures of sorted instants in [0, span_s)."""
    counts = {t: window_counts(arrival_s, span_s, t) for t in BINS_S if span_s / t >= BINS_LEAST}
    gaps = np.diff(arrival_s)
    return Recorded(
        arrival_s.size / span_s,
        {t: max(float(c.var(ddof=1) / c.mean()), LEAST) for t, c in counts.items()},
        # Of a normal sample's variance: 2 / (n - 1); bursts longer than a bin make it larger.
        {t: float(np.sqrt(2.0 / (c.size - 1))) for t, c in counts.items()},
        float(np.mean(counts[1.0] == 0)) if 1.0 in counts else 0.0,
        float(gaps.std() / gaps.mean()),
    )


def scaled_errors(process: Process, seen: Recorded, table: RateTable | None) -> Floats:
    """Logarithmic errors of the dispersion in its standard errors, and those of the empty seconds
    and the gaps in what counts as close."""
    shown = expected(process, seen, table)
    parts = [
        np.log(shown.dispersion[t] / seen.dispersion[t]) / np.hypot(seen.spread[t], CLOSE / 2)
        for t in seen.dispersion
    ]
    parts.append((shown.empty_share - seen.empty_share) / CLOSE_EMPTY)
    parts.append(np.log(shown.gap_cv / seen.gap_cv) / CLOSE_CV)
    return np.array(parts)


def is_close(process: Process, seen: Recorded, table: RateTable | None) -> bool:
    shown = expected(process, seen, table)
    return (
        all(
            abs(np.log(shown.dispersion[t] / seen.dispersion[t])) <= max(CLOSE, 2 * seen.spread[t])
            for t in seen.dispersion
        )
        and abs(shown.empty_share - seen.empty_share) <= CLOSE_EMPTY
        and abs(np.log(shown.gap_cv / seen.gap_cv)) <= CLOSE_CV
    )


def expected(process: Process, seen: Recorded, table: RateTable | None) -> Recorded:
    """What would be recorded of the process under the shrunk table."""
    factors = np.ones(1) if table is None else table.shrunk(own_variance(process, table))
    every_s = np.inf if table is None else table.every_s
    rate = process.rate_per_s
    dispersion = {
        t: max(process.dispersion(t), LEAST) + rate * t * variance_over(factors, every_s, t)
        for t in seen.dispersion
    }
    busy = factors[factors > 0]
    squared_s2 = float(busy @ process.squared_gap_s2(busy) / factors.sum())
    empty = float(process.empty_share(1.0, factors).mean())
    cv = float(np.sqrt(max(squared_s2 * rate**2 - 1.0, 1e-12)))
    return replace(seen, dispersion=dispersion, empty_share=empty, gap_cv=cv)


def own_variance(process: Process, table: RateTable) -> float:
    """Variance of a window's recorded factor were the rate constant."""
    return process.dispersion(table.every_s) / (process.rate_per_s * table.every_s)
