"""How much of the time a replica does not serve, by arithmetic: for a first guess at spares."""

from scenarios.fleet import Fleet
from scenarios.model import Scenario
from simulator.control.outages import mean_outage_s, mean_uptime_s
from simulator.control.placement import components
from simulator.control.starts import start_phases
from simulator.control.stocks import stocks


def unavailability(scenario: Scenario, fleet: Fleet) -> float:
    """Long-run share of time in which the first replica of the main pool is down, or starting after
    that. Faults are taken to be independent, and crews and spares to be no bottleneck."""
    if scenario.failures is None:
        return 0.0
    phases, up = start_phases(scenario, fleet)[0], 1.0
    for fault in scenario.failures.all:
        if fault.effect == "slow" or not fault.strikes(""):
            continue
        total = sum(repair.share for repair in fault.repairs)
        start_s = sum(
            repair.share / total * sum(time.mean_s for _, time in phases[repair.start])
            for repair in fault.repairs
        )
        down_s = mean_outage_s(fault, fleet.health_checks) + start_s
        for component in components(fleet.topology, stocks(scenario, fleet), fault.scope):
            if 0 in component.replicas:
                up_s = mean_uptime_s(fault, component.units)
                up *= up_s / (up_s + down_s)
    return 1.0 - up
