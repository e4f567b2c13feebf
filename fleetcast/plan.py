"""`fleetcast plan FILE`: the smallest certified fleet, its evidence and its report. With `--check`:
fleetcast/recheck.py, with `--shard`: fleetcast/shard.py."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from fleetcast import options
from fleetcast.exits import EXIT_DONE, EXIT_INFEASIBLE, EXIT_UNDECIDED, Stop
from fleetcast.places import Readable, read_object, refuse_others, results_place
from fleetcast.price_age import warn_of_old_prices
from scenarios.model import Scenario
from simulator.keep import Keep

EXITS = {"certified": EXIT_DONE, "infeasible": EXIT_INFEASIBLE, "not certified": EXIT_UNDECIDED}


@click.command("plan")
@click.argument("file", required=False,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--check", "plan_file", metavar="PLAN.json",
              type=Readable(exists=True, dir_okay=False, path_type=Path),
              help="Plan nothing: test on fresh periods whether the fleet of this plan still "
              "holds, for FILE where one is given.")  # fmt: skip
@click.option("--explain/--no-explain", "explained", default=True, show_default=True,
              help="What binds, how much room there is, what the answer hangs on: about as much "
              "work again.")  # fmt: skip
@click.option("--shard", "share", metavar="I/N",
              help="Plan nothing: simulate the I-th of N shares of what the plan will need, into "
              "--runs. For batch systems; `fleetcast merge` unites the shares.")  # fmt: skip
@options.keep
@options.settings
@options.runs
def command(
    file: Path | None, plan_file: Path | None, explained: bool, share: str | None, keep: Keep,
    overrides: tuple[str, ...],
    seed: int | None, out: str | None, output: str, machines: options.Machines, runs: Path,
) -> None:  # fmt: skip
    """Find the smallest fleet whose SLA holds, certify it, and write evidence and report.

    FILE is a scenario with sla, plan and price. A killed run goes on when the command is repeated;
    a finished one is shown again. With another price, promise or objective, every run that still
    applies is used again.

    With --check: exit code 0 when the fleet is certified again, 99 when it no longer holds, 4 when
    that is undecided within the budget.
    """
    from fleetcast.recheck import recheck
    from fleetcast.request_rows import keep_rows
    from fleetcast.screen import on_screen, plan_screen, show
    from fleetcast.shard import parse_shard, run_shard
    from reports.answer import plan_lines
    from reports.folder import read_results
    from reports.objectives import shown_objectives
    from reports.page import write_report

    shard = None if share is None else parse_shard(share)
    if plan_file is not None:
        if shard is not None:
            raise Stop("--shard: is about plans, not about --check")
        raise SystemExit(recheck(plan_file, file, overrides, seed, output, machines, runs))
    if file is None:
        raise click.UsageError("Missing argument 'FILE'.", click.get_current_context())
    scenario = options.load_scenario(file, overrides, seed, needs=("sla", "plan", "price"))
    if shard is not None:
        raise SystemExit(run_shard(scenario, shard, output, machines, runs))
    warn_of_old_prices(scenario)
    asked = options.asked("plan", file, overrides, seed, *([] if explained else ["--no-explain"]))
    with results_place(out, Path("out") / scenario.name) as out_place:
        refuse_others(out_place, "plan.json")
        folder, name = out_place
        data = finished_plan(folder, scenario, explained)
        if data is None:
            data = make_plan(scenario, asked, folder, machines, runs, explained, keep)
        else:
            keep_rows(folder, data, keep, machines, runs)
        page = f"{name}/{write_report(folder).name}"
        objectives = shown_objectives(read_results(folder)) if on_screen() else []
    if output == "json":
        click.echo(json.dumps(data, indent=2))
    elif on_screen():
        show(partial(plan_screen, data, objectives, page))
    else:
        click.echo("\n".join([*plan_lines(data), f"  report: {page}"]))
    raise SystemExit(EXITS[data["certificate"]["status"]])


def make_plan(
    scenario: Scenario, asked: str, folder: Path, machines: options.Machines, runs_folder: Path,
    explained: bool, keep: Keep,
) -> dict[str, Any]:  # fmt: skip
    """Search, then write everything; plan.json last, so that its presence means done."""
    from fleetcast.computing import simulating
    from fleetcast.plan_runs import runs_by_scenario, shown_periods
    from fleetcast.search_board import SearchTold
    from planner.evidence import write_tables
    from planner.explain import explain
    from planner.metrics import Figures
    from planner.plan import plan
    from planner.plan_data import as_json
    from simulator.monte_carlo import Trial
    from simulator.results import finite, manifest, write_json

    (folder / "plan.json").unlink(missing_ok=True)
    with simulating(machines, runs_folder) as (store, executor, line):
        runs_of = runs_by_scenario(store, executor)

        def figures_of(own: Scenario, trial: Trial) -> Figures:
            return runs_of(own)(trial)

        told = SearchTold(line)
        answer = plan(scenario, figures_of, told)
        shown = answer.shown_rows["replication"].tolist()
        evidence = shown_periods(runs_of, answer.scenario, answer.shown, shown, keep)
        files = write_tables(folder, answer.trials, evidence, scenario.traffic, keep)
        explanation = explain(answer, figures_of, told.explain) if explained else None
    data: dict[str, Any] = finite(as_json(answer, explanation))
    contents = {"asked": asked, "keep": keep, "files": files}
    write_json(manifest(scenario, "plan", contents), folder / "manifest.json")
    write_json(data, folder / "plan.json")
    return data


def finished_plan(folder: Path, scenario: Scenario, explained: bool) -> dict[str, Any] | None:
    """The plan in `folder` if it answers this very scenario with this very version, as sure of the
    step time as today, and says why if that is asked for."""
    from scenarios.loading import restore
    from simulator.provenance import step_times
    from simulator.results import versions

    known, data = read_object(folder / "manifest.json"), read_object(folder / "plan.json")
    same = {"command": "plan", "scenario_hash": scenario.hash, "versions": versions()}
    if any(known.get(key) != same[key] for key in same):
        return None
    if not data or data["step_time"] != step_times(restore(data["scenario"])):
        return None
    told = data["explanation"] is not None or data["fleet"]["replicas"] is None
    return data if told or not explained else None
