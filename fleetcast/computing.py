"""Where a command computes and keeps its runs, and what it says of that on stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from fleetcast.exits import EXIT_FAILED, Stop
from fleetcast.options import Machines, results_folder

if TYPE_CHECKING:
    from fleetcast.progress import Line
    from simulator.executors import Executor
    from simulator.store import Store


class Work(NamedTuple):
    """What a command simulates with."""

    store: "Store"
    executor: "Executor"
    line: "Line"
    """Where it tells how far it is."""


@contextmanager
def simulating(machines: Machines, runs_folder: Path) -> Iterator[Work]:
    """For as long as a command simulates; what its user has to mend is a Stop."""
    from fleetcast.progress import compile_first, watching
    from fleetcast.stop_on import user_errors

    compile_first()
    with (
        user_errors(),
        stored_runs(runs_folder) as store,
        at_work(machines) as executor,
        watching() as line,
    ):
        yield Work(store, executor, line)


@contextmanager
def at_work(machines: Machines) -> Iterator["Executor"]:
    """The executor that the options name, or a Stop."""
    from simulator.executors import ExtraMissing, WorkersLost, open_executor
    from simulator.monte_carlo import OtherCode

    try:
        with open_executor(machines.executor, machines.workers, machines.scheduler) as executor:
            yield executor
    except ExtraMissing as error:
        raise Stop(str(error)) from error
    except (OtherCode, WorkersLost) as error:
        raise Stop(str(error), EXIT_FAILED) from error


@contextmanager
def stored_runs(folder: Path) -> Iterator["Store"]:
    """The store in a folder. In the end it is tidied, and what it was good for is told;
    on stderr, since the answer is the same."""
    from simulator.store import Store

    store = Store(results_folder(folder, "--runs"))
    yield store
    store.tidy(time.time())
    click.echo(store.account, err=True)
