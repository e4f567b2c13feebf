"""The runs of the scenarios of a plan: one per line and, where fleets scale, one per size."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from planner.metrics import Summary
from planner.plan import asked
from planner.verdict import AllowancesFor
from scenarios.model import Scenario
from simulator.keep import Keep
from simulator.keeping import Period, periods
from simulator.monte_carlo import Runs, Trial

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


def shown_periods(
    runs_of: Callable[[Scenario], Runs],
    scenario: Scenario,
    replicas: int,
    replications: Sequence[int],
    keep: Keep,
) -> Iterator[Period]:
    """Periods of a line's fleet by their number, as a plan is shown by them."""
    own, trial = asked(scenario, Trial(replicas, 0))
    trials = [trial._replace(replication=replication) for replication in sorted(replications)]
    return periods(runs_of(own), trials, keep)
