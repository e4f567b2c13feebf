"""How many replicas of what there may ever be: the slots of a run."""

from scenarios.fleet import Fleet
from scenarios.model import Scenario
from simulator.control.placement import Stock


def main_sizes(scenario: Scenario, fleet: Fleet) -> tuple[int, int]:
    """Replicas of the main pool at its largest, and with the surge of a rollout."""
    most = fleet.autoscaling.replicas[1] if fleet.autoscaling else fleet.replicas
    rollout = scenario.failures.rollout if scenario.failures else None
    return most, most + (rollout.max_surge if rollout else 0)


def stocks(scenario: Scenario, fleet: Fleet) -> tuple[Stock, ...]:
    """All pools, the main one as large as it may grow."""
    main = Stock("", main_sizes(scenario, fleet)[1], scenario.replica.gpus)
    others = (Stock(pool.name, pool.replicas, pool.replica.gpus) for pool in fleet.others)
    return (main, *others)
