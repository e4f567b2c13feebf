"""Which run `fleetcast trace-run` is asked for: of a scenario, or of a folder of results."""

from typing import NamedTuple

from fleetcast import options
from scenarios.model import Scenario


class Asked(NamedTuple):
    """One replication of one fleet."""

    scenario: Scenario
    replicas: int
    replication: int


def asked_of(file, replication, size, overrides, seed):
    scenario = options.load_scenario(file, overrides, seed)
    return Asked(scenario, size or scenario.fleet.replicas, int(replication))
