"""The accounts of a fleet over all its periods: what failures cost, and what was paid for."""

from typing import Any

import numpy as np
import pandas as pd

from planner.metrics import TOLLED
from planner.verdict import available_error_rate
from scenarios.model import Scenario
from simulator.estimates import Estimate, mean_estimate

MEANS = (
    "availability", "gpu_hours_paid", "gpu_hours_useful", "useful_share", "cold_start_minutes",
    "tokens_lost", "requests_hit",
)  # fmt: skip
"""Figures whose median says little: what is rare is 0 in the median period."""
SHARES = ("availability", "useful_share")


def fleet_accounts(scenario: Scenario, periods: pd.DataFrame) -> dict[str, Any] | None:
    """Sums and means over `periods` (figures, one row each); None of a fleet that neither fails
    nor changes, and without periods.

    means: of the figures in MEANS, per period. down: for k = 1, 2, ... the share of the time with
    exactly k, and with k or more replicas down. faults: sums over the periods, per fault.
    """
    nothing_happens = scenario.failures is None and scenario.fleet.autoscaling is None
    if nothing_happens or periods.empty:
        return None
    return {
        "periods": len(periods),
        "available_error_rate": available_error_rate(scenario.objectives),
        "means": {name: mean_of(name, periods[name])._asdict() for name in MEANS},
        "down": time_down(periods["down_s"].tolist(), scenario.horizon_s),
        "faults": [
            {"fault": name} | {count: int(periods[f"{count}: {name}"].sum()) for count in TOLLED}
            for name in faults_of(periods)
        ],
    }


def faults_of(periods: pd.DataFrame) -> list[str]:
    """The names of the scenario's faults, by the columns that they have."""
    columns = [name.partition(": ") for name in periods.columns]
    return [fault for count, _, fault in columns if count == TOLLED[0] and fault]


def mean_of(name: str, values: pd.Series) -> Estimate:
    return within(mean_estimate(values.tolist()), 1.0 if name in SHARES else np.inf)


def time_down(down_s: list[list[float]], horizon_s: float) -> list[dict[str, Any]]:
    """Shares of the time with exactly 1, 2, ... replicas down, and with so many or more, as far as
    it came to; mean over periods."""
    most = max(len(times) for times in down_s)
    shares = np.zeros((len(down_s), most))
    for share, times in zip(shares, down_s, strict=True):
        share[: len(times)] = np.asarray(times) / horizon_s
    or_more = shares[:, ::-1].cumsum(axis=1)[:, ::-1]
    return [
        {
            "replicas": count,
            "exactly": within(mean_estimate(shares[:, count].tolist()), 1.0)._asdict(),
            "or_more": within(mean_estimate(or_more[:, count].tolist()), 1.0)._asdict(),
        }
        for count in range(1, most)
    ]


def within(estimate: Estimate, most: float) -> Estimate:
    """An interval without what cannot be; one that is not known stays unbounded."""
    if np.isinf(estimate.high):
        return estimate
    return estimate._replace(low=max(estimate.low, 0.0), high=min(estimate.high, most))
