"""What a fleet costs: by the hour, by the month, and by what it really served."""

from typing import NamedTuple

import pandas as pd

from scenarios.model import Scenario

HOURS_PER_MONTH = 720.0
"""Thirty days."""


class Cost(NamedTuple):
    """USD. Spares, idle and failed time are inside: the fleet is paid whether it serves or not."""

    usd_per_gpu_hour: float
    """Mean over all GPUs; they differ in price where other pools have other ones."""
    usd_per_replica_hour: float
    """One replica of the main pool."""
    usd_per_hour: float
    usd_per_month: float
    usd_per_million_tokens: float
    """Prompt and output tokens of completed requests."""
    usd_per_million_output_tokens: float


def fleet_cost(scenario: Scenario, replicas: int, periods: pd.DataFrame) -> Cost:
    """The cost of a main pool of `replicas`, and all other pools, that served `periods` (figures,
    one row each)."""
    assert scenario.price is not None, "the caller asks for scenarios with a price"
    pools = [(replicas, scenario.replica)]
    pools += [(pool.replicas, pool.replica) for pool in scenario.fleet.others]
    usd_per_hour = sum(
        scenario.price[replica.gpu.name] * count * replica.gpus for count, replica in pools
    )
    hours = scenario.horizon_s / 3600.0 * len(periods)
    output = float(periods["output_tokens_per_s"].sum()) * scenario.horizon_s
    served = output + float(periods["input_tokens_per_s"].sum()) * scenario.horizon_s
    spent_usd = usd_per_hour * hours
    return Cost(
        usd_per_gpu_hour=usd_per_hour / gpus(scenario, replicas),
        usd_per_replica_hour=scenario.price[scenario.replica.gpu.name] * scenario.gpus_per_replica,
        usd_per_hour=usd_per_hour,
        usd_per_month=usd_per_hour * HOURS_PER_MONTH,
        usd_per_million_tokens=spent_usd / served * 1e6 if served else float("inf"),
        usd_per_million_output_tokens=spent_usd / output * 1e6 if output else float("inf"),
    )


def gpus(scenario: Scenario, replicas: int) -> int:
    """All GPUs of such a fleet."""
    others = sum(pool.replicas * pool.replica.gpus for pool in scenario.fleet.others)
    return replicas * scenario.gpus_per_replica + others
