"""`fleetcast simulate FILE`: replications of the scenario's own fleet."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from fleetcast import options
from fleetcast.places import read_object, refuse_others, results_place
from scenarios.model import Scenario
from simulator.keep import Keep


@click.command("simulate")
@options.keep
@options.running
@options.runs
@click.option("--replications", type=click.IntRange(min=1), default=20, show_default=True,
              help="Independent periods.")  # fmt: skip
def command(
    file: Path, overrides: tuple[str, ...], seed: int | None, out: str | None, output: str,
    machines: options.Machines, runs: Path, replications: int, keep: Keep,
) -> None:  # fmt: skip
    """Run FILE's own fleet for some periods and print what its users would feel.

    A killed run goes on when the command is repeated, and finished periods are used again; what is
    finished is shown again.
    """
    from fleetcast.screen import on_screen, show, simulation_screen
    from reports.answer import simulation_lines
    from reports.folder import read_results
    from reports.objectives import shown_objectives

    scenario = options.load_scenario(file, overrides, seed)
    asked = options.asked("simulate", file, overrides, seed, "--replications", str(replications))
    contents = {"asked": asked, "keep": keep, "replications": replications}
    with results_place(out, Path("out") / f"{scenario.name}-simulate") as out_place:
        refuse_others(out_place, "simulation.json")
        folder, name = out_place
        data = finished_simulation(folder, scenario, contents)
        data = data or run_replications(scenario, contents, folder, machines, runs)
        draw_again(folder)
        objectives = shown_objectives(read_results(folder)) if on_screen() else []
    if output == "json":
        click.echo(json.dumps(data, indent=2))
    elif on_screen():
        show(partial(simulation_screen, data, objectives, name))
    else:
        click.echo("\n".join([*simulation_lines(data), f"  results: {name}"]))


def draw_again(folder: Path) -> None:
    """The page, if `report` has drawn one here: it may tell of another question."""
    from reports.folder import PAGE

    if (folder / PAGE).exists():
        from reports.page import write_report

        write_report(folder)


def finished_simulation(
    folder: Path, scenario: Scenario, contents: dict[str, Any]
) -> dict[str, Any] | None:
    """The figures in `folder` if they answer this very question with this very version, as sure of
    the step time as today."""
    from simulator.provenance import step_times
    from simulator.results import manifest

    known, data = read_object(folder / "manifest.json"), read_object(folder / "simulation.json")
    asked = manifest(scenario, "simulate", contents)
    told = ("command", "scenario_hash", "versions", "keep", "replications")
    if any(known.get(key) != asked[key] for key in told):
        return None
    return data if data and data["step_time"] == step_times(scenario) else None


def run_replications(
    scenario: Scenario,
    contents: dict[str, Any],
    folder: Path,
    machines: options.Machines,
    runs_folder: Path,
) -> dict[str, Any]:
    """Run, then write tables, manifest and, last, the summary: its presence means done."""
    from fleetcast.computing import simulating
    from planner.accounts import fleet_accounts
    from planner.evidence import write_tables
    from planner.metrics import Summary, estimates, table
    from planner.plan_data import objective_json
    from simulator.estimates import median_estimate
    from simulator.keeping import periods
    from simulator.monte_carlo import Runs, Trial
    from simulator.provenance import step_times
    from simulator.results import finite, manifest, write_json

    objectives = scenario.objectives
    size, scaling = scenario.fleet.replicas, scenario.fleet.autoscaling
    replications, rows = contents["replications"], []
    (folder / "simulation.json").unlink(missing_ok=True)
    with simulating(machines, runs_folder) as (store, executor, line):
        runs = Runs(scenario, store, executor, Summary(objectives))
        for index in range(replications):
            where = {"phase": "simulate", "line": 0, "replicas": size, "replication": index}
            rows.append(where | runs(Trial(size, index), coming=range(index, replications)))
            line.tell(f"simulate {size} replicas", index + 1, replications)
        figures = table(rows)
        trials = [Trial(size, index) for index in range(replications)]
        shown = periods(runs, trials, contents["keep"])
        files = write_tables(folder, figures, shown, scenario.traffic, contents["keep"])
    contents = contents | {"files": files, "replicas": size}
    write_json(manifest(scenario, "simulate", contents), folder / "manifest.json")
    summary: dict[str, Any] = finite(
        {
            "name": scenario.name,
            "scenario_hash": scenario.hash,
            "seed": scenario.seed,
            "replicas": size,
            "autoscaling": scaling and list(scaling.replicas),
            "replications": replications,
            "kept": int(figures["kept"].sum()) if objectives else None,
            "objectives": [
                objective_json(one, median_estimate(figures[one.text].tolist()))
                for one in objectives
            ],
            "metrics": {name: e._asdict() for name, e in estimates(figures).items()},
            "accounts": fleet_accounts(scenario, figures),
            "step_time": step_times(scenario),
        }
    )
    write_json(summary, folder / "simulation.json")
    return summary
