"""A sweep's periods, simulated or from the store, and what is made of them."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fleetcast import options
from fleetcast.computing import simulating
from fleetcast.plan_runs import runs_by_scenario
from fleetcast.progress import Line
from fleetcast.sweep_question import Asked, Sweep
from planner.metrics import Figures
from planner.shards import Shard
from planner.sweep import Cell, RunsOf, periods_of, share_of, simulated
from planner.sweep_data import as_json
from planner.sweep_files import write_sweep
from simulator.results import finite


class Work(NamedTuple):
    """What a sweep computes with."""

    runs_of: RunsOf
    line: Line


@contextmanager
def at_work_on(sweep: Sweep, machines: options.Machines, runs_folder: Path) -> Iterator[Work]:
    with simulating(machines, runs_folder) as (store, executor, line):
        of_scenario = runs_by_scenario(store, executor)
        possible = [(cell.number, cell.scenario) for cell in sweep.cells if cell.scenario]
        yield Work({number: of_scenario(scenario) for number, scenario in possible}, line)


def run_sweep(
    sweep: Sweep, asked: Asked, replications: int, folder: Path, machines: options.Machines,
    runs_folder: Path,
) -> dict[str, Any]:  # fmt: skip
    """Simulate what the store does not have, and write the results."""
    figures_of: dict[int, list[Figures]] = defaultdict(list)
    periods = periods_of(sweep.cells, replications)
    with at_work_on(sweep, machines, runs_folder) as work:
        figures = simulated(periods, work.runs_of)
        for done, ((cell, index), found) in enumerate(zip(periods, figures, strict=True), 1):
            figures_of[cell.number].append(found)
            text = f"{where(cell, sweep)}: period {index + 1} of {replications}"
            work.line.tell(text, done, len(periods))
    found_all = as_json(sweep.base, asked.design, sweep.varied, sweep.cells, figures_of)
    data: dict[str, Any] = finite(found_all)
    write_sweep(folder, sweep.base, sweep.cells, data, figures_of, asked.command(replications))
    return data


def run_share(
    sweep: Sweep, replications: int, shard: Shard, machines: options.Machines, runs_folder: Path
) -> dict[str, Any]:
    """Simulate a shard's periods; what was done."""
    with at_work_on(sweep, machines, runs_folder) as work:
        periods = periods_of(sweep.cells, replications)
        own = share_of(periods, shard, work.runs_of)
        for done, _ in enumerate(simulated(own, work.runs_of), 1):
            work.line.tell(f"shard {shard.number} of {shard.of}", done, len(own))
    return {
        "name": sweep.base.name,
        "scenario_hash": sweep.base.hash,
        "shard": shard.number,
        "shards": shard.of,
        "cells": len(sweep.cells),
        "periods": len(periods),
        "own": len(own),
    }


def where(cell: Cell, sweep: Sweep) -> str:
    """A cell in the progress line, with what was asked by the last words of its keys."""
    asked = [f"{key.rpartition('.')[2]} {value}" for key, value in cell.values.items()]
    return f"cell {cell.number} of {len(sweep.cells)} ({', '.join(asked)})"
