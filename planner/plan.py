"""Scenario -> Plan: the best fleet whose SLA holds with stated confidence, and the evidence."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from planner.bracket import (
    Bracket,
    Unanswerable,
    bracket,
    draw_periods,
    question_makes_sense,
)
from planner.cost import Cost, fleet_cost, gpus_beside, objective_floor, objective_value
from planner.line_search import Bounds, Found, Question, search_lines
from planner.metrics import Figures, table
from planner.search import COUPLED_ROUTERS, SCREENING, Certificate, Promise, Tally
from scenarios.lines import Values, lines
from scenarios.model import Scenario
from simulator.monte_carlo import Trial

FiguresOf = Callable[[Scenario, Trial], Figures]


@dataclass(frozen=True)
class PlanLine:
    """One combination of choices, and what became of it."""

    values: Values
    scenario: Scenario | None
    """None where there can be no such fleet."""
    why_not: str = ""
    """Why nothing of it was run."""
    sizes: tuple[int, int] | None = None
    """Fewest and most replicas that were allowed; None where none are."""
    bracket: Bracket | None = None
    found: Found | None = None
    worth: float | None = None
    """What is made small, of its certified size, else of the one that looks able, else of the
    fewest replicas that carry the mean load: USD per hour, GPUs or kW."""

    @property
    def size(self) -> int | None:
        """The certified size, else the smallest that looks able."""
        if self.found is None:
            return None
        certificate = self.found.certificate
        return certificate.replicas if certificate and certificate.replicas else self.found.size


@dataclass(frozen=True)
class Plan:
    """The choice and why: what was tried, what the chosen fleet did, what one fewer would do."""

    question: Scenario
    lines: tuple[PlanLine, ...]
    line: int
    """The chosen one or, where none was certified, the one that the figures are about."""
    certificate: Certificate
    trials: pd.DataFrame
    """One row per trial that counted: phase, line, replicas, replication, figures. Rows of the
    shown fleet are of whole runs; others may have stopped early."""
    shown: int
    """The fleet the figures are about: the certified one, or the largest one certification ran."""
    cost: Cost

    @property
    def scenario(self) -> Scenario:
        """The question with the choices made."""
        scenario = self.lines[self.line].scenario
        assert scenario is not None
        return scenario

    @property
    def bracket(self) -> Bracket:
        found = self.lines[self.line].bracket
        assert found is not None
        return found

    @property
    def promise(self) -> Promise:
        return promise_of(self.scenario)

    @property
    def one_fewer(self) -> Tally:
        """One replica below the certified fleet; not tried when the scenario rules it out."""
        assert self.certificate.replicas is not None
        below = self.certificate.replicas - 1
        tally = self.certificate.tally(below) or Tally(below, 0, 0, "not tried")
        return tally._replace(status="undecided") if tally.status == "certified" else tally

    @property
    def shown_rows(self) -> pd.DataFrame:
        """The certification rows of the shown fleet."""
        rows = self.trials
        of_fleet = (rows["line"] == self.line) & (rows["replicas"] == self.shown)
        return rows[of_fleet & (rows["phase"] == "certify")]


def plan(
    scenario: Scenario,
    figures_of: FiguresOf,
    on_trial: Callable[[PlanLine, Trial, Figures], None],
) -> Plan:
    """Search, and gather the evidence of the answer.

    `figures_of` gives the figures of a trial of a line's scenario (from a pool, a folder, a cache);
    `on_trial` hears of each period of a search. The scenario must have sla, plan and price.
    Raises Unanswerable, TraceError.
    """
    assert scenario.sla and scenario.plan and scenario.price, "the caller asks for these parts"
    known = prepared(scenario)
    open_lines = [index for index, line in enumerate(known) if line.sizes is not None]
    if not open_lines:
        raise Unanswerable("; ".join(dict.fromkeys(line.why_not for line in known)))
    rows: dict[tuple[int, int], dict[int, Figures]] = defaultdict(dict)

    def ask(line: int, trial: Trial) -> Figures:
        own = known[line].scenario
        assert own is not None
        row = trial_row(line, trial, figures_of(*asked(own, trial)))
        rows[line, trial.replicas][trial.replication] = row
        return row

    def worth(index: int, size: int) -> float:
        line = open_lines[index]
        return worth_of(known[line].scenario, size, rows.get((line, size), {}))

    asking = search_lines([bounds_of(known[line]) for line in open_lines], worth)
    try:
        question: Question = next(asking)
        while True:
            line = open_lines[question.line]
            row = ask(line, question.trial)
            on_trial(known[line], question.trial, row)
            question = asking.send(bool(row["kept"]))
    except StopIteration as end:
        answer = end.value

    for index, line in enumerate(open_lines):
        known[line] = told(known[line], answer.found[index], partial(worth, index))
    chosen = open_lines[answer.line] if answer.line is not None else shown_line(known)
    certificate = certificate_of(known[chosen])
    if any(own.fate != "infeasible" for own in answer.found) and certificate.replicas is None:
        certificate = replace(certificate, status="not certified")
    shown = certificate.replicas or max(tally.replicas for tally in certificate.tallies)
    for replication in sorted(r for r in rows[chosen, shown] if r < SCREENING):
        ask(chosen, Trial(shown, replication))
    own_rows = [row for r, row in sorted(rows[chosen, shown].items()) if r < SCREENING]
    own_scenario = known[chosen].scenario
    assert own_scenario is not None
    return Plan(
        question=scenario,
        lines=tuple(known),
        line=chosen,
        certificate=certificate,
        trials=table(row for of_fleet in rows.values() for row in of_fleet.values()),
        shown=shown,
        cost=fleet_cost(own_scenario, shown, table(own_rows)),
    )


def prepared(scenario: Scenario) -> list[PlanLine]:
    """Every line with the sizes to search, or why there are none."""
    assert scenario.sla is not None
    several = bool(scenario.plan and scenario.plan.choices)
    periods, known = draw_periods(scenario, scenario.seed, SCREENING), []
    for line in lines(scenario):
        if line.scenario is None:
            known.append(PlanLine(line.values, None, line.why_not))
            continue
        bounds = bracket(line.scenario, periods, scenario.sla.probability)
        try:
            question_makes_sense(line.scenario, bounds.load)
        except Unanswerable as error:
            if not several:
                raise
            known.append(PlanLine(line.values, line.scenario, str(error), bracket=bounds))
            continue
        sizes, why_not = allowed_sizes(line.scenario)
        known.append(PlanLine(line.values, line.scenario, why_not, sizes, bounds))
    return known


def allowed_sizes(scenario: Scenario) -> tuple[tuple[int, int] | None, str]:
    """Fewest and most replicas, by the plan's range and the GPUs that can be had; or why there are
    none."""
    assert scenario.plan is not None
    first, last = scenario.plan.replicas
    for gpu, available in scenario.plan.gpus_available.items():
        without = gpus_beside(scenario).get(gpu, 0)
        if without > available:
            return None, f"{without} {gpu} beside the main pool; {available} are available"
        if gpu == scenario.replica.gpu.name:
            last = min(last, (available - without) // scenario.gpus_per_replica)
    scaling = scenario.fleet.autoscaling
    if scaling is not None:
        if scaling.replicas[1] < first:
            return None, f"autoscaling has at most {scaling.replicas[1]} replicas, not {first}"
        last = min(last, scaling.replicas[1])
    if last < first:
        return None, f"the GPUs available are less than {first} replicas take"
    return (first, last), ""


def promise_of(scenario: Scenario) -> Promise:
    assert scenario.sla is not None
    fixed = scenario.fleet.autoscaling is None
    coupled = fixed and scenario.fleet.router in COUPLED_ROUTERS
    return Promise(scenario.sla.probability, scenario.sla.confidence, coupled)


def bounds_of(line: PlanLine) -> Bounds:
    assert line.scenario is not None and line.sizes is not None and line.bracket is not None
    first, last = line.sizes
    start = min(max(line.bracket.start, first), last)
    return Bounds(first, last, start, promise_of(line.scenario))


def worth_of(scenario: Scenario | None, size: int, seen: dict[int, Figures]) -> float:
    """What the plan makes small: of whole runs where there are some, those of certification first;
    else a bound."""
    assert scenario is not None and scenario.plan is not None
    runs = [row for row in seen.values() if not row["stopped_early"]]
    whole = [row for row in runs if row["phase"] == "certify"] or runs
    if not whole:
        return objective_floor(scenario.plan.minimise, scenario, size)
    return objective_value(scenario.plan.minimise, scenario, size, table(whole))


def told(line: PlanLine, found: Found, worth: Callable[[int], float]) -> PlanLine:
    """The line with what became of it."""
    ended = replace(line, found=found)
    assert line.sizes is not None and line.bracket is not None
    first, last = line.sizes
    least = min(max(line.bracket.low, first), last)
    return replace(ended, worth=worth(least if ended.size is None else ended.size))


def shown_line(known: list[PlanLine]) -> int:
    """Where nothing was certified: the least of those that were tried, one that was not rejected
    if there is one."""
    tried = [
        (line.found.fate == "infeasible", line.worth, index)
        for index, line in enumerate(known)
        if line.found and line.found.certificate and line.worth is not None
    ]
    return min(tried)[-1]


def certificate_of(line: PlanLine) -> Certificate:
    assert line.found is not None and line.found.certificate is not None
    return line.found.certificate


def asked(scenario: Scenario, trial: Trial) -> tuple[Scenario, Trial]:
    """Whose run answers a trial of a line. The size of an autoscaled fleet is the fewest replicas
    that it may have: a fact of its scenario, and not of the trial alone."""
    if scenario.fleet.autoscaling is None:
        return scenario, trial
    fleet = scenario.fleet.of_size(trial.replicas)
    sized = scenario.model_copy(update={"fleet": fleet})
    return sized, trial._replace(replicas=fleet.replicas)


def trial_row(line: int, trial: Trial, figures: Figures) -> Figures:
    phase = "screen" if trial.replication >= SCREENING else "certify"
    where = {"phase": phase, "line": line, "replicas": trial.replicas}
    return where | {"replication": trial.replication} | figures
