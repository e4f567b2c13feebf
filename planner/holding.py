"""Does a plan still hold? Its one fleet, on fresh periods, until that is clear."""

from collections.abc import Callable
from typing import Any, Literal

from planner.plan import asked, promise_of
from planner.plan_data import fleet_json, interval
from planner.search import Evidence, Tally
from scenarios.model import Scenario
from simulator.monte_carlo import Trial

FRESH = 2_000_000
"""Replications of a check are numbered from here: no plan has ever seen them."""

Holds = Literal["holds", "no longer holds", "undecided"]
VERDICTS: dict[str, Holds] = {"certified": "holds", "rejected": "no longer holds"}


def still_holds(
    scenario: Scenario, replicas: int, kept: Callable[[Scenario, Trial], bool], one_of: int = 1
) -> Tally:
    """Certified again, rejected, or undecided when the budget of the promise ends.

    The tests of planner/sequential.py, each with the whole of alpha: whatever the truth, the chance
    to certify a fleet that breaks its promise is at most alpha, and so is that to reject one that
    keeps it. Of fleets that are tested together, `one_of` so many, each is rejected with an equal
    part of alpha, so that this is the chance to reject any that keeps it. `kept` runs a trial of a
    scenario. The scenario must have an sla.
    """
    promise = promise_of(scenario)
    shared = promise._replace(confidence=1.0 - promise.alpha / one_of)
    evidence = Evidence(shared if one_of > 1 else promise, promise.alpha)
    for index in range(promise.runs_max):
        trial = Trial(replicas, FRESH + index, complete=False)
        evidence.learn(replicas, index, kept(*asked(scenario, trial)))
        evidence.runs[replicas] = index + 1
        if evidence.status(replicas) != "undecided":
            break
    return evidence.tallies()[0]


def as_data(scenario: Scenario, tally: Tally) -> dict[str, Any]:
    """What a check found, as data; `scenario_hash` is of what was run."""
    promise = promise_of(scenario)
    return {
        "name": scenario.name,
        "scenario_hash": scenario.hash,
        "seed": scenario.seed,
        "first_replication": FRESH,
        "verdict": VERDICTS.get(tally.status, "undecided"),
        "fleet": fleet_json(scenario, tally.replicas),
        "probability": promise.probability,
        "confidence": promise.confidence,
        "replications": tally.runs,
        "failed": tally.failed,
        "interval": interval(tally, promise),
    }
