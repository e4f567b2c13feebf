"""What one outage will be: how long nobody knows of it, which repair it takes, how long that lasts.

Drawn anew, or as found under way at a random instant. Such an outage is length-biased as a whole:
the kind of repair is chosen in proportion to its share and the mean length of outages with it, and
of the independent parts of a sum one is biased, chosen in proportion to its mean, the others are
not (Cox 1962).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scenarios.failures import Fault, Repair
from scenarios.failures.rates import UNITS
from scenarios.fleet import HealthChecks
from scenarios.times import Time
from simulator.control.times import draw_biased_s, draw_s, quantile_s

GRID = (np.arange(512) + 0.5) / 512
"""Where the quantiles of a time are taken to average over it."""


ONE_EACH = dict.fromkeys(UNITS, 1)


class Outage(NamedTuple):
    """`undetected_s` until somebody knows, then `repair_s` of work."""

    undetected_s: float
    repair: Repair
    repair_s: float
    slowness: float = 1.0
    """Of a slow component: steps take that many times as long."""
    age_s: float = 0.0
    """How long it has lasted already; undetected and repair are what is left."""


@dataclass(frozen=True)
class Noticing:
    """From the fault to somebody knowing: monitoring, or health checks if they are sooner.

    A health check notices with its `threshold`-th failure in a row: of checks every `period`, the
    first one comes at any instant of the next period.
    """

    detection: Time
    checks: HealthChecks | None

    @property
    def soonest_s(self) -> float:
        """Of health checks."""
        assert self.checks is not None
        return (self.checks.threshold - 1) * self.checks.period_s + self.checks.timeout_s

    @property
    def mean_s(self) -> float:
        """Of the shorter of the two."""
        if self.checks is None:
            return self.detection.mean_s
        low_s, high_s = self.soonest_s, self.soonest_s + self.checks.period_s
        detected_s = np.clip(quantile_s(self.detection, GRID), None, high_s)
        beyond_s = np.clip(detected_s - low_s, 0.0, None)
        # E min(d, U) = d - (d - low)^2 / 2 (high - low) for d within the ends of a uniform U.
        return float(np.mean(detected_s - beyond_s**2 / 2 / self.checks.period_s))

    def draw_s(self, rng: np.random.Generator) -> float:
        detected_s = draw_s(self.detection, rng)
        if self.checks is None:
            return detected_s
        return min(detected_s, self.soonest_s + rng.random() * self.checks.period_s)

    def draw_biased_s(self, rng: np.random.Generator) -> float:
        """By rejection: health checks bound it. Only if the mean is above 0."""
        if self.checks is None:
            return draw_biased_s(self.detection, rng)
        longest_s = self.soonest_s + self.checks.period_s
        while True:
            drawn_s = self.draw_s(rng)
            if rng.random() * longest_s < drawn_s:
                return drawn_s


def noticing(fault: Fault, checks: HealthChecks | None) -> Noticing:
    """Who notices that fault."""
    return Noticing(fault.detection, checks if fault.probed else None)


def mean_outage_s(fault: Fault, checks: HealthChecks | None) -> float:
    """From a fault to the end of its repair; starts of replicas come on top."""
    return noticing(fault, checks).mean_s + fault.mean_repair_s


def mean_uptime_s(fault: Fault, units: Mapping[str, int] = ONE_EACH) -> float:
    """From the end of one such fault to the next, of a component of so many `units`; lemons
    aside."""
    if fault.every is not None:
        return fault.every.mean_s
    if fault.mtbf_s is not None:
        return fault.mtbf_s
    assert fault.rate is not None
    return 1.0 / (fault.rate.per_s * units[fault.rate.unit])


def draw_outage(fault: Fault, rng: np.random.Generator) -> Outage:
    """A new one. Health checks are not in it: they are made at their own instants."""
    undetected_s = draw_s(fault.detection, rng)
    repair = choose(fault.repairs, [repair.share for repair in fault.repairs], rng)
    return Outage(undetected_s, repair, draw_s(repair.time, rng), draw_slowness(fault, rng))


def draw_outage_under_way(
    fault: Fault, checks: HealthChecks | None, rng: np.random.Generator
) -> Outage:
    """What is left of one that is found under way at a random instant."""
    known = noticing(fault, checks)
    known_s = known.mean_s
    lengths_s = [repair.share * (known_s + repair.time.mean_s) for repair in fault.repairs]
    repair = choose(fault.repairs, lengths_s, rng)
    if rng.random() * (known_s + repair.time.mean_s) < known_s:
        undetected_s, repair_s = known.draw_biased_s(rng), draw_s(repair.time, rng)
    else:
        undetected_s, repair_s = known.draw_s(rng), draw_biased_s(repair.time, rng)
    age_s = rng.random() * (undetected_s + repair_s)
    worked_s = max(age_s - undetected_s, 0.0)
    left_s = max(undetected_s - age_s, 0.0)
    return Outage(left_s, repair, repair_s - worked_s, draw_slowness(fault, rng), age_s)


def draw_slowness(fault: Fault, rng: np.random.Generator) -> float:
    """The rate of steps that is left is uniform between its ends."""
    if fault.speed is None:
        return 1.0
    low, high = fault.speed
    return 1 / (low + (high - low) * float(rng.random()))


def choose(repairs: Sequence[Repair], weights: Sequence[float], rng: np.random.Generator) -> Repair:
    """One of them, in proportion to its weight."""
    ends = np.cumsum(weights)
    return repairs[int(np.searchsorted(ends[:-1], rng.random() * ends[-1], side="right"))]
