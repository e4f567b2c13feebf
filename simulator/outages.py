"""When a replica is down: an alternating renewal process, already in its steady state at the start.

A five-minute period with every replica up at its start would hardly ever see a failure: the chance
that an outage began earlier and still lasts is what matters. So the first outage may be under way:
with probability downtime / (uptime + downtime), and then with the residual time of the
length-biased outage (Cox 1962, Renewal Theory, chapter 5).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scenarios.model import ReplicaFailures


class Outage(NamedTuple):
    """After `up_s` of service the replica stops; `undetected_s` later the router knows; after
    another `down_s` it serves again."""

    up_s: float
    undetected_s: float
    down_s: float


def outages(
    failures: ReplicaFailures, cold_start_s: float, rng: np.random.Generator
) -> Iterator[Outage]:
    """The outages of one replica, one after the other, for ever."""
    mean_down_s = failures.detection_s + failures.repair.mean_s + cold_start_s
    if rng.random() < mean_down_s / (failures.mtbf_s + mean_down_s):
        yield outage_under_way(failures, cold_start_s, rng)
    while True:
        up_s = rng.exponential(failures.mtbf_s)
        yield Outage(up_s, failures.detection_s, draw_repair_s(failures, rng) + cold_start_s)


def outage_under_way(
    failures: ReplicaFailures, cold_start_s: float, rng: np.random.Generator
) -> Outage:
    """What is left of an outage seen at a random instant.

    The total is length-biased: one of its parts is, chosen in proportion to its mean; a biased
    lognormal(mu, sigma) is lognormal(mu + sigma^2, sigma), a biased constant is itself.
    """
    constant_s = failures.detection_s + cold_start_s
    biased = rng.random() * (constant_s + failures.repair.mean_s) >= constant_s
    repair_s = draw_repair_s(failures, rng)
    if biased:
        repair_s *= float(np.exp(failures.repair.sigma**2))
    total_s = constant_s + repair_s
    age_s = rng.random() * total_s
    undetected_s = max(failures.detection_s - age_s, 0.0)
    return Outage(0.0, undetected_s, total_s - age_s - undetected_s)


def draw_repair_s(failures: ReplicaFailures, rng: np.random.Generator) -> float:
    return float(rng.lognormal(np.log(failures.repair.median_s), failures.repair.sigma))


def unavailability(failures: ReplicaFailures, cold_start_s: float) -> float:
    """Long-run share of time one replica does not serve."""
    down_s = failures.detection_s + failures.repair.mean_s + cold_start_s
    return down_s / (failures.mtbf_s + down_s)
