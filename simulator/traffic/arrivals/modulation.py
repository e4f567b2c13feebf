"""How fast a group arrives at any instant: its rate, its table of rates and all its modulation."""

import math
from itertools import accumulate

import numpy as np

from scenarios.demand import Modulation, OpenArrivals
from scenarios.demand.modulation import (
    DailyModulation,
    FileModulation,
    LevelModulation,
    RampModulation,
    SpikeModulation,
    TableModulation,
    WeeklyModulation,
)
from scenarios.units import DAY_S
from simulator.traffic.arrivals.demand_file import read_demand
from simulator.traffic.arrivals.steps import Floats, Steps, cyclic, product
from simulator.traffic.drawing import REQUESTS_MAX, DemandError, Period, RngOf

HOUR_S = 3600.0
RAMP_STEPS = 1000
"""Of a ramp, or of what the period sees of it; within one the rate is off by at most a thousandth
of the change, and over any whole number of them by nothing."""


def rate_over_time(arrivals: OpenArrivals, period: Period, rng_of: RngOf) -> Steps:
    """Requests per second over [period.start_s, period.end_s): one sample path.

    Random parts draw from the streams ("modulation", 0), ("modulation", 1), ...
    """
    factors = [
        factor_over_time(part, period, rng_of("modulation", index))
        for index, part in enumerate(arrivals.modulation)
    ]
    return product([tabled_rate(arrivals, period), *factors])


def drawable_rate(arrivals: OpenArrivals, period: Period, rng_of: RngOf) -> Steps:
    """The same, for whoever draws the requests: raises DemandError for more than can be served."""
    rate = rate_over_time(arrivals, period, rng_of)
    if (requests := float(rate.areas[-1])) > REQUESTS_MAX:
        raise DemandError(
            f"{requests:.3g} requests in one period; at most {REQUESTS_MAX:,} can be simulated: "
            "lower the rate, or shorten the horizon"
        )
    return rate


def tabled_rate(arrivals: OpenArrivals, period: Period) -> Steps:
    """The rate as `rate` and `rate_table` say it."""
    changes = sorted((change.at_s, change.rate_per_s) for change in arrivals.rate_table)
    inside = [(at, rate) for at, rate in changes if period.start_s < at < period.end_s]
    first = [rate for at, rate in changes if at <= period.start_s]
    times_s = np.array([period.start_s, *(at for at, _ in inside), period.end_s])
    before = first[-1] if first else arrivals.rate_per_s
    return Steps(times_s, np.array([before, *(rate for _, rate in inside)]))


def factor_over_time(part: Modulation, period: Period, rng: np.random.Generator) -> Steps:
    """What one part multiplies the rate by."""
    span_s = (period.start_s, period.end_s)
    match part:
        case TableModulation():
            factors = np.array(part.factors)
            begins_s = position_s(part, factors.size * part.every_s, rng)
            return cyclic(factors, part.every_s, begins_s, span_s)
        case DailyModulation():
            return cyclic(np.array(part.factors), HOUR_S, period.week_s, span_s)
        case WeeklyModulation():
            return cyclic(np.array(part.factors), DAY_S, period.week_s, span_s)
        case RampModulation():
            return ramp(part, span_s)
        case SpikeModulation():
            at_s = rng.random() * period.horizon_s if part.at_s is None else part.at_s
            edges_s = np.clip([-math.inf, at_s, at_s + part.lasts_s, math.inf], *span_s)
            return Steps(edges_s, np.array([1.0, part.factor, 1.0]))
        case LevelModulation():
            return levels(part, span_s, rng)
        case FileModulation():
            demand = read_demand(part.file.path, part.missing_s)
            begins_s = position_s(part, demand.factors.size * demand.every_s, rng)
            return cyclic(demand.factors, demand.every_s, begins_s, span_s)
    raise AssertionError(f"modulation of kind {part.kind}")


def position_s(
    part: TableModulation | FileModulation, length_s: float, rng: np.random.Generator
) -> float:
    """Where among its intervals the period starts."""
    return float(rng.random() * length_s) if part.random_start else part.start_s


def ramp(part: RampModulation, span_s: tuple[float, float]) -> Steps:
    """In fine steps, each as high as the middle of its piece."""
    begin_s, end_s = np.clip([part.at_s, part.at_s + part.lasts_s], *span_s)
    edges_s = np.linspace(begin_s, end_s, RAMP_STEPS + 1)
    risen = ((edges_s[1:] + edges_s[:-1]) / 2.0 - part.at_s) / part.lasts_s
    values = 1.0 + (part.factor - 1.0) * np.clip(risen, 0.0, 1.0)
    times_s = np.concatenate([[span_s[0]], edges_s, [span_s[1]]])
    return Steps(times_s, np.concatenate([[1.0], values, [part.factor]]))


def levels(part: LevelModulation, span_s: tuple[float, float], rng: np.random.Generator) -> Steps:
    """Lognormal levels of mean one whose logarithms are a stationary first-order autoregression;
    intervals count from instant 0."""
    first = math.floor(span_s[0] / part.every_s)
    last = max(first + 1, math.ceil(span_s[1] / part.every_s))
    shocks = rng.standard_normal(last - first)
    shocks[1:] *= math.sqrt(1.0 - part.correlation**2)
    logs = np.array(list(accumulate(shocks.tolist(), lambda z, e: part.correlation * z + e)))
    values: Floats = np.exp(part.sigma * logs - part.sigma**2 / 2.0)
    return cyclic(values, part.every_s, -first * part.every_s, span_s)
