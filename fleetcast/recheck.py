"""`fleetcast plan --check PLAN.json [FILE]`: whether a plan's fleet still keeps its promise."""

import json
from pathlib import Path
from typing import Any

import click

from fleetcast import options
from fleetcast.computing import simulating
from fleetcast.exits import EXIT_DONE, EXIT_NO_LONGER, EXIT_UNDECIDED, Stop
from fleetcast.plan_files import read_plan, version_text
from fleetcast.plan_runs import runs_by_scenario
from planner.holding import as_data, still_holds
from planner.plan import promise_of
from planner.plan_file import made_here
from planner.search import Tally
from reports.answer import check_line
from scenarios.document import Document, KeyPath, has, path_of, put
from scenarios.faults import ScenarioError
from scenarios.loading import restore
from scenarios.model import Scenario
from simulator.monte_carlo import Trial

EXITS = {"holds": EXIT_DONE, "no longer holds": EXIT_NO_LONGER, "undecided": EXIT_UNDECIDED}


def recheck(
    plan_file: Path, file: Path | None, overrides: tuple[str, ...], seed: int | None,
    output: str, machines: options.Machines, runs: Path,
) -> int:  # fmt: skip
    """Run, print what came of it, and return the exit code."""
    plan = read_plan(plan_file)
    if plan["fleet"]["replicas"] is None:
        status = plan["certificate"]["status"]
        raise Stop(f"{plan_file} certified nothing ({status}): there is no fleet to check")
    if not made_here(plan):
        click.echo(f"Note: {plan_file} is of another version ({version_text(plan)})", err=True)
    scenario = checked_scenario(plan, plan_file, file, options.with_seed(overrides, seed))
    tally = run_check(scenario, plan["fleet"]["replicas"], machines, runs)
    data = as_data(scenario, tally)
    click.echo(json.dumps(data, indent=2) if output == "json" else check_line(data))
    return EXITS[data["verdict"]]


def checked_scenario(
    plan: dict[str, Any], plan_file: Path, file: Path | None, overrides: tuple[str, ...]
) -> Scenario:
    """The plan's own or, where there is a FILE, what that asks of the plan's fleet."""
    try:
        if file is None:
            return restore(plan["scenario"], str(plan_file), overrides, needs=("sla",))
        asked = options.load_scenario(file, overrides, None, needs=("sla",))
        source = f"{file} with the fleet of {plan_file}"
        return restore(with_fleet(asked.as_yaml_data(), plan, source), source)
    except ScenarioError as error:
        raise Stop(str(error)) from error


def with_fleet(scenario: dict[str, Any], plan: dict[str, Any], source: str) -> dict[str, Any]:
    """A scenario's data with all that the plan chose: its replica and its fleet, and whatever else
    the plan had a choice of."""
    document = Document(source, scenario)
    start = value_at(scenario, path_of("fleet.cold_start"))
    for key in ("replica", "fleet", *plan["choice"]):
        put(document, key, value_at(plan["scenario"], path_of(key)), source)
    if "fleet.cold_start" not in plan["choice"]:
        put(document, "fleet.cold_start", start, source)  # the world's, and not ours to choose
    if document.faults:
        raise ScenarioError(source, document.faults)
    if "plan" in scenario:
        scenario["plan"] |= {"choices": {}}
    return scenario


def value_at(data: Any, path: KeyPath) -> Any:
    """What stands there; None where nothing does."""
    for key in path:
        data = data[key] if has(data, key) else None
    return data


def run_check(scenario: Scenario, replicas: int, machines: options.Machines, runs: Path) -> Tally:
    """The test, on runs that stay for the next time."""
    budget = promise_of(scenario).runs_max
    with simulating(machines, runs) as (store, executor, line):
        runs_of = runs_by_scenario(store, executor)
        done = 0

        def kept(own: Scenario, trial: Trial) -> bool:
            nonlocal done
            verdict = bool(runs_of(own)(trial)["kept"])
            done += 1
            line.tell(f"checking {replicas} replicas", done, budget)
            return verdict

        return still_holds(scenario, replicas, kept)
