"""`fleetcast sweep FILE --check`: whether the fleet of every cell keeps its promise."""

import json
from pathlib import Path

import click

from fleetcast import options
from fleetcast.exits import EXIT_DONE, EXIT_NO_LONGER, EXIT_UNDECIDED, Stop
from fleetcast.sweep_question import Sweep
from fleetcast.sweep_runs import at_work_on, where
from planner.metrics import Figures
from planner.sweep import Cell
from planner.sweep_check import as_data, check_cells
from reports.junit import junit_xml
from reports.sweep_lines import check_lines
from scenarios.model import Scenario
from simulator.monte_carlo import Trial
from simulator.results import write_text

EXITS = {"holds": EXIT_DONE, "does not hold": EXIT_NO_LONGER, "undecided": EXIT_UNDECIDED}


def run_check(
    sweep: Sweep, output: str, junit: Path | None, machines: options.Machines, runs: Path
) -> int:
    """Run, print what came of it, and return the exit code."""
    if junit is not None:
        options.results_folder(junit.parent, "--junit")
    done = 0
    with at_work_on(sweep, machines, runs) as work:

        def figures_of(cell: Cell, scenario: Scenario, trial: Trial) -> Figures:
            nonlocal done
            assert scenario == cell.scenario, "a cell is tested with its own fleet"
            figures = work.runs_of[cell.number](trial)
            done += 1
            text = f"checking {where(cell, sweep)}: {done} periods so far"
            work.line.tell(text, cell.number - 1, len(sweep.cells))
            return figures

        data = as_data(sweep.base, list(check_cells(sweep.cells, figures_of)))
    if junit is not None:
        try:
            write_text(junit_xml(data), junit)
        except OSError as error:
            raise Stop(f"--junit {junit}: {error.strerror}") from error
    click.echo(json.dumps(data, indent=2) if output == "json" else "\n".join(check_lines(data)))
    return EXITS[data["verdict"]]
