"""`python -m benchmarks.accuracy DIR [-o table|json] [--docs FILE]`: every figure about accuracy.

In-sample errors are those of `fleetcast validate` with the catalogue's coefficients; left-out ones
come from fitting again without a family of models, a GPU, an engine, a data set.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.accuracy.ablations import ablations
from benchmarks.accuracy.page import page, promise_table
from benchmarks.accuracy.promises import OPEN_LOOPS, promises
from benchmarks.accuracy.user import synthetic_users
from calibration.accuracy import as_json
from calibration.cases import Case
from calibration.datasets import read_cases
from calibration.fit_data import FitResult, fit_folder
from calibration.validation import validate
from fleetcast.progress import compile_first
from reports.fit_tables import as_data
from simulator.results import finite, write_text


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), help="Page to write.")
@click.option("--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1)
def main(folder: Path, output: str, docs: Path | None, workers: int) -> None:
    """Measure the simulator's accuracy on measured data; some minutes."""
    compile_first(closed_loops=True)
    figures = measure(folder, workers)
    if output == "json":
        print(json.dumps(finite(without_objects(figures)), indent=2))
    else:
        print(promise_table(figures["promises"]))
    if docs is not None:
        write_text(page(figures), docs)
        print(f"written: {docs}", file=sys.stderr)


def measure(folder: Path, workers: int) -> dict[str, Any]:
    """Validation, left-out errors, ablations, synthetic users, and what was promised of them."""
    cases, refused = read_cases(folder)
    say(f"validating {len(cases):,} cases")
    validated = as_json([*validate(cases, workers=workers), *refused])
    fitted = fit_folder(folder, workers, lambda text, done, total: say(text))
    if fitted is None:
        raise click.ClickException(f"{folder} has no measured case that can be simulated")
    say("leaving out one effect after the other")
    open_loops = [case for case in cases if plain_open_loop(case)]
    effects = ablations(open_loops) if open_loops else []
    say("calibrating as users would")
    users = synthetic_users(fitted.fitted, workers)
    return {
        "promises": promises(validated, fitted.rows, cases, effects, users),
        "validated": validated,
        "fit": fitted,
        "ablations": effects,
        "users": users,
    }


def plain_open_loop(case: Case) -> bool:
    return case.dataset == OPEN_LOOPS and not case.overloaded and case.suspect is None


def without_objects(figures: dict[str, Any]) -> dict[str, Any]:
    fitted: FitResult = figures["fit"]
    told = [{**promise._asdict(), "kept": promise.kept} for promise in figures["promises"]]
    return figures | {"promises": told, "fit": as_data(fitted)}


def say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr)


if __name__ == "__main__":
    main()
