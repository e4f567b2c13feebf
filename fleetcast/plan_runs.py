"""The runs of the scenarios of a plan: one per line and, where fleets scale, one per size."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from planner.metrics import Summary
from planner.verdict import AllowancesFor
from scenarios.model import Scenario
from simulator.monte_carlo import Runs

if TYPE_CHECKING:
    from simulator.executors import Executor
    from simulator.store import Store


def runs_by_scenario(store: "Store", executor: "Executor") -> Callable[[Scenario], Runs]:
    """Gives the runs of a scenario, judged by its objectives."""
    known: dict[str, Runs] = {}

    def runs_of(scenario: Scenario) -> Runs:
        name = scenario.hash
        if name not in known:
            summary, allowances = Summary(scenario.objectives), AllowancesFor(scenario.objectives)
            known[name] = Runs(scenario, store, executor, summary, allowances)
        return known[name]

    return runs_of
