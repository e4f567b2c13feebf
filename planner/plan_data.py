"""A plan as data: plan.json. planner/plan_file.py tells what its keys mean."""

from typing import Any

from planner.accounts import fleet_accounts
from planner.cost import as_data, gpus
from planner.explain import STEP, Explanation, Kept
from planner.metrics import estimates
from planner.plan import Plan, PlanLine
from planner.search import Promise, Tally
from planner.sequential import confidence_sequence
from planner.statement import statement
from scenarios.lines import named
from scenarios.model import Scenario
from scenarios.objectives import Objective
from simulator.estimates import Estimate, median_estimate
from simulator.provenance import step_times
from simulator.results import versions


def as_json(plan: Plan, explanation: Explanation | None = None) -> dict[str, Any]:
    """The plan as data, stable keys for CI: seconds, shares of one, USD."""
    scenario, certificate = plan.scenario, plan.certificate
    assert scenario.sla is not None and scenario.plan is not None
    shown = certificate.tally(plan.shown) or Tally(plan.shown, 0, 0, "undecided")
    rows, sizes = plan.shown_rows, plan.lines[plan.line].sizes
    assert sizes is not None
    return {
        "name": scenario.name,
        "scenario_hash": plan.question.hash,
        "scenario": scenario.as_yaml_data(),
        "versions": versions(),
        "seed": scenario.seed,
        "statement": statement(plan),
        "minimise": scenario.plan.minimise,
        "line": plan.line,
        "choice": labels(plan.lines[plan.line]),
        "fleet": fleet_json(scenario, certificate.replicas),
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
        "cost": as_data(scenario, plan.cost),
        "figures_of": plan.shown,
        "objectives": [
            objective_json(objective, median_estimate(rows[objective.text].tolist()))
            for objective in scenario.sla.objectives
        ],
        "metrics": {name: estimate._asdict() for name, estimate in estimates(rows).items()},
        "accounts": fleet_accounts(scenario, rows),
        "sizes": [tally_json(tally, plan) for tally in certificate.tallies],
        "screened": screened(certificate.screened),
        "search": {
            "first": sizes[0],
            "last": sizes[1],
            "lower_bound": plan.bracket.low,
            "first_guess": plan.bracket.start,
        },
        "load": {
            "requests_per_s": plan.bracket.load.rate_per_s,
            "input_tokens": plan.bracket.load.input_tokens,
            "output_tokens": plan.bracket.load.output_tokens,
        },
        "step_time": step_times(scenario),
        "lines": [line_json(line, plan) for line in plan.lines],
        "explanation": explanation and explanation_json(explanation),
    }


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Why this answer. kept: of `runs` periods; used: share of the tightest objective's allowance
    that the median period used."""
    headroom = explanation.headroom
    return {
        "constraint": {
            "replicas": explanation.below,
            "as_it_is": kept_json(explanation.base),
            "what_ifs": [
                {"relieves": one.relieves, "change": one.change} | kept_json(one.result)
                for one in explanation.reliefs
            ],
            "binding": list(explanation.binding),
        },
        "sensitivity": {
            "step": STEP,
            "as_it_is": kept_json(explanation.chosen),
            "inputs": [
                {"input": one.input, "less": kept_json(one.less), "more": kept_json(one.more)}
                for one in explanation.levers
            ],
        },
        "headroom": {
            "factor": headroom.factor,
            "replications": headroom.tally.runs if headroom.tally else 0,
            "failed": headroom.tally.failed if headroom.tally else 0,
            "refused": headroom.refused,
        },
        "frontier": [
            point._asdict() | {"interval": list(point.interval)} for point in explanation.frontier
        ],
        "luck": explanation.luck and kept_json(explanation.luck),
    }


def kept_json(kept: Kept) -> dict[str, Any]:
    return kept._asdict() | {"interval": list(kept.interval)}


def fleet_json(scenario: Scenario, replicas: int | None) -> dict[str, Any]:
    """A fleet in figures; None where none was found."""
    scaling = scenario.fleet.autoscaling
    return {
        "replicas": replicas,
        "gpus": replicas and gpus(scenario, replicas),
        "most": scaling and scaling.replicas[1],
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
    }


def labels(line: PlanLine) -> dict[str, str]:
    return {key: named(value) for key, value in line.values.items()}


def line_json(line: PlanLine, plan: Plan) -> dict[str, Any]:
    """What became of one combination. `value`: what the plan makes small (USD per hour, GPUs or
    kW), of `replicas` or, without, of the fewest that carry the mean load."""
    scenario, found = line.scenario, line.found
    tallies = found.certificate.tallies if found and found.certificate else ()
    return {
        "choice": labels(line),
        "fate": found.fate if found else "impossible" if scenario is None else "ruled out",
        "why_not": line.why_not,
        "gpu": scenario and scenario.replica.gpu.name,
        "gpus_per_replica": scenario and scenario.gpus_per_replica,
        "sizes": line.sizes and list(line.sizes),
        "lower_bound": line.bracket and line.bracket.low,
        "first_guess": line.bracket and line.bracket.start,
        "replicas": line.size,
        "value": line.worth,
        "screened": screened(found.screened if found else {}),
        "certified": [tally_json(tally, plan) for tally in tallies],
    }


def screened(passed: dict[int, bool]) -> list[dict[str, Any]]:
    return [{"replicas": size, "passed": kept} for size, kept in sorted(passed.items())]


def objective_json(objective: Objective, estimate: Estimate) -> dict[str, Any]:
    return {"objective": objective.text, "limit": objective.limit} | estimate._asdict()


def tally_json(tally: Tally, plan: Plan) -> dict[str, Any]:
    return tally._asdict() | {"interval": interval(tally, plan.promise)}


def interval(tally: Tally, promise: Promise) -> list[float]:
    """A confidence sequence for the share of periods kept: valid although the search looked on."""
    return list(confidence_sequence(tally.runs, tally.failed, promise.alpha))
