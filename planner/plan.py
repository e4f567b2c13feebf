"""Scenario -> Plan: the smallest fleet whose SLA holds with stated confidence, and the evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from planner.accounts import fleet_accounts
from planner.bracket import Bracket, bracket, question_makes_sense
from planner.cost import HOURS_PER_MONTH, Cost, fleet_cost, gpus, varies
from planner.metrics import Figures, estimates, table
from planner.search import COUPLED_ROUTERS, SCREENING, Certificate, Promise, Tally, search
from planner.sequential import confidence_sequence
from scenarios.model import Scenario
from scenarios.objectives import Objective
from simulator.estimates import Estimate, median_estimate
from simulator.monte_carlo import Trial
from simulator.provenance import step_times

FiguresOf = Callable[[Trial], Figures]


@dataclass(frozen=True)
class Plan:
    """The choice and why: what was tried, what the chosen fleet did, what one fewer would do."""

    scenario: Scenario
    promise: Promise
    bracket: Bracket
    certificate: Certificate
    trials: pd.DataFrame
    """One row per trial that counted: phase, replicas, replication, figures. Rows of the shown
    fleet are of whole runs; others may have stopped early."""
    shown: int
    """The fleet the figures are about: the certified one, or the largest one certification ran."""
    cost: Cost

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
        return rows[(rows["phase"] == "certify") & (rows["replicas"] == self.shown)]


def plan(
    scenario: Scenario, figures_of: FiguresOf, on_trial: Callable[[Trial, bool], None]
) -> Plan:
    """Search, and gather the evidence of the answer.

    `figures_of` gives the figures of a trial (from a pool, a folder, a cache); `on_trial` hears of
    each verdict as it falls. The scenario must have sla, plan and price.
    Raises Unanswerable, TraceError.
    """
    assert scenario.sla and scenario.plan and scenario.price, "the caller asks for these parts"
    promise = promise_of(scenario)
    bounds = bracket(scenario, scenario.seed, SCREENING, promise.probability)
    question_makes_sense(scenario, bounds.load)
    first, last = scenario.plan.replicas
    rows: dict[tuple[int, int], Figures] = {}

    def verdict_on(trial: Trial) -> bool:
        row = trial_row(trial, figures_of(trial))
        rows[trial.replicas, trial.replication] = row
        kept = bool(row["kept"])
        on_trial(trial, kept)
        return kept

    asking = search(first, bounds.start, last, promise)
    try:
        trial = next(asking)
        while True:
            trial = asking.send(verdict_on(trial))
    except StopIteration as answer:
        certificate: Certificate = answer.value

    shown = certificate.replicas or max(tally.replicas for tally in certificate.tallies)
    own = sorted(r for size, r in rows if size == shown and r < SCREENING)
    for replication in own:
        trial = Trial(shown, replication)
        rows[shown, replication] = trial_row(trial, figures_of(trial))
    served = table(rows[shown, replication] for replication in own)
    return Plan(
        scenario=scenario,
        promise=promise,
        bracket=bounds,
        certificate=certificate,
        trials=table(rows.values()),
        shown=shown,
        cost=fleet_cost(scenario, shown, served),
    )


def promise_of(scenario: Scenario) -> Promise:
    """What the plan of a scenario with an SLA has to keep."""
    assert scenario.sla is not None
    coupled = scenario.fleet.router in COUPLED_ROUTERS
    return Promise(scenario.sla.probability, scenario.sla.confidence, coupled)


def trial_row(trial: Trial, figures: Figures) -> Figures:
    phase = "screen" if trial.replication >= SCREENING else "certify"
    where = {"phase": phase, "replicas": trial.replicas, "replication": trial.replication}
    return where | figures


def statement(plan: Plan) -> str:
    """What the plan says, word for word, with its scope."""
    scenario, promise = plan.scenario, plan.promise
    assert scenario.sla is not None
    kept = " and ".join(objective.text for objective in scenario.sla.objectives)
    period = f"a period of {duration(scenario.horizon_s)}"
    model = f"In this model (scenario {scenario.hash[:12]}) {period} meets [{kept}]"
    scope = (
        "The statement is about the model with these inputs: rates, lengths, step time and failure "
        "rates are taken as given."
    )
    goal = f"with probability >= {promise.probability:g}"
    confidence = f"{promise.confidence:.0%} confidence"
    chosen = plan.certificate.replicas
    if chosen is None:
        tally = plan.certificate.tally(plan.shown)
        assert tally is not None
        seen = f"{tally.failed} of {tally.runs} periods failed"
        tried = f"not certified for {sizes_tried(plan.certificate)} replicas"
        if plan.certificate.status == "infeasible":
            tried = f"rejected for up to {replicas(plan.certificate.tallies[-1].replicas)}"
        return f"{model} {goal}: {tried}; {replicas(plan.shown)}: {tally.status} ({seen}). {scope}"
    tally = plan.certificate.tally(chosen)
    assert tally is not None
    fewer = plan.one_fewer
    below = ""
    if fewer.runs:
        seen = f"{fewer.failed}/{fewer.runs} periods failed"
        below = f"{replicas(fewer.replicas)}: {fewer.status} ({seen}). "
    elif fewer.replicas:
        below = f"{replicas(fewer.replicas)}: not tried. "
    return (
        f"{model} {goal}: certified for {replicas(chosen)}{beside(scenario)} at {confidence} "
        f"({tally.runs} fresh simulated periods, {tally.failed} failed; exact sequential test, "
        f"error <= {promise.alpha:.2g} over the whole search including its stopping rule"
        f"{audit(plan)}). {below}{scope}"
    )


def beside(scenario: Scenario) -> str:
    """The pools that stand beside every size that was tried."""
    others = [f"{pool.replicas} of pool {pool.name}" for pool in scenario.fleet.others]
    return f" beside {' and '.join(others)}" if others else ""


def sizes_tried(certificate: Certificate) -> str:
    return " and ".join(str(tally.replicas) for tally in certificate.tallies)


def audit(plan: Plan) -> str:
    """What the coupling of fleet sizes rests on, where the answer made use of it."""
    run, failed = plan.certificate.inherited_run, plan.certificate.inherited_failed
    if not plan.promise.coupled:
        return ""
    premise = ", given that more replicas do not hurt on the same period"
    return f"{premise}: {failed} of {run} such passes failed when run" if run else premise


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as data, stable keys for CI: seconds, shares of one, USD."""
    scenario, certificate = plan.scenario, plan.certificate
    assert scenario.sla is not None and scenario.plan is not None
    shown = certificate.tally(plan.shown) or Tally(plan.shown, 0, 0, "undecided")
    rows = plan.shown_rows
    return {
        "name": scenario.name,
        "scenario_hash": scenario.hash,
        "seed": scenario.seed,
        "statement": statement(plan),
        "fleet": {
            "replicas": certificate.replicas,
            "gpus": certificate.replicas and gpus(scenario, certificate.replicas),
            "gpu": scenario.replica.gpu.name,
            "gpus_per_replica": scenario.gpus_per_replica,
            "model": scenario.model.name,
            "precision": scenario.replica.precision,
            "router": str(scenario.fleet.router),
            "others": [
                {
                    "name": pool.name,
                    "replicas": pool.replicas,
                    "gpu": pool.replica.gpu.name,
                    "gpus_per_replica": pool.replica.gpus,
                }
                for pool in scenario.fleet.others
            ],
        },
        "certificate": {
            "status": certificate.status,
            "probability": plan.promise.probability,
            "confidence": plan.promise.confidence,
            "replications": shown.runs,
            "failed": shown.failed,
            "interval": interval(shown, plan.promise),
            "inherited_run": certificate.inherited_run,
            "inherited_failed": certificate.inherited_failed,
        },
        "one_fewer": None if certificate.replicas is None else tally_json(plan.one_fewer, plan),
        "cost": plan.cost._asdict()
        | {"hours_per_month": HOURS_PER_MONTH, "varies": varies(scenario)},
        "figures_of": plan.shown,
        "objectives": [
            objective_json(objective, median_estimate(rows[objective.text].tolist()))
            for objective in scenario.sla.objectives
        ],
        "metrics": {name: estimate._asdict() for name, estimate in estimates(rows).items()},
        "accounts": fleet_accounts(scenario, rows),
        "sizes": [tally_json(tally, plan) for tally in certificate.tallies],
        "screened": [
            {"replicas": size, "passed": passed}
            for size, passed in sorted(certificate.screened.items())
        ],
        "search": {
            "first": scenario.plan.replicas[0],
            "last": scenario.plan.replicas[1],
            "lower_bound": plan.bracket.low,
            "first_guess": plan.bracket.start,
        },
        "load": {
            "requests_per_s": plan.bracket.load.rate_per_s,
            "input_tokens": plan.bracket.load.input_tokens,
            "output_tokens": plan.bracket.load.output_tokens,
        },
        "step_time": step_times(scenario),
    }


def objective_json(objective: Objective, estimate: Estimate) -> dict[str, Any]:
    return {"objective": objective.text, "limit": objective.limit} | estimate._asdict()


def tally_json(tally: Tally, plan: Plan) -> dict[str, Any]:
    return tally._asdict() | {"interval": interval(tally, plan.promise)}


def interval(tally: Tally, promise: Promise) -> list[float]:
    """A confidence sequence for the share of periods kept: valid although the search looked on."""
    return list(confidence_sequence(tally.runs, tally.failed, promise.alpha))


def replicas(count: int) -> str:
    return f"{count} replica" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """'5 min' of 300, '90 s' of 90, '24 h' of a day.

    >>> duration(300.0), duration(90.0), duration(86400.0)
    ('5 min', '90 s', '24 h')
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
