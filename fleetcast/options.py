"""Options that several commands share, and the scenario they name."""

import functools
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from fleetcast.exits import Stop
from scenarios.faults import ScenarioError
from scenarios.loading import load
from scenarios.model import Scenario
from simulator.executors import EXECUTORS, ExecutorName
from simulator.keep import KEEPS, SAMPLE_ROWS

Command = Callable[..., Any]

scenario_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Change one value of the scenario, such as replica.gpu=h200-sxm-141gb or "
    "traffic.chat.arrivals.rate=20/s. Repeatable.",
)  # fmt: skip
seed = click.option("--seed", type=click.IntRange(min=0), help="Instead of the scenario's seed.")
out = click.option(
    "--out", metavar="DIR",
    help="Folder for the results, or an address such as s3://bucket/prefix.  [default: out/NAME; "
    "for others such as simulate out/NAME-simulate]",
)  # fmt: skip
keep = click.option(
    "--keep", type=click.Choice(KEEPS), default="sample", show_default=True,
    help=f"Rows of requests.parquet: all, at most {SAMPLE_ROWS:,} of each period, or none. Nothing "
    "else depends on them.",
)  # fmt: skip
workers = click.option(
    "--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="all cores",
    help="Processes. Results do not depend on their number.",
)  # fmt: skip
runs = click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("out/.runs"),
    show_default=True,
    help="Folder of finished runs, for all commands. What is there is not simulated again.",
)  # fmt: skip
executor = click.option(
    "--executor", type=click.Choice(EXECUTORS), default="local", show_default=True,
    help="What the workers are: processes here, or those of a Dask or Ray cluster.",
)  # fmt: skip
scheduler = click.option(
    "--scheduler", metavar="ADDRESS",
    help="Of a running Dask scheduler or Ray head, which has workers of its own.  [default: a "
    "cluster on this machine]",
)  # fmt: skip
output = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="What to print on stdout.",
)  # fmt: skip


class Machines(NamedTuple):
    """Where a command computes."""

    workers: int
    executor: ExecutorName
    scheduler: str | None


def running(command: Command) -> Command:
    """A scenario and the options of a command that simulates it."""
    return scenario_file(settings(command))


def settings(command: Command) -> Command:
    """The options of a command that runs simulations; it gets some of them as `machines`."""

    @functools.wraps(command)
    def with_machines(**given: Any) -> Any:
        machines = Machines(**{name: given.pop(name) for name in Machines._fields})
        if machines.scheduler is not None and machines.executor == "local":
            raise Stop("--scheduler: goes with --executor dask or --executor ray")
        return command(machines=machines, **given)

    with_options: Command = with_machines
    for option in (output, scheduler, executor, workers, out, seed, overrides):
        with_options = option(with_options)
    return with_options


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


def asked(
    command: str, file: Path, overrides: tuple[str, ...], seed: int | None, *more: str
) -> str:
    """The command line that asks for a result, as far as the answer depends on it. A file's folders
    are told where they are the user's own words, not those of his machine.

    >>> asked("plan", Path("a/chat.yaml"), ("fleet.replicas=3",), 7)
    'fleetcast plan a/chat.yaml --set fleet.replicas=3 --seed 7'
    """
    words = ["fleetcast", command, file.name if file.is_absolute() else str(file)]
    for override in overrides:
        words += ["--set", override]
    if seed is not None:
        words += ["--seed", str(seed)]
    return shlex.join([*words, *more])


def with_seed(overrides: tuple[str, ...], seed: int | None) -> tuple[str, ...]:
    return overrides if seed is None else (*overrides, f"seed={seed}")


def results_folder(folder: Path, option: str = "--out") -> Path:
    """The folder that an option names, made if need be, or a Stop."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise Stop(f"{option} {folder} is a file; allowed: a folder") from error
    except OSError as error:
        raise Stop(f"{option} {folder}: {error.strerror}") from error
    return folder
