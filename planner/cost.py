"""What a fleet costs: by the hour, by the month, and by what it really served."""

from collections.abc import Sequence
from typing import NamedTuple

from scenarios.model import Scenario
from simulator.run import Run

HOURS_PER_MONTH = 720.0
"""Thirty days."""


class Cost(NamedTuple):
    """USD. Spares, idle and failed time are inside: the fleet is paid whether it serves or not."""

    usd_per_gpu_hour: float
    usd_per_hour: float
    usd_per_month: float
    usd_per_million_tokens: float
    """Prompt and output tokens of completed requests."""
    usd_per_million_output_tokens: float


def fleet_cost(scenario: Scenario, replicas: int, runs: Sequence[Run]) -> Cost:
    """The cost of `replicas` that served `runs`; the scenario names the price of its GPU."""
    assert scenario.price is not None, "the caller asks for scenarios with a price"
    usd_per_gpu_hour = scenario.price[scenario.replica.gpu.name]
    usd_per_hour = usd_per_gpu_hour * replicas * scenario.gpus_per_replica
    hours = scenario.horizon_s / 3600.0 * len(runs)
    output = sum(int(run.output_tokens[run.completed].sum()) for run in runs)
    served = output + sum(int(run.input_tokens[run.completed].sum()) for run in runs)
    spent_usd = usd_per_hour * hours
    return Cost(
        usd_per_gpu_hour=usd_per_gpu_hour,
        usd_per_hour=usd_per_hour,
        usd_per_month=usd_per_hour * HOURS_PER_MONTH,
        usd_per_million_tokens=spent_usd / served * 1e6 if served else float("inf"),
        usd_per_million_output_tokens=spent_usd / output * 1e6 if output else float("inf"),
    )
