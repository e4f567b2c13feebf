"""When requests arrive: renewal processes whose rate may change over time.

A process with unit mean gaps runs in 'operational time'; the cumulative rate maps it to seconds.
So a rate table changes how fast the process runs, not its character (Gerhardt and Nelson 2009).
"""

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import ConstantArrivals, GammaArrivals, PoissonArrivals

Renewal = ConstantArrivals | PoissonArrivals | GammaArrivals
Times = NDArray[np.float64]


def draw_arrivals(
    process: Renewal, start_s: float, end_s: float, rng: np.random.Generator
) -> Times:
    """Sorted arrival instants in [start_s, end_s), seconds; the counted period starts at 0."""
    times_s, counts = cumulative_rate(process, start_s, end_s)
    gaps_drawn = draw_unit_gaps(process, float(counts[-1]), rng)
    operational = np.cumsum(gaps_drawn)
    operational = operational[operational < counts[-1]]
    return np.asarray(np.interp(operational, counts, times_s))


def cumulative_rate(process: Renewal, start_s: float, end_s: float) -> tuple[Times, Times]:
    """Knots of the expected count: instants (seconds) and requests expected since `start_s`."""
    changes = sorted((change.at_s, change.rate_per_s) for change in process.rate_table)
    inside = [(at, rate) for at, rate in changes if start_s < at < end_s]
    first = [rate for at, rate in changes if at <= start_s]
    times_s = np.array([start_s, *(at for at, _ in inside), end_s])
    rates = np.array([first[-1] if first else process.rate_per_s, *(rate for _, rate in inside)])
    return times_s, np.concatenate([[0.0], np.cumsum(rates * np.diff(times_s))])


def draw_unit_gaps(process: Renewal, total: float, rng: np.random.Generator) -> Times:
    """Gaps of mean one whose sum exceeds `total`; the first one is stationary."""
    gaps: list[Times] = [np.array([first_gap(process, rng)])]
    covered = float(gaps[0][0])
    while covered <= total:
        size = int((total - covered) * 1.1) + 64
        gaps.append(unit_gaps(process, size, rng))
        covered += float(gaps[-1].sum())
    return np.concatenate(gaps)


def first_gap(process: Renewal, rng: np.random.Generator) -> float:
    """From the start to the first arrival, as if the process had always run: a uniform part of a
    length-biased gap, since an instant falls into long gaps more often (Cox 1962)."""
    if process.kind == "constant":
        return float(rng.random())
    shape = 1.0 if process.kind == "poisson" else 1.0 / process.cv**2
    return float(rng.random() * rng.gamma(shape + 1.0, 1.0 / shape))


def unit_gaps(process: Renewal, size: int, rng: np.random.Generator) -> Times:
    if process.kind == "constant":
        return np.ones(size)
    if process.kind == "poisson":
        return rng.exponential(1.0, size)
    shape = 1.0 / process.cv**2
    return rng.gamma(shape, 1.0 / shape, size)
