"""What the scenario says of clients and of turning requests away, as the data plane wants it."""

import numpy as np
from numpy.typing import NDArray

from scenarios.clients import Clients
from scenarios.fleet import Breaker as BreakerSettings
from scenarios.fleet import Fleet
from scenarios.model import Scenario
from simulator.control.lives import nanoseconds
from simulator.data_plane import Attempts, Breaker, Gate
from simulator.traffic import NS_PER_S

PPM = 1_000_000


def attempts(clients: Clients) -> Attempts:
    """When a request is sent again."""
    first_token_s, budget, hedge = (
        clients.first_token_timeout_s,
        clients.retry_budget,
        clients.hedge,
    )
    return Attempts(
        first_token_timeout_ns=None if first_token_s is None else nanoseconds(first_token_s),
        on_failure="failure" in clients.retry_on,
        on_rejection="rejection" in clients.retry_on,
        on_timeout="timeout" in clients.retry_on,
        wait_first_ns=nanoseconds(clients.backoff.first_s),
        wait_most_ns=nanoseconds(clients.backoff.most_s),
        jitter_ppm=round(clients.backoff.jitter * PPM),
        budget_ppm=None if budget is None else round(budget.share * PPM),
        budget_burst=0 if budget is None else budget.burst,
        hedge_ns=None if hedge is None else nanoseconds(hedge.after_s),
    )


def breaker(settings: BreakerSettings | None) -> Breaker | None:
    if settings is None:
        return None
    eject_ns = nanoseconds(settings.eject_s)
    return Breaker(settings.failures, eject_ns, round(settings.at_most * PPM))


def gates(scenario: Scenario, fleet: Fleet) -> tuple[tuple[Gate, ...], NDArray[np.int64]]:
    """The gates before the router, and for each traffic group the number of the one it passes.
    Groups of one class and priority share theirs."""
    priorities = [group.priority for group in scenario.traffic]
    shed = fleet.shedding.thresholds(priorities) if fleet.shedding else {}
    buckets = {bucket.for_class: bucket for bucket in fleet.buckets}
    numbers: dict[tuple[str | None, float | None], int] = {}
    made: list[Gate] = []
    gate_of_group = []
    for group in scenario.traffic:
        bucket = buckets.get(group.sla_class) if group.sla_class else None
        threshold = shed.get(group.priority)
        key = (None if bucket is None else bucket.for_class, threshold)
        if key not in numbers:
            numbers[key] = len(made)
            made.append(
                Gate(
                    shed_ppm=None if threshold is None else round(threshold * PPM),
                    interval_ns=None if bucket is None else round(NS_PER_S / bucket.rate_per_s),
                    burst=1 if bucket is None else bucket.burst,
                )
            )
        gate_of_group.append(numbers[key])
    if set(made) <= {Gate()}:
        made = []
    return tuple(made), np.array(gate_of_group, dtype=np.int64)
