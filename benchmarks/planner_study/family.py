"""Scenarios whose periods cost milliseconds, each with a coupled and an uncoupled router, and
their verdicts."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from planner.verdict import AllowancesFor, judge
from scenarios.loading import load
from scenarios.model import Scenario
from simulator.executors import processes
from simulator.simulate import simulate

FOLDER = Path(__file__).parent
NAMES = ("load", "near", "failures")
Job = TypeVar("Job")
Done = TypeVar("Done")

ROUTERS = ("least-outstanding", "round-robin")


class Case(NamedTuple):
    """One scenario with one router."""

    name: str
    router: str

    def __str__(self) -> str:
        return f"{self.name}, {self.router}"


CASES = tuple(Case(name, router) for router in ROUTERS for name in NAMES)


@cache
def scenario_of(case: Case) -> Scenario:
    needs = ("sla", "plan", "price")
    return load(FOLDER / f"{case.name}.yaml", (f"fleet.router={case.router}",), needs)


def promised(case: Case) -> float:
    """The share of periods that shall keep the SLA."""
    sla = scenario_of(case).sla
    assert sla is not None
    return sla.probability


def sizes_of(case: Case) -> range:
    """The sizes that the planner may choose from."""
    choice = scenario_of(case).plan
    assert choice is not None
    first, last = choice.replicas
    return range(first, last + 1)


def kept(case: Case, replicas: int, seed: int, replication: int) -> bool:
    """The simulated verdict on one period; a lost one stops early."""
    scenario = scenario_of(case)
    fleet = scenario.fleet.model_copy(update={"replicas": replicas})
    may_stop = AllowancesFor(scenario.objectives)
    run = simulate(scenario, fleet, seed, replication, may_stop)
    return judge(run, scenario.objectives).kept


def spread(work: Callable[[Job], Done], jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    """The work done on each job, in their order, by this process or by so many others."""
    with processes(workers) as pool:
        yield from map(work, jobs) if pool is None else pool.map(work, jobs)
