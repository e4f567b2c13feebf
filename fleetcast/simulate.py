"""`fleetcast simulate FILE`: replications of the scenario's own fleet."""

import json
from pathlib import Path
from typing import Any

import click

from fleetcast import options
from fleetcast.exits import Stop
from scenarios.model import Scenario


@click.command("simulate")
@options.running
@options.runs
@click.option("--replications", type=click.IntRange(min=1), default=20, show_default=True,
              help="Independent periods.")  # fmt: skip
def command(
    file: Path, overrides: tuple[str, ...], seed: int | None, out: Path | None, output: str,
    machines: options.Machines, runs: Path, replications: int,
) -> None:  # fmt: skip
    """Run FILE's own fleet for some periods and print what its users would feel.

    A killed run goes on when the command is repeated, and finished periods are used again.
    """
    from reports.answer import simulation_lines

    scenario = options.load_scenario(file, overrides, seed)
    folder = options.results_folder(out or Path("out") / f"{scenario.name}-simulate")
    if (folder / "plan.json").exists():
        raise Stop(f"{folder} holds a plan and its evidence; --out names another folder")
    data = run_replications(scenario, folder, machines, runs, replications)
    if output == "json":
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo("\n".join([*simulation_lines(data), f"  results: {folder}"]))


def run_replications(
    scenario: Scenario,
    folder: Path,
    machines: options.Machines,
    runs_folder: Path,
    replications: int,
) -> dict[str, Any]:
    """Run, then write tables and manifest; returns the summary that is printed."""
    from fleetcast.computing import at_work, stored_runs
    from fleetcast.progress import compile_first, watching
    from fleetcast.stop_on import user_errors
    from planner.accounts import fleet_accounts
    from planner.evidence import write_tables
    from planner.metrics import Summary, estimates, table
    from simulator.monte_carlo import Runs, Trial
    from simulator.provenance import step_times
    from simulator.results import finite, manifest, write_json

    objectives = scenario.objectives
    size, scaling = scenario.fleet.replicas, scenario.fleet.autoscaling
    rows = []
    compile_first()
    with (
        user_errors(),
        stored_runs(runs_folder) as store,
        at_work(machines) as executor,
        watching() as line,
    ):
        runs = Runs(scenario, store, executor, Summary(objectives))
        for index in range(replications):
            figures = runs(Trial(size, index), coming=range(index, replications))
            where = {"phase": "simulate", "line": 0, "replicas": size, "replication": index}
            rows.append(where | figures)
            line.tell(f"simulate {size} replicas", index + 1, replications)
        periods = table(rows)
        evidence = ((index, *runs.evidence(Trial(size, index))) for index in range(replications))
        tables = write_tables(folder, periods, evidence, scenario.traffic)
    contents = {"files": tables, "replicas": size, "replications": replications}
    write_json(manifest(scenario, "simulate", contents), folder / "manifest.json")
    summary: dict[str, Any] = finite(
        {
            "name": scenario.name,
            "scenario_hash": scenario.hash,
            "seed": scenario.seed,
            "replicas": size,
            "autoscaling": scaling and list(scaling.replicas),
            "replications": replications,
            "kept": int(periods["kept"].sum()) if objectives else None,
            "metrics": {name: e._asdict() for name, e in estimates(periods).items()},
            "accounts": fleet_accounts(scenario, periods),
            "step_time": step_times(scenario),
        }
    )
    return summary
