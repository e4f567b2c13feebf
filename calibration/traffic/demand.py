"""Demand over days as a scenario's `modulation`: a daily profile where there is one, and levels.

Large services show little of a daily season: level shifts dominate (`docs/traffic-fits.md`). A
level is lognormal and remembers the one before; two moments fix it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.rounding import seconds, significant
from calibration.traffic.windows import WINDOWS_MAX
from simulator.traffic.arrivals.demand_file import (
    instants_s,
    long_zeros,
    numbers,
    on_a_grid,
    read_table,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Yaml = dict[str, Any]

HOURS = 24
HOUR_S = 3600.0
DAYS_LEAST = 3
SEASON_LEAST = 0.1
"""Share of the variance that hours of the day must explain to be said."""
MISSING_LEAST = 6
"""So many zeros in a row are a gap of the recording."""
SIGMA_MAX = 3.0
CORRELATION_MAX = 0.999


@dataclass(frozen=True)
class Demand:
    """A series: values float64[n], NaN where the recording has a gap; hour int64[n] of the day."""

    values: Floats
    hour: Ints
    every_s: float


@dataclass(frozen=True)
class DemandFigures:
    """What a series looks like, apart from its level."""

    cv: float
    peak_over_mean: float
    p99_over_mean: float
    correlation: float
    """Between neighbouring intervals."""
    daily_share: float
    """Of the variance, what the hour of the day explains (R2)."""


def read_series(path: Path) -> Demand:
    """The series of a file with columns `timestamp` and `value`. Raises TraceError."""
    frame = read_table(path)
    seconds = instants_s(frame["timestamp"], str(path))
    every_s, values = on_a_grid(seconds, numbers(frame["value"], "value", str(path)), str(path))
    values[long_zeros(values, every_s, MISSING_LEAST * every_s)] = np.nan
    begins_s = np.nanmin(seconds) + every_s * np.arange(values.size)
    return Demand(values, (begins_s % (HOURS * HOUR_S) // HOUR_S).astype(np.int64), every_s)


def demand_figures(demand: Demand) -> DemandFigures:
    known = demand.values[np.isfinite(demand.values)]
    return DemandFigures(
        float(known.std() / known.mean()),
        float(known.max() / known.mean()),
        float(np.quantile(known, 0.99) / known.mean()),
        neighbours(demand.values),
        daily_share(demand),
    )


def neighbours(values: Floats) -> float:
    """Correlation of each value with the next one, where both are known; 0 where none changes."""
    before, after = values[:-1], values[1:]
    known = np.isfinite(before) & np.isfinite(after)
    before, after = before[known] - before[known].mean(), after[known] - after[known].mean()
    scale = float(np.sqrt((before @ before) * (after @ after)))
    return float(before @ after) / scale if scale else 0.0


def daily_share(demand: Demand) -> float:
    known = np.isfinite(demand.values)
    values = demand.values[known]
    means = hourly_means(demand)[demand.hour[known]]
    spread = float(((values - values.mean()) ** 2).sum())
    return 1.0 - float(((values - means) ** 2).sum()) / spread if spread else 0.0


def hourly_means(demand: Demand) -> Floats:
    """Mean of each hour of the day, over the hours that there are."""
    known = np.isfinite(demand.values)
    total = np.bincount(demand.hour[known], demand.values[known], minlength=HOURS)
    number = np.bincount(demand.hour[known], minlength=HOURS)
    mean = float(demand.values[known].mean())
    return np.where(number > 0, total / np.maximum(number, 1), mean)


def fit_demand(demand: Demand) -> list[Yaml]:
    """The `modulation` of an arrival rate whose mean is that of the series. Of a day or two a table
    is told, of longer ones what is typical of them."""
    seen = demand_figures(demand)
    rest = demand.values / np.nanmean(demand.values)
    if demand.values.size * demand.every_s < DAYS_LEAST * HOURS * HOUR_S:
        return [table(rest, demand.every_s)]
    if seen.daily_share < SEASON_LEAST or demand.every_s > HOUR_S:
        return level(rest, demand.every_s, seen.cv**2)
    profile = hourly_means(demand)
    profile = np.maximum(profile / profile.mean(), 0.01)
    # Of factors that multiply, 1 + squared coefficients of variation do: what the day leaves over.
    left = (1.0 + seen.cv**2) / (1.0 + float(np.nanvar(profile[demand.hour]))) - 1.0
    daily: Yaml = {"kind": "daily", "factors": significant(profile)}
    return [daily, *level(rest / profile[demand.hour], demand.every_s, left)]


def table(factors: Floats, every_s: float) -> Yaml:
    """At most `WINDOWS_MAX` means of neighbours; gaps are told as the mean."""
    several = -(-factors.size // WINDOWS_MAX)
    filled = np.where(np.isfinite(factors), factors, 1.0)
    filled = np.append(filled, np.ones(-filled.size % several))
    return {
        "kind": "table",
        "every": seconds(several * every_s),
        "factors": significant(filled.reshape(-1, several).mean(axis=1)),
        "random_start": True,
    }


def level(
    factors: Floats, every_s: float, squared_cv: float, own_variance: float = 0.0
) -> list[Yaml]:
    """A lognormal level with this coefficient of variation, squared, and with the correlation of
    neighbouring factors, both in closed form: cv^2 = e^{sigma^2} - 1, and a correlation r of the
    logarithms makes one of (e^{sigma^2 r} - 1) / (e^{sigma^2} - 1).

    own_variance: of the factors, what is no level but independent from one to the next."""
    variance = float(min(np.log1p(max(squared_cv, 0.0)), SIGMA_MAX**2))
    if variance < 1e-6:
        return []
    spread = float(np.nanvar(factors) / np.nanmean(factors) ** 2)
    share = 1.0 - min(own_variance / spread, 0.9) if spread else 1.0
    seen = min(max(neighbours(factors) / share, 0.0), 1.0)
    correlation = np.log1p(seen * np.expm1(variance)) / variance
    return [
        {
            "kind": "level",
            "every": seconds(every_s),
            "sigma": significant(float(np.sqrt(variance))),
            "correlation": significant(float(min(correlation, CORRELATION_MAX))),
        }
    ]
