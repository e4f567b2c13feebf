"""Does every cell of a sweep keep its promise? Its own fleet on fresh periods, until clear."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from planner.holding import FRESH, VERDICTS, still_holds
from planner.metrics import Figures
from planner.plan import promise_of
from planner.plan_data import fleet_json, interval
from planner.search import Tally
from planner.sweep import Cell
from planner.verdict import keeps
from scenarios.model import Scenario
from simulator.monte_carlo import Trial
from simulator.results import versions

FiguresOf = Callable[[Cell, Scenario, Trial], Figures]
Verdict = Literal["holds", "no longer holds", "undecided", "impossible"]


class Checked(NamedTuple):
    """What a check found of one cell."""

    cell: Cell
    tally: Tally | None
    """None where there can be no such fleet."""
    broken: dict[str, int]
    """In how many of its periods each objective was broken, by its text."""

    @property
    def verdict(self) -> Verdict:
        return "impossible" if self.tally is None else VERDICTS.get(self.tally.status, "undecided")


def check_cells(cells: Sequence[Cell], figures_of: FiguresOf) -> Iterator[Checked]:
    """Each cell in turn, certified, rejected or undecided when its budget ends.

    That *all* cells hold is claimed when each is certified at alpha, without a correction: were one
    of them to break its promise, the claim needs the certificate of that one, which it gets with
    probability at most alpha (an intersection-union test; Berger 1982, Technometrics 24). That
    *some* cell does not hold is claimed as soon as any is rejected, of which there are as many
    chances as cells: each is rejected at an equal part of alpha, so that a check of cells that
    all keep their promise ends so with probability at most alpha (Bonferroni).
    """
    possible = sum(cell.scenario is not None for cell in cells)
    for cell in cells:
        if cell.scenario is None:
            yield Checked(cell, None, {})
        else:
            yield check_cell(cell, possible, figures_of)


def check_cell(cell: Cell, one_of: int, figures_of: FiguresOf) -> Checked:
    """Its periods are run to their ends, though some are lost before: all they break is told."""
    scenario = cell.can_be
    broken = dict.fromkeys((objective.text for objective in scenario.objectives), 0)

    def kept(own: Scenario, trial: Trial) -> bool:
        figures = figures_of(cell, own, trial._replace(complete=True))
        for objective in scenario.objectives:
            broken[objective.text] += not keeps(figures[objective.text], objective)
        return bool(figures["kept"])

    return Checked(cell, still_holds(scenario, own_size(scenario), kept, one_of), broken)


def own_size(scenario: Scenario) -> int:
    """The size of the fleet as plans count it: of an autoscaled one its fewest replicas."""
    scaling = scenario.fleet.autoscaling
    return scenario.fleet.replicas if scaling is None else scaling.replicas[0]


def as_data(base: Scenario, checked: Sequence[Checked]) -> dict[str, Any]:
    """What the check found, as data."""
    verdicts = {each.verdict for each in checked}
    verdict = "holds"
    if verdicts & {"no longer holds", "impossible"}:
        verdict = "does not hold"
    elif "undecided" in verdicts:
        verdict = "undecided"
    return {
        "name": base.name,
        "scenario_hash": base.hash,
        "seed": base.seed,
        "versions": versions(),
        "first_replication": FRESH,
        "verdict": verdict,
        "cells": [cell_json(each) for each in checked],
    }


def cell_json(checked: Checked) -> dict[str, Any]:
    cell, tally = checked.cell, checked.tally
    told: dict[str, Any] = {
        "cell": cell.number,
        "asked": cell.values,
        "verdict": "does not hold" if checked.verdict == "no longer holds" else checked.verdict,
        "why_not": cell.why_not,
    }
    if tally is None:
        return told
    scenario = cell.can_be
    promise = promise_of(scenario)
    return told | {
        "scenario_hash": scenario.hash,
        "fleet": fleet_json(scenario, tally.replicas),
        "probability": promise.probability,
        "confidence": promise.confidence,
        "replications": tally.runs,
        "failed": tally.failed,
        "interval": interval(tally, promise),
        "broken": [{"objective": text, "periods": count} for text, count in checked.broken.items()],
    }
