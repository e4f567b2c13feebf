"""When requests arrive: renewal processes whose rate may change over time.

A process with unit mean gaps runs in 'operational time'; the cumulative rate maps it to seconds.
So a changing rate changes how fast the process runs, not its character (Gerhardt and Nelson 2009,
'Transforming renewal processes for simulation of nonstationary arrival processes',
https://doi.org/10.1287/ijoc.1080.0316).
"""

import numpy as np

from scenarios.demand import (
    ConstantArrivals,
    GammaArrivals,
    MarkovArrivals,
    OnOffArrivals,
    Renewal,
    WeibullArrivals,
)
from simulator.traffic.arrivals.gaps import Family, Floats, first_gaps, shape_of, unit_gaps
from simulator.traffic.arrivals.hidden_states import chain_of, draw_path
from simulator.traffic.arrivals.modulation import drawable_rate
from simulator.traffic.arrivals.steps import Steps, product
from simulator.traffic.drawing import Period, RngOf
from simulator.traffic.lengths.counts import draw_counts, mean_count


def draw_arrivals(process: Renewal, period: Period, rng_of: RngOf) -> Floats:
    """Sorted arrival instants in [start_s, end_s), seconds; requests of one batch share theirs."""
    rate = drawable_rate(process, period, rng_of)
    if isinstance(process, OnOffArrivals | MarkovArrivals):
        rate = product([rate, draw_path(chain_of(process), period, rng_of("states"))])
    if process.batch is not None:
        rate = rate.scaled(1.0 / mean_count(process.batch))
    instants_s = draw_renewals(*gap_law(process), rate, rng_of("gaps"))
    if process.batch is None:
        return instants_s
    return np.repeat(instants_s, draw_counts(process.batch, instants_s.size, rng_of("batch")))


def gap_law(process: Renewal) -> tuple[Family, float]:
    """The family of the gaps in operational time, and its shape."""
    match process:
        case ConstantArrivals():
            return "constant", 1.0
        case WeibullArrivals(cv=cv):
            return "weibull", shape_of("weibull", cv)
        case GammaArrivals(cv=cv) | OnOffArrivals(cv=cv):
            return "gamma", shape_of("gamma", cv)
    return "poisson", 1.0


def draw_renewals(family: Family, shape: float, rate: Steps, rng: np.random.Generator) -> Floats:
    """Arrivals of a process that has always run, over the span of `rate`."""
    areas = rate.areas
    operational = np.cumsum(draw_gaps(family, shape, float(areas[-1]), rng))
    operational = operational[: np.searchsorted(operational, areas[-1])]
    return np.asarray(np.interp(operational, areas, rate.times_s))


def draw_gaps(family: Family, shape: float, total: float, rng: np.random.Generator) -> Floats:
    """Gaps of mean one whose sum exceeds `total`; the first one is stationary."""
    gaps = [first_gaps(family, shape, 1, rng)]
    covered = float(gaps[0][0])
    while covered <= total:
        size = int((total - covered) * 1.1) + 64
        gaps.append(unit_gaps(family, shape, size, rng))
        covered += float(gaps[-1].sum())
    return np.concatenate(gaps)
