"""Options that several commands share, and the scenario they name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fleetcast.exits import Stop
from scenarios.faults import ScenarioError
from scenarios.loading import load
from scenarios.model import Scenario

Command = Callable[..., Any]

scenario_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Change one value of the scenario, such as replica.gpu=h200-sxm-141gb or "
    "traffic.0.arrivals.rate=20/s. Repeatable.",
)  # fmt: skip
seed = click.option("--seed", type=click.IntRange(min=0), help="Instead of the scenario's seed.")
out = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results.  [default: out/NAME; for simulate out/NAME-simulate]",
)  # fmt: skip
workers = click.option(
    "--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="all cores",
    help="Processes. Results do not depend on their number.",
)  # fmt: skip
output = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="What to print on stdout.",
)  # fmt: skip


def running(command: Command) -> Command:
    """A scenario and the options of a command that simulates it."""
    return scenario_file(settings(command))


def settings(command: Command) -> Command:
    """The options of a command that runs simulations."""
    for option in (output, workers, out, seed, overrides):
        command = option(command)
    return command


def load_scenario(
    file: Path, overrides: tuple[str, ...], seed: int | None, needs: tuple[str, ...] = ()
) -> Scenario:
    """The scenario, or a Stop with every fault of it."""
    try:
        return load(file, with_seed(overrides, seed), needs)
    except ScenarioError as error:
        raise Stop(str(error)) from error
    except UnicodeDecodeError as error:
        raise Stop(f"{file} is not UTF-8 text: {error.reason}") from error


def with_seed(overrides: tuple[str, ...], seed: int | None) -> tuple[str, ...]:
    return overrides if seed is None else (*overrides, f"seed={seed}")


def results_folder(folder: Path) -> Path:
    """The folder for results, made if need be, or a Stop."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(f"--out {folder}: {error.strerror}") from error
    return folder
