"""The runs of the scenarios of a plan: one per line and, where fleets scale, one per size."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from planner.metrics import Summary
from planner.verdict import AllowancesFor
from scenarios.model import Scenario
from simulator.monte_carlo import Runs


def runs_by_scenario(
    work: Path, pool: ProcessPoolExecutor | None, workers: int
) -> Callable[[Scenario], Runs]:
    """Gives the runs of a scenario, judged by its objectives and kept under `work`."""
    known: dict[str, Runs] = {}

    def runs_of(scenario: Scenario) -> Runs:
        name = scenario.hash
        if name not in known:
            summary, allowances = Summary(scenario.objectives), AllowancesFor(scenario.objectives)
            place = work / name[:16]
            known[name] = Runs(scenario, place, pool, workers, summary, allowances)
        return known[name]

    return runs_of
