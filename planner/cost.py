"""What a fleet costs: by the hour, by the month, and by what it really served."""

from typing import NamedTuple

import pandas as pd

from scenarios.model import Scenario

HOURS_PER_MONTH = 720.0
"""Thirty days."""


class Cost(NamedTuple):
    """USD. Spares, idle and failed time are inside: what is provisioned is paid whether it serves
    or not."""

    usd_per_gpu_hour: float
    """Mean over all GPUs; they differ in price where other pools have other ones."""
    usd_per_replica_hour: float
    """One replica of the main pool."""
    usd_per_hour: float
    usd_per_month: float
    usd_per_million_tokens: float
    """Prompt and output tokens of completed requests."""
    usd_per_million_output_tokens: float
    gpus_paid: float
    """At a time: spares and warm pool with those that serve; the mean where that changes."""


def fleet_cost(scenario: Scenario, replicas: int, periods: pd.DataFrame) -> Cost:
    """The cost of a main pool of `replicas`, and all other pools, that served `periods` (figures,
    one row each)."""
    assert scenario.price is not None, "the caller asks for scenarios with a price"
    paid = hardware_paid(scenario, replicas, periods)
    usd_per_hour = sum(usd * count * gpus for usd, count, gpus in paid)
    gpus_paid = sum(count * gpus for _, count, gpus in paid)
    hours = scenario.horizon_s / 3600.0 * len(periods)
    output = float(periods["output_tokens_per_s"].sum()) * scenario.horizon_s
    served = output + float(periods["input_tokens_per_s"].sum()) * scenario.horizon_s
    spent_usd = usd_per_hour * hours
    price_usd = scenario.price[scenario.replica.gpu.name]
    return Cost(
        usd_per_gpu_hour=usd_per_hour / gpus_paid if gpus_paid else price_usd,
        usd_per_replica_hour=price_usd * scenario.gpus_per_replica,
        usd_per_hour=usd_per_hour,
        usd_per_month=usd_per_hour * HOURS_PER_MONTH,
        usd_per_million_tokens=spent_usd / served * 1e6 if served else float("inf"),
        usd_per_million_output_tokens=spent_usd / output * 1e6 if output else float("inf"),
        gpus_paid=float(gpus_paid),
    )


def hardware_paid(
    scenario: Scenario, replicas: int, periods: pd.DataFrame
) -> list[tuple[float, float, int]]:
    """(USD per GPU-hour, how many at a time, GPUs of each) of all that is paid for: replicas and
    spares, or, of a fleet that changes, GPUs in the mean over its periods. Spares are the main
    pool's."""
    assert scenario.price is not None
    kinds = [scenario.replica, *(pool.replica for pool in scenario.fleet.others)]
    usd = [scenario.price[replica.gpu.name] for replica in kinds]
    if varies(scenario) and len(periods):
        return [(usd[p], float(periods[f"gpus_paid_{p}"].mean()), 1) for p in range(len(kinds))]
    counts = [replicas, *(pool.replicas for pool in scenario.fleet.others)]
    gpus = [replica.gpus for replica in kinds]
    return [*zip(usd, counts, gpus, strict=True), (usd[0], spare_gpus(scenario), 1)]


def varies(scenario: Scenario) -> bool:
    """Whether the GPUs that are paid for come and go: by autoscaling, with spot nodes, or while a
    rollout has more than its share."""
    failures = scenario.failures
    if failures is None:
        return scenario.fleet.autoscaling is not None
    spot = any(not fault.paid for fault in failures.all)
    surge = failures.rollout is not None and failures.rollout.max_surge > 0
    return scenario.fleet.autoscaling is not None or spot or surge


def spare_gpus(scenario: Scenario) -> int:
    spares = scenario.failures.spares if scenario.failures else None
    return spares.nodes * scenario.fleet.topology.gpus_per_node if spares else 0


def gpus(scenario: Scenario, replicas: int) -> int:
    """All GPUs of such a fleet that serves with all its replicas; spares are beside it."""
    others = sum(pool.replicas * pool.replica.gpus for pool in scenario.fleet.others)
    return replicas * scenario.gpus_per_replica + others
